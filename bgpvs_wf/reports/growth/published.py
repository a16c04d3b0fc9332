"""Published values on the chart of a measure: marks with the number of their source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.cohort.growth.marks import Mark
from bgpvs_wf.reports.chart_style import INK, MARKERS, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


class Published(NamedTuple):
    """A mark, and which source of the page it is from."""

    number: int
    """From 1."""
    mark: Mark


def extent_of(marks: Sequence[Published]) -> tuple[Floats, Floats]:
    """Return ages and values that a chart has to reach to, so that all marks are seen."""
    reach = [
        (one.mark.age_weeks, value)
        for one in marks
        for value in (one.mark.value, one.mark.low, one.mark.high)
        if math.isfinite(value)
    ]
    ages, values = np.array(reach, float).reshape(-1, 2).T
    return ages, values


def draw_published(axes: Axes, marks: Sequence[Published], scale: float) -> list[Line2D]:
    """Draw marks; return what the legend has of them: a line for each source and spread."""
    from matplotlib.lines import Line2D

    alike: dict[tuple[int, str], list[Mark]] = {}
    for number, mark in marks:
        alike.setdefault((number, mark.spread), []).append(mark)
        if mark.has_spread:
            ends = [scale * mark.low, scale * mark.high]
            axes.plot([mark.age_weeks] * 2, ends, color=INK, linewidth=1.2, zorder=4)
        place = (mark.age_weeks, scale * mark.value)
        axes.plot(*([one] for one in place), linestyle="none", zorder=5, **_look(number))
        axes.annotate(
            str(number), place, (5, 4), textcoords="offset points", zorder=6, fontsize=8,
            color=INK, fontweight="bold",
        )  # fmt: skip
    return [
        Line2D(
            [], [], label=_label(number, own), linestyle="-" if spread else "none", **_look(number)
        )
        for (number, spread), own in alike.items()
    ]


def _look(number: int) -> dict[str, Any]:
    marker = MARKERS[(number - 1) % len(MARKERS)]
    return {"color": INK, "marker": marker, "markerfacecolor": "white", "markersize": 6.0}


def _label(number: int, marks: Sequence[Mark]) -> str:
    told = [plain(marks[0].source, 34)]
    told += [plain(marks[0].spread, 20)] if marks[0].spread else []
    counts = sorted({mark.n for mark in marks if mark.n is not None})
    told += (
        [f"n = {' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))}"] if counts else []
    )
    return f"{number}  {', '.join(told)}"
