"""Shapes read off a label map: signed distances, and where its arteries enter."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import ACCUMBENS_LABELS, ANY_LENTIFORM_LABELS, SIDES
from bgpvs_wf.imaging.geometry import bounding_box, crop_affine, voxel_sizes
from bgpvs_wf.imaging.morphology import distance_mm, distance_to_mm
from bgpvs_wf.phantom.shapes import Points

FAR_MM = 1000.0
"""Distance to what is not there."""
_MARGIN_MM = 6.0
_UNEVEN_MM = 0.25  # edges of a voxel that differ by less count as equal
_BELOW_MM = 2.0
_LENTIFORM = {
    side: tuple(label for label in ANY_LENTIFORM_LABELS if label in of_side)
    for side, of_side in SIDES.items()
}
_ACCUMBENS = dict(zip(SIDES, ACCUMBENS_LABELS, strict=True))


class SignedDistance:
    """Distance to the surface of a mask, negative inside, for any point.

    Linear between voxels; beyond the box around the mask the distance to the box is added, so
    that it keeps growing.

    Parameters
    ----------
    mask : ndarray of bool, shape (x, y, z)
        May be empty: then everything is `FAR_MM` away.
    affine : ndarray, shape (4, 4)
        Voxel index to mm.

    Examples
    --------
    >>> mask = np.zeros((9, 9, 9), bool)
    >>> mask[3:6, 3:6, 3:6] = True
    >>> x = np.array([4.0, 5.5, 7.0, 100.0])
    >>> SignedDistance(mask, np.eye(4))((x, 0 * x + 4, 0 * x + 4)).round(1)
    array([-1.5,  0. ,  1.5, 94.5])
    """

    def __init__(self, mask: np.ndarray, affine: np.ndarray) -> None:
        self._field: np.ndarray | None = None
        if not mask.any():
            return
        box = bounding_box(mask, affine, _MARGIN_MM)
        # Voxels at the array's edge count as if nothing were beyond it.
        padded = np.pad(mask[box], 1)
        corner = crop_affine(affine, box)
        corner[:3, 3] -= corner[:3, :3].sum(axis=1)
        cubes, self._affine = _split_to_cubes(padded, corner)
        # Distances run from centre to centre, the surface lies half a voxel before that.
        half = float(voxel_sizes(self._affine).mean()) / 2
        away = distance_to_mm(cubes, self._affine) - distance_mm(cubes, self._affine)
        self._field = (away - half * np.sign(away)).astype(np.float32)

    def __call__(self, points: Points) -> np.ndarray:
        """Return the distances at points, three arrays of one shape, mm."""
        if self._field is None:
            return np.full(np.shape(points[0]), FAR_MM)
        index = np.stack(to_voxels(points, self._affine))
        last = np.array(self._field.shape).reshape(3, *[1] * (index.ndim - 1)) - 1
        held = np.clip(index, 0, last)
        near = ndimage.map_coordinates(self._field, held, order=1, mode="nearest")
        beyond = np.tensordot(self._affine[:3, :3], index - held, axes=1)
        return np.asarray(near + np.sqrt((beyond**2).sum(axis=0)))


def _split_to_cubes(mask: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut the voxels of a mask into whole parts that are cubes, more or less."""
    sizes = voxel_sizes(affine)
    parts = np.rint(sizes / sizes.min()).astype(int)
    if np.ptp(sizes / parts) > _UNEVEN_MM:
        parts = np.rint(2 * sizes / sizes.min()).astype(int)
    for axis in range(3):
        if parts[axis] > 1:
            mask = np.repeat(mask, parts[axis], axis=axis)
    finer = np.array(affine, float)
    finer[:3, :3] /= parts
    finer[:3, 3] += affine[:3, :3] @ ((1 / parts - 1) / 2)
    return mask, finer


def to_voxels(points: Points, affine: np.ndarray) -> Points:
    """Return the voxel coordinates of points, mm, as three arrays."""
    inverse = np.linalg.inv(affine)[:3].tolist()
    x, y, z = (a * points[0] + b * points[1] + c * points[2] + d for a, b, c, d in inverse)
    return x, y, z


def entry_point(labels: np.ndarray, affine: np.ndarray, side: int) -> np.ndarray:
    """Return where the lenticulostriate arteries of a side enter: the perforated substance.

    They pierce the brain's base below the front of the lentiform nucleus, lateral of the accumbens
    (the lateral part of the substance is theirs: Sen et al., Singapore Med J 2011, 52:410-414).
    Chosen on M-CRIB and three infants, where it meets the vessels that the scans show: 2 mm under
    the lowest voxels of the medial third of the front of the nucleus.

    Parameters
    ----------
    labels : ndarray of int, shape (x, y, z)
        Harmonised labels.
    affine : ndarray, shape (4, 4)
    side : int
        -1 left, 1 right.

    Returns
    -------
    ndarray, shape (3,)
        mm. The middle of all nuclei of the side where it has no lentiform nucleus.
    """
    name = "left" if side < 0 else "right"
    points = _places(labels, affine, _LENTIFORM[name])
    if not len(points):
        return _places(labels, affine, SIDES[name]).mean(axis=0)
    front = np.quantile(points[:, 1], 0.72)
    slab = points[np.abs(points[:, 1] - front) < 3.0]
    low = slab[slab[:, 2] < np.quantile(slab[:, 2], 0.33)]
    beside = np.quantile(side * low[:, 0], 0.33)
    accumbens = _places(labels, affine, (_ACCUMBENS[name],))
    if len(accumbens):
        beside = max(beside, float(np.quantile(side * accumbens[:, 0], 0.9)))
    near = low[np.abs(side * low[:, 0] - beside) < 3.0]
    floor = (near if len(near) else low)[:, 2].min()
    return np.array([side * beside, front, floor - _BELOW_MM])


def _places(labels: np.ndarray, affine: np.ndarray, wanted: tuple[int, ...]) -> np.ndarray:
    index = np.argwhere(np.isin(labels, wanted))
    return np.asarray(index @ affine[:3, :3].T + affine[:3, 3])
