"""Which true tubes were found, by their diameter, the voxels and the noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from bgpvs_wf.arrays import Ints, Labels, Mask
from bgpvs_wf.evaluation.overlap import NAN
from bgpvs_wf.evaluation.score_tables import DETECTION_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

LEAST_COVERAGE = 0.25
"""Share of a tube's voxels that has to be predicted for it to count as found (chosen: a single
voxel of a long tube may be chance, and half of it is more than a reader asks for to see it)."""
DIAMETER_EDGES_MM = (0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, math.inf)
SNR_EDGES = (0.0, 10.0, 20.0, 30.0, 50.0, math.inf)


def tube_coverage(
    tubes: Labels,
    prediction: Mask,
    *,
    tolerance: int = 0,
    least_coverage: float = LEAST_COVERAGE,
) -> pd.DataFrame:
    """Tell for each true tube how much of it was predicted.

    Parameters
    ----------
    tubes : ndarray of int, shape (x, y, z)
        Number of the tube at each of its voxels, 0 elsewhere.
    prediction : ndarray of bool, shape (x, y, z)
    tolerance : int
        Voxels, diagonals included, by which the prediction may miss.
    least_coverage : float
        Coverage from which on a tube is detected; one voxel has to be predicted in any case.

    Returns
    -------
    DataFrame
        A row per tube, by number: `tube`, `voxels`, `coverage` (0 to 1), `detected` (bool).

    Examples
    --------
    >>> tubes = np.array([1, 1, 1, 1, 0, 2, 2]).reshape(7, 1, 1)
    >>> print(tube_coverage(tubes, np.arange(7).reshape(7, 1, 1) == 1).to_string(index=False))
     tube  voxels  coverage  detected
        1       4      0.25      True
        2       2      0.00     False
    """
    import pandas as pd

    prediction = np.asarray(prediction, bool)
    if tolerance:
        around = np.ones((3, 3, 3), bool)
        prediction = ndimage.binary_dilation(prediction, around, iterations=tolerance)
    numbers, index = np.unique(tubes[tubes > 0], return_inverse=True)
    voxels = np.bincount(index, minlength=len(numbers))
    hit = np.bincount(index[prediction[tubes > 0]], minlength=len(numbers))
    coverage = hit / np.maximum(voxels, 1)
    return pd.DataFrame(
        {
            "tube": numbers.astype(int),
            "voxels": voxels,
            "coverage": coverage,
            "detected": (hit > 0) & (coverage >= least_coverage),
        }
    )


def detection_table(
    tubes: pd.DataFrame,
    *,
    diameter_edges_mm: Sequence[float] = DIAMETER_EDGES_MM,
    snr_edges: Sequence[float] = SNR_EDGES,
) -> pd.DataFrame:
    """Count detected tubes by method, diameter, voxel size and SNR.

    Parameters
    ----------
    tubes : DataFrame
        Columns `method`, `diameter_mm`, `voxel_mm`, `snr`, `detected`. Tubes of unknown diameter
        are left out; those of unknown SNR have rows of their own.
    diameter_edges_mm, snr_edges : sequence of float
        Of the bins, rising; a bin holds its lower edge.

    Returns
    -------
    DataFrame
        The columns of `DETECTION_COLUMNS`, a row per bin that holds tubes. Methods keep their
        order; voxel sizes are rounded to 0.01 mm. The intervals take the tubes as independent,
        and are too narrow where those of an infant share their fate.
    """
    import pandas as pd

    known = tubes[np.isfinite(tubes["diameter_mm"].astype(float))]
    binned = pd.DataFrame(
        {
            "method": pd.Categorical(known["method"], known["method"].unique()),
            "diameter": _bin(known["diameter_mm"], diameter_edges_mm),
            "voxel_mm": known["voxel_mm"].astype(float).round(2).to_numpy(),
            "snr": _bin(known["snr"], snr_edges),
            "detected": known["detected"].astype(bool).to_numpy(),
        }
    )
    keys = ["method", "voxel_mm", "snr", "diameter"]
    rows: list[dict[str, Any]] = []
    counts = binned.groupby(keys, observed=True)["detected"].agg(["sum", "size"]).reset_index()
    for row in counts.to_dict("records"):
        found, count = int(row["sum"]), int(row["size"])
        diameter, snr = int(row["diameter"]), int(row["snr"])
        low, high = wilson_interval(found, count)
        snr_low, snr_high = (snr_edges[snr], snr_edges[snr + 1]) if snr >= 0 else (NAN, NAN)
        rows.append(
            {
                "method": row["method"],
                "diameter_low_mm": diameter_edges_mm[diameter],
                "diameter_high_mm": diameter_edges_mm[diameter + 1],
                "voxel_mm": row["voxel_mm"],
                "snr_low": snr_low,
                "snr_high": snr_high,
                "tubes": count,
                "detected": found,
                "rate": found / count,
                "ci_low": low,
                "ci_high": high,
            }
        )
    return pd.DataFrame(rows, columns=list(DETECTION_COLUMNS))


def wilson_interval(found: int, count: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion; NaN without trials.

    Wilson, J Am Stat Assoc 1927, doi 10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> tuple(round(end, 4) for end in wilson_interval(81, 263))
    (0.2553, 0.3662)
    """
    from scipy.stats import binomtest

    if not count:
        return NAN, NAN
    interval = binomtest(found, count).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def _bin(values: pd.Series, edges: Sequence[float]) -> Ints:
    """Return the number of the bin of each value, the outer ones for those beyond; -1 for NaN."""
    numbers = values.to_numpy(float)
    found = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    return np.where(np.isnan(numbers), -1, found)
