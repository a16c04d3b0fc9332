"""Charts of what speaks against a model: residuals, their spread, infants that it hangs on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.reports.chart_style import (
    LINE,
    MARKERS,
    OKABE_ITO,
    QUIET,
    draw_chart,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bgpvs_wf.cohort.association.model import Model

_SIZE = (4.6, 3.6)
_NAMED = 3
_MOST_SITES = 7


def diagnostic_charts(model: Model, sites: Sequence[str]) -> list[tuple[str, str]]:
    """Return name and SVG of the charts of a model.

    Parameters
    ----------
    model : Model
    sites : sequence of str
        Of each row; empty if there are none.
    """
    fit, names = model.fit, model.labels
    return [
        ("residuals", _residuals(fit.fitted, fit.residuals, names, sites)),
        ("quantiles", _quantiles(fit.residuals, names)),
        ("influence", _influence(fit.cooks, names)),
    ]


def _residuals(
    fitted: np.ndarray, residuals: np.ndarray, names: Sequence[str], sites: Sequence[str]
) -> str:
    """Draw how far observations are from what is expected of them, over that."""

    def paint(axes: Axes) -> None:
        points_by_site(axes, fitted, residuals, sites)
        axes.axhline(0, color=QUIET, linewidth=0.9, linestyle="--", zorder=0)
        if len(fitted) >= 20:
            _curve(axes, fitted, residuals)
        _name(axes, fitted, residuals, names, np.abs(residuals), 2.5)
        axes.set_xlabel("Expected by the model")
        axes.set_ylabel("Residual (standard deviations)")

    return draw_chart(
        paint, _SIZE, title="Residuals; the line should be flat", room=room_for(sites)
    )


def room_for(sites: Sequence[str]) -> float:
    """Return the points that the names of sites need below a title."""
    return 22.0 if 1 < len(set(sites)) <= _MOST_SITES else 6.0


def points_by_site(axes: Axes, x: np.ndarray, y: np.ndarray, sites: Sequence[str]) -> None:
    """Draw points, each site in its colour and shape; without sites all in one."""
    kinds = sorted(set(sites))
    style: Any = {"s": 16 if len(x) < 300 else 7, "alpha": 0.7, "linewidths": 0}
    if not 1 < len(kinds) <= _MOST_SITES:
        axes.scatter(x, y, color=OKABE_ITO[0], **style)
        return
    for number, kind in enumerate(kinds):
        there = np.array([site == kind for site in sites])
        look: Any = {"color": OKABE_ITO[number], "marker": MARKERS[number]}
        axes.scatter(x[there], y[there], label=plain(kind, 16), **look, **style)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=4, fontsize=8, borderaxespad=0.1,
        handletextpad=0.1, columnspacing=1.0,
    )  # fmt: skip


def _quantiles(residuals: np.ndarray, names: Sequence[str]) -> str:
    """Draw residuals over what they would be if they were normal."""
    from scipy.stats import norm

    order = np.argsort(residuals)
    found = residuals[order]
    # Blom's places (Statistical Estimates and Transformed Beta-Variables, 1958).
    expected = norm.ppf((np.arange(1, len(found) + 1) - 0.375) / (len(found) + 0.25))

    def paint(axes: Axes) -> None:
        ends = [min(expected[0], found[0]), max(expected[-1], found[-1])]
        axes.plot(ends, ends, color=QUIET, linewidth=0.9, linestyle="--", zorder=0)
        points_by_site(axes, expected, found, ())
        away = np.abs(found - expected)
        _name(axes, expected, found, [names[place] for place in order], away, 0.9)
        axes.set_xlabel("Expected of a normal distribution")
        axes.set_ylabel("Residual (standard deviations)")

    return draw_chart(paint, _SIZE, title="Normal spread; points should be on the line")


def _influence(cooks: np.ndarray, names: Sequence[str]) -> str:
    """Draw by how much each observation moves the estimates."""
    usual = 4 / len(cooks)

    def paint(axes: Axes) -> None:
        places = np.arange(1, len(cooks) + 1)
        width = 1.2 if len(cooks) < 300 else 0.5
        axes.vlines(places, 0, cooks, color=OKABE_ITO[0], linewidth=width)
        axes.axhline(usual, color=QUIET, linewidth=0.9, linestyle="--")
        axes.text(
            *(0.99, usual), "4 / n ", transform=axes.get_yaxis_transform(), ha="right",
            va="bottom", fontsize=8, color=QUIET,
        )  # fmt: skip
        _name(axes, places, cooks, names, cooks, usual)
        axes.set_ylim(0, max(float(cooks.max()), usual) * 1.12)
        axes.set_xlabel("Row of the table")
        axes.set_ylabel("Cook's distance")

    return draw_chart(paint, _SIZE, title="Infants that the estimates hang on")


def _curve(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Draw a smooth curve through points (LOWESS)."""
    from statsmodels.nonparametric.smoothers_lowess import lowess

    with np.errstate(all="ignore"):
        smooth = lowess(y, x, frac=2 / 3)
    if np.isfinite(smooth).all():
        axes.plot(smooth[:, 0], smooth[:, 1], color=OKABE_ITO[1], linewidth=1.3)


def _name(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    names: Sequence[str],
    size: np.ndarray,
    least: float,
) -> None:
    """Write the names of the points that are farthest off, where they do not meet."""
    written: list[int] = []
    near_x, near_y = 0.25 * np.ptp(x), 0.06 * np.ptp(y)
    for i in np.argsort(-size)[:_NAMED]:
        meets = any(abs(x[i] - x[j]) < near_x and abs(y[i] - y[j]) < near_y for j in written)
        if size[i] <= least or meets:
            continue
        written.append(int(i))
        right = x[i] <= (x.min() + x.max()) / 2
        axes.annotate(
            plain(names[i], 24), (x[i], y[i]), (5 if right else -5, 0),
            textcoords="offset points", ha="left" if right else "right", va="center",
            fontsize=7.5, color=QUIET, bbox={"pad": 0.5, "color": "white", "alpha": 0.7, "lw": 0},
        )  # fmt: skip
    axes.margins(x=0.06)
    axes.grid(color=LINE, linewidth=0.3, zorder=0)
    axes.set_axisbelow(True)
