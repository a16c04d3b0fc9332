"""Tables and charts of effects and of sites, as a paper has them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bgpvs_wf.cohort.association.telling.units import axis_label
from bgpvs_wf.reports.association.effects import Effect, forest
from bgpvs_wf.reports.evaluation_figures import Chart
from bgpvs_wf.reports.numbers import Interval, Row, decimals_for, number_of, p_value, records
from bgpvs_wf.reports.page_tables import MISSING, Cell, Column, Table, readable

if TYPE_CHECKING:
    import pandas as pd

    from bgpvs_wf.cohort.association.model import Model


def term_table(terms: pd.DataFrame) -> Table:
    """Return estimates with their intervals, a row for each coefficient."""
    counts, several = bool(terms["ratio"].notna().any()), terms["region"].nunique() > 1
    columns = [
        *([Column("region", "Region", "", "Both sides together", False)] if several else []),
        Column("term", "Term", "", "Coefficient, or a term of several as a whole", False),
        Column("estimate", "Ratio [95 %]" if counts else "Estimate [95 %]", "", "", True),
        Column("se", "Standard error", "", "Of the logarithm, for ratios", True),
        *(
            []
            if counts
            else [Column("standardised", "Standardised", "", "In standard deviations", True)]
        ),
        Column("t", "t", "", "F for a term as a whole", True),
        Column("df", "df", "", "Degrees of freedom", True),
        Column("p", "p", "", "", True),
        *([Column("p_fdr", "p, corrected", "", "Over the regions", True)] if several else []),
        Column("n", "n", "", "Rows in the model", True),
    ]
    rows = [tuple(_cell(row, column.key, counts) for column in columns) for row in records(terms)]
    return Table(tuple(columns), tuple(rows), ())


def _cell(row: Row, key: str, counts: bool) -> Cell:
    if key in ("region", "term"):
        whole = " (as a whole)" if key == "term" and row["kind"] == "together" else ""
        return Cell(f"{row[key]}{whole}", str(row[key]))
    value = number_of(row, key)
    if key == "estimate":
        names = ("ratio", "ratio_low", "ratio_high") if counts else ("estimate", "low", "high")
        interval = Interval(*(number_of(row, name) for name in names))
        return _number(interval.estimate, _interval(interval))
    if key in ("p", "p_fdr"):
        return _number(value, p_value(value).removeprefix("p ").removeprefix("= ") or MISSING)
    return _number(value, f"{value:.0f}" if key in ("df", "n") else readable(value))


def _interval(value: Interval) -> str:
    """Return an interval with as many digits as its nearer end needs."""
    if not math.isfinite(value.estimate):
        return MISSING
    half = (value.high - value.low) / 2
    return value.text(min(decimals_for(half), 6) if half > 0 else 3)


def _number(value: float, text: str) -> Cell:
    return Cell(MISSING, "") if math.isnan(value) else Cell(text, repr(value))


def effect_charts(models: Sequence[Model], terms: pd.DataFrame) -> list[Chart]:
    """Return the effects: of one model in one chart, of several regions a chart for each term."""
    own = terms[~terms["kind"].isin(["intercept", "part", "together"])]
    counts = models[0].fit.counts
    if not len(own):
        return []
    if len(models) == 1:
        return _of_one_model(models[0], own)
    found = []
    for term in dict.fromkeys(own["term"]):
        rows = list(records(own[own["term"] == term]))
        effects = [_effect(row, str(row["region"]), counts, "p_fdr") for row in rows]
        label = "Times as many" if counts else _change(models[0])
        svg = forest(
            effects, title=f"{term}; p corrected", label=label, ratio=counts, none=float(counts)
        )
        found.append(Chart(f"effects-{_stem(str(term))}", svg))
    return found


def _of_one_model(model: Model, own: pd.DataFrame) -> list[Chart]:
    """Return a chart of ratios; else of standardised effects, as terms are in many units."""
    if model.fit.counts:
        effects = [_effect(row, str(row["term"]), True, "p") for row in records(own)]
        svg = forest(effects, title="Effects", label="Times as many", ratio=True, none=1.0)
        return [Chart("effects", svg)]
    spread = float(model.design.outcome.std(ddof=1))
    effects = []
    for row in records(own):
        alone = number_of(row, "standardised")
        # Levels and splines have no spread that means something: they stay one step.
        scale = alone / number_of(row, "estimate") if math.isfinite(alone) else 1 / spread
        effects.append(_effect(row, str(row["term"]), False, "p", scale))
    label = "Standard deviations of the outcome, for one of a number or for a level"
    return [Chart("effects", forest(effects, title="Effects", label=label))]


def _effect(row: Row, name: str, counts: bool, p: str, scale: float = 1.0) -> Effect:
    names = ("ratio", "ratio_low", "ratio_high") if counts else ("estimate", "low", "high")
    best, low, high = (number_of(row, one) * scale for one in names)
    return Effect(name, best, low, high, p_value(number_of(row, p)))


def _change(model: Model) -> str:
    return f"{axis_label(model.formula.outcome, model.formula.outcome_function)} for one unit more"


def site_table(sites: pd.DataFrame) -> Table:
    """Return the outcome of each site, as it is and adjusted."""
    several = sites["region"].nunique() > 1
    columns = [
        *([Column("region", "Region", "", "", False)] if several else []),
        Column("site", "Site", "", "", False),
        Column("n", "n", "", "Rows in the model", True),
        Column("mean", "Mean", "", "As it is", True),
        Column("adjusted", "Adjusted [95 %]", "", "The other terms as on average", True),
        Column("p_sites", "p of all sites", "", "Of all sites being the same", True),
    ]
    after = [
        Column(name, f"{what}, harmonised", "", "What the model is of", True)
        for name, what in (("mean_harmonised", "Mean"), ("adjusted_harmonised", "Adjusted"))
        if name in sites
    ]
    columns += after
    rows = []
    for row in records(sites):
        adjusted = Interval(*(number_of(row, name) for name in ("adjusted", "low", "high")))
        p = number_of(row, "p_sites")
        cells = {
            "region": Cell(str(row["region"]), str(row["region"])),
            "site": Cell(str(row["site"]), str(row["site"])),
            "n": _number(number_of(row, "n"), str(row["n"])),
            "mean": _number(number_of(row, "mean"), readable(number_of(row, "mean"))),
            "adjusted": _number(adjusted.estimate, _interval(adjusted)),
            "p_sites": _number(p, p_value(p)),
        }
        for column in after:
            value = number_of(row, column.key)
            cells[column.key] = _number(value, readable(value))
        rows.append(tuple(cells[column.key] for column in columns))
    return Table(tuple(columns), tuple(rows), ())


def site_charts(models: Sequence[Model], sites: pd.DataFrame) -> list[Chart]:
    """Return the adjusted outcome of the sites, a chart for each region that has some."""
    found = []
    for model in models:
        effects = [_site(row) for row in records(sites[sites["region"] == model.region])]
        if effects:
            title = f"Sites, {model.region}, other terms as on average"
            svg = forest(effects, title=title, label=axis_label(model.formula.outcome), none=None)
            found.append(Chart(f"sites-{_stem(model.region)}", svg))
    return found


def _site(row: Row) -> Effect:
    low, high = number_of(row, "low"), number_of(row, "high")
    adjusted = number_of(row, "adjusted")
    return Effect(f"{row['site']} (n = {row['n']})", adjusted, low, high, readable(adjusted))


def _stem(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "term"
