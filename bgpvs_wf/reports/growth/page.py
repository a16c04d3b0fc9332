"""The page of norms: the curves of each measure with the infants, and their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.cohort.growth.curve import LEAST
from bgpvs_wf.cohort.growth.measures import Measure, values_of
from bgpvs_wf.cohort.growth.norms import ALL, MeasureCurves, Norms, level_text
from bgpvs_wf.cohort.table import WHOLE
from bgpvs_wf.reports.growth.curves import Points, growth_chart, scale_of
from bgpvs_wf.reports.growth.published import Published
from bgpvs_wf.reports.page import render

if TYPE_CHECKING:
    import pandas as pd

    from bgpvs_wf.cohort.growth.curve import Curve
    from bgpvs_wf.cohort.growth.marks import Mark

_ROWS = 7
"""Ages in the table of a curve (chosen)."""


def write_norms_page(
    norms: Norms,
    table: pd.DataFrame,
    path: Path,
    *,
    warnings: Sequence[str] = (),
    marks: Sequence[Mark] = (),
) -> Path:
    """Write the page; it appears whole or not at all.

    Parameters
    ----------
    norms : Norms
    table : DataFrame
        The infants that they were made of.
    path : Path
    warnings : sequence of str
        What is in doubt.
    marks : sequence of Mark
        Published values; they are drawn where their measure has a curve.

    Raises
    ------
    BGPVSError
        If it cannot be written.
    """
    from bgpvs_wf.imaging.files import write_text

    return write_text(render_norms(norms, table, warnings=warnings, marks=marks), path)


def render_norms(
    norms: Norms,
    table: pd.DataFrame,
    *,
    warnings: Sequence[str] = (),
    marks: Sequence[Mark] = (),
) -> str:
    """Return the HTML of the page; parameters as of `write_norms_page`."""
    scans = len(table[["subject", "session"]].drop_duplicates())
    infants = table["subject"].nunique()
    sizes = ", ".join(f"{size:.3g}" for size, _ in norms.voxels_mm3[:3])
    sizes += " and others" if len(norms.voxels_mm3) > 3 else ""
    drawn = [mark for mark in marks if mark.measure in norms.names]
    sources = tuple(dict.fromkeys(mark.source for mark in drawn))
    measures = [
        _content(norms, one, table, _published(one.measure, drawn, sources))
        for one in norms.measures
        if one.curves
    ]
    content = {
        "title": f"Growth in {norms.dataset}",
        "facts": [
            f"{infants} infants" + (f", {scans} scans" if scans > infants else ""),
            f"{table['age'].min():.3g} to {table['age'].max():.3g} weeks of post-menstrual age",
            *([f"voxels of {sizes} mm³"] if sizes else []),
            f"bgpvs-wf {norms.version}",
        ],
        "warnings": list(warnings),
        "by": norms.by,
        "sources": sources,
        "first": [one for one in measures if one["whole"]],
        "others": [one for one in measures if not one["whole"]],
        "missing": [
            f"{one.measure.label}{f', {level}' if norms.by else ''}: {why}"
            for one in norms.measures
            for level, why in one.missing.items()
        ],
        "least": _least(),
    }
    return render("growth.html", content)


def _published(measure: Measure, marks: Sequence[Mark], sources: Sequence[str]) -> list[Published]:
    """Return the marks of a measure, each with the number of its source on the page."""
    own = [mark for mark in marks if mark.measure == measure.name]
    return [Published(sources.index(mark.source) + 1, mark) for mark in own]


def _content(
    norms: Norms, one: MeasureCurves, table: pd.DataFrame, published: Sequence[Published]
) -> dict[str, Any]:
    points = _points(norms, one, table)
    return {
        "label": one.measure.label,
        "whole": one.measure.region == WHOLE,
        "unit": scale_of(one.measure)[1],
        "chart": growth_chart(one.measure, one.curves, points, by=norms.by, marks=published),
        "curves": [
            {
                "level": level if norms.by else "",
                "subjects": curve.subjects,
                "told": curve.told,
                "rows": _rows(curve, one.measure),
            }
            for level, curve in one.curves.items()
        ],
    }


def _points(norms: Norms, one: MeasureCurves, table: pd.DataFrame) -> dict[str, Points]:
    rows = values_of(table, one.measure)
    rows = rows[rows["value"].notna()]
    levels = [ALL] * len(rows) if norms.by is None else [level_text(x) for x in rows[norms.by]]
    found = {}
    for level in [*one.curves, *one.missing]:
        own = rows[np.array([name == level for name in levels], bool)]
        found[level] = (own["age"].to_numpy(float), own["value"].to_numpy(float))
    return {level: pair for level, pair in found.items() if len(pair[0])}


def _rows(curve: Curve, measure: Measure) -> list[list[str]]:
    """Return ages that are covered, with the value of each centile and the median's interval."""
    ages = np.array(curve.ages)
    covered = np.flatnonzero(curve.covers(ages))
    if not len(covered):
        covered = np.array([0])
    places = covered[np.unique(np.linspace(0, len(covered) - 1, _ROWS).round().astype(int))]
    rows = []
    for place in places:
        row = [f"{ages[place]:.3g}"]
        for centile in curve.told:
            line = curve.lines[centile]
            text = _number(line.values[place], measure)
            if centile == 50:
                ends = (_number(end[place], measure) for end in (line.low, line.high))
                text += f" ({' to '.join(ends)})"
            row.append(text)
        rows.append(row)
    return rows


def _number(value: float, measure: Measure) -> str:
    value *= scale_of(measure)[0]
    whole = measure.law == "count" or abs(value) >= 100
    return f"{value:.0f}" if whole else f"{value:#.3g}"


def _least() -> str:
    """Return how many infants are needed, in words."""
    numbers = {
        count: [centile for centile in sorted(LEAST) if LEAST[centile] == count]
        for count in sorted(set(LEAST.values()))
    }
    words = [f"{', '.join(map(str, told))} from {count}" for count, told in numbers.items()]
    return "; ".join(words)
