"""What several registered atlases are fused on: one vocabulary, one box, one mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import LENTIFORM_LABELS, NUCLEI, PALLIDUM_LABELS, PUTAMEN_LABELS
from bgpvs_wf.imaging.geometry import bounding_box
from bgpvs_wf.imaging.morphology import nearest_label

MARGIN_MM = 5.0
"""How far the box reaches beyond the nuclei of all atlases (chosen)."""
PATCH_RADIUS = 2
"""Radius of the patches that are compared, voxels: the default of antsJointFusion."""
_PARTS = {
    **dict(zip(LENTIFORM_LABELS, zip(PUTAMEN_LABELS, PALLIDUM_LABELS, strict=True), strict=True)),
    213: (4, 43),
    219: (2, 41),
    220: (3, 42),
}
"""Labels that some atlases split, and into what."""


def nuclei_box(dsegs: Sequence[np.ndarray], affine: np.ndarray) -> tuple[slice, slice, slice]:
    """Return the slices of the box around the nuclei of all atlases.

    Parameters
    ----------
    dsegs : sequence of ndarray of int, shape (x, y, z)
        Harmonised labels, registered to one grid.
    affine : ndarray, shape (4, 4)

    Raises
    ------
    ValueError
        If no atlas has a nucleus.
    """
    anywhere = np.logical_or.reduce([np.isin(dseg, tuple(NUCLEI)) for dseg in dsegs])
    return bounding_box(anywhere, affine, margin_mm=MARGIN_MM)


def share_labels(dsegs: Sequence[np.ndarray], affine: np.ndarray) -> list[np.ndarray]:
    """Split what only some atlases split, so that their votes count for the same labels.

    Without this, an atlas with a whole lentiform nucleus would outvote, or lose to, one with
    putamen and pallidum. Its voxels take the nearest part of the first atlas that has parts.

    Parameters
    ----------
    dsegs : sequence of ndarray of int, shape (x, y, z)
        Harmonised labels, registered to one grid.
    affine : ndarray, shape (4, 4)

    Examples
    --------
    >>> split = np.array([[[12, 12, 13, 13]]])
    >>> share_labels([split, np.full_like(split, 9012)], np.eye(4))[1]
    array([[[12, 12, 13, 13]]])
    """
    shared = [np.array(dseg) for dseg in dsegs]
    for whole, parts in _PARTS.items():
        split = next((dseg for dseg in dsegs if np.isin(dseg, parts).any()), None)
        if split is None or not any((dseg == whole).any() for dseg in shared):
            continue
        nearest = nearest_label(np.where(np.isin(split, parts), split, 0), affine)
        for dseg in shared:
            dseg[dseg == whole] = nearest[dseg == whole]
    return shared


def disputed(dsegs: Sequence[np.ndarray]) -> np.ndarray:
    """Return where the atlases have to be fused, bool, shape (x, y, z).

    That is where one has a nucleus and another something else, and as far around as the patches
    of those voxels reach; all nuclei, if the atlases agree.
    """
    nuclei = np.logical_or.reduce([np.isin(dseg, tuple(NUCLEI)) for dseg in dsegs])
    differ = np.logical_or.reduce([dseg != dsegs[0] for dseg in dsegs[1:]] or [nuclei])
    where = nuclei & differ
    if not where.any():
        return nuclei
    return ndimage.binary_dilation(where, np.ones((3, 3, 3), bool), iterations=PATCH_RADIUS)


def put_back(
    dseg: np.ndarray, fused: np.ndarray, mask: np.ndarray, corner: Sequence[int]
) -> np.ndarray:
    """Return labels with the fused ones put where the mask is.

    Parameters
    ----------
    dseg : ndarray of int, shape (x, y, z)
        Labels to start from.
    fused : ndarray, shape (u, v, w)
        Labels in a box.
    mask : ndarray of bool, shape (u, v, w)
    corner : sequence of 3 int
        Index in `dseg` of the first voxel of the box.

    Examples
    --------
    >>> fused = np.full((1, 1, 2), 12)
    >>> put_back(np.zeros((1, 1, 4), int), fused, np.array([[[True, False]]]), (0, 0, 1))
    array([[[ 0, 12,  0,  0]]])
    """
    out = np.array(dseg)
    box = tuple(slice(start, start + size) for start, size in zip(corner, fused.shape, strict=True))
    out[box][mask] = np.rint(fused[mask]).astype(out.dtype)
    return out
