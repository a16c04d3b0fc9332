"""From the grid of the fine network back to the scan's own."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.imaging.geometry import Grid, same_grid


def to_own_grid(shares: np.ndarray, grid: Grid, own: Grid) -> np.ndarray:
    """Return probabilities on the scan's own grid: what they are in the middle of each voxel.

    Between the voxels of the fine grid around that middle it is interpolated, but only between
    those that lie in the voxel itself. Labels to learn from went the other way by nearest
    neighbour, so each of these has the answer for the whole voxel, and no other one has: a mean
    with neighbours would lose tubes of one voxel.

    Parameters
    ----------
    shares : ndarray of float32, shape (channels, x, y, z)
        On the fine grid.
    grid, own : Grid
        The fine grid and the scan's own, of parallel axes.

    Returns
    -------
    ndarray of float32, shape (channels, *own.shape)
    """
    if same_grid(grid, own, 1e-4):
        return shares
    to_fine = np.linalg.inv(grid.affine) @ own.affine
    for axis in range(3):
        weights = _weights(own.shape[axis], grid.shape[axis], to_fine[axis, axis], to_fine[axis, 3])
        shares = np.moveaxis(np.tensordot(weights, shares, (1, axis + 1)), 0, axis + 1)
    return np.ascontiguousarray(shares)


def _weights(count: int, fine: int, step: float, start: float) -> np.ndarray:
    """Return the weights of the voxels of an axis, shape (count, fine), float32.

    Examples
    --------
    >>> _weights(2, 3, 1.4, 0.3)
    array([[0.7, 0.3, 0. ],
           [0. , 0.3, 0.7]], dtype=float32)
    """
    middle = np.clip(start + step * np.arange(count), 0, fine - 1)
    distance = np.abs(middle[:, None] - np.arange(fine))
    weights = np.clip(1 - distance, 0, 1)
    if step > 1:
        weights[distance > step / 2] = 0
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
