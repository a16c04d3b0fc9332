"""How much of a scan is noise: signal and contrast of the basal ganglia over it."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.arrays import Image, Mask
from bgpvs_wf.imaging.intensity import median_and_spread

_THIRD = (3, float(np.sqrt(20.0)))
"""Order of the differences, and by how much these enlarge the deviation of white noise: the root
of 1 + 9 + 9 + 1."""
_LEAST_VOXELS = 50
"""Fewer tell nothing (chosen)."""


def noise_level(image: Image, mask: Mask) -> float:
    """Return the standard deviation of the noise, as third differences of neighbours tell it.

    What is straight or curved evenly over four voxels does not count; of the axes the median is
    taken. Noise that interpolation or a filter made smooth is underestimated.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
    mask : ndarray of bool, shape (x, y, z)
        Where it is looked for; all four voxels are in it.

    Returns
    -------
    float
        In units of the image; NaN where the mask has too few voxels.

    Examples
    --------
    >>> image = 7.0 + np.random.default_rng(0).normal(0, 2.0, (30, 30, 30))
    >>> round(noise_level(image, np.ones(image.shape, bool)), 1)
    2.0
    """
    order, enlarged = _THIRD
    levels = []
    for axis in range(image.ndim):
        count = image.shape[axis] - order
        if count < 1:
            continue
        there = np.logical_and.reduce(
            [mask[_part(axis, start, count)] for start in range(order + 1)]
        )
        if there.sum() >= _LEAST_VOXELS:
            differences = np.diff(image, order, axis=axis)[there]
            levels.append(median_and_spread(differences)[1] / enlarged)
    return float(np.median(levels)) if levels else float("nan")


def _part(axis: int, start: int, count: int) -> tuple[slice, ...]:
    """Return the part of an array that begins at a slice and has so many."""
    return tuple(slice(start, start + count) if a == axis else slice(None) for a in range(3))


def signal_to_noise(image: Image, tissue: Mask, noise: float) -> float:
    """Return the median signal of a tissue over the noise; NaN without either."""
    if not tissue.any() or not noise > 0:
        return float("nan")
    return float(np.median(image[tissue])) / noise


def contrast_percent(image: Image, tissue: Mask, around: Mask) -> float:
    """Return by how much what is around a tissue is brighter than it, percent; medians.

    White matter is brighter than the nuclei at birth on T2w and darker later, on T1w the other way
    round: an infant's age shows in it.
    """
    if not tissue.any() or not around.any():
        return float("nan")
    inside = float(np.median(image[tissue]))
    return 100 * (float(np.median(image[around])) / inside - 1) if inside > 0 else float("nan")


def contrast_to_noise(image: Image, tissue: Mask, around: Mask, noise: float) -> float:
    """Return how far the medians of a tissue and of what is around it are apart, over the noise.

    Always positive: white matter is brighter than the nuclei at birth on T2w and darker later.
    """
    if not tissue.any() or not around.any() or not noise > 0:
        return float("nan")
    return abs(float(np.median(image[tissue])) - float(np.median(image[around]))) / noise
