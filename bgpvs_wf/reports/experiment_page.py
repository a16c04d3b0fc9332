"""The page of an experiment: strategies on several cohorts, in the table of a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.reports.page import render

if TYPE_CHECKING:
    from bgpvs_wf.evaluation.multi_cohort import CohortScores


def write_comparison_page(
    scores: Sequence[CohortScores],
    path: Path,
    *,
    title: str,
    proposed: str,
    pages: Mapping[str, str],
    warnings: Sequence[str] = (),
) -> Path:
    """Write the page; it appears whole or not at all.

    Parameters
    ----------
    scores : sequence of CohortScores
        One or more.
    path : Path
    title : str
    proposed : str
        The strategy that the others are compared with.
    pages : mapping of str to str
        Cohort to the address of its own page, relative to this one.
    warnings : sequence of str
        Such as cohorts that are not in it.

    Raises
    ------
    BGPVSError
        If it cannot be written.
    """
    from bgpvs_wf.imaging.files import write_text

    n_methods = max(len(one.table) for one in scores)
    content = {
        "title": title,
        "facts": [
            f"{len(scores)} cohort{'s' * (len(scores) != 1)}",
            f"{n_methods} method{'s' * (n_methods != 1)}",
            f"proposed: {proposed}",
        ],
        "warnings": [
            *warnings,
            *(f"{one.cohort}: {problem}" for one in scores for problem in one.problems),
        ],
        "proposed": proposed,
        "cohorts": [
            {
                "name": one.cohort,
                "heading": one.heading,
                "page": pages[one.cohort],
                "columns": [name for name in one.table.columns if name != "method"],
                "rows": one.table.to_dict("records"),
            }
            for one in scores
        ],
    }
    return write_text(render("comparison.html", content), path)
