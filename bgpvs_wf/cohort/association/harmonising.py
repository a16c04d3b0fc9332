"""What sites measure made alike: ComBat, with the effects of a model's terms kept.

Johnson, Li and Rabinovic, Biostatistics 2007, doi 10.1093/biostatistics/kxj037; for MRI Fortin et
al., NeuroImage 2018, doi 10.1016/j.neuroimage.2017.11.024. The library is combatlearn.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.cohort.association.design import INTERCEPT, Design, outcome_of
from bgpvs_wf.cohort.association.fit import quiet
from bgpvs_wf.cohort.association.formula import Formula
from bgpvs_wf.cohort.association.rows import listed, regions_of, rows_of
from bgpvs_wf.errors import BGPVSError, UsageError

if TYPE_CHECKING:
    import pandas as pd

LIBRARY = "combatlearn"
FEWEST = 10
"""Infants of a site, below which its spread is not known (chosen)."""
MOST_TIED = 1.1
"""How much wider an interval may become by sites in the model. Intervals after ComBat do not know
that sites were estimated (Nygaard et al. 2016, doi 10.1093/biostatistics/kxv027): at 1.03 chance
alone was found in 6.5 %, at 1.25 in 9.8 %, not in 5 % (benchmarks/harmonising.py)."""
_TOLD = 1.02


@dataclass(frozen=True, eq=False)
class Harmonised:
    """An outcome made alike over sites, in a region."""

    column: str
    """Whose levels are the sites."""
    sites: dict[str, int]
    """Number of rows of each."""
    features: tuple[str, ...]
    """Regions that were harmonised together; with one alone nothing is shrunk."""
    outcome: Floats
    """On the scale of the model, shape (n,)."""
    doubts: tuple[str, ...]


def check_harmonising(formula: Formula, column: str, groups: str, counts: bool) -> None:
    """Refuse what cannot be harmonised, whatever the rows.

    Raises
    ------
    UsageError
    """
    instead = f"leave --harmonise out, and put C({column}) in the formula"
    if counts or formula.outcome == "pvs_count":
        raise UsageError(f"{formula.outcome} is a count, which ComBat is not made for; {instead}.")
    if column in formula.columns:
        raise UsageError(f"{column} is in the formula, and would be harmonised away; take one out.")
    if groups:
        raise UsageError(
            f"With --groups {groups} rows depend on each other, which ComBat does not know; "
            f"{instead}."
        )
    if importlib.util.find_spec(LIBRARY) is None:
        raise UsageError(
            f"To harmonise, {LIBRARY} has to be installed: pip install 'bgpvs-wf[harmonise]'."
        )


def harmonise(
    table: pd.DataFrame,
    region: str,
    rows: pd.DataFrame,
    design: Design,
    formula: Formula,
    column: str,
) -> Harmonised:
    """Make the outcome of a region alike over the levels of a column.

    Parameters
    ----------
    table : DataFrame
        Of all regions: those that are known of all rows tell how sites differ, too.
    region : str
    rows : DataFrame
        Of the region, without gaps.
    design : Design
        Of the rows; the effects of its terms are kept.
    formula : Formula
    column : str

    Raises
    ------
    BGPVSError
        If sites are too few, too small, or go together with a term.
    """
    sites = np.array([f"{x:g}" if isinstance(x, float) else str(x) for x in rows[column]])
    counts = {str(name): int((sites == name).sum()) for name in np.unique(sites)}
    _check_sites(sites, counts, design, column)
    doubts = _check_tied(design, sites, column)
    features = _features(table, region, rows, sites, formula)
    made = combat(features, design, sites)
    return Harmonised(
        column,
        counts,
        tuple(features),
        made,
        (*doubts, *_measured_beside(formula)),
    )


def combat(features: dict[str, Floats], design: Design, sites: np.ndarray) -> Floats:
    """Return the first of some features harmonised over sites, the effects of a design kept.

    Parameters
    ----------
    features : dict of str to ndarray, shape (n,)
    design : Design
    sites : ndarray of str, shape (n,)
    """
    import pandas as pd
    from combatlearn import ComBat

    kept = [place for place, name in enumerate(design.names) if name != INTERCEPT]
    covariates = pd.DataFrame(design.matrix[:, kept])
    with quiet():
        model = ComBat(pd.Series(sites), continuous_covariates=covariates, method="fortin")
        made = model.fit_transform(pd.DataFrame(features))
    return np.asarray(made, float)[:, 0]


def wider_by_sites(design: Design, sites: np.ndarray) -> Floats:
    """Return how many times wider each interval would be with sites in the model, shape (k,).

    Infinite where a term and sites cannot be told apart.
    """
    levels = np.unique(sites)[1:]
    both = np.column_stack([design.matrix, *(sites == level for level in levels)])
    both = both / np.sqrt((both**2).sum(axis=0))
    k = len(design.names)
    if np.linalg.matrix_rank(both) < both.shape[1]:
        return np.full(k, np.inf)
    alone = np.diag(np.linalg.inv(both[:, :k].T @ both[:, :k]))
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(both.T @ both))[:k] / alone))


def _check_sites(sites: np.ndarray, counts: dict[str, int], design: Design, column: str) -> None:
    if len(counts) < 2:
        raise BGPVSError(f"All rows are of one {column}; leave --harmonise out.")
    if small := [f"{name} ({count})" for name, count in counts.items() if count < FEWEST]:
        raise BGPVSError(
            f"{listed(small)} of {column} have fewer than {FEWEST} infants, too few to harmonise; "
            f"leave them out, or put C({column}) in the formula."
        )
    if same := [name for name in counts if not np.ptp(design.outcome[sites == name])]:
        raise BGPVSError(f"The outcome is the same for all infants of {column} {listed(same)}.")


def _check_tied(design: Design, sites: np.ndarray, column: str) -> list[str]:
    """Refuse terms that go together with sites; tell of those that do a little."""
    wider = wider_by_sites(design, sites)
    if np.isinf(wider).any():
        raise BGPVSError(
            f"The terms of the formula and {column} cannot be told apart: harmonising would take "
            "their effects away, or make some. Take a term out, or compare within sites."
        )
    tied = {
        name: float(factor)
        for name, factor in zip(design.names, wider, strict=True)
        if name != INTERCEPT and factor > _TOLD
    }
    if much := [name for name, factor in tied.items() if factor > MOST_TIED]:
        raise BGPVSError(
            f"{listed(much)} and {column} go together: after harmonising, p would be too small. "
            f"Put C({column}) in the formula instead."
        )
    return [
        f"{name} goes a little together with {column}: its interval is too narrow by "
        f"{100 * (1 - 1 / factor):.0f} %; C({column}) in the formula is surer."
        for name, factor in tied.items()
    ]


def _features(
    table: pd.DataFrame, region: str, rows: pd.DataFrame, sites: np.ndarray, formula: Formula
) -> dict[str, Floats]:
    """Return the outcome in the region, and in others that have it for all rows."""
    found = {region: outcome_of(rows, formula)}
    who = list(zip(rows["subject"], rows["session"], strict=True))
    for name in regions_of(table, formula.outcome):
        if name == region:
            continue
        other = rows_of(table, name)
        whose = zip(other["subject"], other["session"], strict=True)
        values = dict(zip(whose, outcome_of(other, formula).tolist(), strict=True))
        own = np.array([values.get(one, np.nan) for one in who])
        spread = np.isfinite(own).all() and all(np.ptp(own[sites == one]) for one in set(sites))
        # The volume of the whole is told beside every region.
        if spread and not np.array_equal(own, found[region]):
            found[name] = own
    return found


def _measured_beside(formula: Formula) -> list[str]:
    beside = [name for name in formula.predictors if "volume" in name or "pvs" in name]
    if not beside:
        return []
    return [
        f"{listed(beside)} may differ between sites, too, and is taken as it was measured: only "
        "the outcome is harmonised."
    ]
