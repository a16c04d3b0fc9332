"""Write what the group level leaves: the table of results, that of quality, and the page of all."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf._version import __version__
from bgpvs_wf.bids.derivatives import (
    group_page_path,
    group_quality_path,
    group_table_path,
    sidecar_path,
    subject_files,
    told_doubts,
)
from bgpvs_wf.bids.inputs import subjects_and_sessions
from bgpvs_wf.cohort.advice import Reason, advise
from bgpvs_wf.cohort.alike import what_differs
from bgpvs_wf.cohort.quality import AGE_COLUMNS, quality_of_cohort, read_quality
from bgpvs_wf.cohort.ratings import Rating
from bgpvs_wf.errors import TableError
from bgpvs_wf.quality.measures import measures
from bgpvs_wf.quantification.group import collect_group_table, write_tsv
from bgpvs_wf.reports.group.beside import Beside
from bgpvs_wf.reports.group.page import write_group_page
from bgpvs_wf.reports.group.quality import page_columns, write_quality
from bgpvs_wf.reports.group.results import result_columns, results_of
from bgpvs_wf.reports.group.rows import Row

if TYPE_CHECKING:
    import pandas as pd

    from bgpvs_wf.cohort.growth.norms import Norms
    from bgpvs_wf.cohort.growth.standing import Who


@dataclass(frozen=True)
class Group:
    """What was written of a cohort."""

    table: Path
    quality: Path
    page: Path
    advised: Mapping[str, int]
    """How many are good, to be looked at, and bad."""
    excluded: tuple[str, ...] = ()
    """Labels of who was left out, as they were rated."""
    unknown: tuple[str, ...] = ()
    """Labels of who was rated, and is no member."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Labels of who has results that cannot be used, and why."""
    not_alike: tuple[str, ...] = ()
    """What its members were made with that is not the same in all, sentences."""


@dataclass(frozen=True)
class Member:
    """A subject and session of the cohort."""

    subject: str
    session: str | None
    age_weeks: float | None
    made: Mapping[str, Any] = field(default_factory=dict)
    """What its results were made with, for `bgpvs_wf.cohort.alike.what_differs`."""

    @property
    def label(self) -> str:
        """``sub-01`` or ``sub-01_ses-3m``."""
        return f"sub-{self.subject}" + (f"_ses-{self.session}" if self.session else "")


def write_group(
    output_dir: Path,
    members: Sequence[Member],
    *,
    title: str,
    ratings: Mapping[str, Rating] | None = None,
    norms: Norms | None = None,
    levels: Mapping[Who, str] | None = None,
) -> Group:
    """Write the tables and the page of a cohort.

    Parameters
    ----------
    output_dir : Path
        With the results of each member.
    members : sequence of Member
    title : str
        Of the page.
    ratings : mapping of str to Rating, optional
        By label. Who is to be excluded is in no table and not on the page.
    norms : Norms, optional
        Each is told the centiles among them.
    levels : mapping of (str, str or None) to str, optional
        Subject and session to the level in the column that the norms are told apart by.

    Returns
    -------
    Group

    Raises
    ------
    BGPVSError
        If nobody's results can be used, or the folder cannot be written to.
    """
    ratings = ratings or {}
    excluded = [one.label for one in members if _rating(ratings, one).rating == "exclude"]
    kept = [one for one in members if one.label not in excluded]
    files = {one.label: subject_files(output_dir, one.subject, one.session) for one in kept}
    tables = {files[one.label]["bgpvs_morph"]: one for one in kept}
    wrong: dict[Path, str] = {}
    ages = {(one.subject, one.session): one.age_weeks for one in kept}
    table = collect_group_table(tables, ages, refused=wrong)
    refused = {tables[path].label: why for path, why in wrong.items()}
    if table.empty:
        raise TableError(_nobody(refused, excluded))
    used = [one for one in kept if one.label not in refused]
    used.sort(key=lambda one: (one.subject, one.session or ""))
    results = results_of(table)
    volumes = results["volume_mm3"].to_numpy(float)
    measured, doubts = _measured(used, files, output_dir)
    quality = quality_of_cohort(measured, volumes)
    advised = advise(quality, doubts)
    beside = Beside.of(norms, table, quality, levels or {})
    not_alike = what_differs(one.made for one in used)
    rows = [
        _row(one, values, advice, files[one.label], output_dir, _rating(ratings, one))
        for one, values, advice in zip(
            used, _values(results, quality, beside.centiles), advised, strict=True
        )
    ]
    write_group_page(
        rows,
        [*result_columns(results), *beside.columns, *page_columns()],
        group_page_path(output_dir),
        title=title,
        facts=[subjects_and_sessions(len(rows)), f"bgpvs-wf {__version__}"],
        warnings=(*not_alike, *beside.warnings),
        key=hashlib.sha256(os.fsencode(output_dir.absolute())).hexdigest()[:16],
        excluded=len(excluded),
    )
    rated = [row.rating for row in rows]
    return Group(
        table=write_tsv(table, group_table_path(output_dir)),
        quality=write_quality(
            beside.joined(quality),
            advised,
            rated,
            group_quality_path(output_dir),
            beside.about,
            not_alike,
        ),
        page=group_page_path(output_dir),
        advised=Counter(advice for advice, _ in advised),
        excluded=tuple(excluded),
        unknown=tuple(sorted({*ratings}.difference(one.label for one in members))),
        refused=refused,
        not_alike=not_alike,
    )


def _rating(ratings: Mapping[str, Rating], one: Member) -> Rating:
    return ratings.get(one.label, Rating())


def _nobody(refused: Mapping[str, str], excluded: Sequence[str]) -> str:
    if not refused:
        return f"All {len(excluded)} subjects are rated 'exclude': nobody is left."
    label, why = next(iter(refused.items()))
    return f"No results can be used. {label}: {why} ({len(refused)} such)"


def _measured(
    members: Sequence[Member], files: Mapping[str, Mapping[str, Path]], output_dir: Path
) -> tuple[list[dict[str, Any]], list[list[str]]]:
    """Return what is known of the quality of each member's scan, and what is in doubt.

    Of results of an earlier version nothing is known; a damaged table is in doubt.
    """
    rows, doubts = [], []
    for one in members:
        path = files[one.label]["bgpvs_quality"]
        told = told_doubts(sidecar_path(files[one.label]["bgpvs_dseg"]))
        measured: dict[str, float] = {}
        if os.path.lexists(path):
            try:
                measured = read_quality(path)
            except TableError as error:
                # Tables are the same wherever the folder is.
                where = str(error).replace(f"{output_dir}{os.sep}", "")
                told.append(f"Its quality is not known: {where}")
        age = float("nan") if one.age_weeks is None else one.age_weeks
        rows.append({"subject": one.subject, "session": one.session, "age_weeks": age, **measured})
        doubts.append(told)
    return rows, doubts


def _values(
    results: pd.DataFrame, quality: pd.DataFrame, centiles: pd.DataFrame
) -> list[dict[str, float]]:
    import pandas as pd

    both = pd.concat([results, quality[[*measures(), *AGE_COLUMNS]], centiles], axis=1)
    return [
        {str(name): float(value) for name, value in row.items()} for row in both.to_dict("records")
    ]


def _row(
    one: Member,
    values: Mapping[str, float],
    advice: tuple[str, tuple[Reason, ...]],
    files: Mapping[str, Path],
    output_dir: Path,
    rating: Rating,
) -> Row:
    def address(name: str) -> str:
        path = files[name]
        return path.relative_to(output_dir).as_posix() if path.is_file() else ""

    thumbnail = files["thumbnail"]
    return Row(
        label=one.label,
        age_weeks=one.age_weeks,
        advice=advice[0],
        values=values,
        reasons=advice[1],
        page=address("report"),
        viewer=address("viewer"),
        figure=address("figure"),
        thumbnail=thumbnail.read_bytes() if thumbnail.is_file() else b"",
        rating=rating.rating,
        note=rating.note,
        rated=rating.rated,
    )
