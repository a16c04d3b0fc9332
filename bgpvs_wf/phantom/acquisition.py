"""What the scanner adds: the grid, the bias field, the noise."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.imaging.geometry import Grid


def bias_field(grid: Grid, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Return a smooth receive field with mean about 1.

    Parameters
    ----------
    grid : Grid
    rng : Generator
    strength : float
        Standard deviation of the field's logarithm over the grid.

    Returns
    -------
    ndarray of float32, shape `grid.shape`
    """
    axes = [np.linspace(-1, 1, n) for n in grid.shape]
    powers = [(i, j, k) for i in range(3) for j in range(3) for k in range(3) if 0 < i + j + k <= 2]
    weights = rng.normal(size=len(powers))
    # Moments of the powers on [-1, 1]: mean and spread are known, no pass over the grid needed.
    moment = [1.0, 0.0, 1 / 3, 0.0, 1 / 5]
    total = np.zeros(grid.shape, np.float32)
    variance = 0.0
    for weight, (i, j, k) in zip(weights, powers, strict=True):
        mean = moment[i] * moment[j] * moment[k]
        variance += weight**2 * (moment[2 * i] * moment[2 * j] * moment[2 * k] - mean**2)
        x, y, z = (a**p for a, p in zip(axes, (i, j, k), strict=True))
        term = x[:, None, None] * y[None, :, None] * z[None, None, :]
        total += (weight * (term - mean)).astype(np.float32)
    return np.exp(total * np.float32(strength / np.sqrt(variance)))


def add_rician_noise(image: np.ndarray, rng: np.random.Generator, sigma: float) -> np.ndarray:
    """Return the magnitude of an image with complex Gaussian noise of deviation `sigma`.

    Noise in magnitude images is Rician (Gudbjartsson and Patz, Magn Reson Med 1995,
    doi 10.1002/mrm.1910340618).
    """
    if sigma == 0:
        return image
    real = image + np.float32(sigma) * rng.standard_normal(image.shape, np.float32)
    imaginary = np.float32(sigma) * rng.standard_normal(image.shape, np.float32)
    return np.hypot(real, imaginary)


def grid_around(
    low: np.ndarray,
    high: np.ndarray,
    voxel_mm: tuple[float, float, float],
    rotation: np.ndarray | None = None,
) -> Grid:
    """Return a grid that covers a box.

    Parameters
    ----------
    low, high : ndarray, shape (3,)
        Corners of the box along the grid's own axes, mm.
    voxel_mm : tuple of 3 floats
    rotation : ndarray, shape (3, 3), optional
        Of the grid's axes in the scanner; none gives a grid along the scanner's axes.
    """
    sizes = np.asarray(voxel_mm, float)
    shape = np.ceil((high - low) / sizes).astype(int) + 1
    start = (low + high) / 2 - (shape - 1) * sizes / 2
    turn = np.eye(3) if rotation is None else rotation
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(sizes)
    affine[:3, 3] = turn @ start
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)
