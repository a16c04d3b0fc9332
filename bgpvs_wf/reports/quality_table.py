"""Measures of quality as rows of a page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from bgpvs_wf.quality.measures import Measure, measures
from bgpvs_wf.reports.page_tables import readable


class QualityRow(NamedTuple):
    """What a page says of a measure."""

    label: str
    meaning: str
    value: str
    unit: str
    usual: str
    """What its bounds are, in words; empty if it has none."""
    beyond: bool


def quality_rows(values: Mapping[str, float]) -> list[QualityRow]:
    """Return a row for each measure that is known, in the order of the tables."""
    known = [
        (one, values[name])
        for name, one in measures().items()
        if math.isfinite(values.get(name, math.nan))
    ]
    return [
        QualityRow(
            one.label,
            one.meaning,
            readable(value),
            "%" if one.unit == "percent" else one.unit,
            _usual(one),
            one.advice(value) != "good",
        )
        for one, value in known
    ]


def _usual(one: Measure) -> str:
    parts = []
    if math.isfinite(one.look_below):
        parts.append(f"from {one.look_below:g}")
    if math.isfinite(one.look_above):
        parts.append(f"up to {one.look_above:g}")
    return f"usual: {' '.join(parts)}" if parts else ""
