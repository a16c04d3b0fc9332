"""What a fitted model tells, whatever its kind; and what is common to their fitting."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from bgpvs_wf.arrays import Floats

LEVEL = 0.95
"""Of all intervals."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Estimates of a model, how sure they are, and how far observations lie from it."""

    kind: str
    """`least squares`, `mixed`, `negative binomial`, `Poisson` or `GEE`."""
    estimates: Floats
    """Shape (k,); of counts they are logarithms of ratios."""
    covariance: Floats
    """Of the estimates, shape (k, k)."""
    df: Floats
    """Degrees of freedom of Student's t, shape (k,)."""
    fitted: Floats
    """What the model expects of each observation, shape (n,), groups left out of account."""
    residuals: Floats
    """How far each is from it, in standard deviations (of counts: Pearson), shape (n,)."""
    leverage: Floats
    """Share of each in its own expectation, shape (n,)."""
    details: dict[str, float] = field(default_factory=dict)
    """`residual_sd`, `group_sd`, `icc`, `dispersion`, `r_squared`: what the kind has."""
    notes: tuple[str, ...] = ()
    """One line each: what could not be done as it was meant."""

    @property
    def counts(self) -> bool:
        """Whether estimates are logarithms of ratios of counts."""
        return self.kind in ("negative binomial", "Poisson", "GEE")

    @property
    def errors(self) -> Floats:
        """Standard errors, shape (k,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def statistics(self) -> Floats:
        """Estimates over their standard errors."""
        return self.estimates / self.errors

    @property
    def p(self) -> Floats:
        """Two-sided p of each estimate."""
        from scipy.stats import t

        return np.asarray(2 * t.sf(np.abs(self.statistics), self.df))

    def intervals(self) -> tuple[Floats, Floats]:
        """Return the ends of the 95 % intervals."""
        from scipy.stats import t

        half = t.ppf(0.5 + LEVEL / 2, self.df) * self.errors
        return self.estimates - half, self.estimates + half

    def together(self, first: int, last: int) -> tuple[float, float]:
        """Return Wald's F of some coefficients being zero together, and its p.

        Parameters
        ----------
        first, last : int
            Of the coefficients; the last is not among them.
        """
        from scipy.stats import f

        some = self.estimates[first:last]
        covariance = self.covariance[first:last, first:last]
        value = float(some @ np.linalg.solve(covariance, some)) / (last - first)
        return value, float(f.sf(value, last - first, self.df[first:last].min()))

    @property
    def cooks(self) -> Floats:
        """Cook's distance of each observation (Technometrics 1977, doi 10.2307/1268249).

        With residuals r, leverage h and k coefficients it is r² / k · h / (1 - h)². Models other
        than least squares are taken as the least squares that they come to: weighted, whitened.
        """
        return self.residuals**2 / len(self.estimates) * self.leverage / (1 - self.leverage) ** 2


def leverage_of(matrix: Floats) -> Floats:
    """Return the diagonal of the hat matrix, shape (n,)."""
    orthogonal, _ = np.linalg.qr(matrix)
    return np.asarray((orthogonal**2).sum(axis=1))


def orthonormal(matrix: Floats) -> tuple[Floats, Floats]:
    """Return columns of length √n that are independent, and what takes their estimates back.

    Columns as age and volume differ by orders of size, which stops iterative fits.

    Returns
    -------
    columns : ndarray, shape (n, k)
    back : ndarray, shape (k, k)
        Estimates of `matrix` are `back` times those of `columns`.
    """
    size = np.sqrt(len(matrix))
    columns, triangle = np.linalg.qr(matrix)
    return columns * size, np.linalg.inv(triangle) * size


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings of statsmodels away from terminals; what they mean is looked at in results."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
