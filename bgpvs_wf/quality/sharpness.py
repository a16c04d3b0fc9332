"""How sharp a scan is: the full width at half maximum of its smoothness."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.arrays import Affine, Image, Mask
from bgpvs_wf.imaging.geometry import voxel_sizes

_LEAST_VOXELS = 50
"""Fewer tell nothing (chosen)."""


def smoothness_mm(image: Image, mask: Mask, affine: Affine) -> float:
    """Return the full width at half maximum of a Gaussian that would make noise as smooth, mm.

    As neighbours differ, over how voxels vary (Forman et al., Magn Reson Med 1995, doi
    10.1002/mrm.1910330508; MRIQC's ``fwhm_avg``): anatomy counts as well, so that only scans of
    the same kind can be compared.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
    mask : ndarray of bool, shape (x, y, z)
        Where it is looked for.
    affine : ndarray, shape (4, 4)

    Returns
    -------
    float
        Geometric mean of the axes; NaN where nothing can be told.
    """
    inside = image[mask]
    variance = float(inside.var()) if inside.size >= _LEAST_VOXELS else 0.0
    if variance <= 0:
        return float("nan")
    widths = []
    for axis, size in enumerate(voxel_sizes(affine)):
        here: list[slice] = [slice(None)] * 3
        on = list(here)
        here[axis], on[axis] = slice(None, -1), slice(1, None)
        both = mask[tuple(here)] & mask[tuple(on)]
        if both.sum() < _LEAST_VOXELS:
            continue
        differences = np.diff(image, axis=axis)[both]
        likeness = 1 - float(differences.var()) / (2 * variance)
        # What is as rough as white noise, or rougher, has no width.
        width = np.sqrt(-2 * np.log(2) / np.log(likeness)) if 0 < likeness < 1 else 0.0
        widths.append(max(width * size, 1e-6))
    return float(np.exp(np.mean(np.log(widths)))) if widths else float("nan")
