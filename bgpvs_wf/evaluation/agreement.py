"""How well measured values agree with true ones: correlation, ICC, limits of agreement."""

from __future__ import annotations

import math

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.evaluation.icc import intraclass_correlations
from bgpvs_wf.evaluation.overlap import NAN

LIMIT = 1.96
"""Standard deviations to either side of the bias, for 95 % of normal differences."""


def agreement(reference: Floats, measured: Floats) -> dict[str, float]:
    """Compare paired values; the intervals are 95 %.

    Parameters
    ----------
    reference, measured : ndarray, shape (cases,)
        In the same unit. Pairs with a NaN are left out.

    Returns
    -------
    dict of str to float
        ``n``; ``pearson_r`` with ``_low`` and ``_high``; ``icc2_1`` and ``icc3_1`` likewise;
        ``mae`` (mean absolute error); ``bias`` (mean of measured - reference) with its
        interval; ``sd_of_differences``; ``loa_low``, ``loa_high`` (limits of agreement) with
        ``_ci_low`` and ``_ci_high``.

        What has no answer is NaN: everything without pairs; all but MAE and bias for one pair;
        correlations for two; Pearson's r when either side is constant; ICC when both are.
        Equal pairs with different values give r = ICC = 1, interval 1 to 1. The interval of r
        needs four pairs.

    Raises
    ------
    ValueError
        If the two are not lists of the same length.

    Examples
    --------
    >>> found = agreement(np.array([10.0, 20, 30, 40]), np.array([12.0, 19, 33, 42]))
    >>> {name: round(found[name], 3) for name in ("mae", "bias", "loa_low", "loa_high")}
    {'mae': 2.0, 'bias': 1.5, 'loa_low': -1.895, 'loa_high': 4.895}
    """
    reference, measured = np.asarray(reference, float), np.asarray(measured, float)
    if reference.ndim != 1 or reference.shape != measured.shape:
        raise ValueError(f"pairs of shapes {reference.shape} and {measured.shape}")
    known = np.isfinite(reference) & np.isfinite(measured)
    reference, measured = reference[known], measured[known]
    r, r_low, r_high = pearson(reference, measured)
    icc2, icc3 = intraclass_correlations(np.column_stack([reference, measured]))
    return {
        "n": len(reference),
        "pearson_r": r,
        "pearson_r_low": r_low,
        "pearson_r_high": r_high,
        "icc2_1": icc2.value,
        "icc2_1_low": icc2.low,
        "icc2_1_high": icc2.high,
        "icc3_1": icc3.value,
        "icc3_1_low": icc3.low,
        "icc3_1_high": icc3.high,
        **bland_altman(measured - reference),
    }


def pearson(x: Floats, y: Floats) -> tuple[float, float, float]:
    """Return Pearson's r and its 95 % interval by Fisher's z.

    Fisher, Metron 1921: atanh r is about normal with variance 1 / (n - 3).

    Parameters
    ----------
    x, y : ndarray, shape (cases,)

    Returns
    -------
    r, low, high : float
        r is NaN for fewer than three pairs or if either side has one value only; the interval
        is NaN for fewer than four, and r to r if that is exactly -1 or 1.
    """
    n = len(x)
    if n < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return NAN, NAN, NAN
    if np.array_equal(x, y):  # rounding would leave 1 - 2e-16, and an interval around it
        return 1.0, 1.0, 1.0
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    if n < 4:
        return r, NAN, NAN
    if abs(r) == 1:
        return r, r, r
    z, half = math.atanh(r), LIMIT / math.sqrt(n - 3)
    return r, math.tanh(z - half), math.tanh(z + half)


def bland_altman(differences: Floats) -> dict[str, float]:
    """Return bias and limits of agreement, with 95 % intervals.

    Bland and Altman, Lancet 1986, doi 10.1016/S0140-6736(86)90837-8. The limits are bias
    +- 1.96 SD; the intervals as in Bland and Altman, Stat Methods Med Res 1999, doi
    10.1177/096228029900800204: the variance of a limit is SD^2 (1/n + 1.96^2 / (2 (n - 1))),
    with Student's t of n - 1 degrees of freedom.

    Parameters
    ----------
    differences : ndarray, shape (cases,)
        Measured - reference, no NaN.

    Returns
    -------
    dict of str to float
        ``mae``, ``bias``, ``bias_low``, ``bias_high``, ``sd_of_differences`` (n - 1), and the
        limits. Without cases all are NaN, with one all but MAE and bias.
    """
    n = len(differences)
    bias = float(np.mean(differences)) if n else NAN
    sd = half = loa_half = NAN
    if n > 1:
        from scipy.stats import t

        sd = float(np.std(differences, ddof=1))
        quantile = float(t.ppf(0.975, n - 1))
        half = quantile * sd / math.sqrt(n)
        loa_half = quantile * sd * math.sqrt(1 / n + LIMIT**2 / (2 * (n - 1)))
    low, high = bias - LIMIT * sd, bias + LIMIT * sd
    return {
        "mae": float(np.mean(np.abs(differences))) if n else NAN,
        "bias": bias,
        "bias_low": bias - half,
        "bias_high": bias + half,
        "sd_of_differences": sd,
        "loa_low": low,
        "loa_low_ci_low": low - loa_half,
        "loa_low_ci_high": low + loa_half,
        "loa_high": high,
        "loa_high_ci_low": high - loa_half,
        "loa_high_ci_high": high + loa_half,
    }
