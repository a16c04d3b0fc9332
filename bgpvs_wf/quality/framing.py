"""How the head lies in the picture, and whether all of the nuclei is in it."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from bgpvs_wf.anatomy.labels import NUCLEI, SIDES
from bgpvs_wf.anatomy.starts import turn_degrees
from bgpvs_wf.arrays import Affine, Labels, Mask
from bgpvs_wf.imaging.geometry import bounding_box, voxel_sizes
from bgpvs_wf.learning.heads.lie import upright_axes


def margin_mm(nuclei: Mask, seen: Mask, affine: Affine) -> float:
    """Return how far the box of the nuclei stays away from the end of what was scanned, mm.

    Parameters
    ----------
    nuclei : ndarray of bool, shape (x, y, z)
    seen : ndarray of bool, shape (x, y, z)
        Where there is a signal. Its box is what was scanned: slices without any were not.
    affine : ndarray, shape (4, 4)

    Returns
    -------
    float
        On the side on which it is least; NaN without nuclei.

    Examples
    --------
    >>> nuclei = np.zeros((9, 9, 9), bool)
    >>> nuclei[4, 4, 2] = True
    >>> margin_mm(nuclei, np.ones((9, 9, 9), bool), np.diag([1.0, 1.0, 2.0, 1.0]))
    4.0
    """
    if not nuclei.any():
        return float("nan")
    inner, outer = bounding_box(nuclei, affine), bounding_box(seen | nuclei, affine)
    return min(
        float(size * min(one.start - whole.start, whole.stop - one.stop))
        for one, whole, size in zip(inner, outer, voxel_sizes(affine), strict=True)
    )


def turn_deg(anatomy: Labels, affine: Affine) -> float:
    """Return by what angle the head is turned against the axes of its image, degrees.

    As the nuclei tell it, which together are longest from behind to front. What a header tells of
    an oblique image does not count: it is the head in the grid that matters. Nor does half a turn
    that the header is wrong by.

    Parameters
    ----------
    anatomy : ndarray of int, shape (x, y, z)
        Harmonised labels.
    affine : ndarray, shape (4, 4)

    Returns
    -------
    float
        0 to 180; NaN without nuclei on either side.
    """
    axes, signs = nib.io_orientation(affine).T
    steps = np.zeros((3, 3))
    steps[axes.astype(int), range(3)] = signs * voxel_sizes(affine)
    sides = [
        np.argwhere(np.isin(anatomy, [n for n in SIDES[side] if n in NUCLEI])) @ steps.T
        for side in ("left", "right")
    ]
    if not all(len(side) for side in sides):
        return float("nan")
    across = sides[1].mean(axis=0) - sides[0].mean(axis=0)
    if across[0] < 0:
        half = np.diag([-1.0, -1.0, 1.0])
        across, sides = across @ half, [side @ half for side in sides]
    return turn_degrees(upright_axes(across / np.linalg.norm(across), sides))
