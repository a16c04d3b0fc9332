"""One curve: what is usual of a measure at each age, how sure that is, and where it is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.cohort.growth import box_cox, counts

CENTILES = (3, 5, 10, 25, 50, 75, 90, 95, 97)
"""All that are told of a large cohort."""
LEAST = {50: 60, 25: 60, 75: 60, 10: 150, 90: 150, 5: 300, 95: 300, 3: 400, 97: 400}
"""From how many infants on a centile is told: where the share of infants beyond it, at an age, is
off by no more than half of itself (root mean square, the worst of five laws; of the median by no
more than that of a quartile may be). Found by `benchmarks/centiles.py`."""
LAWS: dict[str, ModuleType] = {"box-cox": box_cox, "count": counts}
"""By name: see the modules."""


@dataclass(frozen=True)
class Line:
    """A centile over the ages of a curve."""

    values: tuple[float, ...]
    low: tuple[float, ...]
    """Lower end of the interval that 95 % of such cohorts would have it in."""
    high: tuple[float, ...]


@dataclass(frozen=True)
class Curve:
    """What is usual of a measure, by age."""

    law: str
    """Of `LAWS`."""
    subjects: int
    scans: int
    """Sessions of infants; those of one infant are not counted as others."""
    spans: tuple[tuple[float, float], ...]
    """Ages that are covered, from and to, weeks."""
    ages: tuple[float, ...]
    """Of parameters and lines, weeks, rising."""
    parameters: Mapping[str, tuple[float, ...]]
    """Of the law, by name."""
    lines: Mapping[int, Line]
    """Of the centiles that are told."""
    misfit: str = ""
    """How many infants lie beyond a centile, where that is far from what it should be."""

    @property
    def told(self) -> tuple[int, ...]:
        """Centiles that are told, rising."""
        return tuple(sorted(self.lines))

    def covers(self, age_weeks: Floats) -> np.ndarray:
        """Return whether ages are covered, shape (n,); NaN is not."""
        ages = np.asarray(age_weeks, float)
        inside = [(ages >= first) & (ages <= last) for first, last in self.spans]
        return np.any(inside, axis=0)

    def at(self, age_weeks: Floats) -> dict[str, Floats]:
        """Return the parameters at some ages: between those of the curve straight over log age."""
        places = np.log(np.asarray(age_weeks, float))
        known = np.log(self.ages)
        return {name: np.interp(places, known, values) for name, values in self.parameters.items()}

    def centiles(self, values: Floats, age_weeks: Floats) -> Floats:
        """Return the centiles of infants.

        Parameters
        ----------
        values, age_weeks : ndarray, shape (n,)
            NaN where they are not known.

        Returns
        -------
        ndarray, shape (n,)
            From the lowest to the highest centile that is told: beyond them it is that one. NaN
            where value or age is not known, the age is not covered, or only the median is told.
        """
        values, ages = np.asarray(values, float), np.asarray(age_weeks, float)
        found = np.full(len(values), np.nan)
        known = np.isfinite(values) & self.covers(ages)
        if len(self.lines) > 1 and known.any():
            share = LAWS[self.law].share_below(values[known], self.at(ages[known]))
            found[known] = np.clip(100 * share, self.told[0], self.told[-1])
        return found
