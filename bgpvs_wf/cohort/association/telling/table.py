"""The result of models as a table: a row for each coefficient, and for terms of several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.cohort.association.design import Term
from bgpvs_wf.cohort.association.model import Model

if TYPE_CHECKING:
    import pandas as pd


def _column(description: str) -> dict[str, str]:
    return {"Description": description}


TERM_COLUMNS: dict[str, dict[str, str]] = {
    "region": _column("Region, both sides together; BG is the whole"),
    "term": _column("Coefficient, or a term of several that is tested as a whole"),
    "kind": _column(
        "intercept, number, levels, other; part of a curve; together for a term as a whole"
    ),
    "estimate": _column(
        "Change of the outcome for one unit more of the term; of counts the logarithm of the ratio"
    ),
    "se": _column("Standard error of the estimate"),
    "low": _column("Lower end of the 95 % interval of the estimate"),
    "high": _column("Upper end of the 95 % interval of the estimate"),
    "standardised": _column(
        "Estimate in standard deviations of the outcome for one of the term; of numbers only"
    ),
    "ratio": _column("Of counts: by how much they are multiplied for one unit more of the term"),
    "ratio_low": _column("Lower end of the 95 % interval of the ratio"),
    "ratio_high": _column("Upper end of the 95 % interval of the ratio"),
    "t": _column("Estimate over its standard error; Wald's F for a term as a whole"),
    "df": _column("Degrees of freedom of t; of the denominator for F"),
    "p": _column("Two-sided p value"),
    "p_fdr": _column("p after Benjamini and Hochberg's correction over the regions, for each term"),
    "n": _column("Number of rows in the model"),
    "infants": _column("Number of infants in the model"),
}
"""Column of the table of results to its description."""


def terms_table(models: Sequence[Model]) -> pd.DataFrame:
    """Put what models tell into one table, with the columns of `TERM_COLUMNS`.

    Parameters
    ----------
    models : sequence of Model
        Of one formula; p values are corrected over them, for each term, if there are several.
    """
    import pandas as pd

    rows = [row for model in models for row in _rows(model)]
    table = pd.DataFrame(rows, columns=list(TERM_COLUMNS))
    table["p_fdr"] = np.nan
    if len(models) > 1:
        effects = table[table["kind"] != "intercept"]
        for places in effects.groupby(["term", "kind"]).groups.values():
            table.loc[places, "p_fdr"] = benjamini_hochberg(table.loc[places, "p"].to_numpy(float))
    return table


def benjamini_hochberg(p: Floats) -> Floats:
    """Return p values corrected so that of what is found the share given is false.

    Benjamini and Hochberg, J R Stat Soc B 1995, doi 10.1111/j.2517-6161.1995.tb02031.x.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    from statsmodels.stats.multitest import multipletests

    return np.asarray(multipletests(p, method="fdr_bh")[1])


def _rows(model: Model) -> Iterator[dict[str, Any]]:
    fit, design = model.fit, model.design
    low, high = fit.intervals()
    spread = design.outcome.std(ddof=1)
    for term in design.terms:
        for place in range(term.first, term.last):
            row: dict[str, Any] = {
                **_common(model),
                "term": design.names[place],
                "kind": "part" if _is_curve(term) else term.kind,
                "estimate": fit.estimates[place],
                "se": fit.errors[place],
                "low": low[place],
                "high": high[place],
                "t": fit.statistics[place],
                "df": fit.df[place],
                "p": fit.p[place],
            }
            if fit.counts:
                ends = (fit.estimates[place], low[place], high[place])
                row |= dict(zip(("ratio", "ratio_low", "ratio_high"), np.exp(ends), strict=True))
            elif term.kind == "number":
                row["standardised"] = (
                    fit.estimates[place] * design.matrix[:, place].std(ddof=1) / spread
                )
            yield row
        if term.last - term.first > 1:
            yield _as_a_whole(model, term)


def _is_curve(term: Term) -> bool:
    """Return whether a term is a spline, whose coefficients mean nothing one by one."""
    return any(name in term.name for name in ("bs(", "cr("))


def _as_a_whole(model: Model, term: Term) -> dict[str, Any]:
    value, p = model.fit.together(term.first, term.last)
    df = model.fit.df[term.first : term.last].min()
    return {**_common(model), "term": term.name, "kind": "together", "t": value, "df": df, "p": p}


def _common(model: Model) -> dict[str, Any]:
    return {"region": model.region, "n": len(model.rows), "infants": model.infants}
