"""Tubes of known geometry, sampled voxel by voxel: independent of the package's own phantom."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation


class Tube(NamedTuple):
    occupancy: np.ndarray
    affine: np.ndarray
    length: float
    diameter: float
    volume: float
    chord: np.ndarray


def make_tube(
    seed: int,
    *,
    voxel: float | tuple[float, float, float],
    diameter: float,
    length: float,
    curvature: float = 0.0,
    flat: bool = True,
    oblique: bool = True,
    direction: np.ndarray | None = None,
    subsamples: int = 4,
) -> Tube:
    """Make a tube of random orientation and place, on a grid of random orientation.

    The length runs from tip to tip; ends are flat, or half balls. The axis is a line or an arc
    of a circle. Every voxel holds the share of its subsamples that lie in the tube.
    """
    rng = np.random.default_rng(seed)
    radius = diameter / 2
    half = length / 2 - (0 if flat else radius)
    turn = Rotation.random(random_state=rng.integers(2**31)).as_matrix()
    if direction is not None:
        turn = Rotation.align_vectors([direction], [[1.0, 0, 0]])[0].as_matrix()
    affine = np.eye(4)
    grid = Rotation.random(random_state=rng.integers(2**31)).as_matrix() if oblique else np.eye(3)
    affine[:3, :3] = grid * np.broadcast_to(voxel, 3)
    axis = _axis(np.linspace(-half, half, 101), curvature) @ turn.T
    index = axis @ np.linalg.inv(affine[:3, :3]).T
    margin = np.ceil(radius / np.broadcast_to(voxel, 3)) + 2
    shape = np.ceil(np.ptp(index, axis=0) + 2 * margin + 1).astype(int)
    affine[:3, 3] = -affine[:3, :3] @ (margin + rng.random(3) - index.min(axis=0))
    fine = [(np.arange(n * subsamples) + 0.5) / subsamples - 0.5 for n in shape]
    points = np.stack(np.meshgrid(*fine, indexing="ij"), axis=-1)
    own = (points @ affine[:3, :3].T + affine[:3, 3]) @ turn
    inside = _inside(own, half, radius, curvature, flat)
    parts = [x for n in shape for x in (n, subsamples)]
    occupancy = inside.reshape(parts).mean(axis=(1, 3, 5))
    affine[:3, 3] += (3.0, -20.0, 11.0)
    volume = np.pi * radius**2 * 2 * half + (0 if flat else 4 / 3 * np.pi * radius**3)
    return Tube(occupancy, affine, length, diameter, volume, axis[-1] - axis[0])


def _axis(along: np.ndarray, curvature: float) -> np.ndarray:
    if curvature == 0:
        return np.stack([along, 0 * along, 0 * along], axis=1)
    angle = along * curvature
    return np.stack([np.sin(angle), 1 - np.cos(angle), 0 * angle], axis=1) / curvature


def _inside(
    own: np.ndarray, half: float, radius: float, curvature: float, flat: bool
) -> np.ndarray:
    x, y, z = np.moveaxis(own, -1, 0)
    if curvature:
        centre = 1 / curvature
        along = np.arctan2(x, centre - y) / curvature
        across = np.hypot(x, y - centre) - centre
    else:
        along, across = x, y
    tube = (across**2 + z**2 <= radius**2) & (np.abs(along) <= half)
    if flat:
        return tube
    for tip in _axis(np.array([-half, half]), curvature):
        tube |= ((own - tip) ** 2).sum(axis=-1) <= radius**2
    return tube
