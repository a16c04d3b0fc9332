"""Make a dataset: once, and again only if what it is made from changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.cli.remembered import recall, remember
from bgpvs_wf.cli.terminal import say
from bgpvs_wf.errors import UsageError

if TYPE_CHECKING:
    from bgpvs_wf.phantom.dataset import Made
    from bgpvs_wf.phantom.hybrid_dataset import HybridCase


def make_once(bids_dir: Path, made_from: Mapping[str, Any], make: Callable[[Path], None]) -> None:
    """Make a dataset if it is not there.

    Files that come out as they were keep their time: what was made from them need not run again.

    Parameters
    ----------
    bids_dir : Path
        Where it goes; what it was made from is beside it, in a file of the same name.
    made_from : mapping
        All that it depends on.
    make : callable
        Makes the dataset in a folder, its description last.

    Raises
    ------
    BGPVSError
        If it cannot be made, or the folder holds another's dataset.
    """
    note = bids_dir.with_name(f"{bids_dir.name}.json")
    described = (bids_dir / "dataset_description.json").is_file()
    if described and recall(note, made_from) is not None:
        return
    before = bids_dir.with_name(f"{bids_dir.name}.old")
    if bids_dir.exists() and not note.is_file():
        raise UsageError(
            f"{bids_dir} was not made by this command; choose another folder for results."
        )
    _set_aside(bids_dir, before, whole=described)
    say(f"Making the infants in {bids_dir} ...")
    remember(note, made_from)
    make(bids_dir)
    _keep_times(before, bids_dir)
    shutil.rmtree(before, ignore_errors=True)


def tell_case(made: Made | HybridCase) -> None:
    """Say that an infant is made."""
    say(f"  sub-{made.label}: {made.tubes} tubes, {made.pvs_mm3:.0f} mm3")


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


def _keep_times(before: Path, after: Path) -> None:
    for path in after.rglob("*.*"):
        old = before / path.relative_to(after)
        if path.is_file() and old.is_file() and path.read_bytes() == old.read_bytes():
            state = old.stat()
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
