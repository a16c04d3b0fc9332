"""Tubes of known length and diameter, and how much of each voxel they fill."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from bgpvs_wf.arrays import Floats, Ints, Points
from bgpvs_wf.imaging.geometry import Grid, voxel_sizes

STEP_MM = 0.1
"""Distance between the points of a centre line."""


@dataclass(frozen=True)
class Tube:
    """A perivascular space, or a vessel: all points within its radius of the centre line.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Centre line, mm, evenly spaced.
    radius : ndarray, shape (n,)
        mm.
    fill : float
        How far its signal goes from the tissue's to fluid, 0 to 1.
    tree : int
        Number of the tree it belongs to; the branches of a tree hang together.
    """

    points: Points
    radius: Floats
    fill: float
    tree: int = 0

    @property
    def length_mm(self) -> float:
        """Length of the centre line."""
        return float(np.linalg.norm(np.diff(self.points, axis=0), axis=1).sum())

    @property
    def diameter_mm(self) -> float:
        """Mean diameter."""
        return float(2 * self.radius.mean())

    @property
    def volume_mm3(self) -> float:
        """Volume of the tube with its two round ends."""
        steps = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        squares = self.radius**2
        body = np.pi * (steps * (squares[:-1] + squares[1:]) / 2).sum()
        return float(body + 2 / 3 * np.pi * (self.radius[0] ** 3 + self.radius[-1] ** 3))


def tube_occupancy(tube: Tube, grid: Grid) -> tuple[Ints, Floats]:
    """Return which voxels a tube reaches, and how much of each it fills.

    Each voxel near the centre line is cut into boxes of at most a sixth of the tube's diameter (at
    least 4 along each axis), and their centres are asked.

    Parameters
    ----------
    tube : Tube
    grid : Grid

    Returns
    -------
    index : ndarray of int, shape (n, 3)
        Voxels the tube may reach that lie in the grid.
    share : ndarray of float32, shape (n,)
        0 to 1.
    """
    affine = np.asarray(grid.affine, float)
    sizes = voxel_sizes(affine)
    inverse = np.linalg.inv(affine)
    centre = tube.points @ inverse[:3, :3].T + inverse[:3, 3]
    reach = np.ceil(tube.radius.max() / sizes + 0.5).astype(int)
    low = np.maximum(np.floor(centre.min(axis=0)).astype(int) - reach, 0)
    high = np.minimum(np.ceil(centre.max(axis=0)).astype(int) + reach + 1, grid.shape)
    if (high <= low).any():
        return np.zeros((0, 3), int), np.zeros(0, np.float32)
    near = np.zeros(high - low, bool)
    on = np.round(centre).astype(int) - low
    on = on[((on >= 0) & (on < near.shape)).all(axis=1)]
    near[tuple(on.T)] = True
    box = np.ones(2 * reach + 1, bool)
    near = ndimage.binary_dilation(near, box)
    index = np.argwhere(near) + low
    tree = cKDTree(tube.points)
    middles = index @ affine[:3, :3].T + affine[:3, 3]
    limit = float(tube.radius.max()) + np.linalg.norm(sizes) / 2 + STEP_MM
    index = index[tree.query(middles)[0] < limit]
    cuts = np.maximum(np.ceil(6 * sizes / (2 * tube.radius.min())), 4).astype(int)
    offsets = np.stack(
        np.meshgrid(*((np.arange(c) + 0.5) / c - 0.5 for c in cuts), indexing="ij"), -1
    ).reshape(-1, 3)
    voxels = (index[:, None, :] + offsets[None]).reshape(-1, 3)
    points = voxels @ affine[:3, :3].T + affine[:3, 3]
    distance, nearest = tree.query(points, distance_upper_bound=float(tube.radius.max()) + STEP_MM)
    radius = np.append(tube.radius, -1.0)[nearest]
    share = (distance <= radius).reshape(len(index), -1).mean(axis=1).astype(np.float32)
    kept = share > 0
    return index[kept], share[kept]


def fill_grid(tubes: Iterable[Tube], grid: Grid) -> tuple[Floats, Floats]:
    """Return how much of each voxel tubes fill, and how bright that makes it.

    Parameters
    ----------
    tubes : iterable of Tube
    grid : Grid

    Returns
    -------
    share : ndarray of float32, shape `grid.shape`
        Above 1 where tubes overlap.
    signal : ndarray of float32, shape `grid.shape`
        The same, each tube weighted by its `fill`.
    """
    share, signal = np.zeros((2, *grid.shape), np.float32)
    for tube in tubes:
        index, part = tube_occupancy(tube, grid)
        at = tuple(index.T)
        share[at] += part
        signal[at] += part * np.float32(tube.fill)
    return share, signal
