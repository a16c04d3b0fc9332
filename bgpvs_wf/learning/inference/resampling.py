"""From the grid of the fine network back to the scan's own."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bgpvs_wf.imaging.geometry import Grid, same_grid


def to_own_grid(shares: np.ndarray, grid: Grid, own: Grid) -> np.ndarray:
    """Return probabilities on the scan's own grid, interpolated linearly; constant at the edge.

    Parameters
    ----------
    shares : ndarray of float32, shape (channels, x, y, z)
        On the fine grid.
    grid, own : Grid
        The fine grid and the scan's own.

    Returns
    -------
    ndarray of float32, shape (channels, *own.shape)
    """
    if same_grid(grid, own, 1e-4):
        return shares
    to_fine = np.linalg.inv(grid.affine) @ own.affine
    if not np.allclose(to_fine[:3, :3], np.diag(np.diag(to_fine[:3, :3])), atol=1e-6):
        return _turned(shares, to_fine, own.shape)
    for axis in range(3):
        weights = _weights(own.shape[axis], grid.shape[axis], to_fine[axis, axis], to_fine[axis, 3])
        shares = np.moveaxis(np.tensordot(weights, shares, (1, axis + 1)), 0, axis + 1)
    return np.ascontiguousarray(shares)


def _turned(shares: np.ndarray, to_fine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Interpolate where the axes of the two grids are not parallel."""
    matrix, offset = to_fine[:3, :3], to_fine[:3, 3]
    out = np.empty((len(shares), *shape), np.float32)
    for channel, share in zip(out, shares, strict=True):
        ndimage.affine_transform(share, matrix, offset, shape, channel, order=1, mode="nearest")
    return out


def _weights(count: int, fine: int, step: float, start: float) -> np.ndarray:
    """Return the weights of the voxels of an axis, shape (count, fine), float32.

    Examples
    --------
    >>> _weights(4, 3, 0.5, -0.25)
    array([[1.  , 0.  , 0.  ],
           [0.75, 0.25, 0.  ],
           [0.25, 0.75, 0.  ],
           [0.  , 0.75, 0.25]], dtype=float32)
    """
    middle = np.clip(start + step * np.arange(count), 0, fine - 1)
    return np.clip(1 - np.abs(middle[:, None] - np.arange(fine)), 0, 1).astype(np.float32)
