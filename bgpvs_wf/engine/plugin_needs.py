"""What a plugin needs of this machine, asked before a run: a batch system, or processes."""

from __future__ import annotations

import multiprocessing
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bgpvs_wf.errors import UsageError
from bgpvs_wf.plain_names import has_control, is_plain

_COMMANDS = {
    "SLURM": ("sbatch", "squeue"),
    "SLURMGraph": ("sbatch",),
    "SGE": ("qsub", "qstat"),
    "SGEGraph": ("qsub",),
    "PBS": ("qsub", "qstat"),
    "PBSGraph": ("qsub",),
    "LSF": ("bsub", "bjobs"),
    "OAR": ("oarsub", "oarstat"),
    "Condor": ("condor_qsub", "condor_q"),
    "CondorDAGMan": ("condor_submit_dag",),
}
"""What Nipype's plugins call."""
_SHARING = ("MultiProc", "LegacyMultiProc")


def require_needs(plugin: str, arguments: Mapping[str, Any], work_dir: Path) -> None:
    """Check, before a run, that a plugin can do its work here.

    Parameters
    ----------
    plugin : str
    arguments : mapping
        The plugin's.
    work_dir : Path

    Raises
    ------
    UsageError
        If the work folder cannot be used, a command of the batch system is missing, a path or an
        option would not reach that whole, or the system lets no processes share anything.
    """
    require_work_folder(work_dir)
    if plugin in _COMMANDS:
        _require_batch_system(plugin, arguments, work_dir)
    elif plugin in _SHARING:
        _require_semaphores(plugin)


def require_work_folder(work_dir: Path) -> None:
    """Refuse a work folder in which Nipype would not find its files, or would find others.

    Raises
    ------
    UsageError
        If its path has a character of a pattern.
    """
    found = [sign for sign in "*?[" if sign in str(work_dir.absolute())]
    if found:
        raise UsageError(
            f"The work folder {str(work_dir.absolute())!r} has a {found[0]} in its path, which "
            "Nipype takes for a pattern; choose another with --work-dir."
        )


def _require_semaphores(plugin: str) -> None:
    try:
        multiprocessing.get_context("fork").Semaphore()
    except (ImportError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"--plugin {plugin} cannot share anything between processes ({reason}); make /dev/shm "
            "writable, or use --plugin Linear."
        ) from error


def _require_batch_system(plugin: str, arguments: Mapping[str, Any], work_dir: Path) -> None:
    missing = [name for name in _COMMANDS[plugin] if shutil.which(name) is None]
    if missing:
        raise UsageError(
            f"There is no command {missing[0]} here, which --plugin {plugin} needs; log in where "
            "jobs are submitted, or use --plugin MultiProc."
        )
    # Nipype writes these into scripts and command lines as they are.
    for what, path in (("work folder", work_dir.absolute()), ("Python", Path(sys.executable))):
        if not is_plain(path):
            raise UsageError(
                f"--plugin {plugin} cannot hand the {what} {str(path)!r} to jobs; give one whose "
                "path has letters, digits and . _ - + only."
            )
    for name, value in arguments.items():
        if name.endswith("_args") and isinstance(value, str):
            options(value, f"{name} of --plugin-args")


def options(text: str, name: str) -> list[str]:
    """Return the words of options for a batch system, as its script's lines take them.

    Raises
    ------
    UsageError
        If a quotation is open, or there is a line break or another control character.

    Examples
    --------
    >>> options("--time=60 --comment='two words'", "--sbatch-args")
    ['--time=60', '--comment=two words']
    """
    if has_control(text):
        raise UsageError(
            f"{name} {text!r} has a line break or another control character; leave it out."
        )
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{name} {text!r} has an open quotation; close it.") from error
