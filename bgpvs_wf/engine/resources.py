"""What this process may use: processors, memory, disk; often less than the machine has."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bgpvs_wf.errors import UsageError

_GIB = 1024**3
_PROBE_BYTES = 1024 * 1024


def processors(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the number of processors this process may use, at least 1.

    The smaller of the affinity mask (batch systems) and the control group's
    quota (containers).
    """
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _first_line(cgroup / "cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit():
        count = min(count, int(quota[0]) // int(quota[1]))
    return max(count, 1)


def memory_gb(
    cgroup: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")
) -> float:
    """Return the memory this process may use, GiB; 0 where the system does not say.

    The smaller of the machine's and the control group's limit.
    """
    limits = []
    for line in _read(meminfo).splitlines():
        if line.startswith("MemTotal:"):
            limits.append(int(line.split()[1]) * 1024 / _GIB)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        value = _first_line(cgroup / name)
        if value.isdigit():
            limits.append(int(value) / _GIB)
    return min(limits, default=0.0)


def thread_environment(threads: int) -> dict[str, str]:
    """Return the environment that keeps the libraries under a node to `threads` threads.

    Examples
    --------
    >>> thread_environment(2)["OMP_NUM_THREADS"]
    '2'
    """
    names = (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    )
    others = {"MPLBACKEND": "Agg", "NIPYPE_NO_ET": "1"}
    # Threads that wait for work would keep processors busy, from which others could work.
    return dict.fromkeys(names, str(threads)) | {"OMP_WAIT_POLICY": "PASSIVE"} | others


def set_environment(values: Mapping[str, str]) -> None:
    """Set environment variables for this process and those it starts."""
    os.environ.update(values)
    # Nipype's SLURM plugin reads it, and containers have none.
    os.environ.setdefault("LOGNAME", str(os.getuid()))


def free_gb(folder: Path) -> float:
    """Return the free space of the disk a folder is, or would be, on, GiB.

    Examples
    --------
    >>> free_gb(Path("/no/such/folder")) > 0
    True
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free / _GIB


def require_writable(folder: Path, purpose: str) -> None:
    """Make a folder and write a megabyte into it, which is then removed.

    Parameters
    ----------
    folder : Path
    purpose : str
        What the folder is to the user ("output folder").

    Raises
    ------
    UsageError
        If the folder cannot be made or written to, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
    except OSError as error:
        raise UsageError(
            f"Cannot write to the {purpose} {folder}: {error.strerror or error}. "
            "Free some space or choose another folder."
        ) from error


def _first_line(path: Path) -> str:
    return _read(path).partition("\n")[0].strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
