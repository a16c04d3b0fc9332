r"""Volumes and shares at an age: skewed, wider where they are larger, and perhaps none at all.

The LMS method (Cole and Green, Stat Med 1992, doi 10.1002/sim.4780111005): at each age there is a
power `L` that makes values normal, a median `M` and a relative spread `S`:

.. math:: z = ((y / M)^L - 1) / (L S)

As values are above 0, the normal is cut at :math:`-1 / (L S)` (Rigby and Stasinopoulos, Stat Med
2004, doi 10.1002/sim.1861). A share `zero` of the infants has none; the others follow this law.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.cohort.growth.optimum import lowest
from bgpvs_wf.cohort.growth.splines import Basis

PARAMETERS = ("L", "M", "S", "zero")
_SLOPE_SPREAD = 1.0
"""Change of the logarithm of the spread, and of the odds of zero, for a standard deviation of the
logarithm of age: larger ones are not expected (chosen; weak beside 30 infants)."""
_POWER, _POWER_SPREAD = 0.5, 1.0
"""The power that is expected, between the logarithm and none, and by how much it may differ
(chosen; weak likewise)."""
_POWERS = (-3.0, 3.0)
_NEAR_ZERO = 1e-4
"""Smaller powers are the logarithm."""


def fit(values: Floats, age_weeks: Floats, basis: Basis, ages: Floats) -> dict[str, Floats]:
    """Return the parameters at some ages, of the highest penalised likelihood.

    The median follows the whole curve, the spread a line (logarithms both); the power is the same
    at all ages.

    Parameters
    ----------
    values, age_weeks : ndarray, shape (n,)
        Not below 0; some above.
    basis : Basis
        Of these ages.
    ages : ndarray, shape (m,)
        Where the parameters are wanted.

    Returns
    -------
    dict of str to ndarray, shape (m,)
        By the names of `PARAMETERS`.

    Raises
    ------
    ValueError
        If there is no optimum.
    """
    some = values > 0
    scale = float(np.exp(np.log(values[some]).mean()))
    design, logs = basis.at(age_weeks[some]), np.log(values[some] / scale)
    at, line = basis.at(ages), min(basis.size, 2)
    weights = np.linalg.lstsq(design, logs, rcond=None)[0]
    spread = max(float((logs - design @ weights).std()), 1e-3)
    start = np.concatenate([weights, [np.log(spread)], np.zeros(line - 1), [_POWER]])
    bounds = [(None, None)] * (len(start) - 1) + [_POWERS]
    found = lowest(_loss, start, bounds, (logs, design, line))
    median, width = np.split(found[:-1], [basis.size])
    return {
        "L": np.full(len(ages), found[-1]),
        "M": scale * np.exp(at @ median),
        "S": np.exp(at[:, :line] @ width),
        "zero": _share_of_zeros(~some, basis.at(age_weeks)[:, :line], at[:, :line]),
    }


def _loss(found: Floats, logs: Floats, design: Floats, line: int) -> tuple[float, Floats]:
    """Return the penalised negative logarithm of the likelihood, and its gradient."""
    from scipy.special import log_ndtr

    power, lines = found[-1], design[:, :line]
    median, width = np.split(found[:-1], [design.shape[1]])
    above, inverse = logs - design @ median, np.exp(-(lines @ width))
    raised, bent, turn = _bend(above, power)
    z = bent * inverse
    cut = inverse / max(abs(power), _NEAR_ZERO)
    share = log_ndtr(cut)
    # The hazard of the cut: derivative of the share that is left.
    hazard = np.exp(-0.5 * cut**2 - share) / np.sqrt(2 * np.pi) * cut
    loss = -np.sum(power * above + np.log(inverse) - 0.5 * z**2 - share)
    of_median = power - z * raised * inverse
    of_width = 1 - z**2 - hazard
    of_power = np.sum(z * turn * inverse - above)
    if abs(power) > _NEAR_ZERO:
        of_power -= np.sum(hazard) / power
    gradient = np.concatenate([of_median @ design, of_width @ lines, [of_power]])
    slopes = found[design.shape[1] + 1 : -1] / _SLOPE_SPREAD
    off = (power - _POWER) / _POWER_SPREAD
    gradient[design.shape[1] + 1 : -1] += slopes / _SLOPE_SPREAD
    gradient[-1] += off / _POWER_SPREAD
    return float(loss + 0.5 * (slopes @ slopes + off**2)), gradient


def _bend(above: Floats, power: float) -> tuple[Floats, Floats, Floats]:
    """Return the power of a ratio, its Box-Cox transform, and the derivative of that by power."""
    if abs(power) <= _NEAR_ZERO:
        return np.ones_like(above), above, above**2 / 2
    # Steps of the search may be wild.
    raised = np.exp(np.clip(power * above, -50, 50))
    bent = (raised - 1) / power
    return raised, bent, (above * raised - bent) / power


def _share_of_zeros(zero: np.ndarray, lines: Floats, at: Floats) -> Floats:
    """Return the share of infants with none at some ages: a logistic line over log age."""
    from scipy.special import expit, xlogy

    if not zero.any():
        return np.zeros(len(at))
    share = zero.mean()
    if share == 1 or lines.shape[1] == 1:
        return np.full(len(at), share)

    def loss(found: Floats) -> tuple[float, Floats]:
        expected = expit(lines @ found)
        slope = found[1] / _SLOPE_SPREAD
        value = -np.sum(xlogy(zero, expected) + xlogy(~zero, 1 - expected)) + 0.5 * slope**2
        gradient = (expected - zero) @ lines
        gradient[1] += slope / _SLOPE_SPREAD
        return float(value), gradient

    start = np.array([np.log(share / (1 - share)), 0.0])
    return expit(at @ lowest(loss, start, [(-20, 20), (-20, 20)], ()))


def share_below(values: Floats, at: Mapping[str, Any]) -> Floats:
    """Return the share of infants with less than some values; of zero, half of those with none.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Not below 0.
    at : mapping of str to ndarray, shape (n,)
        The parameters at their ages.
    """
    from scipy.special import ndtr

    power, width, none = (np.asarray(at[name], float) for name in ("L", "S", "zero"))
    with np.errstate(divide="ignore"):
        above = np.log(np.asarray(values, float) / at["M"])
    near = np.abs(power) <= _NEAR_ZERO
    safe = np.where(near, 1.0, power)
    z = np.where(near, above, np.expm1(np.clip(safe * above, -700, 700)) / safe) / width
    lost, left = _cut(power, width)
    below = np.clip((ndtr(z) - lost) / left, 0, 1)
    return np.where(np.asarray(values) > 0, none + (1 - none) * below, none / 2)


def value_at(share: float, at: Mapping[str, Any]) -> Floats:
    """Return the value that a share of the infants is below; 0 where so many have none.

    Parameters
    ----------
    share : float
        From 0 to 1, both left out.
    at : mapping of str to ndarray, shape (n,)
        The parameters at some ages.
    """
    from scipy.special import ndtri

    power, width, none = (np.asarray(at[name], float) for name in ("L", "S", "zero"))
    lost, left = _cut(power, width)
    wanted = np.clip((share - none) / np.where(none < 1, 1 - none, 1), 0, 1)
    z = ndtri(np.clip(lost + wanted * left, 1e-15, 1 - 1e-15))
    near = np.abs(power) <= _NEAR_ZERO
    safe = np.where(near, 1.0, power)
    grown = np.log(np.maximum(1 + safe * width * z, 1e-300)) / safe
    value = at["M"] * np.exp(np.clip(np.where(near, width * z, grown), -700, 700))
    return np.where(share > none, value, 0.0)


def _cut(power: Floats, width: Floats) -> tuple[Floats, Floats]:
    """Return the share of the normal below what there can be, and the share that there can be."""
    from scipy.special import ndtr

    bound = 1 / (np.maximum(np.abs(power), _NEAR_ZERO) * width)
    return np.where(power > 0, ndtr(-bound), 0.0), ndtr(bound)
