"""The page of an evaluation: how well methods find PVS, for the authors of a paper."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.reports.evaluation_figures import (
    Chart,
    Group,
    agreement_charts,
    detection_curves,
    detection_heatmaps,
    score_charts,
    unique_names,
)
from bgpvs_wf.reports.evaluation_scores import score_table
from bgpvs_wf.reports.evaluation_tables import (
    agreement_of,
    agreement_table,
    case_table,
    comparison_table,
    detection_table,
    smallest_table,
)
from bgpvs_wf.reports.headlines import Headline
from bgpvs_wf.reports.measure_names import METRICS, STATISTICS, metric_of
from bgpvs_wf.reports.names import ordered_methods
from bgpvs_wf.reports.numbers import fixed, interval_of
from bgpvs_wf.reports.page import render
from bgpvs_wf.reports.subject_page import flatten

if TYPE_CHECKING:
    from bgpvs_wf.evaluation.score_tables import EvaluationTables

_STRUCTURES = {"BG-PVS": "Perivascular spaces", "BG": "Basal ganglia"}


def write_evaluation_page(
    tables: EvaluationTables, folder: Path, *, title: str, settings: Mapping[str, Any]
) -> Path:
    """Write `evaluation.html`, which needs nothing else, and its figures as `figures/*.svg`.

    Parameters
    ----------
    tables : EvaluationTables
        Any of them may be without rows; the page leaves out what it does not have.
    folder : Path
        Made if it is not there.
    title : str
    settings : mapping
        What the evaluation was run with, nested or not; shown as it is.

    Returns
    -------
    Path
        The page. Every file appears whole or not at all, the page last.

    Raises
    ------
    BGPVSError
        If the folder cannot be written to or the disk is full.
    """
    from bgpvs_wf.imaging.files import write_text

    charts = _charts(tables)
    every = [*charts["scores"], *charts["curves"]]
    every += [chart for key in ("agreement", "heatmaps") for g in charts[key] for chart in g.charts]
    for chart in unique_names(every):
        write_text(chart.svg, Path(folder) / "figures" / f"{chart.name}.svg")
    page = render("evaluation.html", _content(tables, title, settings) | {"charts": charts})
    return write_text(page, Path(folder) / "evaluation.html")


def _charts(tables: EvaluationTables) -> dict[str, tuple[Any, ...]]:
    scores: tuple[Chart, ...] = score_charts(tables)
    agreement: tuple[Group, ...] = agreement_charts(tables)
    return {
        "scores": scores,
        "agreement": agreement,
        "heatmaps": detection_heatmaps(tables),
        "curves": detection_curves(tables),
    }


def _content(tables: EvaluationTables, title: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    methods = ordered_methods(tables.cases, tables.proposed)
    cases, left_out = case_table(tables.cases)
    scores = [
        score_table(tables.summary, tables.comparison, structure, tables.proposed)
        for structure in _STRUCTURES
    ]
    return {
        "title": title,
        "facts": _facts(tables, methods),
        "warnings": list(tables.problems),
        "headlines": _headlines(tables, methods[0]) if methods else [],
        "headline_method": methods[0] if methods else "",
        "proposed": tables.proposed,
        "structures": _STRUCTURES,
        "scores": [table for table in scores if table.rows],
        "agreement": agreement_table(tables.agreement),
        "comparison": comparison_table(tables.comparison),
        "smallest": smallest_table(tables.smallest),
        "detection": detection_table(tables.detection),
        "cases": cases,
        "cases_left_out": left_out,
        "meanings": {
            **{metric_of(key).label: metric.meaning for key, metric in METRICS.items()},
            **STATISTICS,
        },
        "settings": list(flatten(settings)),
    }


def _facts(tables: EvaluationTables, methods: list[str]) -> list[str]:
    cases = tables.cases
    scans = len(cases[["subject", "session"]].drop_duplicates()) if len(cases) else 0
    facts = [
        f"{scans} case{'s' * (scans != 1)}",
        f"{len(methods)} method{'s' * (len(methods) != 1)}",
    ]
    return facts + ([f"proposed: {tables.proposed}"] if tables.proposed else [])


def _headlines(tables: EvaluationTables, method: str) -> list[Headline]:
    """Return what a reader asks first: both Dice coefficients, agreement of volume and count."""
    found = []
    summary = tables.summary
    for structure, words in (("BG-PVS", "Dice of PVS"), ("BG", "Dice of the basal ganglia")):
        rows = summary[
            (summary["method"] == method)
            & (summary["structure"] == structure)
            & (summary["metric"] == "dice")
            & summary["mean"].notna()
        ]
        if len(rows):
            mean, sd = float(rows["mean"].iloc[0]), float(rows["sd"].iloc[0])
            spread = f"± {fixed(sd, 3)}" if math.isfinite(sd) else ""
            found.append(Headline(words, fixed(mean, 3), spread, "", ""))
    for measure in ("PVS volume", "PVS count"):
        icc = interval_of(agreement_of(tables.agreement, method, measure), "icc2_1")
        if math.isfinite(icc.estimate):
            interval = icc.text(2).partition(" ")[2]
            found.append(
                Headline(f"ICC(2,1) of {measure}", fixed(icc.estimate, 2), interval, "", "")
            )
    return found
