"""Charts of an infant's change: volumes of its spaces, and of all together, over age."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.reports.chart_style import INK, OKABE_ITO, QUIET, draw_chart, say_empty

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LASTING, CHANGING = OKABE_ITO[0], OKABE_ITO[1]
"""Colours of spaces that are in all sessions, and of those that come or go."""


def volumes_by_session(table: pd.DataFrame, sessions: Sequence[str]) -> np.ndarray:
    """Return the volume of each track in each session, shape (tracks, sessions), mm3.

    NaN where a space is not found and it is unclear whether it is there.

    Parameters
    ----------
    table : DataFrame
        As `bgpvs_wf.cohort.change.table.change_table` gives it.
    sessions : sequence of str
        In the order of age.
    """
    tracks = sorted(table["track"].unique())
    volumes = np.zeros((len(tracks), len(sessions)))
    place = {name: i for i, name in enumerate(sessions)}
    for row in table.to_dict("records"):
        i = tracks.index(row["track"])
        volumes[i, place[row["session_from"]]] = row["volume_from_mm3"]
        volumes[i, place[row["session_to"]]] = row["volume_to_mm3"]
    for row in table[table["change"] == "unclear"].to_dict("records"):
        absent = "session_to" if row["volume_to_mm3"] == 0 else "session_from"
        volumes[tracks.index(row["track"]), place[row[absent]]] = np.nan
    return volumes


def trajectory_charts(
    table: pd.DataFrame, sessions: Sequence[str], ages_weeks: Sequence[float | None]
) -> list[str]:
    """Draw volumes over age, or session by session where an age is not known.

    Parameters
    ----------
    table, sessions
        As of `volumes_by_session`.
    ages_weeks : sequence of float or None
        Of each session.

    Returns
    -------
    list of str
        SVG: of each space, and of all together.
    """
    volumes = volumes_by_session(table, sessions)
    known = all(age is not None for age in ages_weeks)
    x = np.array([float(a or 0) for a in ages_weeks]) if known else np.arange(len(sessions)) * 1.0
    words = "Age, weeks after conception" if known else "Session"

    def dressed(axes: Axes) -> None:
        axes.set_xticks(x, [f"{a:.0f}" for a in x] if known else list(sessions))
        axes.set_ylim(bottom=0)
        axes.margins(x=0.12)
        axes.set_xlabel(words)
        axes.set_ylabel("Volume (mm³)")

    def each(axes: Axes) -> None:
        if not len(volumes):
            say_empty(axes, "No perivascular space was found.")
            return
        for values in volumes:
            told = _told(values)
            colour = LASTING if (values[told] > 0).all() else CHANGING
            axes.plot(
                x[told], values[told], "o-", color=colour, linewidth=1.1, markersize=3.5, alpha=0.8
            )
        dressed(axes)
        bottom, top = axes.get_ylim()
        ends = np.array([values[_told(values)][-1] for values in volumes])
        for number, level in enumerate(_spread(ends, (top - bottom) / 28), start=1):
            axes.annotate(
                str(number), (x[-1], level), (6, 0), textcoords="offset points",
                va="center", fontsize=7.5, color=QUIET,
            )  # fmt: skip

    def together(axes: Axes) -> None:
        totals = np.nansum(volumes, axis=0)
        axes.plot(x, totals, "o-", color=INK, linewidth=1.6)
        for place, value in zip(x, totals, strict=True):
            axes.annotate(
                f"{value:.0f}", (place, value), (0, 6), textcoords="offset points", ha="center",
                fontsize=8.5,
            )  # fmt: skip
        dressed(axes)
        axes.set_ylim(0, float(totals.max()) * 1.2 or 1.0)

    return [
        draw_chart(each, (5.2, 4.2), title="Each PVS (numbers as in the table)"),
        draw_chart(together, (4.2, 4.2), title="All PVS together"),
    ]


def _told(volumes: np.ndarray) -> np.ndarray:
    """Return which sessions tell of a space, not those that miss it, or where it is unclear."""
    seen = volumes > 0
    between = np.logical_or.accumulate(seen) & np.logical_or.accumulate(seen[::-1])[::-1]
    return (seen | ~between) & np.isfinite(volumes)


def _spread(levels: np.ndarray, least: float) -> np.ndarray:
    """Return levels moved upwards so far that none is nearer to the one below than the least."""
    found = np.array(levels, float)
    order = np.argsort(found, kind="stable")
    for below, above in itertools.pairwise(order):
        found[above] = max(found[above], found[below] + least)
    return found
