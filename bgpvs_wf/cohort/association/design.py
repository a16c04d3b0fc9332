"""The matrix of a model: a row an observation, a column a coefficient, and what these are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.cohort.association.formula import Formula
from bgpvs_wf.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

INTERCEPT = "Intercept"


@dataclass(frozen=True)
class Term:
    """One summand of a formula."""

    name: str
    first: int
    last: int
    """Its columns of the matrix; the last is not among them."""
    kind: str
    """`intercept`, `number` (one column of the table as it is), `levels`, or `other`."""
    column: str = ""
    """Of the table, for `number` and `levels`."""
    reference: str = ""
    """The level that the others are compared with; those are `levels`."""
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Design:
    """What a model is fitted to."""

    outcome: Floats
    """Shape (n,)."""
    matrix: Floats
    """Shape (n, k)."""
    names: tuple[str, ...]
    """Of the coefficients, k."""
    terms: tuple[Term, ...]
    info: Any
    """What patsy needs to make the same columns of other rows."""


def make_design(rows: pd.DataFrame, formula: Formula) -> Design:
    """Make the matrix of a formula.

    Parameters
    ----------
    rows : DataFrame
        Observations, with all columns of the formula and nothing missing in them.
    formula : Formula
        As `bgpvs_wf.cohort.association.formula.read_formula` gives it; nothing else is evaluated.

    Raises
    ------
    UsageError
        If patsy cannot make it: a spline with too many pieces, a function of text.
    """
    from patsy.eval import EvalEnvironment
    from patsy.highlevel import dmatrix
    from patsy.missing import NAAction

    data = {name: rows[name] for name in formula.predictors}
    scope = EvalEnvironment([{"log": np.log, "sqrt": np.sqrt}])
    keep = NAAction(NA_types=[])
    try:
        with np.errstate(all="ignore"):
            made = dmatrix(formula.right, data, scope, NA_action=keep)
    except Exception as error:  # patsy passes on whatever numpy or its splines raise
        why = " ".join(str(error).split("\n")[0].split())
        raise UsageError(f"The formula {formula.text} cannot be used: {why}.") from error
    info = made.design_info
    terms = tuple(_term(info, one) for one in info.terms)
    return Design(
        outcome_of(rows, formula),
        np.asarray(made, float),
        tuple(map(str, info.column_names)),
        terms,
        info,
    )


def outcome_of(rows: pd.DataFrame, formula: Formula) -> Floats:
    """Return the left side of a formula; not finite where its function has no value."""
    values = rows[formula.outcome].to_numpy(float)
    functions = {"log": np.log, "sqrt": np.sqrt}
    with np.errstate(all="ignore"):
        return functions[formula.outcome_function](values) if formula.outcome_function else values


def as_outcome(values: Floats, formula: Formula) -> Floats:
    """Take values of the left side of a formula back to the scale of the outcome."""
    if formula.outcome_function == "log":
        return np.exp(values)
    return np.maximum(values, 0.0) ** 2 if formula.outcome_function == "sqrt" else values


def matrix_of(design: Design, rows: pd.DataFrame, predictors: tuple[str, ...]) -> Floats:
    """Return the matrix of other rows, by the same formula, levels and splines."""
    from patsy.build import build_design_matrices
    from patsy.missing import NAAction

    data = {name: rows[name] for name in predictors}
    keep = NAAction(NA_types=[])
    made: Any = build_design_matrices([design.info], data, NA_action=keep)[0]
    return np.asarray(made, float)


def _term(info: Any, one: Any) -> Term:
    place = info.term_slices[one]
    name, first, last = one.name(), int(place.start), int(place.stop)
    if not one.factors:
        return Term(INTERCEPT, first, last, "intercept")
    if len(one.factors) > 1:
        return Term(name, first, last, "other")
    factor = one.factors[0]
    known = info.factor_infos[factor]
    code = factor.code.strip()
    if known.type == "categorical":
        column = code.removeprefix("C(").split(",")[0].strip(" ()")
        contrasts = info.term_codings[one][0].contrast_matrices[factor].matrix
        blank = np.flatnonzero(~contrasts.any(axis=1))
        reference = str(known.categories[blank[0]]) if len(blank) == 1 else ""
        levels = tuple(str(level) for level in known.categories if str(level) != reference)
        return Term(name, first, last, "levels", column, reference, levels)
    kind = "number" if code.isidentifier() else "other"
    return Term(name, first, last, kind, code if kind == "number" else "")
