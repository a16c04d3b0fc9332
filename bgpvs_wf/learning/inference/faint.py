"""What the network takes for perivascular spaces, but is too faint for any.

The network sees signal over noise, not over that of fluid: where fluid is much brighter than noise,
texture of the tissue stands out as well as a faint perivascular space would elsewhere. But
somewhere along its way a perivascular space is as wide as a voxel, about, and its fluid goes a
third of the way to a ventricle's or more.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import VENTRICLE_LABELS
from bgpvs_wf.quantification.occupancy import occupancy

LEAST_SHARE = 1 / 6
"""The brightest voxel of a PVS is as far on its way from the nucleus to the ventricle (chosen on
tubes 0.3 to 1 of the way in four real heads, 48 hybrids: PVS Dice 0.68 without this, 0.73 with 0.15
and 0.74 with 0.2; in `benchmarks/volumes.py`)."""
_CONNECTED = np.ones((3, 3, 3), bool)


def too_faint(
    pvs: np.ndarray, image: np.ndarray, anatomy: np.ndarray, nuclei: np.ndarray, affine: np.ndarray
) -> np.ndarray:
    """Return the voxels of PVS that nowhere are as bright as one has to be.

    Parameters
    ----------
    pvs : ndarray of bool, shape (x, y, z)
    image : ndarray, shape (x, y, z)
        T2w or T1w.
    anatomy : ndarray of int, shape (x, y, z)
        Harmonised labels; without ventricles nothing is known, and nothing too faint.
    nuclei : ndarray of int, shape (x, y, z)
        Where there may be PVS; 0 elsewhere.
    affine : ndarray, shape (4, 4)

    Returns
    -------
    ndarray of bool, shape (x, y, z)
    """
    labels, count = ndimage.label(pvs, _CONNECTED)
    ventricles = np.isin(anatomy, VENTRICLE_LABELS)
    found = occupancy(image, affine, parcels=nuclei, pvs=pvs, ventricles=ventricles)
    if not count or not found.known:
        return np.zeros(pvs.shape, bool)
    # Outside of all nuclei, as in gaps of them, nobody knows what is tissue.
    share = np.where(np.isfinite(found.share), found.share, 1.0)
    brightest = np.asarray(ndimage.maximum(share, labels, np.arange(1, count + 1)))
    return np.isin(labels, 1 + np.flatnonzero(brightest < LEAST_SHARE))
