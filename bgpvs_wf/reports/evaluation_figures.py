"""The charts of an evaluation, from its tables."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bgpvs_wf.reports.charts import (
    bland_altman,
    metric_by_method,
    scatter_agreement,
)
from bgpvs_wf.reports.detection_charts import detection_curve, detection_heatmap
from bgpvs_wf.reports.evaluation_scores import p_by_method
from bgpvs_wf.reports.evaluation_tables import agreement_of
from bgpvs_wf.reports.measure_names import MEASURES
from bgpvs_wf.reports.names import case_labels, ordered_methods
from bgpvs_wf.reports.numbers import interval_of

if TYPE_CHECKING:
    import pandas as pd

    from bgpvs_wf.evaluation.score_tables import EvaluationTables

_SCORES = (("BG-PVS", "dice"), ("BG", "dice"), ("BG-PVS", "cluster_f1"), ("BG-PVS", "hd95_mm"))
"""Structure and metric of the charts of scores: voxels, objects and distances."""


class Chart(NamedTuple):
    """A figure of a page, and the name of its file."""

    name: str
    """Letters, digits, `-` and `_` only; not yet made unique."""
    svg: str


class Group(NamedTuple):
    """Charts of one method."""

    title: str
    charts: tuple[Chart, ...]


def score_charts(tables: EvaluationTables) -> tuple[Chart, ...]:
    """Return the main scores by method; those that no case has are left out."""
    cases = tables.cases
    charts = []
    for structure, metric in _SCORES:
        if metric in cases and cases.loc[cases["structure"] == structure, metric].notna().any():
            p = p_by_method(tables.comparison, structure).get(metric)
            svg = metric_by_method(cases, metric, structure, proposed=tables.proposed, p_holm=p)
            charts.append(Chart(file_stem(metric, structure), svg))
    return tuple(charts)


def agreement_charts(tables: EvaluationTables) -> tuple[Group, ...]:
    """Return scatter and Bland-Altman charts of every method and measure, proposed first."""
    groups = []
    for method in ordered_methods(tables.cases, tables.proposed):
        charts = [chart for name in MEASURES for chart in _agreement(tables, method, name)]
        if charts:
            groups.append(Group(method, tuple(charts)))
    return tuple(groups)


def detection_heatmaps(tables: EvaluationTables) -> tuple[Group, ...]:
    """Return the heatmap of every method that tubes are known for, proposed first."""
    methods = ordered_methods(tables.detection, tables.proposed)
    return tuple(
        Group(
            method,
            (Chart(file_stem("detection", method), detection_heatmap(tables.detection, method)),),
        )
        for method in methods
    )


def detection_curves(tables: EvaluationTables) -> tuple[Chart, ...]:
    """Return the curves of all methods, a chart for each voxel size."""
    tubes = tables.tubes
    charts = []
    # As the table of smallest diameters has them.
    sizes = tubes["voxel_mm"].astype(float).round(2)
    for voxel in sorted(sizes.dropna().unique()):
        fits = {
            method: (
                smallest_diameter(tables.smallest, method, voxel, 0.5),
                smallest_diameter(tables.smallest, method, voxel, 0.9),
            )
            for method in ordered_methods(tubes)
        }
        svg = detection_curve(
            tubes[sizes == voxel],
            fits,
            title=f"PVS found by diameter, voxels of {voxel:.2f} mm",
            proposed=tables.proposed,
        )
        charts.append(Chart(file_stem("curve", f"{voxel:.2f}mm"), svg))
    return tuple(charts)


def smallest_diameter(
    smallest: pd.DataFrame, method: str, voxel_mm: float, probability: float
) -> float:
    """Return the diameter a method finds with a probability, in mm; NaN if there is none."""
    sizes = smallest["voxel_mm"].to_numpy(float)
    levels = smallest["probability"].to_numpy(float)
    same = np.isclose(sizes, voxel_mm, atol=0.005) & np.isclose(levels, probability)
    found = smallest.loc[same & (smallest["method"] == method).to_numpy(), "diameter_mm"]
    return float(found.iloc[0]) if len(found) else math.nan


def unique_names(charts: Iterable[Chart]) -> Iterator[Chart]:
    """Yield charts under names of which no two are the same, capitals or not."""
    taken: set[str] = set()
    for chart in charts:
        name, count = chart.name, 1
        while name.lower() in taken:
            count += 1
            name = f"{chart.name}-{count}"
        taken.add(name.lower())
        yield chart._replace(name=name)


def file_stem(*parts: str) -> str:
    """Return a file name without ending that any file system takes.

    Examples
    --------
    >>> file_stem("curve", "../a b"), file_stem("dice", "∅")
    ('curve_a-b', 'dice_x')
    """
    plain = (re.sub(r"[^A-Za-z0-9.]+", "-", part).strip("-.")[:60] for part in parts)
    return "_".join(part or "x" for part in plain)


def pairs_of(cases: pd.DataFrame, method: str, measure: str) -> pd.DataFrame:
    """Return label, reference and measured value of every case, in the unit of the page.

    Parameters
    ----------
    cases : DataFrame
        As `EvaluationTables.cases`.
    method : str
    measure : str
        A key of `MEASURES`. As in the table of agreement, the true volume of the PVS is the
        reference where all cases have it.
    """
    import pandas as pd

    known = cases.loc[cases["structure"] == "BG-PVS", "true_mm3"].notna().all()
    true_volume = "true_mm3" if known else "reference_mm3"
    found = cases[cases["method"] == method]
    whole, pvs = (
        rows.set_axis(pd.Index(case_labels(rows)), axis="index")
        for rows in (found[found["structure"] == structure] for structure in ("BG", "BG-PVS"))
    )
    reference, measured = {
        "BG volume": (whole["reference_mm3"], whole["predicted_mm3"]),
        "PVS volume": (pvs[true_volume], pvs["predicted_mm3"]),
        "PVS tube volume": (pvs[true_volume], pvs["predicted_tube_mm3"]),
        "PVS count": (pvs["reference_count"], pvs["predicted_count"]),
        "PVS fraction": (
            pvs[true_volume] / whole["reference_mm3"],
            pvs["predicted_mm3"] / whole["predicted_mm3"],
        ),
    }[measure]
    pairs = pd.DataFrame({"reference": reference, "measured": measured}).astype(float)
    finite = np.isfinite(pairs.to_numpy()).all(axis=1)
    pairs = pairs.loc[finite] * MEASURES[measure].scale
    return pairs.rename_axis("label").reset_index()


def _agreement(tables: EvaluationTables, method: str, name: str) -> Iterator[Chart]:
    pairs = pairs_of(tables.cases, method, name)
    if not len(pairs):
        return
    measure = MEASURES[name]
    values = pairs["reference"].tolist(), pairs["measured"].tolist(), pairs["label"].tolist()
    title = f"{measure.label}, {method}"
    row = agreement_of(tables.agreement, method, name)
    yield Chart(
        file_stem("scatter", name, method),
        scatter_agreement(
            *values,
            title=title,
            unit=measure.unit,
            icc=interval_of(row, "icc2_1"),
            pearson_r=interval_of(row, "pearson_r"),
        ),
    )
    yield Chart(
        file_stem("bland-altman", name, method),
        bland_altman(*values, title=f"Differences of {title}", unit=measure.unit),
    )
