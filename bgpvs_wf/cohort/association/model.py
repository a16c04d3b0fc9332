"""A model of one region: rows, checks, matrix, fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.cohort.association.checks import check_finite, check_rows, doubts_about
from bgpvs_wf.cohort.association.counts import count_model, grouped_counts
from bgpvs_wf.cohort.association.design import Design, as_outcome, make_design
from bgpvs_wf.cohort.association.fit import Fit
from bgpvs_wf.cohort.association.formula import Formula
from bgpvs_wf.cohort.association.harmonising import Harmonised, check_harmonising, harmonise
from bgpvs_wf.cohort.association.linear import least_squares, random_intercept
from bgpvs_wf.cohort.association.matrix_checks import check_matrix, doubts_about_matrix
from bgpvs_wf.cohort.association.rows import LeftOut, complete_rows, labels, listed, rows_of
from bgpvs_wf.errors import BGPVSError

if TYPE_CHECKING:
    import pandas as pd

FAMILIES = ("auto", "gaussian", "negative-binomial")
GROUPS = ("subject", "site")
COUNT = "pvs_count"
"""The outcome that is a count without being told so."""
_FEW_GROUPS = 5
_INFLUENTIAL = 1.0
"""Cook's distance above which one infant moves all estimates (Cook and Weisberg 1982, ch. 3.5)."""


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted model, and whom it is of."""

    region: str
    formula: Formula
    groups: str
    """Column of the groups that are modelled; empty if observations are independent."""
    rows: pd.DataFrame
    """Those it was fitted to."""
    design: Design
    fit: Fit
    left_out: tuple[LeftOut, ...]
    doubts: tuple[str, ...]
    harmonised: Harmonised | None = None
    """How the outcome was made alike over sites; None if it is as it was measured."""

    @property
    def labels(self) -> list[str]:
        """BIDS names of the rows."""
        return labels(self.rows)

    @property
    def infants(self) -> int:
        """How many there are; sessions of one count once."""
        return int(self.rows["subject"].nunique())


def is_count(formula: Formula, family: str) -> bool:
    """Return whether the outcome is modelled as a count."""
    return family == "negative-binomial" or (family == "auto" and formula.left == COUNT)


def fit_region(
    table: pd.DataFrame,
    region: str,
    formula: Formula,
    *,
    groups: str = "",
    family: str = "auto",
    over: str = "",
) -> Model:
    """Fit a model to the rows of one region, both sides together.

    Parameters
    ----------
    table : DataFrame
        As `bgpvs_wf.cohort.table.read_cohort` gives it.
    region : str
        `BG` for the whole.
    formula : Formula
    groups : {'', 'subject', 'site'}
        What several rows are of.
    family : {'auto', 'gaussian', 'negative-binomial'}
        `auto` is the negative binomial for `pvs_count`.
    over : str
        A column, as `site`: the outcome is made alike over its levels first.

    Raises
    ------
    BGPVSError
        If numbers would be wrong; see docs/how-to/associating.md.
    """
    counts = is_count(formula, family)
    if over:
        check_harmonising(formula, over, groups, counts)
    used = (*formula.columns, *filter(None, (groups, over)))
    rows, left_out = complete_rows(rows_of(table, region), used)
    check_rows(rows, formula, groups, counts)
    design = make_design(rows, formula)
    check_finite(rows, design.outcome, design.matrix, formula)
    infants = int(rows["subject"].nunique())
    check_matrix(design, labels(rows), infants)
    told = [*doubts_about(rows, formula), *doubts_about_matrix(design, infants)]
    alike = None
    if over:
        alike = harmonise(table, region, rows, design, formula, over)
        design = replace(design, outcome=alike.outcome)
        rows = rows.assign(**{formula.outcome: as_outcome(alike.outcome, formula)})
        told += alike.doubts
    if groups and rows[groups].nunique() == len(rows):
        told.append(f"Every {groups} has one row only: a model without groups was fitted.")
        groups = ""
    fit = _fit(design, rows, groups, counts)
    told += [*fit.notes, *_doubts_about_fit(fit, rows, groups)]
    return Model(region, formula, groups, rows, design, fit, left_out, tuple(told), alike)


def _fit(design: Design, rows: pd.DataFrame, groups: str, counts: bool) -> Fit:
    outcome, matrix = design.outcome, design.matrix
    if groups:
        numbers = np.unique(rows[groups].astype(str).to_numpy(str), return_inverse=True)[1]
        grouped = grouped_counts if counts else random_intercept
        return grouped(outcome, matrix, numbers)
    if counts:
        return count_model(outcome, matrix)
    away = outcome - matrix @ np.linalg.lstsq(matrix, outcome, rcond=None)[0]
    if away.std() < 1e-9 * outcome.std():
        raise BGPVSError(
            "The terms give the outcome exactly: one of them is the outcome, or it follows from "
            "them. Take that out."
        )
    return least_squares(outcome, matrix)


def _doubts_about_fit(fit: Fit, rows: pd.DataFrame, groups: str) -> list[str]:
    told = []
    if groups and rows[groups].nunique() < _FEW_GROUPS:
        told.append(
            f"There are {rows[groups].nunique()} groups only, too few to tell how groups differ; "
            f"C({groups}) in the formula is surer."
        )
    cooks = fit.cooks
    strong = [name for name, far in zip(labels(rows), cooks > _INFLUENTIAL, strict=True) if far]
    if strong:
        told.append(
            f"The estimates hang on {listed(strong)} (Cook's distance above {_INFLUENTIAL:g}); "
            "look at the scan, and fit without."
        )
    return told
