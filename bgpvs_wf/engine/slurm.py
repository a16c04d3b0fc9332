"""What SLURM is asked and told, by its commands."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bgpvs_wf.errors import BGPVSError, UsageError

_SECONDS = 60
_LARGEST_ARRAY = 1001
"""SLURM's own default of `MaxArraySize`."""


def call(*words: str) -> str:
    """Run a command of SLURM; return what it prints.

    Raises
    ------
    UsageError
        If there is no SLURM here.
    BGPVSError
        If the command fails, with its last words.
    """
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except OSError as error:
        raise UsageError(
            f"There is no command {words[0]} here that can be run; log in where jobs are "
            "submitted to SLURM."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise BGPVSError(f"{words[0]} did not answer in {_SECONDS} s; try again later.") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
        raise BGPVSError(f"{words[0]} failed: {said[-1]}")
    return done.stdout.strip()


def requests(given: str, *, cpus: int, memory_gb: float, gpu: bool) -> list[str]:
    """Return the options that ask for what a job needs; what the user asks for is left out.

    Parameters
    ----------
    given : str
        The user's options of `sbatch`.
    cpus : int
    memory_gb : float
    gpu : bool

    Examples
    --------
    >>> requests("-c 4 --time=60", cpus=2, memory_gb=0.5, gpu=True)
    ['--mem=512M', '--gres=gpu:1']
    """
    needs = [
        ("-c|--cpus-per-task", f"--cpus-per-task={cpus}"),
        ("--mem", f"--mem={math.ceil(memory_gb * 1024)}M"),
    ]
    if gpu:
        needs.append(("-G|--gpus|--gres", "--gres=gpu:1"))
    return [need for names, need in needs if not asks_for(given, names)]


def asks_for(given: str, names: str) -> bool:
    """Tell whether options of `sbatch` have one of some names, such as ``-c|--cpus-per-task``."""
    return re.search(rf"(^|\s)({names})", given) is not None


def largest_array() -> int:
    """Return the most tasks an array may have at this site."""
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", call("scontrol", "show", "config"))
    return int(found[1]) if found else _LARGEST_ARRAY


def submit(script: Path, *options: str) -> str:
    """Submit a script; return the number of the job."""
    said = call("sbatch", "--parsable", *options, str(script))
    return said.splitlines()[-1].partition(";")[0]


def queued_tasks(jobs: Iterable[str]) -> dict[str, str]:
    """Return the jobs, tasks of arrays one by one, that wait or run.

    Returns
    -------
    dict of str to str
        `812_17`, or `813` of a job that is no array, to a state such as `PENDING`.
    """
    wanted = ",".join(jobs)
    if not wanted:
        return {}
    try:
        lines = call("squeue", "-h", "-r", "-j", wanted, "-o", "%i %T").splitlines()
    except UsageError:
        raise
    except BGPVSError as error:
        # Jobs that were over long ago are forgotten.
        if "Invalid job id" in str(error):
            return {}
        raise
    return dict(line.split(maxsplit=1) for line in lines if line.strip())
