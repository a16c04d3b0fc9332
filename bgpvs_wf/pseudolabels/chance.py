"""What chance does: the null distribution of tube evidence, and false-discovery rates from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.imaging.morphology import ball

APART_MM = 1.0
"""Maxima are the largest within this distance (chosen: two widths of a usual tube)."""


@dataclass(frozen=True)
class Chance:
    """Maxima of evidence that noise and texture make.

    Their number above z is taken to be ``count * 2 ** -((z**2 - median**2) / spread)`` for z
    beyond the median, the tail of Gaussian noise.
    """

    count: float
    """Expected number of maxima in the region above `median`."""
    median: float
    spread: float
    """By how much z squared must grow to halve the number."""

    def expected(self, z: np.ndarray | float) -> np.ndarray:
        """Return how many maxima above z chance makes in the region."""
        excess = np.maximum(np.asarray(z, float) ** 2 - self.median**2, 0.0)
        return self.count * 2.0 ** -(excess / self.spread)

    def level(self, expected: float) -> float:
        """Return the z above which chance makes that many maxima."""
        halvings = max(float(np.log2(self.count / expected)), 0.0)
        return float(np.sqrt(self.median**2 + self.spread * halvings))


def maxima(evidence: np.ndarray, affine: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return the values of the local maxima of evidence inside a mask, shape (n,)."""
    peaks = ndimage.maximum_filter(evidence, footprint=ball(APART_MM, affine)) == evidence
    return np.asarray(evidence[peaks & where & (evidence > 0)])


def fit_chance(
    opposite: np.ndarray, affine: np.ndarray, interior: np.ndarray, search: np.ndarray
) -> Chance:
    """Fit the chance of tubes from those of the sign that fluid does not have.

    Only the middle of their distribution is used (the median and the three-quarter quantile of
    the maxima away from the rim): its tail belongs to vessels, dark dots on T2w, which are real.
    """
    values = maxima(opposite, affine, interior)
    if len(values) < 8:
        values = maxima(opposite, affine, search)
    if len(values) < 8:
        return Chance(count=1.0, median=5.0, spread=17.0)
    median, upper = np.quantile(values, [0.5, 0.75])
    share = float(search.sum()) / max(float(interior.sum()), 1.0)
    spread = max(float(upper**2 - median**2), 1e-3)
    return Chance(count=0.5 * len(values) * share, median=float(median), spread=spread)


def false_discovery(chance: Chance, peaks: np.ndarray, z: np.ndarray | float) -> np.ndarray:
    """Return the share of false ones among candidates whose peak is at least z.

    Expected by chance over found, at most 1, and not growing with z.

    References
    ----------
    Storey JD. A direct approach to false discovery rates. J R Stat Soc B 2002; 64(3):479-498.
    """
    ordered = np.sort(np.asarray(peaks, float))
    if not ordered.size:
        return np.ones_like(np.asarray(z, float))
    found = len(ordered) - np.arange(len(ordered))
    rates = np.minimum.accumulate(np.minimum(chance.expected(ordered) / found, 1.0))
    position = np.searchsorted(ordered, np.asarray(z, float), side="right") - 1
    return np.where(position < 0, 1.0, rates[np.maximum(position, 0)])


def seed_level(chance: Chance, peaks: np.ndarray, rate: float) -> float:
    """Return the lowest peak at which the false-discovery rate is met.

    Where no candidate meets it: the level that chance passes `rate` times in the region.
    """
    ordered = np.sort(np.asarray(peaks, float))
    met = ordered[false_discovery(chance, ordered, ordered) <= rate]
    return float(met[0]) if met.size else chance.level(rate)
