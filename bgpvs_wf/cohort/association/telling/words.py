"""What a model found, a sentence for each term."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bgpvs_wf.cohort.association.model import Model
from bgpvs_wf.cohort.association.telling.units import Measured, measured, number, p_text, ratios
from bgpvs_wf.cohort.table import WHOLE

if TYPE_CHECKING:
    import pandas as pd


def sentences(model: Model, terms: pd.DataFrame) -> list[str]:
    """Return a sentence for each coefficient but the constant, and for each term of several.

    Of a curve there is one on the whole.

    Parameters
    ----------
    model : Model
    terms : DataFrame
        As `bgpvs_wf.cohort.association.telling.table.terms_table` gives it; of this model's region.
    """
    own = terms[(terms["region"] == model.region) & ~terms["kind"].isin(["intercept", "part"])]
    start = "" if model.region == WHOLE else f"{model.region}: "
    tied = _tied(model)
    rows: list[Any] = own.to_dict("records")
    return [start + _sentence(model, row, tied) for row in rows]


def _sentence(model: Model, row: dict[str, Any], tied: set[str]) -> str:
    if row["kind"] == "together":
        terms = {term.name: term for term in model.design.terms}
        q = terms[row["term"]].last - terms[row["term"]].first
        told = f"F({q}, {row['df']:.0f}) = {number(row['t'])}, {_p(row)}, {_who(model)}"
        return f"{row['term']} as a whole: {told}."
    cause, step, column = _cause(model, row)
    effect, low, high = _effect(model, row, step)
    where = " (where what it is tied to is zero, or the first level)" if column in tied else ""
    none = "" if _differs(row) else "; no effect at all lies within the interval"
    return (
        f"{cause}{where} goes with {effect} (95 % interval {low} to {high}, {_p(row)}, "
        f"{_who(model)}){none}."
    )


def _cause(model: Model, row: dict[str, Any]) -> tuple[str, float, str]:
    """Return what the sentence begins with, how much of the term it is, and its column."""
    for term in model.design.terms:
        if row["term"] in model.design.names[term.first : term.last]:
            if term.kind == "number":
                known = measured(term.column)
                return known.one, known.step, term.column
            if term.kind == "levels" and term.reference:
                level = term.levels[model.design.names.index(row["term"]) - term.first]
                return f"{term.column} {level} against {term.reference}", 1.0, term.column
    return f"One more of {row['term']}", 1.0, ""


def _effect(model: Model, row: dict[str, Any], step: float) -> tuple[str, str, str]:
    """Return what the outcome is more or less, and the ends of its interval."""
    ends = [row[name] * step for name in ("estimate", "low", "high")]
    known = measured(model.formula.outcome)
    if model.fit.counts:
        best, low, high = (math.exp(min(end, 700)) for end in ends)
        ratio, lower, upper = ratios(best, low, high)
        many = "many" if model.formula.outcome == "pvs_count" else "much"
        return f"{ratio} times as {many} {known.what}", lower, upper
    if model.formula.outcome_function == "log":
        best, low, high = (100 * math.expm1(min(end, 700)) for end in ends)
        return f"{_more(best, '%')} {known.what}", f"{number(low)} %", f"{number(high)} %"
    if model.formula.outcome_function:
        known = Measured(model.formula.left, "", "")
    best, low, high = (end * known.scale for end in ends)
    return f"{_more(best, known.unit)} {known.what}", number(low), number(high)


def _more(value: float, unit: str) -> str:
    amount = f"{number(abs(value))} {unit}".rstrip()
    return f"{amount} {'less' if value < 0 else 'more'}"


def _tied(model: Model) -> set[str]:
    """Return the columns that are in products of terms, too."""
    products = [term.name for term in model.design.terms if ":" in term.name]
    parts = {part for name in products for part in name.split(":")}
    return {part.removeprefix("C(").rstrip(")") for part in parts}


def _differs(row: dict[str, Any]) -> bool:
    return bool(row["low"] > 0 or row["high"] < 0)


def _p(row: dict[str, Any]) -> str:
    corrected = row["p_fdr"]
    told = p_text(row["p"])
    return told if math.isnan(corrected) else f"{told}, corrected {p_text(corrected)}"


def _who(model: Model) -> str:
    sessions = len(model.rows)
    told = f"{model.infants} infants"
    return told if sessions == model.infants else f"{told}, {sessions} sessions"


def left_out_lines(model: Model) -> Iterator[str]:
    """Yield who is not in a model, by reason."""
    reasons: dict[str, list[str]] = {}
    for one in model.left_out:
        reasons.setdefault(one.why, []).append(one.label)
    for why, names in reasons.items():
        yield f"{why} ({len(names)}): {', '.join(names)}"
