"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bgpvs_wf.errors import BGPVSError


@contextmanager
def atomic_folder(
    target: Path, error: type[BGPVSError] = BGPVSError, advice: str = "choose another folder"
) -> Iterator[Path]:
    """Make a folder beside the target that becomes it on success and vanishes on failure.

    Parameters
    ----------
    target : Path
        What is there already is replaced.
    error : type
        Raised if nothing can be written there, and
    advice : str
        what it says to do then.
    """
    mark = uuid.uuid4().hex[:12]
    work, old = (target.with_name(f".{target.name}.{mark}.{kind}") for kind in ("new", "old"))
    try:
        try:
            work.mkdir(parents=True)
        except OSError as cause:
            raise error(f"Cannot write to {target.parent}: {cause.strerror}; {advice}.") from cause
        yield work
        if target.exists():
            os.replace(target, old)
        os.replace(work, target)
    finally:
        if old.exists() and not target.exists():
            os.replace(old, target)
        for leftover in (work, old):
            shutil.rmtree(leftover, ignore_errors=True)
