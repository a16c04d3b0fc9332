"""Intensity scales that mean the same in every infant."""

from __future__ import annotations

import numpy as np

BRAIN_MEDIAN = 100.0
"""Median of the brain after `scale_to_brain`."""


def foreground(data: np.ndarray) -> np.ndarray:
    """Return the mask of the head, or of the brain where the rest was set to zero.

    Examples
    --------
    >>> foreground(np.array([0.0, 0.0, 5.0, 7.0]))
    array([False, False,  True,  True])
    """
    data = np.asarray(data)
    positive = data > 0
    if positive.mean() < 0.7:  # the background was zeroed: brain-extracted or defaced
        return positive
    from skimage.filters import threshold_otsu

    return data > threshold_otsu(np.asarray(data, np.float32)) / 2


def scale_to_brain(data: np.ndarray, brain: np.ndarray | None = None) -> np.ndarray:
    """Scale an image so that the median of the brain is 100 and zero stays zero.

    A ratio scale: magnitudes have a true zero, so quotients of tissues survive. Matching
    histograms or standard deviations would not do, since white and grey matter change places on
    T2w within the first year.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
        Magnitudes; negative values, which interpolation makes, become 0.
    brain : ndarray of bool, optional, shape (x, y, z)
        Default: `foreground`.

    Returns
    -------
    ndarray of float32, shape (x, y, z)

    Raises
    ------
    ValueError
        If there is no signal in the brain.
    """
    data = np.asarray(data, np.float32)
    inside = data[foreground(data) if brain is None else brain]
    median = float(np.median(inside)) if inside.size else 0.0
    if median <= 0:
        raise ValueError("no signal in the brain")
    return np.maximum(data * np.float32(BRAIN_MEDIAN / median), 0)
