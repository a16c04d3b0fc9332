"""A new BIDS dataset that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf._version import __version__
from bgpvs_wf.errors import UsageError
from bgpvs_wf.phantom.truth import TRUTH

if TYPE_CHECKING:
    import pandas as pd

AGE = {"Description": "post-menstrual age at scan", "Units": "weeks"}
"""What tables say of the column `age`."""
_COLUMNS = "participants.json and the sidecars of tables say what their columns are.\n"
_PARTIAL = ".partial"


@contextmanager
def building(out: Path) -> Iterator[Path]:
    """Make a folder and give where inside it to build; what was built is its content at the end.

    If it cannot be built whole, nothing of it stays.

    Parameters
    ----------
    out : Path
        A folder that is empty or not there yet.

    Yields
    ------
    Path

    Raises
    ------
    UsageError
        If it holds anything, or cannot be written to.
    """
    partial = _claim(out)
    try:
        yield partial
        _publish(partial, out)
    except BaseException:  # an interruption too
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _claim(out: Path) -> Path:
    partial = out / _PARTIAL
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(entry.name != _PARTIAL for entry in out.iterdir()):
            raise UsageError(f"{out} is not empty; choose another folder, or empty it.")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
    except OSError as error:
        raise UsageError(
            f"Cannot write to {out}: {error.strerror}; choose another folder."
        ) from error
    return partial


def _publish(partial: Path, out: Path) -> None:
    """Move what was built to its place, the description last: it makes a folder a dataset."""
    entries = sorted(partial.iterdir(), key=lambda path: path.name == "dataset_description.json")
    for entry in entries:
        os.replace(entry, out / entry.name)
    partial.rmdir()


def write_tables(root: Path, participants: pd.DataFrame, *, name: str, readme: str) -> None:
    """Write what makes a folder of synthetic or hybrid infants a BIDS dataset.

    Parameters
    ----------
    root : Path
    participants : DataFrame
        Columns `participant_id`, `age` (post-menstrual weeks; not where there are sessions),
        `seed`.
    name : str
        Of the dataset.
    readme : str
    """
    from bgpvs_wf.bids.derivatives import BIDS_VERSION
    from bgpvs_wf.imaging.files import write_json, write_table, write_text

    write_table(participants, root / "participants.tsv")
    columns = {"age": AGE, "seed": {"Description": "Seed that this infant was made with"}}
    told = {name: about for name, about in columns.items() if name in participants}
    write_json(told, root / "participants.json")
    made_by = {"GeneratedBy": [{"Name": "bgpvs-wf", "Version": __version__}]}
    common = {"BIDSVersion": BIDS_VERSION, **made_by}
    write_json({"Name": name, "DatasetType": "raw", **common}, root / "dataset_description.json")
    write_json(
        {"Name": f"Truth of: {name}", "DatasetType": "derivative", **common},
        root / TRUTH / "dataset_description.json",
    )
    write_text(f"{readme}{_COLUMNS}", root / "README")
    write_text(f"Truth of the dataset above. {readme}{_COLUMNS}", root / TRUTH / "README")
    write_text("*_objects.*\n*_tubes.*\n", root / TRUTH / ".bidsignore")
