"""Which perivascular spaces are found again where the grid of the scan lies half a voxel off.

Where a tube lies between voxels, or in the middle of one, is chance; the number of small ones
changes with it. A scan is measured by its Fourier transform, so a shift in there is what a scanner
would have given whose field of view lay elsewhere; only the noise is the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from bgpvs_wf.learning.data.scan import BoxImages
from bgpvs_wf.learning.inference.ensemble import Member, apply_pvs

_SHIFT = 0.5
_EDGE = 8
"""Voxels by which an image is mirrored at its ends, which a Fourier transform joins (chosen)."""
_CONNECTED = np.ones((3, 3, 3), bool)


def found_again(
    members: Sequence[Member],
    images: BoxImages,
    searched: np.ndarray,
    pvs: np.ndarray,
    threshold: float,
    *,
    brightness: float,
    flips: bool = False,
) -> float:
    """Look for perivascular spaces once more, on a grid that lies half a voxel off.

    Parameters
    ----------
    members : sequence of Member
    images : BoxImages
    searched : ndarray of bool, shape (x, y, z)
        The basal ganglia, on the scan's own grid.
    pvs : ndarray of bool, shape (x, y, z)
        What was found.
    threshold : float
        Probability from which on a voxel is PVS.
    brightness, flips
        As it was found; see `bgpvs_wf.learning.inference.ensemble.apply_pvs`.

    Returns
    -------
    float
        The share of the PVS that are found again, of which a voxel is; NaN if there are none.
    """
    labels, count = ndimage.label(pvs, _CONNECTED)
    if not count:
        return float("nan")
    moved = dataclasses.replace(images, own=np.stack([_shifted(one) for one in images.own]))
    inside = ndimage.shift(searched.astype(np.float32), -_SHIFT, order=1, mode="nearest") >= 0.5
    found = apply_pvs(members, moved, inside, brightness=brightness, flips=flips)
    again = (found.probability >= threshold) & inside
    # A voxel shares space with eight that lie half a voxel off.
    near = ndimage.maximum_filter(again, size=2, origin=0, mode="constant")
    return len(np.unique(labels[near & pvs])) / count


def _shifted(image: np.ndarray) -> np.ndarray:
    """Return the image on a grid whose voxels lie half a voxel further along each axis."""
    if not image.any():
        return image
    mirrored = np.pad(image, _EDGE, mode="symmetric")
    spectrum = ndimage.fourier_shift(np.fft.fftn(mirrored), -_SHIFT)
    inner = (slice(_EDGE, -_EDGE),) * image.ndim
    return np.fft.ifftn(spectrum).real[inner].astype(np.float32)
