"""Morphology of masks in millimetres, on any grid.

Structuring elements are balls in space, not boxes of voxels: a voxel belongs to a ball if its
centre lies within the radius of the ball's centre. All distances run from voxel centre to voxel
centre, so that dilation by a radius is a threshold of the distance map, whatever the voxel size.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bgpvs_wf.arrays import Affine, Floats, Ints, Labels, Mask
from bgpvs_wf.imaging.geometry import bounding_box, voxel_sizes

_TOLERANCE_MM = 1e-6


def ball(radius_mm: float, affine: Affine) -> Mask:
    """Return the footprint of a ball: the voxels whose centres lie within a radius.

    Parameters
    ----------
    radius_mm : float
        Radius, mm; not negative.
    affine : ndarray, shape (4, 4)
        Voxel index to mm; may be oblique, anisotropic, even sheared.

    Returns
    -------
    ndarray of bool, shape (2 i + 1, 2 j + 1, 2 k + 1)

    Examples
    --------
    >>> ball(1.0, np.diag([0.5, 1.0, 2.0, 1.0])).shape
    (5, 3, 1)
    """
    if radius_mm < 0:
        raise ValueError("radius of a ball is negative")
    matrix = np.asarray(affine, float)[:3, :3]
    half = _reach(radius_mm, affine)
    index = np.stack(np.meshgrid(*(np.arange(-h, h + 1) for h in half), indexing="ij"), axis=-1)
    return np.asarray(((index @ matrix.T) ** 2).sum(axis=-1) <= (radius_mm + _TOLERANCE_MM) ** 2)


def distance_mm(mask: Mask, affine: Affine) -> Floats:
    """Return, for every voxel, the distance to the nearest voxel outside the mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (x, y, z)
    affine : ndarray, shape (4, 4)

    Returns
    -------
    ndarray of float64, shape (x, y, z)
        Distance between voxel centres, mm; 0 outside the mask, infinite everywhere if the
        mask fills the array.

    Examples
    --------
    >>> distance_mm(np.array([0, 1, 1, 1]).reshape(4, 1, 1), np.eye(4) * 0.5).ravel()
    array([0. , 0.5, 1. , 1.5])
    """
    mask = np.asarray(mask, bool)
    if mask.all():
        return np.full(mask.shape, np.inf)
    if _is_orthogonal(affine):
        return np.asarray(ndimage.distance_transform_edt(mask, sampling=voxel_sizes(affine)))
    return _sheared_distance(mask, affine)


def distance_to_mm(mask: Mask, affine: Affine) -> Floats:
    """Return, for every voxel, the distance to the nearest voxel of the mask, mm.

    Examples
    --------
    >>> distance_to_mm(np.array([0, 0, 1, 1]).reshape(4, 1, 1), np.eye(4) * 0.5).ravel()
    array([1. , 0.5, 0. , 0. ])
    """
    return distance_mm(~np.asarray(mask, bool), affine)


def dilate_mm(mask: Mask, affine: Affine, radius_mm: float) -> Mask:
    """Dilate a mask by a ball; the array's edge does not grow.

    Examples
    --------
    >>> mask = np.array([0, 0, 0, 1, 0]).reshape(5, 1, 1)
    >>> dilate_mm(mask, np.diag([0.5, 0.5, 0.5, 1]), 1.0).ravel().astype(int)
    array([0, 1, 1, 1, 1])
    """
    mask = np.asarray(mask, bool)
    if not mask.any():
        return mask.copy()
    box = bounding_box(
        mask,
        affine,
        margin_mm=float((_reach(radius_mm, affine) + 1).max()) * float(voxel_sizes(affine).max()),
    )
    out = np.zeros_like(mask)
    out[box] = distance_mm(~mask[box], affine) <= radius_mm + _TOLERANCE_MM
    return out


def erode_mm(mask: Mask, affine: Affine, radius_mm: float) -> Mask:
    """Erode a mask by a ball; what lies outside the array counts as mask, as in `close_mm`."""
    mask = np.asarray(mask, bool)
    return np.asarray(distance_mm(mask, affine) > radius_mm + _TOLERANCE_MM) & mask


def close_mm(mask: Mask, affine: Affine, radius_mm: float) -> Mask:
    """Close a mask by a ball: dilate, then erode. Contains the mask; idempotent.

    The array is padded, so that a mask at its edge is closed as it would be inside.
    """
    mask = np.asarray(mask, bool)
    if not mask.any():
        return mask.copy()
    reach = _reach(radius_mm, affine) + 1
    margin = float(reach.max() * voxel_sizes(affine).max())
    box = bounding_box(mask, affine, margin_mm=margin)
    padded = np.pad(mask[box], [(int(r), int(r)) for r in reach])
    closed = erode_mm(dilate_mm(padded, affine, radius_mm), affine, radius_mm)
    out = mask.copy()
    out[box] |= closed[tuple(slice(int(r), -int(r)) for r in reach)]
    return out


def open_mm(mask: Mask, affine: Affine, radius_mm: float) -> Mask:
    """Open a mask by a ball: erode, then dilate. Contained in the mask; idempotent."""
    mask = np.asarray(mask, bool)
    return dilate_mm(erode_mm(mask, affine, radius_mm), affine, radius_mm) & mask


def nearest_label(labels: Labels, affine: Affine) -> Labels:
    """Return, for every voxel, the label of the nearest labelled voxel (0 is no label).

    Raises
    ------
    ValueError
        If there is no label.
    """
    from scipy.spatial import cKDTree

    labels = np.asarray(labels)
    if not labels.any():
        raise ValueError("no label to carry outwards")
    if _is_orthogonal(affine):
        nearest = ndimage.distance_transform_edt(
            labels == 0, sampling=voxel_sizes(affine), return_distances=False, return_indices=True
        )
        return np.asarray(labels[tuple(nearest)])
    matrix = np.asarray(affine, float)[:3, :3]
    index = np.argwhere(labels)
    _, found = cKDTree(index @ matrix.T).query(np.argwhere(labels == 0) @ matrix.T)
    out = labels.copy()
    out[labels == 0] = labels[tuple(index[found].T)]
    return out


def hull(mask: Mask) -> Mask:
    """Return the convex hull of a mask: the voxels whose centres lie in that of its voxels.

    The voxels are taken as octahedra, so that a flat mask has a hull too. Affine maps leave it as
    it is.

    Examples
    --------
    >>> hull(np.array([0, 1, 0, 0, 1, 0]).reshape(6, 1, 1) > 0).ravel().astype(int)
    array([0, 1, 1, 1, 1, 0])
    """
    from scipy.spatial import ConvexHull

    whole = np.zeros(mask.shape, bool)
    if not mask.any():
        return whole
    box = bounding_box(mask, np.eye(4))
    faces = 0.5 * np.concatenate([np.eye(3), -np.eye(3)])
    corners = (np.argwhere(surface(mask[box]))[:, None] + faces).reshape(-1, 3)
    planes = ConvexHull(corners).equations
    # Slice by slice: all voxels times all planes would take gigabytes at 0.5 mm.
    slices = np.moveaxis(np.indices(mask[box].shape), 0, -1)
    for inside, places in zip(whole[box], slices, strict=True):
        inside[...] = (places @ planes[:, :3].T + planes[:, 3] <= _TOLERANCE_MM).all(axis=-1)
    return whole


def largest_part(mask: Mask) -> Mask:
    """Return the largest part of a mask that hangs together by faces; bool.

    Examples
    --------
    >>> largest_part(np.array([1, 1, 0, 1])).astype(int)
    array([1, 1, 0, 0])
    """
    parts, count = ndimage.label(mask)
    if count < 2:
        return np.asarray(mask, bool)
    return np.asarray(parts == np.bincount(parts.ravel())[1:].argmax() + 1)


def large_parts(mask: Mask, share: float, corners: bool = False) -> Mask:
    """Return a mask without its small islands.

    Parameters
    ----------
    mask : ndarray of bool, shape (x, y, z)
    share : float
        Parts stay that have at least this share of the largest one.
    corners : bool
        Parts hang together by edges and corners of voxels, too, not by faces alone.

    Examples
    --------
    >>> mask = np.array([1] * 11 + [0, 1, 0, 1, 1]).reshape(-1, 1, 1)
    >>> large_parts(mask > 0, 0.1).ravel().astype(int)
    array([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1])
    """
    parts, count = ndimage.label(mask, np.ones((3, 3, 3)) if corners else None)
    if count < 2:
        return np.asarray(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= share * sizes.max())[parts] & (parts > 0))


def surface(mask: Mask) -> Mask:
    """Return the voxels of a mask that share a face with a voxel outside it.

    What lies outside the array counts as outside the mask.
    """
    mask = np.asarray(mask, bool)
    core: Mask = ndimage.binary_erosion(mask, border_value=0)
    return mask & ~core


def _reach(radius_mm: float, affine: Affine) -> Ints:
    """Return how many voxels a ball reaches along each axis of the array, shape (3,)."""
    # The rows of the inverse are the normals of the voxel planes; their length is one over
    # the planes' spacing, which differs from the voxel's edge only where the grid is sheared.
    inverse = np.linalg.inv(np.asarray(affine, float)[:3, :3])
    reach: Ints = np.floor((radius_mm + _TOLERANCE_MM) * np.linalg.norm(inverse, axis=1)).astype(
        int
    )
    return reach


def _is_orthogonal(affine: Affine) -> bool:
    unit = np.asarray(affine, float)[:3, :3] / voxel_sizes(affine)
    return bool(np.abs(unit.T @ unit - np.eye(3)).max() < 1e-4)


def _sheared_distance(mask: Mask, affine: Affine) -> Floats:
    from scipy.spatial import cKDTree

    matrix = np.asarray(affine, float)[:3, :3]
    out = np.zeros(mask.shape)
    # A segment from inside to the nearest outside voxel need not end at the outer rim that
    # face neighbours make, so all outside voxels are asked.
    tree = cKDTree(np.argwhere(~mask) @ matrix.T)
    out[mask], _ = tree.query(np.argwhere(mask) @ matrix.T)
    return out
