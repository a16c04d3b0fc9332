"""The chart of a measure over the age: centile curves, and infants as dots, as SVG text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.cohort.growth.measures import Measure
from bgpvs_wf.reports.chart_style import MARKERS, OKABE_ITO, QUIET, draw_chart, plain
from bgpvs_wf.reports.growth.published import Published, draw_published, extent_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from bgpvs_wf.cohort.growth.curve import Curve

_STYLES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
"""Of levels: they can be told apart without colours, too."""
_UNITS = {"mm3": "mm³"}
_BIRTH = 40.0
"""Weeks; months are counted from there."""
_MONTH = 365.25 / 7 / 12
_APART = 0.035
"""Names of centiles that are nearer, as a share of the axis, would meet."""
Points = tuple[Floats, Floats]


def growth_chart(
    measure: Measure,
    curves: Mapping[str, Curve],
    points: Mapping[str, Points],
    *,
    by: str | None = None,
    marks: Sequence[Published] = (),
) -> str:
    """Draw the curves of a measure.

    Parameters
    ----------
    measure : Measure
    curves : mapping of str to Curve
        By level.
    points : mapping of str to (ndarray, ndarray)
        Ages in weeks and values of infants, by level, also of levels without a curve.
    by : str, optional
        What the levels are of. Without it there is one level, and all centiles are drawn; with it
        the median and the outermost ones are.
    marks : sequence of Published
        Values of this measure that others published.

    Returns
    -------
    str
        SVG. Bands are the intervals of the median; curves have gaps where no ages are covered.
    """
    scale, unit = scale_of(measure)

    def paint(axes: Axes) -> None:
        names: list[tuple[float, float, int, str]] = []
        legend: list[Line2D] = []
        for number, (level, (ages, values)) in enumerate(points.items()):
            colour = OKABE_ITO[number % len(OKABE_ITO)]
            style, marker = _STYLES[number % len(_STYLES)], MARKERS[number % len(MARKERS)]
            legend.append(_key(f"{plain(level)} (n = {len(ages)})", colour, style, marker))
            axes.scatter(
                ages, scale * values, s=13, color=colour, alpha=0.45, linewidths=0, marker=marker,
                zorder=2,
            )  # fmt: skip
            if level in curves:
                several, steps = by is not None, measure.law == "count"
                names += _draw(axes, curves[level], scale, colour, style, several, steps)
        _limits(axes, points, scale, extent_of(marks))
        published = draw_published(axes, marks, scale)
        _write_names(axes, names)
        _ages(axes)
        axes.set_ylabel(f"{measure.label} ({unit})" if unit else measure.label)
        if shown := [*(legend if by else []), *published]:
            axes.legend(
                handles=shown, title=plain(by) if by else None, loc="upper center",
                bbox_to_anchor=(0.5, -0.17), ncols=1 if published else 3, fontsize=8,
                title_fontsize=8, handlelength=3.2,
            )  # fmt: skip

    return draw_chart(paint, (5.2, 3.8), title=measure.label, room=24.0)


def scale_of(measure: Measure) -> tuple[float, str]:
    """Return what values are multiplied by to be shown, and their unit then: shares are in %."""
    if not measure.unit and measure.law != "count":
        return 100.0, "%"
    return 1.0, _UNITS.get(measure.unit, measure.unit)


def _key(label: str, colour: str, style: Any, marker: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, color=colour, linestyle=style, marker=marker, markersize=4)


def _draw(
    axes: Axes,
    curve: Curve,
    scale: float,
    colour: str,
    style: Any,
    several: bool,
    steps: bool,
) -> list[tuple[float, float, int, str]]:
    """Draw a curve; return where the names of its centiles go: age, value, centile, colour."""
    chosen = {curve.told[0], 50, curve.told[-1]} if several else set(curve.told)
    ages = np.array(curve.ages)
    names = []
    for centile in sorted(chosen):
        line = curve.lines[centile]
        values, low, high = (scale * np.array(part) for part in (line.values, line.low, line.high))
        middle = centile == 50
        for first, last in curve.spans:
            inside = np.unique(np.clip(ages, first, last))
            along = [np.interp(np.log(inside), np.log(ages), one) for one in (values, low, high)]
            axes.plot(
                inside, along[0], color=colour, linestyle=style, zorder=3,
                linewidth=1.8 if middle else 0.9, drawstyle="steps-mid" if steps else "default",
            )  # fmt: skip
            if middle:
                axes.fill_between(
                    inside,
                    along[1],
                    along[2],
                    step="mid" if steps else None,
                    color=colour,
                    alpha=0.16,
                    linewidth=0,
                )
            end = float(along[0][-1])
        names.append((float(inside[-1]), end, centile, colour))
    return names


def _limits(axes: Axes, points: Mapping[str, Points], scale: float, published: Points) -> None:
    """Show all infants and what was published, and curves a little beyond them."""
    every = [*points.values(), published]
    ages = np.concatenate([ages for ages, _ in every])
    values = scale * np.concatenate([values for _, values in every])
    room = 0.06 * (np.ptp(values) or 1.0)
    ends = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines] or [values])
    bottom = max(min(values.min(), ends.min()), values.min() - 3 * room)
    top = min(max(values.max(), ends.max()), values.max() + 3 * room)
    axes.set_xscale("log")
    axes.set_xlim(ages.min() / 1.03, ages.max() * 1.09)
    axes.set_ylim(max(bottom - room, -room), top + room)


def _write_names(axes: Axes, names: list[tuple[float, float, int, str]]) -> None:
    """Write which centile a curve is at its end; the median first, of two that meet one."""
    bottom, top = axes.get_ylim()
    written: list[float] = []
    for age, value, centile, colour in sorted(names, key=lambda name: abs(name[2] - 50)):
        near = any(abs(value - other) < _APART * (top - bottom) for other in written)
        if near or not bottom <= value <= top:
            continue
        written.append(value)
        axes.annotate(
            str(centile), (age, value), (4, 0), textcoords="offset points", va="center",
            fontsize=8, color=colour,
        )  # fmt: skip


def _ages(axes: Axes) -> None:
    """Write ages in weeks below, and in months after term above."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    low, high = axes.get_xlim()
    weeks = [age for age in (24, 28, 32, 36, 40, 50, 60, 80, 100, 140, 200) if low < age < high]
    if len(weeks) < 2:
        weeks = [round(low * 1.03), round(high / 1.09)]
    axes.xaxis.set_major_locator(FixedLocator(weeks))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("Post-menstrual age (weeks)")
    months = [month for month in (0, 3, 6, 12, 24, 36) if low < _BIRTH + month * _MONTH < high]
    if months:
        above = axes.secondary_xaxis("top")
        above.xaxis.set_major_locator(FixedLocator([_BIRTH + one * _MONTH for one in months]))
        above.xaxis.set_minor_locator(NullLocator())
        above.set_xticks(
            [_BIRTH + month * _MONTH for month in months],
            ["term" if not month else f"{month} months" for month in months],
            fontsize=8, color=QUIET,
        )  # fmt: skip
        above.spines["top"].set_visible(False)
