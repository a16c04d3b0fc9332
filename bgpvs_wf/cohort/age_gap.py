"""Whether infants look as old as they are said to be, beside others of their protocol."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.cohort.outliers import curve_at
from bgpvs_wf.imaging.intensity import median_and_spread

LEAST_INFANTS = 20
"""Fewer do not tell what an age looks like (chosen)."""
FAR, LEAST_SHARE = 4.0, 0.15
"""By how many standard deviations an infant has to look more like another age, and share of its age
that this has to be away (chosen)."""
_AGES = 80
"""So many are tried, evenly in their logarithm."""


def looked_age_weeks(
    features: Floats, age_weeks: Floats, least_spread: Floats
) -> tuple[Floats, Floats]:
    """Return how old infants look, and by how much more they look so than as old as is said.

    What changes with age follows a curve through all infants of the group, robust against wrong
    ages. An infant looks as old as where its features are nearest to their curves, in units of how
    they usually differ from these.

    Parameters
    ----------
    features : ndarray, shape (n, k)
        What changes with age: volumes, contrasts. NaN where there is none.
    age_weeks : ndarray, shape (n,)
        Post-menstrual, as is said; NaN where it is not known.
    least_spread : ndarray, shape (k,)
        By so much each feature differs between infants at least.

    Returns
    -------
    looked : ndarray, shape (n,)
        Weeks; NaN where it cannot be told.
    surer : ndarray, shape (n,)
        Root of what the sum of squared standard deviations is less at that age than at the one that
        is said.
    """
    looked, surer = np.full(len(age_weeks), np.nan), np.full(len(age_weeks), np.nan)
    told = np.isfinite(features).mean(axis=0) > 0.5 if len(features) else np.zeros(0, bool)
    used, least = features[:, told], least_spread[told]
    known = np.isfinite(used).all(axis=1) & np.isfinite(age_weeks)
    if known.sum() < LEAST_INFANTS or not told.any() or np.ptp(age_weeks[known]) == 0:
        return looked, surer
    logs = np.log(age_weeks[known])
    tried = np.linspace(logs.min(), logs.max(), _AGES)
    away = np.zeros((int(known.sum()), _AGES))
    as_said = np.zeros(int(known.sum()))
    for column, spread in zip(used[known].T, least, strict=True):
        beside = column - curve_at(logs, column, logs)
        usual = max(median_and_spread(beside)[1], float(spread))
        away += ((column[:, None] - curve_at(logs, column, tried)) / usual) ** 2
        as_said += (beside / usual) ** 2
    best = away.argmin(axis=1)
    looked[known] = np.exp(tried[best])
    surer[known] = np.sqrt(np.maximum(as_said - away.min(axis=1), 0))
    return looked, surer


def other_age(looked: Floats, surer: Floats, age_weeks: Floats) -> np.ndarray:
    """Return who looks much younger or older than is said, as bool.

    Parameters
    ----------
    looked, surer
        As `looked_age_weeks` gives them.
    age_weeks : ndarray, shape (n,)
    """
    with np.errstate(invalid="ignore"):
        return (surer > FAR) & (np.abs(np.log(looked / age_weeks)) > LEAST_SHARE)
