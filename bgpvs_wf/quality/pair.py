"""Whether one of T1w and T2w is the mirror image of the other."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import BG_LABELS, SIDES
from bgpvs_wf.arrays import Affine, Floats, Image, Labels
from bgpvs_wf.imaging.geometry import Grid, coarsen, isotropic_grid

_COARSE_MM = 2.0
_BINS = 32
_ENDS = (1.0, 99.0)
"""Percentiles at which signals are cut (chosen)."""
_LEAST_SIGNAL, _LEAST_VOXELS = 5.0, 1000
"""What has less signal was not scanned; fewer voxels tell nothing (chosen)."""


def mirror_ratio(t2w: Image, t1w: Image, anatomy: Labels, affine: Affine) -> float:
    """Return how well the T2w fits the mirrored T1w, over how well it fits the T1w as it is.

    A head is nearly its own mirror image, but not quite: where a header exchanges left and right
    of one image, its mirror image fits better. Fit is normalised mutual information less one
    (Studholme et al., Pattern Recognit 1999, doi 10.1016/S0031-3203(98)00091-0); the mirror is half
    way between the basal ganglia of both sides.

    Parameters
    ----------
    t2w, t1w : ndarray, shape (x, y, z)
        Aligned.
    anatomy : ndarray of int, shape (x, y, z)
        Harmonised labels.
    affine : ndarray, shape (4, 4)

    Returns
    -------
    float
        Above 1 the mirror image fits better; NaN without nuclei on either side.
    """
    mirror = _mirror(anatomy, affine)
    home = Grid(t2w.shape, np.asarray(affine, float))
    grid = isotropic_grid(home, _COARSE_MM)
    fixed, moving = coarsen(t2w, affine, grid), coarsen(t1w, affine, grid)
    seen = np.argwhere(fixed > _LEAST_SIGNAL)
    if mirror is None or len(seen) < _LEAST_VOXELS:
        return float("nan")
    there = np.linalg.inv(grid.affine) @ mirror @ grid.affine
    places = nib.affines.apply_affine(there, seen)
    values = fixed[tuple(seen.T)]
    as_it_is = _fit(values, moving[tuple(seen.T)])
    mirrored = _fit(values, ndimage.map_coordinates(moving, places.T, order=1))
    return mirrored / as_it_is if as_it_is > 0 else float("nan")


def _mirror(anatomy: Labels, affine: Affine) -> Affine | None:
    """Return the affine motion that exchanges both sides of the basal ganglia, mm."""
    sides = [
        np.argwhere(np.isin(anatomy, [n for n in SIDES[side] if n in BG_LABELS]))
        for side in ("left", "right")
    ]
    if not all(len(side) for side in sides):
        return None
    left, right = (nib.affines.apply_affine(affine, side.mean(axis=0)) for side in sides)
    way = (right - left) / np.linalg.norm(right - left)
    mirror = np.eye(4)
    mirror[:3, :3] -= 2 * np.outer(way, way)
    mirror[:3, 3] = 2 * way * (way @ (left + right) / 2)
    return mirror


def _fit(one: Floats, other: Floats) -> float:
    """Return the normalised mutual information of two signals, less one."""
    one, other = (np.clip(values, *np.percentile(values, _ENDS)) for values in (one, other))
    counts = np.histogram2d(one, other, bins=_BINS)[0]
    joint = _entropy(counts)
    alone = _entropy(counts.sum(axis=0)) + _entropy(counts.sum(axis=1))
    return alone / joint - 1 if joint > 0 else 0.0


def _entropy(counts: Floats) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
