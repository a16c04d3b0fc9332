"""What speaks against a model before it is fitted: refused if numbers would be wrong, or said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.cohort.association.formula import Formula
from bgpvs_wf.cohort.association.rows import labels, listed
from bgpvs_wf.errors import BGPVSError, UsageError

if TYPE_CHECKING:
    import pandas as pd

_FEW_KINDS = 5
"""Whole numbers with so few values may be names of kinds (chosen)."""


def check_rows(rows: pd.DataFrame, formula: Formula, groups: str, counts: bool) -> None:
    """Refuse rows that a model cannot be fitted to, whatever its matrix.

    Parameters
    ----------
    rows : DataFrame
        Without missing values.
    formula : Formula
    groups : str
        Column of the groups, or empty.
    counts : bool
        Whether the outcome is to be a count.

    Raises
    ------
    BGPVSError
    """
    if not len(rows):
        raise BGPVSError(f"Nobody has all of {', '.join(formula.columns)}.")
    for name in formula.columns:
        if rows[name].nunique() == 1:
            value = rows[name].iloc[0]
            raise BGPVSError(f"{name} is {value} in all {len(rows)} rows; nothing can go with it.")
    if _is_text(rows, formula.outcome):
        raise UsageError(f"{formula.outcome} is text; the outcome has to be a number.")
    if counts:
        _check_counts(rows, formula)
    for name in formula.predictors:
        if _is_text(rows, name):
            _check_levels(rows, name)
    _check_independent(rows, groups)


def check_finite(
    rows: pd.DataFrame, outcome: np.ndarray, matrix: np.ndarray, formula: Formula
) -> None:
    """Refuse values that a function of the formula is not defined for, and say whose they are.

    Raises
    ------
    BGPVSError
    """
    for words, wrong in (
        (formula.left, ~np.isfinite(outcome)),
        (f"a function in {formula.right}", ~np.isfinite(matrix).all(axis=1)),
    ):
        if wrong.any():
            who = [one for one, bad in zip(labels(rows), wrong, strict=True) if bad]
            raise BGPVSError(
                f"{words} is no number for {listed(who)}: zero, or less, has no logarithm. Use the "
                "column as it is, or sqrt; for counts --family negative-binomial."
            )


def doubts_about(rows: pd.DataFrame, formula: Formula) -> Iterator[str]:
    """Yield what to keep in mind of the columns, a line each."""
    for name in formula.predictors:
        values = rows[name].unique()
        if _is_text(rows, name):
            alone = [str(v) for v, n in rows[name].value_counts().items() if n < 3]
            if alone:
                yield f"{name} has fewer than three rows of {listed(alone)}."
        elif f"C({name}" not in formula.right and _like_kinds(values):
            found = listed([f"{value:g}" for value in sorted(values)])
            yield (
                f"{name} is only ever {found}, taken as an amount; if these are kinds, write "
                f"C({name})."
            )


def _like_kinds(values: np.ndarray) -> bool:
    """Return whether numbers may be names of kinds; two are the same either way."""
    return 2 < len(values) <= _FEW_KINDS and all(float(value).is_integer() for value in values)


def _is_text(rows: pd.DataFrame, name: str) -> bool:
    from pandas.api.types import is_numeric_dtype

    return not is_numeric_dtype(rows[name])


def _check_counts(rows: pd.DataFrame, formula: Formula) -> None:
    if formula.outcome_function:
        raise UsageError(
            f"Counts are modelled as they are; write {formula.outcome}, not {formula.left}."
        )
    values = rows[formula.outcome].to_numpy(float)
    wrong = (values < 0) | (values != np.round(values))
    if wrong.any():
        whose = labels(rows)[int(np.flatnonzero(wrong)[0])]
        raise UsageError(
            f"{formula.outcome} is no count: it is {values[wrong][0]:g} of {whose}; use --family "
            "gaussian."
        )


def _check_levels(rows: pd.DataFrame, name: str) -> None:
    infants = rows.drop_duplicates("subject")
    kinds = infants[name].nunique()
    if kinds > len(infants) / 2:
        raise BGPVSError(
            f"{name} is text with {kinds} different values for {len(infants)} infants; it tells "
            "them apart, and explains nothing."
        )


def _check_independent(rows: pd.DataFrame, groups: str) -> None:
    """Refuse several rows of an infant that a model would take for several infants."""
    times = rows["subject"].value_counts()
    several = sorted(f"sub-{name}" for name in times.index[times > 1])
    if several and groups != "subject":
        told = f"{listed(several, 3)} {'have' if len(several) > 1 else 'has'} several sessions"
        instead = ", with C(site) in the formula" if groups == "site" else ""
        raise UsageError(
            f"{told}, which are no independent observations: p would be too small. Use --groups "
            f"subject{instead}."
        )
    if groups and rows[groups].nunique() < 2:
        raise BGPVSError(f"All rows are of one {groups}; leave --groups out.")
