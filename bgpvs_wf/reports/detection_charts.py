"""Charts of which true tubes were found, by diameter, voxel size and noise, as SVG text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bgpvs_wf.reports.chart_style import (
    INK,
    LINE,
    MARKERS,
    draw_chart,
    method_colours,
    plain,
    say_empty,
)
from bgpvs_wf.reports.names import ordered_methods
from bgpvs_wf.reports.numbers import fixed, span

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_LEVELS = (0.5, 0.9)
_GROUPS = 7
_FEWEST_IN_GROUP = 8
"""Tubes a dot of the curve stands for at least (chosen: rates of fewer jump)."""


class _Cell(NamedTuple):
    """Where a bin is in the heatmap, and what is in it."""

    row: int
    column: int
    rate: float
    tubes: int


def detection_heatmap(detection: pd.DataFrame, method: str) -> str:
    """Draw the rate of detection by diameter and by voxel size and SNR.

    Parameters
    ----------
    detection : DataFrame
        A row per bin: `method`, `diameter_low_mm`, `diameter_high_mm`, `voxel_mm`,
        `snr_low`, `snr_high`, `tubes`, `detected`, `rate`.
    method : str
        Whose bins are drawn.

    Returns
    -------
    str
        SVG with rate and number of tubes in every cell; cells without a tube are hatched.
    """
    chosen = detection[detection["method"] == method] if len(detection) else detection
    rows, columns, cells = _grid(chosen)

    def paint(axes: Axes) -> None:
        if not cells:
            say_empty(axes, "No true tube is known.")
            return
        for row in range(len(rows)):
            for column in range(len(columns)):
                _cell_patch(axes, row, column, facecolor="white", hatch="////")
        for cell in cells:
            if cell.tubes:
                _fill(axes, cell)
        axes.set_xticks(range(len(columns)), [span(*column, 2) for column in columns])
        axes.set_yticks(range(len(rows)), [_scan(*row) for row in rows])
        axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        axes.set_xlabel("True diameter of the PVS (mm)")
        axes.set_ylabel("Voxel size and SNR")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    size = (min(2.6 + 0.85 * max(len(columns), 3), 11.0), 1.1 + 0.55 * max(len(rows), 2))
    return draw_chart(paint, size, title=f"PVS found by {method}")


def detection_curve(
    tubes: pd.DataFrame,
    fits: Mapping[str, tuple[float, float]],
    *,
    title: str = "PVS found by diameter",
    proposed: str = "",
    intervals: Mapping[float, tuple[float, float]] | None = None,
) -> str:
    """Draw the share of tubes found over their diameter, with fitted logistic curves.

    Parameters
    ----------
    tubes : DataFrame
        A row per true tube and method: `method`, `diameter_mm`, `detected`.
    fits : mapping of str to tuple of float
        Method to the diameters in mm found with 50 % and 90 % probability, which make a
        logistic curve over the logarithm of the diameter; NaN where one is not known.
    title : str
    proposed : str
        The method that comes first.
    intervals : mapping of float to tuple of float, optional
        Probability (0.5, 0.9) to the interval of the first method's diameter, drawn as a bar.

    Returns
    -------
    str
        SVG; dots are groups of about equally many tubes with Wilson's 95 % intervals.
    """
    known = tubes[["method", "diameter_mm", "detected"]].dropna() if len(tubes) else tubes
    methods = ordered_methods(known, proposed)

    def paint(axes: Axes) -> None:
        if not methods:
            say_empty(axes, "No true tube is known.")
            return
        from matplotlib.lines import Line2D

        handles = {}
        widest = float(known["diameter_mm"].max())
        for level in _LEVELS:
            axes.axhline(100 * level, color=LINE, linewidth=0.8, linestyle=":", zorder=0)
        for i, (method, colour) in enumerate(method_colours(methods).items()):
            of_method = known[known["method"] == method]
            fit = fits.get(method, (math.nan, math.nan))
            marker = MARKERS[i % len(MARKERS)]
            _dots(axes, of_method, colour, marker)
            _curve(axes, fit, colour, widest * 1.05)
            handles[_legend_text(method, fit)] = Line2D([], [], color=colour, marker=marker)
        if intervals:
            _bars(axes, intervals, next(iter(method_colours(methods).values())))
        axes.set(xlim=(0, widest * 1.05), ylim=(-3, 103), yticks=[0, 25, 50, 75, 90, 100])
        axes.set_xlabel("True diameter of the PVS (mm)")
        axes.set_ylabel("Found (%)")
        # Named here: matplotlib leaves out of a legend names that begin with an underscore.
        axes.legend(
            list(handles.values()), list(handles), loc="upper left", bbox_to_anchor=(0, -0.16),
            fontsize=8.5, borderaxespad=0,
        )  # fmt: skip

    height = 3.7 + 0.17 * len(methods)
    return draw_chart(paint, (5.4, height), title=title)


def _grid(
    detection: pd.DataFrame,
) -> tuple[list[tuple[float, float, float]], list[tuple[float, float]], list[_Cell]]:
    """Return the rows (voxel, SNR from, to), the columns (diameter from, to) and the bins."""
    if not len(detection):
        return [], [], []
    row_names, column_names = (
        ["voxel_mm", "snr_low", "snr_high"],
        ["diameter_low_mm", "diameter_high_mm"],
    )
    # Not NaN, which equals nothing, itself included: what is unknown comes last.
    keys = detection[row_names + column_names].fillna(math.inf).to_numpy(float)
    places = [(tuple(key[:3]), tuple(key[3:])) for key in keys.tolist()]
    rows, columns = sorted({row for row, _ in places}), sorted({column for _, column in places})
    counts = detection[["rate", "tubes"]].to_numpy(float)
    cells = [
        _Cell(rows.index(row), columns.index(column), float(rate), int(np.nan_to_num(tubes)))
        for (row, column), (rate, tubes) in zip(places, counts, strict=True)
    ]
    return rows, columns, cells


def _scan(voxel: float, snr_low: float, snr_high: float) -> str:
    snr = span(snr_low, snr_high, 0)
    size = f"{fixed(voxel, 2)} mm" if math.isfinite(voxel) else "voxel unknown"
    return f"{size}, SNR {snr}" if snr else f"{size}, SNR unknown"


def _cell_patch(axes: Axes, row: int, column: int, **how: object) -> None:
    from matplotlib.patches import Rectangle

    place = (column - 0.5, row - 0.5)
    axes.add_patch(Rectangle(place, 1, 1, edgecolor="white", linewidth=1.5, **how))  # type: ignore[arg-type]


def _fill(axes: Axes, cell: _Cell) -> None:
    """Colour a cell by its rate, light to dark, and write rate and number of tubes."""
    from matplotlib import colormaps

    _cell_patch(axes, cell.row, cell.column, facecolor=colormaps["Blues"](0.08 + 0.82 * cell.rate))
    ink = "white" if cell.rate > 0.62 else INK
    rate, tubes = f"{100 * cell.rate:.0f} %", f"n {cell.tubes}"
    for words, shift, size in ((rate, -0.12, 9.5), (tubes, 0.24, 7.5)):
        axes.text(
            *(cell.column, cell.row + shift), words, color=ink, fontsize=size, ha="center",
            va="center",
        )  # fmt: skip


def _dots(axes: Axes, tubes: pd.DataFrame, colour: str, marker: str) -> None:
    """Draw the rate in groups of neighbouring diameters."""
    order = np.argsort(tubes["diameter_mm"].to_numpy(float), kind="stable")
    diameters = tubes["diameter_mm"].to_numpy(float)[order]
    detected = tubes["detected"].to_numpy(float)[order]
    count = min(_GROUPS, max(1, diameters.size // _FEWEST_IN_GROUP))
    for group in np.array_split(np.arange(diameters.size), count):
        rate = float(detected[group].mean())
        low, high = _wilson(rate, group.size)
        axes.errorbar(
            diameters[group].mean(), 100 * rate, yerr=[[100 * (rate - low)], [100 * (high - rate)]],
            color=colour, marker=marker, markersize=5, linewidth=1, alpha=0.8,
        )  # fmt: skip


def _wilson(rate: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a rate, the rate inside."""
    z = 1.96
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return min(middle - half, rate), max(middle + half, rate)


def _curve(axes: Axes, fit: tuple[float, float], colour: str, widest: float) -> None:
    """Draw a logistic curve through its two diameters, where it is one, and mark them."""
    half, most = fit
    if math.isfinite(most) and most > half > 0:
        x = np.linspace(widest / 200, widest, 200)
        slope = math.log(9) / math.log(most / half)
        y = 100 / (1 + np.exp(-np.clip(slope * np.log(x / half), -500, 500)))
        axes.plot(x, y, color=colour, linewidth=1.6)
    for diameter, level in zip(fit, _LEVELS, strict=True):
        if math.isfinite(diameter) and 0 <= diameter <= widest:
            axes.vlines(diameter, -3, 100 * level, color=colour, linewidth=0.8, linestyle=":")


def _bars(axes: Axes, intervals: Mapping[float, tuple[float, float]], colour: str) -> None:
    for level, (low, high) in intervals.items():
        if math.isfinite(low) and math.isfinite(high):
            axes.hlines(100 * level, low, high, color=colour, linewidth=5, alpha=0.35)


def _legend_text(method: str, fit: Sequence[float]) -> str:
    reached = [
        f"{100 * level:.0f} % at {fixed(diameter, 2)} mm"
        for diameter, level in zip(fit, _LEVELS, strict=True)
        if math.isfinite(diameter)
    ]
    name = plain(method)
    return f"{name}: {', '.join(reached)}" if reached else name
