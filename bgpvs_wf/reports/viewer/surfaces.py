"""Surfaces of what is marked in a grid of voxels, in mm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from bgpvs_wf.arrays import Affine, Floats, Ints, Mask, Points
from bgpvs_wf.imaging.geometry import bounding_box, crop_affine, voxel_sizes

_PAD = 4
"""Empty voxels around a mask: as far as the blur reaches."""


class Surface(NamedTuple):
    """Triangles around something, seen from outside counter-clockwise."""

    vertices: Points
    """mm, shape (n, 3)."""
    faces: Ints
    """Rows of `vertices`, shape (m, 3)."""

    @property
    def volume_mm3(self) -> float:
        """What is inside, by the divergence theorem."""
        a, b, c = (self.vertices[self.faces[:, corner]] for corner in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def mask_surface(
    mask: Mask, affine: Affine, *, step_mm: float, smooth_voxels: float = 0.5
) -> Surface:
    """Return the surface of a mask: gently smoothed, around as much volume as its voxels have.

    Parameters
    ----------
    mask : ndarray of bool, shape (x, y, z)
        What touches the edge of the array is closed there.
    affine : ndarray, shape (4, 4)
        Voxel index to mm, RAS+: any orientation, oblique, anisotropic.
    step_mm : float
        About the edge length of triangles. Voxels that are larger are split.
    smooth_voxels : float
        Standard deviation of the blur that takes the steps off, at most 1. With half a voxel, those
        that touch by a corner stay together.

    Returns
    -------
    Surface

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    from skimage.measure import marching_cubes

    box = bounding_box(mask, affine)
    sizes = voxel_sizes(affine)
    split = np.maximum(np.ceil(sizes / step_mm - 0.05), 1).astype(int)
    fine = np.pad(mask[box], _PAD).astype(np.float32)
    for axis, times in enumerate(split):
        fine = np.repeat(fine, times, axis)
    field = ndimage.gaussian_filter(fine, smooth_voxels * split, mode="constant")
    stride = max(int(step_mm / (sizes / split).max() + 0.05), 1)
    points, faces, _, _ = marching_cubes(field, _level(field, int(fine.sum())), step_size=stride)
    # The centre of a voxel is that of its parts.
    index = (points + 0.5) / split - 0.5 - _PAD
    to_mm = crop_affine(affine, box)
    vertices = index @ to_mm[:3, :3].T + to_mm[:3, 3]
    found = Surface(vertices, faces)
    # Which way round triangles are depends on the axes of the array.
    return found if found.volume_mm3 > 0 else Surface(vertices, faces[:, ::-1])


def joined(surfaces: Sequence[Surface]) -> Surface:
    """Return several surfaces as one, vertices in their order.

    Raises
    ------
    ValueError
        If there is none.
    """
    starts = np.cumsum([0, *(len(one.vertices) for one in surfaces[:-1])])
    return Surface(
        np.concatenate([one.vertices for one in surfaces]),
        np.concatenate([one.faces + start for one, start in zip(surfaces, starts, strict=True)]),
    )


def _level(field: Floats, count: int) -> float:
    """Return the value that so many voxels are above."""
    values = np.partition(field, (-count - 1, -count), axis=None)
    return float(values[-count] + values[-count - 1]) / 2
