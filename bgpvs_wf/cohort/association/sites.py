"""Sites side by side: the outcome that each would have with the infants of all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.cohort.association.design import Term, as_outcome, matrix_of
from bgpvs_wf.cohort.association.model import Model, fit_region
from bgpvs_wf.errors import BGPVSError

if TYPE_CHECKING:
    import pandas as pd

SITE = "site"
SITE_COLUMNS: dict[str, dict[str, str]] = {
    "region": {"Description": "Region, both sides together; BG is the whole"},
    "site": {"Description": "Site, as the dataset names it"},
    "n": {"Description": "Number of rows of the site in the model"},
    "mean": {"Description": "Mean of the outcome at the site, as it is"},
    "adjusted": {
        "Description": "What the model expects of the site, had it the infants of all: the other "
        "terms as they are on average. Of log(outcome) and of counts it is a geometric mean"
    },
    "low": {"Description": "Lower end of the 95 % interval of adjusted"},
    "high": {"Description": "Upper end of the 95 % interval of adjusted"},
    "p_sites": {"Description": "p of all sites being the same (Wald's F)"},
}
"""Column of the table of sites to its description."""
HARMONISED_COLUMNS: dict[str, dict[str, str]] = {
    "mean_harmonised": {"Description": "Mean of the outcome at the site once it is harmonised"},
    "adjusted_harmonised": {"Description": "As adjusted, of the harmonised outcome"},
}
"""What the table has beside these if the outcome was harmonised."""


def compare_sites(table: pd.DataFrame, model: Model, family: str) -> tuple[pd.DataFrame, str]:
    """Return the outcome of each site, adjusted for the other terms of a model.

    Sites are levels of the model for this: they are put into its formula if they are not there.
    It is of the outcome as it was measured; if the model is of a harmonised one, that stands
    beside it, in `HARMONISED_COLUMNS`.

    Parameters
    ----------
    table : DataFrame
        With a column `site`.
    model : Model
    family : str
        That of the model.

    Returns
    -------
    DataFrame
        The columns of `SITE_COLUMNS`; no rows if they cannot be compared.
    str
        Why they cannot be; empty if they can.
    """
    import pandas as pd

    none = pd.DataFrame(columns=list(SITE_COLUMNS))
    try:
        fitted = _with_sites(table, model, family)
    except BGPVSError as error:
        return none, f"Sites are not compared in {model.region}: {error}"
    term = _site_term(fitted)
    if term is None:
        return none, f"Sites are not compared: write C({SITE}) in the formula."
    rows = [_row(fitted, level) for level in sorted(fitted.rows[SITE].unique(), key=str)]
    made = pd.DataFrame(rows, columns=list(SITE_COLUMNS))
    made["p_sites"] = fitted.fit.together(term.first, term.last)[1]
    if model.harmonised is not None:
        alike, why = compare_sites(model.rows, replace(model, harmonised=None), family)
        if why:
            return none, why
        for name in HARMONISED_COLUMNS:
            made[name] = alike[name.removesuffix("_harmonised")].to_numpy()
    return made, ""


def _with_sites(table: pd.DataFrame, model: Model, family: str) -> Model:
    """Fit the model again with sites as levels, if they are none in it."""
    formula = model.formula
    if SITE in formula.predictors and model.groups != SITE:
        return model
    if SITE not in formula.predictors:
        predictors = (*formula.predictors, SITE)
        formula = replace(formula, right=f"{formula.right} + C({SITE})", predictors=predictors)
    groups = "" if model.groups == SITE else model.groups
    return fit_region(table, model.region, formula, groups=groups, family=family)


def _site_term(model: Model) -> Term | None:
    terms = (t for t in model.design.terms if t.kind == "levels" and t.column == SITE)
    return next(terms, None)


def _row(model: Model, level: Any) -> dict[str, Any]:
    from scipy.stats import t

    there = (model.rows[SITE] == level).to_numpy(bool)
    moved = model.rows.assign(**{SITE: level})
    weights = matrix_of(model.design, moved, model.formula.predictors).mean(axis=0)
    best = float(weights @ model.fit.estimates)
    half = float(np.sqrt(weights @ model.fit.covariance @ weights))
    half *= float(t.ppf(0.975, model.fit.df.min()))
    adjusted, low, high = (_as_outcome(model, end) for end in (best, best - half, best + half))
    return {
        "region": model.region,
        "site": f"{level:g}" if isinstance(level, float) else str(level),
        "n": int(there.sum()),
        "mean": float(model.rows[model.formula.outcome].to_numpy(float)[there].mean()),
        "adjusted": adjusted,
        "low": low,
        "high": high,
    }


def _as_outcome(model: Model, value: float) -> float:
    """Take a value of the model's scale back to the outcome's."""
    if model.fit.counts:
        return float(np.exp(value))
    return float(as_outcome(np.asarray(value), model.formula))
