"""From the infants of a cohort to a curve, its intervals, and whether it fits them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.cohort.growth.curve import CENTILES, LAWS, LEAST, Curve, Line
from bgpvs_wf.cohort.growth.splines import Basis, basis_for

RESAMPLES = 200
"""Cohorts that are drawn from the infants for the intervals."""
FEWEST = min(LEAST.values())
"""With fewer infants there is no curve."""
_GRID = 41
_GAP = 0.25
"""Logarithm of the ratio of neighbouring ages between which nothing is known (chosen: 40 and 51
weeks, or 12 and 18 months)."""
_REACH = 0.025
"""As far from a planned age at which a cohort is seen, in its logarithm, the curve holds: a week at
a month after birth, two at a year (chosen). Others are seen a little off it."""
_FEWEST_IN_SPAN = 5
"""Fewer infants do not cover the ages between such gaps (chosen)."""
_DIGITS = 6
_SHARE_OFF = 3.5
"""So many standard errors more or fewer infants beyond a centile are told: one of a thousand good
curves, with nine centiles, has it."""


def fit_curve(
    values: Floats, age_weeks: Floats, subjects: Sequence[str], law: str, seed: int
) -> Curve:
    """Return the curve of a measure over the age.

    Parameters
    ----------
    values, age_weeks : ndarray, shape (n,)
        All known; values not below 0, ages above.
    subjects : sequence of str
        Whose they are. All sessions of an infant go into the curve; for the intervals infants are
        drawn with all of theirs (cluster bootstrap: Field and Welsh, J R Stat Soc B 2007, doi
        10.1111/j.1467-9868.2007.00593.x).
    law : str
        Of `LAWS`.
    seed : int
        Of the drawing.

    Returns
    -------
    Curve
        With the centiles that so many infants allow.

    Raises
    ------
    ValueError
        If there are fewer infants than `FEWEST`, more than half have none, or nothing fits; says
        so.
    """
    names, whose = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    if len(names) < FEWEST:
        raise ValueError(f"{len(names)} infants, where {FEWEST} are needed")
    if (values > 0).mean() < 0.5:
        raise ValueError("more than half of the infants have none")
    if len(np.unique(values)) < 3:
        raise ValueError("all infants have the same")
    basis = basis_for(age_weeks, len(names))
    spans = _spans(age_weeks)
    ends = min(age_weeks.min(), spans[0][0]), max(age_weeks.max(), spans[-1][1])
    ages = np.unique(_rounded(np.geomspace(*ends, _GRID)))
    fitted = LAWS[law].fit(values, age_weeks, basis, ages)
    parameters = {name: _rounded(one) for name, one in fitted.items()}
    told = [centile for centile in CENTILES if len(names) >= LEAST[centile]]
    curve = Curve(
        law,
        len(names),
        len(values),
        spans,
        tuple(ages.tolist()),
        {name: tuple(one.tolist()) for name, one in parameters.items()},
        {
            centile: Line(*(tuple(_rounded(part).tolist()) for part in parts))
            for centile, parts in _lines(
                told, parameters, _resampled(values, age_weeks, whose, basis, ages, law, seed), law
            ).items()
        },
    )
    # Counts jump over centiles.
    misfit = "" if law == "count" else _misfit(curve, values, age_weeks)
    return replace(curve, misfit=misfit)


def _rounded(values: Floats) -> Floats:
    """Return numbers as they are written, so that what is read again is the same."""
    return np.array([float(f"{value:.{_DIGITS}g}") for value in values])


def _spans(age_weeks: Floats) -> tuple[tuple[float, float], ...]:
    """Return the ages that are covered: from the youngest to the oldest, without wide gaps.

    A planned age that all infants are seen at covers a little around it.
    """
    ages = np.sort(age_weeks)
    gaps = np.flatnonzero(np.diff(np.log(ages)) > _GAP)
    groups = np.split(ages, gaps + 1)
    wide = [group for group in groups if len(group) >= _FEWEST_IN_SPAN]
    spans = []
    for group in wide or groups:
        middle = np.sqrt(group[0] * group[-1])
        first = min(group[0], middle * np.exp(-_REACH))
        last = max(group[-1], middle * np.exp(_REACH))
        # Outwards, so that the infants themselves are covered.
        spans.append((float(np.floor(100 * first) / 100), float(np.ceil(100 * last) / 100)))
    return tuple(spans)


def _resampled(
    values: Floats,
    age_weeks: Floats,
    whose: np.ndarray,
    basis: Basis,
    ages: Floats,
    law: str,
    seed: int,
) -> list[dict[str, Floats]]:
    """Return the parameters of cohorts that are drawn from the infants, with their sessions."""
    rng = np.random.default_rng(seed)
    order = np.argsort(whose, kind="stable")
    of_each = np.split(order, np.cumsum(np.bincount(whose))[:-1])
    found = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(of_each), size=len(of_each))
        rows = np.concatenate([of_each[one] for one in drawn])
        try:
            found.append(LAWS[law].fit(values[rows], age_weeks[rows], basis, ages))
        except ValueError:  # such a cohort tells nothing
            continue
    return found


def _lines(
    told: Sequence[int],
    parameters: dict[str, Floats],
    resampled: Sequence[dict[str, Floats]],
    law: str,
) -> dict[int, tuple[Floats, Floats, Floats]]:
    """Return values and interval of each centile (percentiles of the resampled ones)."""
    value_at = LAWS[law].value_at
    lines = {}
    for centile in told:
        values = value_at(centile / 100, parameters)
        others = [value_at(centile / 100, one) for one in resampled]
        low, high = np.quantile(others, (0.025, 0.975), axis=0) if others else (values, values)
        lines[centile] = (values, np.minimum(low, values), np.maximum(high, values))
    return lines


def _misfit(curve: Curve, values: Floats, age_weeks: Floats) -> str:
    """Return beyond which centile far more, or fewer, infants lie than should; empty for none."""
    at = curve.at(age_weeks)
    shares = LAWS[curve.law].share_below(values, at)
    worst, words = _SHARE_OFF, ""
    for centile in curve.told:
        low = centile <= 50
        wanted = min(centile, 100 - centile) / 100
        if low and wanted <= np.max(at["zero"]):
            continue  # those with none have one centile, in the middle of theirs
        there = float(np.mean(shares < wanted if low else shares > 1 - wanted))
        off = abs(there - wanted) / np.sqrt(wanted * (1 - wanted) / curve.subjects)
        if off > worst:
            side = "below" if low else "above"
            worst, words = off, f"{100 * there:.1f} % of the infants lie {side} centile {centile}"
    return words
