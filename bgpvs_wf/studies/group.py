"""The group level of a run: the table of all subjects there are results of."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.summary import LAST_RUN_FAILED
from bgpvs_wf.errors import BGPVSError, TableError
from bgpvs_wf.tsv import read_tsv

if TYPE_CHECKING:
    from bgpvs_wf.engine.ledger import Ledger

_MORPH = "_desc-bgpvs_morph.tsv"
_LABEL = re.compile(r"sub-[0-9A-Za-z+]+(?:_ses-[0-9A-Za-z+]+)?")


def write_group_table(config: RunConfig) -> tuple[Path, dict[str, str]]:
    """Write the table of all subjects.

    Returns
    -------
    path : Path
        Of the table.
    left_out : dict of str to str
        Subjects that have results that are not in it, with the reason.

    Raises
    ------
    BGPVSError
        If there are no results, or none can be used.
    """
    from bgpvs_wf.bids.derivatives import group_table_path
    from bgpvs_wf.bids.folders import check_folders
    from bgpvs_wf.engine.ledger import Ledger
    from bgpvs_wf.quantification.group import collect_group_table, write_tsv

    check_folders(config)
    tables, left_out = _tables(config.output_dir)
    if not tables and not left_out:
        raise BGPVSError(
            f"There are no results in {config.output_dir}; run the participant level first."
        )
    ledger = Ledger.of(config.output_dir)
    if ledger.folder.is_dir():
        ages, unfinished = _recorded_ages(ledger, tables)
        left_out |= unfinished
    else:
        # Made from Python, without the command line: nobody kept a ledger.
        ages = _ages_in_dataset(config)
    labels = {path: label for label, path in tables.items() if label not in left_out}
    refused: dict[Path, str] = {}
    whose = {_who(label): age for label, age in ages.items()}
    table = collect_group_table(labels, whose, refused=refused)
    left_out |= {labels[path]: why for path, why in refused.items()}
    if table.empty:
        label, why = next(iter(left_out.items()))
        raise BGPVSError(f"No results can be used. {label}: {why} ({len(left_out)} such)")
    return write_tsv(table, group_table_path(config.output_dir)), left_out


def lacks_subjects(path: Path, labels: Iterable[str]) -> bool:
    """Return whether a group table has not all of some subjects, or cannot be read."""
    try:
        table = read_tsv(path)
        table.require(("subject", "session"))
    except TableError:
        return True
    there = set(zip(table.text("subject"), table.text("session"), strict=True))
    return not there.issuperset(map(_who, labels))


def _tables(output_dir: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Find the tables of regions; return also those that cannot be told whose they are.

    A table is of the subject and session that both its name and its folders say.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(output_dir.glob(f"sub-*/**/anat/*{_MORPH}")):
        found.setdefault(path.name.removesuffix(_MORPH), []).append(path)
    tables: dict[str, Path] = {}
    left_out: dict[str, str] = {}
    for label, (path, *others) in found.items():
        if others:
            left_out[label] = f"{path} and {others[0]} are both of it; keep the right one."
        elif not _LABEL.fullmatch(label):
            left_out[label] = f"{path} has a name that no run gives; name it as it was."
        elif path.parent != output_dir.joinpath(*label.split("_"), "anat"):
            left_out[label] = f"{path} is in the folder of another subject or session; move it."
        else:
            tables[label] = path
    return tables, left_out


def _recorded_ages(
    ledger: Ledger, labels: Iterable[str]
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return the age, in weeks, of each subject that is finished, and why others are not."""
    ages: dict[str, float | None] = {}
    unfinished: dict[str, str] = {}
    for label in labels:
        record = ledger.read(label)
        if record is not None:
            ages[label] = record.facts.get("age_weeks")
        elif os.path.lexists(ledger.path(label)):
            unfinished[label] = f"{ledger.absence(label)}; run it again."
        else:
            unfinished[label] = LAST_RUN_FAILED
    return ages, unfinished


def _ages_in_dataset(config: RunConfig) -> dict[str, float | None]:
    from bgpvs_wf.bids.query import find_subjects

    return {subject.label: subject.age_weeks for subject in find_subjects(config).subjects}


def _who(label: str) -> tuple[str, str | None]:
    subject, _, session = label.partition("_")
    return subject.removeprefix("sub-"), session.removeprefix("ses-") or None
