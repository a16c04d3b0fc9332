"""Intraclass correlation of single measures, two-way models.

`pingouin.intraclass_corr` gives the same numbers (tested). It has no interval where raters
differ by a constant or not at all, as a tool and the truth may here, and rounds intervals to two
decimals unless an option of the whole program says otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.evaluation.overlap import NAN


class ICC(NamedTuple):
    """An intraclass correlation with its 95 % interval."""

    value: float
    low: float
    high: float


UNDEFINED = ICC(NAN, NAN, NAN)


def intraclass_correlations(ratings: Floats, confidence: float = 0.95) -> tuple[ICC, ICC]:
    """Return ICC(2,1), absolute agreement, and ICC(3,1), consistency.

    Shrout and Fleiss, Psychol Bull 1979, doi 10.1037/0033-2909.86.2.420; the intervals as in
    McGraw and Wong, Psychol Methods 1996, doi 10.1037/1082-989X.1.1.30 (their ICC(A,1) and
    ICC(C,1)).

    Parameters
    ----------
    ratings : ndarray, shape (targets, raters)
        Without missing values; two or more of each.
    confidence : float

    Returns
    -------
    icc2, icc3 : ICC
        All NaN if there are fewer than three targets, or every rater sees them all alike:
        there is no variance to share out. 1 with an interval of 1 to 1 if the raters agree
        perfectly and the targets differ.

    Raises
    ------
    ValueError
        If there are fewer than two raters.

    Examples
    --------
    The example of Shrout and Fleiss:

    >>> scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9],
    ...           [6, 2, 4, 7]]
    >>> icc2, icc3 = intraclass_correlations(np.array(scores))
    >>> round(icc2.value, 2), round(icc3.value, 2)
    (0.29, 0.71)
    """
    ratings = np.asarray(ratings, float)
    n, k = ratings.shape
    if k < 2:
        raise ValueError("an intraclass correlation needs two or more raters")
    if n < 3 or (ratings == ratings[:1]).all():
        return UNDEFINED, UNDEFINED
    if (ratings == ratings[:, :1]).all():
        return ICC(1.0, 1.0, 1.0), ICC(1.0, 1.0, 1.0)
    targets, raters, error = _mean_squares(ratings)
    return (
        _absolute(targets, raters, error, n, k, confidence),
        _consistency(targets, error, n, k, confidence),
    )


def _mean_squares(ratings: Floats) -> tuple[float, float, float]:
    """Return the mean squares of targets, raters and error of the two-way table."""
    n, k = ratings.shape
    mean = ratings.mean()
    rows = ratings.mean(axis=1, keepdims=True)
    columns = ratings.mean(axis=0, keepdims=True)
    targets = k * ((rows - mean) ** 2).sum() / (n - 1)
    raters = n * ((columns - mean) ** 2).sum() / (k - 1)
    error = ((ratings - rows - columns + mean) ** 2).sum() / ((n - 1) * (k - 1))
    return float(targets), float(raters), float(error)


def _absolute(
    targets: float, raters: float, error: float, n: int, k: int, confidence: float
) -> ICC:
    from scipy.stats import f

    value = (targets - error) / (targets + (k - 1) * error + k * (raters - error) / n)
    # Satterthwaite's degrees of freedom of the denominator, multiplied through by the error.
    a, b = k * value * raters, (n * (1 + (k - 1) * value) - k * value) * error
    df = (n - 1) * (k - 1) * (a + b) ** 2 / ((n - 1) * a**2 + b**2)
    tail = (1 + confidence) / 2
    upper, lower = f.ppf(tail, n - 1, df), f.ppf(tail, df, n - 1)
    rest = k * raters + (k * n - k - n) * error
    low = n * (targets - upper * error) / (upper * rest + n * targets)
    high = n * (lower * targets - error) / (rest + n * lower * targets)
    return ICC(float(value), float(low), float(high))


def _consistency(targets: float, error: float, n: int, k: int, confidence: float) -> ICC:
    from scipy.stats import f

    df = (n - 1) * (k - 1)
    tail = (1 + confidence) / 2
    # With F = targets / error: (F / q - 1) / (F / q + k - 1), multiplied through by the error.
    upper = f.ppf(tail, n - 1, df) * error
    low = (targets - upper) / (targets + (k - 1) * upper)
    stretched = targets * f.ppf(tail, df, n - 1)
    high = (stretched - error) / (stretched + (k - 1) * error)
    return ICC((targets - error) / (targets + (k - 1) * error), float(low), float(high))
