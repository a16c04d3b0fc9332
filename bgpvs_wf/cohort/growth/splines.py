"""Curves over the age: natural cubic splines of its logarithm, few of them for few infants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgpvs_wf.arrays import Floats

_PLACES = {
    2: (0.05, 0.95),
    3: (0.10, 0.5, 0.90),
    4: (0.05, 0.35, 0.65, 0.95),
    5: (0.05, 0.275, 0.5, 0.725, 0.95),
}
"""Shares of the infants below the knots (Harrell, Regression Modeling Strategies, 2015, table 2.3;
doi 10.1007/978-3-319-19425-7)."""
_ENOUGH = ((30, 3), (100, 4))
"""Below so many infants so many knots, else five (the same, section 2.4.6)."""
_APART = 0.02
"""Ages that differ by less (logarithms) are the same, for a curve."""
_INDEPENDENT = 1e-5
"""Columns of which less is not in the others are left out, with their knots."""


@dataclass(frozen=True)
class Basis:
    """What a curve over the age is a weighted sum of: a constant, a line, bends at knots."""

    knots: Floats
    """Logarithms of ages; none where there is but one age."""
    shape: Floats
    """To columns that are independent at the ages of the fit, and have a mean square of 1."""

    @property
    def size(self) -> int:
        """Number of columns."""
        return len(self.shape)

    def at(self, age_weeks: Floats) -> Floats:
        """Return the columns at some ages, shape (n, size); the first is 1, the second rises."""
        return _columns(np.log(np.asarray(age_weeks, float)), self.knots) @ self.shape


def basis_for(age_weeks: Floats, subjects: int) -> Basis:
    """Return the columns for some infants.

    Parameters
    ----------
    age_weeks : ndarray, shape (n,)
    subjects : int
        How many infants they are of: sessions of one infant bring no more knots.
    """
    logs = np.log(np.asarray(age_weeks, float))
    number = next((knots for below, knots in _ENOUGH if subjects < below), 5)
    # Of cohorts scanned at a few ages, such as 3 and 6 months, knots fall together, and no more
    # columns than ages can be told apart.
    number = min(number, len(np.unique(np.round(logs / _APART))))
    for count in range(number, 1, -1):
        knots = np.quantile(logs, _PLACES[count])
        if np.diff(knots).min() > _APART:
            upper = np.linalg.qr(_columns(logs, knots), mode="r") / np.sqrt(len(logs))
            if np.abs(np.diag(upper)).min() > _INDEPENDENT:
                return Basis(knots, np.linalg.inv(upper) * np.sign(np.diag(upper)))
    return Basis(np.empty(0), np.ones((1, 1)))


def _columns(logs: Floats, knots: Floats) -> Floats:
    """Return a natural cubic spline in the form of truncated powers: straight beyond the ends.

    Harrell 2015, equation 2.25.
    """
    columns = [np.ones_like(logs)]
    if len(knots):
        first, before, last = knots[0], knots[-2], knots[-1]
        width = last - first
        columns.append((logs - first) / width)
        for knot in knots[:-2]:
            bend = (
                _cube(logs - knot)
                - _cube(logs - before) * (last - knot) / (last - before)
                + _cube(logs - last) * (before - knot) / (last - before)
            )
            columns.append(bend / width**3)
    return np.stack(columns, axis=1)


def _cube(values: Floats) -> Floats:
    return np.maximum(values, 0.0) ** 3
