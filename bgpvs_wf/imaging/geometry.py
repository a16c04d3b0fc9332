"""Grids in space: voxel sizes, boxes, resampling. All lengths in mm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bgpvs_wf.arrays import Affine, Floats, Labels, Mask

Box = tuple[slice, slice, slice]
"""A part of an array."""


class Grid(NamedTuple):
    """A voxel grid in space: shape (3,) and affine (4, 4), voxel index to mm (RAS+)."""

    shape: tuple[int, int, int]
    affine: Affine

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "shape": [int(n) for n in self.shape],
            "affine": np.asarray(self.affine, float).tolist(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Grid:
        """Read what `to_dict` gave."""
        i, j, k = values["shape"]
        return cls((i, j, k), np.array(values["affine"], float))


def voxel_sizes(affine: Affine) -> Floats:
    """Return the edge lengths of a voxel, shape (3,), mm.

    Examples
    --------
    >>> voxel_sizes(np.diag([-0.8, 0.5, 2.0, 1.0]))
    array([0.8, 0.5, 2. ])
    """
    sizes: Floats = np.sqrt((np.asarray(affine, float)[:3, :3] ** 2).sum(axis=0))
    return sizes


def axes_in_space(affine: Affine) -> Floats:
    """Return the directions of an array's axes, the one nearest to right first, then to front, up.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)

    Returns
    -------
    ndarray, shape (3, 3)
        Unit vectors as columns: the axes once they are in the order right, anterior, superior.

    Examples
    --------
    >>> axes_in_space(np.array([[0, -2, 0, 9], [3, 0, 0, 9], [0, 0, 1, 9], [0, 0, 0, 1]]))
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    import nibabel as nib

    order = nib.io_orientation(affine)
    axes = np.empty((3, 3))
    axes[:, order[:, 0].astype(int)] = affine[:3, :3] / voxel_sizes(affine) * order[:, 1]
    return axes + 0.0


def voxel_volume(affine: Affine) -> float:
    """Return the volume of a voxel, mm3."""
    return float(abs(np.linalg.det(np.asarray(affine, float)[:3, :3])))


def same_grid(a: Grid, b: Grid, tolerance_mm: float = 1e-2) -> bool:
    """Tell whether two grids put every voxel at the same place, within `tolerance_mm`."""
    if tuple(a.shape) != tuple(b.shape):
        return False
    corners = _corners(a.shape)
    return bool(
        np.abs(corners @ np.asarray(a.affine).T - corners @ np.asarray(b.affine).T).max()
        < tolerance_mm
    )


def bounding_box(mask: Mask, affine: Affine, margin_mm: float = 0.0) -> Box:
    """Return the slices of the smallest box around a mask, grown by a margin, inside the array.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    if not mask.any():
        raise ValueError("empty mask has no bounding box")
    margin = np.ceil(margin_mm / voxel_sizes(affine) - 1e-6).astype(int)
    slices = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(i for i in range(3) if i != axis)))
        slices.append(
            slice(
                max(int(hit[0]) - margin[axis], 0),
                min(int(hit[-1]) + 1 + margin[axis], mask.shape[axis]),
            )
        )
    return slices[0], slices[1], slices[2]


def crop_affine(affine: Affine, slices: tuple[slice, ...]) -> Affine:
    """Return the affine of an array cropped with `slices`."""
    cropped = np.array(affine, float)
    cropped[:3, 3] += cropped[:3, :3] @ [s.start or 0 for s in slices]
    return cropped


def part_of(grid: Grid, slices: Box) -> Grid:
    """Return the grid of a part of an array."""
    shape = tuple(s.stop - s.start for s in slices)
    return Grid((shape[0], shape[1], shape[2]), crop_affine(grid.affine, slices))


def place_in(part: Grid, whole: Grid, tolerance: float = 0.1) -> Box:
    """Return the slices of a grid that are another one.

    Parameters
    ----------
    part, whole : Grid
    tolerance : float
        By how many voxels corners may lie apart: headers round.

    Raises
    ------
    ValueError
        If it is no part of it.
    """
    to_whole = np.linalg.inv(whole.affine) @ part.affine
    start = np.round(to_whole[:3, 3]).astype(int)
    stop = start + part.shape
    inside = (start >= 0).all() and (stop <= whole.shape).all()
    i, j, k = map(slice, start.tolist(), stop.tolist())
    if not inside or not same_grid(
        part,
        part_of(whole, (i, j, k)),
        tolerance * float(voxel_sizes(whole.affine).min()),
    ):
        raise ValueError(f"a grid of {part.shape} voxels is no part of that of {whole.shape}")
    return i, j, k


def uncrop(data: NDArray[Any], affine: Affine, whole: Grid) -> NDArray[Any]:
    """Return an array on the grid that its own is a part of; zero elsewhere.

    Raises
    ------
    ValueError
        If it is no part of it.
    """
    out = np.zeros(whole.shape, data.dtype)
    out[place_in(Grid(data.shape, affine), whole)] = data
    return out


def isotropic_grid(grid: Grid, voxel_mm: float) -> Grid:
    """Return the grid with the same orientation and field of view, and cubic voxels."""
    sizes = voxel_sizes(grid.affine)
    shape = np.maximum(np.round(np.array(grid.shape) * sizes / voxel_mm), 1).astype(int)
    affine = np.array(grid.affine, float)
    affine[:3, :3] *= voxel_mm / sizes
    # Edges of the field of view coincide, not voxel centres.
    centre = np.append((np.array(grid.shape) - 1) / 2, 1)
    affine[:3, 3] = (np.asarray(grid.affine) @ centre)[:3] - affine[:3, :3] @ ((shape - 1) / 2)
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def resample(data: NDArray[Any], affine: Affine, target: Grid, order: int = 1) -> NDArray[Any]:
    """Resample an array to another grid; zero outside.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
    target : Grid
    order : int
        Of the spline; 0 for labels (keeps the type), else float32 comes back.
    """
    to_source = np.linalg.inv(affine) @ target.affine
    kept = data if order == 0 else np.asarray(data, np.float32)
    if kept.dtype == bool:
        kept = kept.view(np.uint8)
    out: NDArray[Any] = ndimage.affine_transform(
        kept,
        to_source[:3, :3],
        to_source[:3, 3],
        output_shape=tuple(target.shape),
        order=order,
        mode="grid-constant",  # "constant" loses the outermost voxels to rounding
    )
    return out.astype(data.dtype) if order == 0 else out


def coarsen(data: NDArray[Any], affine: Affine, target: Grid) -> Floats:
    """Resample an array to a coarser grid, float32; against aliasing it is smoothed before.

    The Gaussian's standard deviation is 0.45 of the target's voxel, along axes it is coarser on.
    """
    ratio = voxel_sizes(target.affine) / voxel_sizes(affine)
    sigma = np.where(ratio > 1, 0.45 * ratio, 0)
    return resample(ndimage.gaussian_filter(np.asarray(data, np.float32), sigma), affine, target)


def coarse_labels(labels: Labels, affine: Affine, target: Grid) -> Labels:
    """Resample labels to a coarser grid: each voxel gets the one that most of it is, see `coarsen`.

    Parameters
    ----------
    labels : ndarray of int, shape (x, y, z)
    affine : ndarray, shape (4, 4)
    target : Grid
    """
    reach = 3 * float(voxel_sizes(target.affine).max())  # of the blur, and more
    best = np.zeros(target.shape, labels.dtype)
    most = np.full(target.shape, -1, np.float32)
    for label in np.unique(labels):
        mask = labels == label
        box = bounding_box(mask, affine, reach)
        share = coarsen(mask[box], crop_affine(affine, box), target)
        best[share > most] = label
        np.maximum(most, share, out=most)
    return best


def _corners(shape: tuple[int, ...]) -> Floats:
    axes = [(0, n - 1) for n in shape]
    return np.array([(i, j, k, 1) for i in axes[0] for j in axes[1] for k in axes[2]], float)
