"""Counts at an age: negative binomial, as some infants have many more than chance would give.

Mean `mean` and dispersion `dispersion`, so that the variance is mean + dispersion * mean^2 (NB2 of
Cameron and Trivedi, Regression Analysis of Count Data, 2013, doi 10.1017/CBO9781139013567).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.cohort.growth.optimum import lowest
from bgpvs_wf.cohort.growth.splines import Basis

PARAMETERS = ("mean", "dispersion")
_DISPERSIONS = (-9.0, 4.0)
"""Bounds of its logarithm; below, counts are those of chance (Poisson)."""
_SLOPE_SPREAD = 1.0
"""Change of the logarithm of the dispersion for a standard deviation of the logarithm of age:
larger ones are not expected (chosen; weak beside 30 infants)."""


def fit(values: Floats, age_weeks: Floats, basis: Basis, ages: Floats) -> dict[str, Floats]:
    """Return the parameters at some ages, of the highest penalised likelihood.

    The mean follows the whole curve, the dispersion a line (logarithms both). Parameters and
    errors as of `bgpvs_wf.cohort.growth.box_cox.fit`.
    """
    design, at, line = basis.at(age_weeks), basis.at(ages), min(basis.size, 2)
    start = np.zeros(basis.size + line)
    start[0], start[basis.size] = np.log(values.mean()), np.log(0.3)
    bounds: list[tuple[float | None, float | None]] = [(None, None)] * len(start)
    bounds[basis.size] = _DISPERSIONS
    found = lowest(_loss, start, bounds, (values, design, line))
    mean, spread = np.split(found, [basis.size])
    exponent = np.clip(at[:, :line] @ spread, *_DISPERSIONS)
    return {"mean": np.exp(at @ mean), "dispersion": np.exp(exponent)}


def _loss(found: Floats, values: Floats, design: Floats, line: int) -> tuple[float, Floats]:
    """Return the penalised negative logarithm of the likelihood, and its gradient."""
    from scipy.special import digamma, gammaln

    columns, lines = design.shape[1], design[:, :line]
    mean = np.exp(np.clip(design @ found[:columns], -50, 50))
    size = np.exp(-np.clip(lines @ found[columns:], *_DISPERSIONS))
    total = size + mean
    chance = size * np.log(size / total) + values * np.log(mean / total)
    loss = -np.sum(gammaln(values + size) - gammaln(size) + chance)
    of_mean = (mean - values) * size / total
    of_size = digamma(values + size) - digamma(size) + np.log(size / total)
    of_size += 1 - (size + values) / total
    gradient = np.concatenate([of_mean @ design, (of_size * size) @ lines])
    slopes = found[columns + 1 :] / _SLOPE_SPREAD
    gradient[columns + 1 :] += slopes / _SLOPE_SPREAD
    return float(loss + 0.5 * slopes @ slopes), gradient


def share_below(values: Floats, at: Mapping[str, Any]) -> Floats:
    """Return the share of infants with fewer, and half of those with the same count (mid-p).

    Lancaster, J Am Stat Assoc 1961, doi 10.1080/01621459.1961.10482105: nobody's centile is left
    to chance, and the mean over infants is a half.

    Parameters
    ----------
    values : ndarray, shape (n,)
    at : mapping of str to ndarray, shape (n,)
        The parameters at their ages.
    """
    from scipy.stats import nbinom

    law = nbinom(*_terms(at))
    return law.cdf(values) - 0.5 * law.pmf(values)


def value_at(share: float, at: Mapping[str, Any]) -> Floats:
    """Return the smallest count that at least a share of the infants has, or fewer."""
    from scipy.stats import nbinom

    return nbinom.ppf(share, *_terms(at)).astype(float)


def _terms(at: Mapping[str, Any]) -> tuple[Floats, Floats]:
    size = 1 / np.asarray(at["dispersion"], float)
    return size, size / (size + np.asarray(at["mean"], float))
