"""Ripples along an axis: what motion and ringing leave behind edges."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bgpvs_wf.arrays import Affine, Floats, Image, Mask
from bgpvs_wf.imaging.geometry import voxel_sizes

_FINE_MM = 1.2
"""Standard deviation of the blur that is taken away: what is finer stays (chosen)."""
_APART_MM = (3.0, 10.0)
"""So far apart ripples repeat (chosen)."""
_MOST = 95.0
"""Percentile of the differences at which they are cut, so that borders do not count alone."""
_LEAST_VOXELS = 500
"""Fewer pairs tell nothing (chosen)."""


def ripple_percent(image: Image, mask: Mask, affine: Affine) -> float:
    """Return how much fine structure repeats along the axis on which it does so most, percent.

    A head that moves while k-space is read repeats its edges along the axis of the phase; so do
    truncated frequencies. Noise does not, and anatomy hardly. The root mean square of the
    autocorrelation at 3 to 10 mm is told.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
    mask : ndarray of bool, shape (x, y, z)
        Where it is looked for.
    affine : ndarray, shape (4, 4)

    Returns
    -------
    float
        0 to 100; NaN where the mask has too few voxels.
    """
    sizes = voxel_sizes(affine)
    image = np.asarray(image, np.float32)
    fine = np.where(mask, image - ndimage.gaussian_filter(image, _FINE_MM / sizes), 0)
    energy = _cut(fine, mask)
    if not energy > 0:
        return float("nan")
    found = [_repeats(fine, mask, axis, float(size)) / energy for axis, size in enumerate(sizes)]
    known = [value for value in found if np.isfinite(value)]
    return 100 * max(known) if known else float("nan")


def _cut(fine: Floats, mask: Mask) -> float:
    """Cut what is largest, in place; return the mean square of the rest."""
    inside = np.abs(fine[mask])
    if inside.size < _LEAST_VOXELS:
        return float("nan")
    most = float(np.percentile(inside, _MOST))
    np.clip(fine, -most, most, out=fine)
    return float(np.mean(np.square(fine[mask], dtype=np.float64)))


def _repeats(fine: Floats, mask: Mask, axis: int, size_mm: float) -> float:
    """Return the root mean square of the products of voxels that are 3 to 10 mm apart."""
    products = []
    for step in range(max(2, int(_APART_MM[0] / size_mm)), int(_APART_MM[1] / size_mm) + 1):
        if step >= fine.shape[axis]:
            break
        here: list[slice] = [slice(None)] * 3
        on = list(here)
        here[axis], on[axis] = slice(None, -step), slice(step, None)
        both = mask[tuple(here)] & mask[tuple(on)]
        pairs = int(both.sum())
        if pairs >= _LEAST_VOXELS:
            # Outside of the mask there is nothing, so that all products can be summed.
            total = np.einsum("xyz,xyz->", fine[tuple(here)], fine[tuple(on)], dtype=np.float64)
            products.append(float(total) / pairs)
    return float(np.sqrt(np.mean(np.square(products)))) if products else float("nan")
