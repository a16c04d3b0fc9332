"""Make a dataset: once, and again only if what it is made from changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.engine.record import Record, changes_since, write_record
from bgpvs_wf.engine.resources import memory_gb, processors
from bgpvs_wf.errors import UsageError
from bgpvs_wf.reading import read_bytes
from bgpvs_wf.studies.observer import Observer

if TYPE_CHECKING:
    from bgpvs_wf.phantom.dataset import Made
    from bgpvs_wf.phantom.hybrid_dataset import HybridCase

_INFANT_GB = 1.5
"""Memory that making an infant takes."""


def make_once(
    bids_dir: Path,
    made_from: Record,
    make: Callable[[Path], None],
    observer: Observer | None = None,
) -> None:
    """Make a dataset if it is not there.

    Files that come out as they were keep their time: what was made from them need not run again.

    Parameters
    ----------
    bids_dir : Path
        Where it goes; what it was made from is beside it, in a file of the same name.
    made_from : Record
        All that it depends on.
    make : callable
        Makes the dataset in a folder, its description last.
    observer : Observer, optional

    Raises
    ------
    BGPVSError
        If it cannot be made, or the folder holds another's dataset.
    """
    note = bids_dir.with_name(f"{bids_dir.name}.json")
    before = bids_dir.with_name(f"{bids_dir.name}.old")
    described = (bids_dir / "dataset_description.json").is_file()
    if described and note.is_file() and before.is_dir():
        _finish(before, bids_dir)  # an earlier call was stopped before it could
    reasons, _ = changes_since(note, made_from, {})
    if described and not reasons:
        return
    if bids_dir.exists() and not note.is_file():
        raise UsageError(
            f"{bids_dir} was not made by this command; choose another folder for results."
        )
    _set_aside(bids_dir, before, whole=described)
    why = f" again ({'; '.join(reasons)})" if described else ""
    (observer or Observer()).say(f"Making the infants in {bids_dir}{why} ...")
    write_record(made_from, note)
    make(bids_dir)
    _finish(before, bids_dir)


def jobs_here(nprocs: int) -> int:
    """Return how many infants to make at a time: on this machine, whatever runs the workflow.

    Parameters
    ----------
    nprocs : int
        Processors asked for, which may be those of a cluster.

    Returns
    -------
    int
        1 or more.
    """
    memory = memory_gb()
    fitting = int(memory / _INFANT_GB) if memory else nprocs
    return max(1, min(nprocs, processors(), fitting))


def tell_case(observer: Observer, made: Made | HybridCase) -> None:
    """Say that an infant is made."""
    observer.say(f"  sub-{made.label}: {made.tubes} tubes, {made.pvs_mm3:.0f} mm3")


def _set_aside(bids_dir: Path, before: Path, *, whole: bool) -> None:
    """Move a whole dataset out of the way; remove what an interrupted call left of one."""
    try:
        if whole:
            shutil.rmtree(before, ignore_errors=True)
            os.replace(bids_dir, before)
        elif bids_dir.exists():
            shutil.rmtree(bids_dir)
    except OSError as error:
        raise UsageError(f"Cannot replace {bids_dir}: {error.strerror}; remove it.") from error


def _finish(before: Path, bids_dir: Path) -> None:
    """Give the files that are as they were their time, and remove the dataset set aside."""
    _keep_times(before, bids_dir)
    shutil.rmtree(before, ignore_errors=True)


def _keep_times(before: Path, after: Path) -> None:
    for path in after.rglob("*.*"):
        old = before / path.relative_to(after)
        if path.is_file() and old.is_file() and read_bytes(path) == read_bytes(old):
            state = old.stat()
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
