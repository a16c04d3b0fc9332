"""Charts of an outcome over what explains it, the other terms taken away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.cohort.association.telling.units import axis_label, measured
from bgpvs_wf.reports.association.diagnostics import points_by_site, room_for
from bgpvs_wf.reports.chart_style import INK, draw_chart, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bgpvs_wf.cohort.association.design import Term
    from bgpvs_wf.cohort.association.model import Model

_SIZE = (4.6, 3.6)


def partial_charts(model: Model, sites: Sequence[str]) -> list[tuple[str, str]]:
    """Return name and SVG of a chart for each number and each text column of a formula.

    Of each infant the outcome is shown as it would be, were the other terms as they are on
    average: the effect of the term, and how far the infant is from what is expected. Counts are
    left out, of which such a difference means little.
    """
    if model.fit.counts:
        return []
    found = []
    for term in model.design.terms:
        if term.kind in ("number", "levels"):
            found.append((f"effect-{term.column}", _partial(model, term, sites)))
    return found


def _partial(model: Model, term: Term, sites: Sequence[str]) -> str:
    design = model.design
    own = slice(term.first, term.last)
    mean = design.matrix.mean(axis=0) @ model.fit.estimates
    effect = (design.matrix[:, own] - design.matrix[:, own].mean(axis=0)) @ (
        model.fit.estimates[own]
    )
    adjusted = mean + effect + design.outcome - design.matrix @ model.fit.estimates
    line = mean + effect

    def paint(axes: Axes) -> None:
        if term.kind == "number":
            values = design.matrix[:, term.first]
            points_by_site(axes, values, adjusted, sites)
            order = np.argsort(values)
            axes.plot(values[order], line[order], color=INK, linewidth=1.4)
        else:
            _levels(axes, model, term, adjusted, line, sites)
        unit = measured(term.column).unit if term.kind == "number" else ""
        axes.set_xlabel(f"{term.column} ({unit})" if unit else term.column)
        label = axis_label(model.formula.outcome, model.formula.outcome_function)
        axes.set_ylabel(plain(label, 44))

    title = f"{plain(term.column, 24)}, other terms as on average"
    return draw_chart(paint, _SIZE, title=title, room=room_for(sites))


def _levels(
    axes: Axes,
    model: Model,
    term: Term,
    adjusted: np.ndarray,
    line: np.ndarray,
    sites: Sequence[str],
) -> None:
    values = model.rows[term.column]
    kinds = sorted(values.unique(), key=str)
    places = np.array([kinds.index(value) for value in values], float)
    # The same every time, and no two neighbours at one place.
    aside = (np.arange(len(places)) * 0.618 % 1 - 0.5) * 0.5
    points_by_site(axes, places + aside, adjusted, sites)
    for place in range(len(kinds)):
        level = float(line[places == place][0])
        axes.plot([place - 0.32, place + 0.32], [level, level], color=INK, linewidth=1.8)
    axes.set_xticks(range(len(kinds)), [plain(kind, 16) for kind in kinds])
    axes.set_xlim(-0.6, len(kinds) - 0.4)
