"""Charts of how well methods agree with a reference and with each other, as SVG text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.reports.chart_style import (
    INK,
    LINE,
    OKABE_ITO,
    QUIET,
    draw_chart,
    method_colours,
    plain,
    say_empty,
)
from bgpvs_wf.reports.measure_names import metric_of
from bgpvs_wf.reports.names import case_labels, ordered_methods
from bgpvs_wf.reports.numbers import Interval, decimals_for, fixed, p_value

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_POINT = {"s": 26, "color": OKABE_ITO[0], "alpha": 0.75, "linewidths": 0.5, "edgecolors": "white"}
_NAMED = 5
"""Cases outside the limits that are written by name, the farthest first (chosen: more collide)."""
_FEWEST_FOR_BOX = 5
"""Quartiles of fewer cases say less than the cases themselves (chosen)."""


def bland_altman(
    reference: Sequence[float] | np.ndarray,
    measured: Sequence[float] | np.ndarray,
    labels: Sequence[str],
    *,
    title: str,
    unit: str,
) -> str:
    """Draw the differences of paired values over their means, with bias and limits of agreement.

    Parameters
    ----------
    reference, measured : array_like, shape (n,)
        Pairs with a missing value are left out.
    labels : sequence of str
        Whose values they are; written at those outside the limits.
    title : str
    unit : str
        Of the values; empty for counts.

    Returns
    -------
    str
        SVG; bias and limits (bias ± 1.96 SD of the differences) are written at their lines.
    """
    a, b, names = _pairs(reference, measured, labels)

    def paint(axes: Axes) -> None:
        if not a.size:
            say_empty(axes, "No case has both values.")
            return
        difference, mean = b - a, (a + b) / 2
        bias = float(difference.mean())
        spread = 1.96 * float(difference.std(ddof=1)) if a.size > 1 else 0.0
        axes.scatter(mean, difference, **_POINT)  # type: ignore[arg-type]
        axes.axhline(0, color=LINE, linewidth=0.8, zorder=0)
        decimals = decimals_for(max(abs(bias) + spread, 1e-6))
        _level(axes, bias, f"bias {fixed(bias, decimals)}", "-")
        if spread > 0:
            for sign, words in ((1, "+1.96 SD"), (-1, "−1.96 SD")):
                level = bias + sign * spread
                _level(axes, level, f"{words} {fixed(level, decimals)}", "--")
            _name_outliers(axes, mean, difference, names, bias, spread)
        reach = max(float(np.abs(difference - bias).max()), spread) * 1.15 or 1.0
        axes.set_ylim(bias - reach, bias + reach)
        axes.margins(x=0.12)
        axes.set_xlabel(_with_unit("Mean of measured and reference", unit))
        axes.set_ylabel(_with_unit("Measured − reference", unit))

    return draw_chart(paint, (5.4, 3.7), title=title)


def scatter_agreement(
    reference: Sequence[float] | np.ndarray,
    measured: Sequence[float] | np.ndarray,
    labels: Sequence[str],
    *,
    title: str,
    unit: str,
    icc: Interval | None = None,
    pearson_r: Interval | None = None,
) -> str:
    """Draw measured over reference values with the line of identity.

    Parameters
    ----------
    reference, measured, labels, title, unit
        As in `bland_altman`; the label of the pair farthest from identity is written.
    icc, pearson_r : Interval, optional
        ICC(2,1) and correlation, written into the chart.
    """
    a, b, names = _pairs(reference, measured, labels)
    known = (("ICC(2,1)", icc), ("r", pearson_r))
    lines = [
        f"{name} = {value.text(2)}"
        for name, value in known
        if value is not None and np.isfinite(value.estimate)
    ]
    # Above the axes: no corner of them is free of points for sure.
    lines = [*lines[:1], ", ".join([*lines[1:], f"n = {a.size}"])]

    def paint(axes: Axes) -> None:
        if not a.size:
            say_empty(axes, "No case has both values.")
            return
        low, high = min(a.min(), b.min()), max(a.max(), b.max())
        room = 0.06 * (high - low) or max(abs(high), 1.0) * 0.1
        limits = (low - room, high + room)
        axes.plot(limits, limits, color=QUIET, linewidth=1, linestyle="--", zorder=0)
        axes.scatter(a, b, **_POINT)  # type: ignore[arg-type]
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        for row, line in enumerate(reversed(lines)):
            axes.annotate(
                line, (0, 1), (0, 4 + 12 * row), xycoords="axes fraction",
                textcoords="offset points", fontsize=8.5,
            )  # fmt: skip
        axes.text(
            *(0.985, 0.015), "dashed: identity", transform=axes.transAxes, ha="right",
            va="bottom", fontsize=8, color=QUIET,
        )  # fmt: skip
        if a.size > 2:
            _name_farthest(axes, a, b, names)
        axes.set_xlabel(_with_unit("Reference", unit))
        axes.set_ylabel(_with_unit("Measured", unit))

    return draw_chart(paint, (4.1, 4.1), title=title, room=8.0 + 12 * len(lines))


def metric_by_method(
    cases: pd.DataFrame,
    metric: str,
    structure: str,
    *,
    proposed: str = "",
    p_holm: Mapping[str, float] | None = None,
) -> str:
    """Draw a score of every case by method, the dots of a case joined by a thin line.

    Parameters
    ----------
    cases : DataFrame
        With `subject`, `session`, `method`, `structure` and the metric.
    metric, structure : str
        A column of `cases`, and the value of `structure` that is shown.
    proposed : str
        The method that comes first and that the others are compared with.
    p_holm : mapping of str to float, optional
        Method to its corrected p against the proposed one, written over it.

    Returns
    -------
    str
        SVG, boxes where a method has at least five cases.
    """
    known = metric_of(metric)
    methods = ordered_methods(cases, proposed)
    wide = _wide(cases, metric, structure, methods)

    def paint(axes: Axes) -> None:
        if not np.isfinite(wide).any():
            say_empty(axes, "No case has this score.")
            return
        places = np.arange(len(methods))
        for row in wide:
            seen = np.isfinite(row)
            axes.plot(places[seen], row[seen], color=LINE, linewidth=0.6, zorder=1)
        for place, (method, colour) in enumerate(method_colours(methods).items()):
            values = wide[np.isfinite(wide[:, place]), place]
            _box_and_dots(axes, place, values, colour)
            p = p_value(float((p_holm or {}).get(method, np.nan)))
            over = "proposed" if method == proposed and len(methods) > 1 else p
            axes.text(
                *(place, 1.015), over, transform=axes.get_xaxis_transform(), ha="center",
                va="bottom", fontsize=8.5, color=QUIET,
            )  # fmt: skip
        _name_columns(axes, methods)
        if not known.unit:
            bottom, top = axes.get_ylim()
            axes.set_ylim(max(bottom, -0.02), min(top, 1.02))
        axes.set_ylabel(_with_unit(f"{known.label}, {structure}", known.unit))

    width = min(2.4 + 0.95 * max(len(methods), 1), 11.0)
    return draw_chart(
        paint, (max(width, 4.6), 3.8), title=f"{known.label} of {structure}", room=20.0
    )


def _pairs(
    reference: Sequence[float] | np.ndarray,
    measured: Sequence[float] | np.ndarray,
    labels: Sequence[str],
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    a, b = np.asarray(reference, float), np.asarray(measured, float)
    both = np.isfinite(a) & np.isfinite(b)
    return a[both], b[both], [str(labels[i]) for i in np.flatnonzero(both)]


def _wide(cases: pd.DataFrame, metric: str, structure: str, methods: Sequence[str]) -> np.ndarray:
    """Return the scores, a row a case and a column a method; NaN where there is none."""
    if not len(cases) or metric not in cases.columns:
        return np.full((0, len(methods)), np.nan)
    chosen = cases[cases["structure"] == structure]
    keys = case_labels(chosen)
    table = np.full((len(set(keys)), len(methods)), np.nan)
    row = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    column = {method: i for i, method in enumerate(methods)}
    values = chosen[metric].to_numpy(float)
    for key, method, value in zip(keys, chosen["method"].astype(str), values, strict=True):
        table[row[key], column[method]] = value
    return table


def _level(axes: Axes, level: float, words: str, style: str) -> None:
    """Draw a level across the axes and write what it is beside them."""
    axes.axhline(level, color=OKABE_ITO[1], linewidth=1.1, linestyle=style, zorder=1)
    axes.text(
        *(1.01, level), words, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5
    )


def _name_outliers(
    axes: Axes, x: np.ndarray, y: np.ndarray, names: list[str], bias: float, spread: float
) -> None:
    beyond = np.flatnonzero(np.abs(y - bias) > spread)
    farthest = sorted(beyond.tolist(), key=lambda i: -abs(y[i] - bias))
    _write_names(axes, x, y, names, farthest[:_NAMED])


def _write_names(
    axes: Axes, x: np.ndarray, y: np.ndarray, names: list[str], chosen: Sequence[int]
) -> None:
    """Write names beside their points, on the side where there is room.

    Of two that would meet only the first is written.
    """
    middle = (x.min() + x.max()) / 2
    near_x, near_y = 0.3 * np.ptp(x), 0.05 * np.ptp(y)
    written: list[int] = []
    for i in chosen:
        if any(abs(x[i] - x[j]) < near_x and abs(y[i] - y[j]) < near_y for j in written):
            continue
        written.append(i)
        right = x[i] <= middle
        axes.annotate(
            plain(names[i]), (x[i], y[i]), (5 if right else -5, 0), textcoords="offset points",
            ha="left" if right else "right", va="center", fontsize=7.5, color=QUIET,
        )  # fmt: skip


def _name_farthest(axes: Axes, x: np.ndarray, y: np.ndarray, names: list[str]) -> None:
    """Write the name of the point farthest from identity, away from it where there is room."""
    i = int(np.argmax(np.abs(y - x)))
    above = bool(y[i] > x[i])
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    cramped = x[i] < low + (high - low) / 3 if above else x[i] > high - (high - low) / 3
    offset, upright = ((6, 0), "center") if cramped else ((4, 5), "bottom" if above else "top")
    sign = 1 if above == cramped else -1
    axes.annotate(
        plain(names[i]), (x[i], y[i]), (sign * offset[0], offset[1] if above else -offset[1]),
        textcoords="offset points", ha="left" if sign > 0 else "right", va=upright, fontsize=7.5,
        color=QUIET,
    )  # fmt: skip


def _box_and_dots(axes: Axes, place: int, values: np.ndarray, colour: str) -> None:
    if values.size >= _FEWEST_FOR_BOX:
        line = {"color": colour, "linewidth": 1.1}
        axes.boxplot(
            [values], positions=[place], widths=0.5, showfliers=False, boxprops=line,
            whiskerprops=line, capprops=line, medianprops={"color": INK, "linewidth": 1.6},
        )  # fmt: skip
    axes.scatter(np.full(values.size, place), values, s=14, color=colour, alpha=0.75, zorder=3)


def _name_columns(axes: Axes, methods: Sequence[str]) -> None:
    names = [plain(method, 24) for method in methods]
    axes.set_xticks(range(len(methods)), names)
    axes.set_xlim(-0.6, len(methods) - 0.4)
    if max(map(len, names)) > 14 or len(names) > 5:
        for label in axes.get_xticklabels():
            label.set(rotation=25, ha="right", rotation_mode="anchor")


def _with_unit(words: str, unit: str) -> str:
    return f"{words} ({unit})" if unit else words
