"""The group level of a run: tables and page of all subjects there are results of."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.bids.derivatives import group_table_path
from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.summary import LAST_RUN_FAILED
from bgpvs_wf.errors import BGPVSError, TableError
from bgpvs_wf.studies.alike import made_with, not_alike
from bgpvs_wf.tsv import read_tsv

if TYPE_CHECKING:
    from bgpvs_wf.engine.ledger import Ledger
    from bgpvs_wf.reports.group.files import Group

_MORPH = "_desc-bgpvs_morph.tsv"
_LABEL = re.compile(r"sub-[0-9A-Za-z+]+(?:_ses-[0-9A-Za-z+]+)?")


def write_group_level(config: RunConfig) -> tuple[Group, dict[str, str]]:
    """Write the tables of all subjects, and the page of the cohort.

    Returns
    -------
    group : Group
        What was written.
    left_out : dict of str to str
        Subjects that have results that are not in it, with the reason.

    Raises
    ------
    BGPVSError
        If there are no results, none can be used, or ratings or norms cannot be read.
    """
    from bgpvs_wf.bids.folders import check_folders, dataset_name
    from bgpvs_wf.cohort.growth.norms_file import read_norms
    from bgpvs_wf.cohort.growth.standing import levels_of
    from bgpvs_wf.cohort.ratings import read_ratings
    from bgpvs_wf.engine.ledger import Ledger
    from bgpvs_wf.reports.group.files import Member, write_group

    check_folders(config)
    ratings = {} if config.ratings is None else read_ratings(config.ratings)
    norms = None if config.norms is None else read_norms(config.norms)
    labels, left_out = _finished(config.output_dir)
    if not labels and not left_out:
        raise BGPVSError(
            f"There are no results in {config.output_dir}; run the participant level first."
        )
    ledger = Ledger.of(config.output_dir)
    if ledger.folder.is_dir():
        ages, unfinished = _recorded_ages(ledger, labels)
        left_out |= unfinished
    else:
        # Made from Python, without the command line: nobody kept a ledger.
        ages = _ages_in_dataset(config)
    members = [
        Member(*_who(one), ages.get(one), made_with(config.output_dir, one))
        for one in labels
        if one not in left_out
    ]
    if not members:
        label, why = next(iter(left_out.items()))
        raise BGPVSError(f"No results can be used. {label}: {why} ({len(left_out)} such)")
    title = dataset_name(config.bids_dir)
    levels = levels_of(norms, config.bids_dir, [(one.subject, one.session) for one in members])
    group = write_group(
        config.output_dir, members, title=title, ratings=ratings, norms=norms, levels=levels
    )
    return group, {**left_out, **group.refused}


def lacks_subjects(path: Path, labels: Iterable[str]) -> bool:
    """Return whether a group table has not all of some subjects, or cannot be read."""
    try:
        table = read_tsv(path)
        table.require(("subject", "session"))
    except TableError:
        return True
    there = set(zip(table.text("subject"), table.text("session"), strict=True))
    return not there.issuperset(map(_who, labels))


def told_not_alike(output_dir: Path) -> tuple[str, ...]:
    """Say what those in the group table were made with that is not the same in all.

    Raises
    ------
    TableError
        If the table cannot be read.
    """
    table = read_tsv(group_table_path(output_dir))
    table.require(("subject", "session"))
    who = zip(table.text("subject"), table.text("session"), strict=True)
    return not_alike(output_dir, [(subject or "", session) for subject, session in who])


def _finished(output_dir: Path) -> tuple[list[str], dict[str, str]]:
    """Return who has a table of regions; also those that cannot be told whose they are.

    A table is of the subject and session that both its name and its folders say.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(output_dir.glob(f"sub-*/**/anat/*{_MORPH}")):
        found.setdefault(path.name.removesuffix(_MORPH), []).append(path)
    labels: list[str] = []
    left_out: dict[str, str] = {}
    for label, (path, *others) in found.items():
        if others:
            left_out[label] = f"{path} and {others[0]} are both of it; keep the right one."
        elif not _LABEL.fullmatch(label):
            left_out[label] = f"{path} has a name that no run gives; name it as it was."
        elif path.parent != output_dir.joinpath(*label.split("_"), "anat"):
            left_out[label] = f"{path} is in the folder of another subject or session; move it."
        else:
            labels.append(label)
    return labels, left_out


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
