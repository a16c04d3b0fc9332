"""The group level of `bgpvs-wf run`: the table of all subjects there are results of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import BGPVSError

if TYPE_CHECKING:
    from bgpvs_wf.engine.ledger import Ledger

_MORPH = "_desc-bgpvs_morph.tsv"


def write_group_table(config: RunConfig) -> tuple[Path, tuple[str, ...]]:
    """Write the table of all subjects.

    Returns
    -------
    path : Path
        Of the table.
    left_out : tuple of str
        Subjects that have results, but of a run that they did not finish.

    Raises
    ------
    BGPVSError
        If there are no results, or some cannot be read.
    """
    from bgpvs_wf.bids.derivatives import group_table_path
    from bgpvs_wf.bids.folders import check_folders
    from bgpvs_wf.engine.ledger import Ledger
    from bgpvs_wf.quantification.group import collect_group_table, write_tsv

    check_folders(config)
    tables = {
        path.name.removesuffix(_MORPH): path
        for path in sorted(config.output_dir.glob(f"sub-*/**/anat/*{_MORPH}"))
    }
    if not tables:
        raise BGPVSError(
            f"There are no results in {config.output_dir}; run the participant level first."
        )
    ledger = Ledger.of(config.output_dir)
    if ledger.folder.is_dir():
        ages = _recorded_ages(ledger, tables)
        left_out = tuple(label for label in tables if label not in ages)
    else:
        # Made from Python, without the command line: nobody kept a ledger.
        ages, left_out = _ages_in_dataset(config), ()
    kept = [path for label, path in tables.items() if label not in left_out]
    table = collect_group_table(kept, {_who(label): age for label, age in ages.items()})
    return write_tsv(table, group_table_path(config.output_dir)), left_out


def _recorded_ages(ledger: Ledger, labels: Iterable[str]) -> dict[str, float | None]:
    """Return the age, in weeks, of each subject that is finished."""
    records = {label: ledger.read(label) for label in labels}
    return {
        label: record.facts.get("age_weeks")
        for label, record in records.items()
        if record is not None
    }


def _ages_in_dataset(config: RunConfig) -> dict[str, float | None]:
    from bgpvs_wf.bids.query import find_subjects

    return {subject.label: subject.age_weeks for subject in find_subjects(config).subjects}


def _who(label: str) -> tuple[str, str | None]:
    subject, _, session = label.partition("_")
    return subject.removeprefix("sub-"), session.removeprefix("ses-") or None
