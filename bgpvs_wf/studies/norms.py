"""Make the norms of a cohort: read its results, fit the curves, write file and page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.bids.folders import dataset_name, dataset_of
from bgpvs_wf.errors import UsageError
from bgpvs_wf.studies.alike import not_alike
from bgpvs_wf.studies.observer import Observer

if TYPE_CHECKING:
    import pandas as pd

    from bgpvs_wf.cohort.growth.marks import Mark
    from bgpvs_wf.cohort.growth.norms import Norms
    from bgpvs_wf.cohort.growth.standing import Who

_NO_QUALITY = (
    "There is no group_qc.tsv: whose results are bad, and the size of voxels, is not known."
)


@dataclass(frozen=True)
class CohortNorms:
    """What came of a cohort."""

    norms: Norms
    path: Path
    page: Path | None
    doubts: tuple[str, ...]
    """What speaks against the norms, or concerns who is not in them; sentences."""


def make_cohort_norms(
    output_dir: Path,
    path: Path,
    *,
    dataset: Path | None = None,
    by: str | None = None,
    page: Path | None = None,
    marks: Path | None = None,
    seed: int = 0,
    observer: Observer | None = None,
) -> CohortNorms:
    """Make the norms of a cohort.

    Parameters
    ----------
    output_dir : Path
        Of `bgpvs-wf run`, with the group level. Whose results are bad there, by `group_qc.tsv`,
        and who has no age, is left out.
    path : Path
        Where the norms go, JSON.
    dataset : Path, optional
        Default: the one that the results say they are of.
    by : str, optional
        A column of the dataset, such as `sex`: each of its levels has curves of its own.
    page : Path, optional
        Where a page with the curves goes. It shows a dot for each infant; the norms hold none.
    marks : Path, optional
        Published values, as `bgpvs_wf.cohort.growth.marks.read_marks` takes them, to be shown on
        the page; they never enter the curves.
    seed : int
        Of the resampling for the intervals.
    observer : Observer, optional

    Raises
    ------
    BGPVSError
        If there are no results, they cannot be read, or no curve can be made.
    """
    from bgpvs_wf.cohort.growth.marks import read_marks
    from bgpvs_wf.cohort.growth.measures import find_measures
    from bgpvs_wf.cohort.growth.norms import make_norms
    from bgpvs_wf.cohort.growth.norms_file import write_norms
    from bgpvs_wf.cohort.table import read_cohort

    observer = observer or Observer()
    if marks is not None and page is None:
        raise UsageError("Marks are shown on the page only; give --page, too.")
    told = dataset or dataset_of(output_dir)
    if told is None and by is not None:
        raise UsageError(
            f"{output_dir} does not say where its dataset is, or it is not there any more; give "
            "--dataset."
        )
    if dataset is not None and not dataset.is_dir():
        raise UsageError(f"There is no dataset {dataset}; give it with --dataset.")
    table = read_cohort(output_dir, told or output_dir)
    table, voxels, doubts = _usable(table, output_dir)
    published = read_marks(marks, find_measures(table)) if marks is not None else ()
    norms = make_norms(
        table,
        dataset=dataset_name(told or output_dir),
        voxels_mm3=voxels,
        by=by,
        seed=seed,
        told=lambda label: observer.say(f"Curves of: {label}"),
    )
    who = zip(table["subject"], table["session"], strict=True)
    doubts += [*not_alike(output_dir, who), *_doubts(norms), *_not_shown(norms, published)]
    written = write_norms(norms, path)
    if page is not None:
        from bgpvs_wf.reports.growth.page import write_norms_page

        page = write_norms_page(norms, table, page, warnings=doubts, marks=published)
    return CohortNorms(norms, written, page, tuple(doubts))


def _usable(table: pd.DataFrame, output_dir: Path) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Return the rows that can be used, volumes of voxels of their scans, and what to say."""
    quality = _quality(output_dir)
    doubts = [] if quality else [_NO_QUALITY]
    who = list(zip(table["subject"], table["session"], strict=True))
    advice = np.array([quality.get(one, ("", 0.0))[0] for one in who], dtype=object)
    bad, aged = advice == "bad", (table["age"] > 0).to_numpy()
    for chosen, words in (
        (bad, "Scans left out, as their results are bad: {}."),
        (~bad & ~aged, "Scans left out, as they have no age: {}."),
        (
            (advice == "look") & aged,
            "Scans in the curves that should be looked at: {}; leave out who is to be excluded "
            "(docs/how-to/checking.md).",
        ),
    ):
        count = len({who[number] for number in np.flatnonzero(chosen)})
        doubts += [words.format(count)] if count else []
    kept = ~bad & aged
    used = dict.fromkeys(who[number] for number in np.flatnonzero(kept))
    voxels = [quality.get(one, ("", float("nan")))[1] for one in used]
    return table[kept].reset_index(drop=True), np.array(voxels, float), doubts


def _quality(output_dir: Path) -> dict[Who, tuple[str, float]]:
    """Return advice and volume of a voxel of each scan; nothing if there is no table of it."""
    from bgpvs_wf.bids.derivatives import group_quality_path
    from bgpvs_wf.tsv import read_tsv

    path = group_quality_path(output_dir)
    if not path.is_file():
        return {}
    table = read_tsv(path)
    table.require(("subject", "session", "advice", "voxel_mm3"))
    who = zip(table.text("subject"), table.text("session"), strict=True)
    told = zip(table.text("advice"), table.numbers("voxel_mm3").tolist(), strict=True)
    return {
        (subject or "", session): (advice or "", voxel)
        for (subject, session), (advice, voxel) in zip(who, told, strict=True)
    }


def _doubts(norms: Norms) -> list[str]:
    """Return what speaks against norms as a whole, and which of their curves fit badly."""
    doubts = []
    sizes = [f"{count} of {size:.3g} mm³" for size, count in norms.voxels_mm3]
    if len(sizes) > 1:
        doubts.append(
            f"Scans of several voxel sizes are in one curve ({_few(sizes)}): what they differ by "
            "counts as what infants differ by."
        )
    curves = [
        (one.measure.name + (f", {norms.by} {level}" if norms.by else ""), curve.misfit)
        for one in norms.measures
        for level, curve in one.curves.items()
    ]
    bad = [f"{name} ({misfit})" for name, misfit in curves if misfit]
    if bad:
        doubts.append(f"{len(bad)} of {len(curves)} curves fit badly: {_few(bad)}.")
    return doubts


def _not_shown(norms: Norms, marks: Sequence[Mark]) -> list[str]:
    """Return which measures of published values have no chart, as they have no curve."""
    lost = sorted({mark.measure for mark in marks} - set(norms.names))
    return [f"Published values of {_few(lost)} are not shown: there is no curve."] if lost else []


def _few(words: Sequence[str], most: int = 4) -> str:
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")
