"""Who lies far from the others of a cohort, once age is taken into account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.imaging.intensity import median_and_spread

if TYPE_CHECKING:
    import pandas as pd

LEAST_INFANTS = 12
"""In smaller groups nobody is said to lie far from the others (chosen)."""
FAR = 4.0
"""So many robust standard deviations from what is expected is far (chosen on synthetic infants: see
`data/quality.toml`)."""
_SHARE, _ROUNDS = 0.6, 3
"""Of the infants of a group that the curve at an age follows; how often outliers are left out."""
_ALIKE = 0.03
"""By this share volumes of voxels of one protocol may differ."""


def protocols(table: pd.DataFrame) -> list[np.ndarray]:
    """Return the rows of each protocol: the same images, voxels of the same size.

    Parameters
    ----------
    table : DataFrame
        With `voxel_mm3`, `t2w_snr` and `t1w_snr`, a row a subject and session.

    Returns
    -------
    list of ndarray of int
        Numbers of rows; each row is in one of them, those without a voxel size in none.
    """
    kinds: list[tuple[float, bool, bool]] = []
    groups: list[list[int]] = []
    rows = table[["voxel_mm3", "t2w_snr", "t1w_snr"]].to_numpy(float)
    for number, (voxel, t2w, t1w) in enumerate(rows):
        if not np.isfinite(voxel):
            continue
        has = (bool(np.isfinite(t2w)), bool(np.isfinite(t1w)))
        for place, (size, *known) in enumerate(kinds):
            if tuple(known) == has and abs(np.log(voxel / size)) < _ALIKE:
                groups[place].append(number)
                break
        else:
            kinds.append((float(voxel), *has))
            groups.append([number])
    return [np.array(group) for group in groups]


def deviations(values: Floats, age_weeks: Floats) -> tuple[Floats, float]:
    """Return how far values are from what is expected at their ages, and what is usual of that.

    Expected is a robust curve through the values of others at similar ages, over the logarithm of
    the age; of infants without an age it is the median.

    Parameters
    ----------
    values : ndarray, shape (n,)
        NaN where there is none.
    age_weeks : ndarray, shape (n,)
        Post-menstrual; NaN where it is not known.

    Returns
    -------
    differences : ndarray, shape (n,)
        NaN where there is no value, and everywhere if there are fewer than `LEAST_INFANTS`.
    spread : float
        Robust standard deviation of the differences.
    """
    known = np.isfinite(values)
    differences = np.full(len(values), np.nan)
    if known.sum() < LEAST_INFANTS:
        return differences, float("nan")
    differences[known] = values[known] - np.median(values[known])
    aged = known & np.isfinite(age_weeks)
    if aged.sum() >= LEAST_INFANTS and np.ptp(age_weeks[aged]) > 0:
        logs = np.log(age_weeks[aged])
        differences[aged] = values[aged] - curve_at(logs, values[aged], logs)
    return differences, median_and_spread(differences[known])[1]


def curve_at(places: Floats, values: Floats, wanted: Floats) -> Floats:
    """Return a robust curve through values, at the places that are wanted.

    LOWESS (Cleveland, J Am Stat Assoc 1979, doi 10.1080/01621459.1979.10481038).

    Parameters
    ----------
    places, values : ndarray, shape (n,)
    wanted : ndarray, shape (m,)
        Not beyond the places.

    Returns
    -------
    ndarray, shape (m,)
    """
    from statsmodels.nonparametric.smoothers_lowess import lowess

    found = lowess(values, places, frac=_SHARE, it=_ROUNDS, xvals=wanted)
    # Where all that is near is the same it gives no number.
    return np.where(np.isfinite(found), found, np.median(values))


def far_off(differences: Floats, spread: float, *, side: str, least: float) -> np.ndarray:
    """Return who lies far from what is expected.

    Parameters
    ----------
    differences, spread
        As `deviations` gives them.
    side : {'low', 'high', 'both'}
        On which it counts.
    least : float
        What differs by less does not matter.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    signed = {"low": -differences, "high": differences, "both": np.abs(differences)}[side]
    with np.errstate(invalid="ignore"):
        return (signed > FAR * spread) & (signed > least)
