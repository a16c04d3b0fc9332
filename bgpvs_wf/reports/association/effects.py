"""The chart of effects: an estimate and its interval a line, of terms or of regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bgpvs_wf.reports.chart_style import INK, LINE, OKABE_ITO, QUIET, draw_chart, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Effect(NamedTuple):
    """A line of the chart."""

    name: str
    estimate: float
    low: float
    high: float
    told: str
    """Written at its end."""


def forest(
    effects: Sequence[Effect],
    *,
    title: str,
    label: str,
    ratio: bool = False,
    none: float | None = 0.0,
) -> str:
    """Draw effects under one another, and the line of no effect.

    Parameters
    ----------
    effects : sequence of Effect
        In one unit; one at least.
    title : str
    label : str
        Of the axis.
    ratio : bool
        Whether they are ratios, on a logarithmic axis.
    none : float, optional
        What no effect is; those whose interval holds it are grey. None where there is no such.

    Returns
    -------
    str
        SVG.
    """

    def paint(axes: Axes) -> None:
        places = np.arange(len(effects))[::-1]
        if none is not None:
            axes.axvline(none, color=QUIET, linewidth=0.9, linestyle="--", zorder=0)
        for place, one in zip(places, effects, strict=True):
            away = none is None or one.low > none or one.high < none
            colour = OKABE_ITO[0] if away else QUIET
            axes.plot([one.low, one.high], [place, place], color=colour, linewidth=1.6)
            axes.plot(one.estimate, place, "o", color=colour, markersize=5.5)
            axes.text(
                *(1.02, place), one.told, transform=axes.get_yaxis_transform(), va="center",
                fontsize=8.5, color=INK,
            )  # fmt: skip
        if ratio:
            _ratios(axes, effects)
        axes.set_yticks(places, [plain(one.name, 34) for one in effects])
        axes.set_ylim(-0.6, len(effects) - 0.4)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=LINE, linewidth=0.4, zorder=0)
        axes.set_axisbelow(True)
        axes.set_xlabel(label)

    return draw_chart(paint, (7.6, 1.25 + 0.32 * len(effects)), title=title)


def _ratios(axes: Axes, effects: Sequence[Effect]) -> None:
    """Make the axis logarithmic, with ticks that are ratios as people say them."""
    low = min(1.0, *(one.low for one in effects))
    high = max(1.0, *(one.high for one in effects))
    room = (high / low) ** 0.06
    axes.set_xscale("log")
    axes.set_xlim(low / room, high * room)
    steps = [0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.2, 1.5, 2, 5, 10]
    inside = [step for step in steps if low / room <= step <= high * room]
    far = [step for step in inside if abs(np.log(step)) > 0.12 * np.log(high / low) or step == 1]
    axes.set_xticks(far, [f"{step:g}" for step in far])
    axes.set_xticks([], minor=True)
