"""Perivascular spaces: curved tubes of known length and diameter inside the nuclei.

Lenticulostriate arteries enter the lentiform nucleus from below and run upwards and outwards, then
curve back inwards into the caudate; so do the tubes. Sizes, in mm, are chosen after what 3 T and
7 T scans show: 0.5 to 1.6 wide, 3 to 15 long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from bgpvs_wf.imaging.geometry import Grid, voxel_sizes

STEP_MM = 0.1
DIAMETER_MM = (0.5, 1.6)
LENGTH_MM = (3.0, 15.0)
WALL_MM = 0.3
"""Tissue kept between a tube and the surface of its nucleus, and between two tubes."""

_TRIALS = 40  # lines tried for each tube

DistanceFunction = Callable[[np.ndarray], np.ndarray]
"""Points (n, 3), mm, to signed distances (n,), mm, negative inside."""


@dataclass(frozen=True)
class Tube:
    """A perivascular space: all points within its radius of the centre line.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Centre line, mm, evenly spaced.
    radius : ndarray, shape (n,)
        mm.
    fill : float
        How far its signal goes from the tissue's to fluid, 0.75 to 1.
    """

    points: np.ndarray
    radius: np.ndarray
    fill: float

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


def grow_tubes(
    inside: DistanceFunction,
    seeds: np.ndarray,
    count: int,
    rng: np.random.Generator,
    upwards: np.ndarray,
    outwards: np.ndarray,
    taken: tuple[Tube, ...] = (),
) -> list[Tube]:
    """Grow tubes inside a region.

    Parameters
    ----------
    inside : callable
        Signed distance to the region's surface.
    seeds : ndarray, shape (n, 3)
        Points to start from, mm; drawn at random.
    count : int
        Tubes wanted; fewer come back where there is no room.
    rng : Generator
    upwards, outwards : ndarray, shape (3,)
        Unit vectors.
    taken : tuple of Tube
        Tubes to keep away from.

    Returns
    -------
    list of Tube
    """
    tubes: list[Tube] = []
    for _ in range(count if len(seeds) else 0):
        radius = 0.5 * float(np.clip(rng.lognormal(np.log(0.85), 0.28), *DIAMETER_MM))
        length = float(np.clip(rng.gamma(6.0, 1.3), *LENGTH_MM))
        lines = _draw_lines(seeds, length, rng, upwards, outwards)
        line = _longest_free(lines, radius, inside, (*taken, *tubes))
        if (len(line) - 1) * STEP_MM >= LENGTH_MM[0]:
            taper = 1 + 0.1 * rng.uniform(-1, 1) * np.cos(np.linspace(0, np.pi, len(line)))
            thickness = np.clip(radius * taper, DIAMETER_MM[0] / 2, DIAMETER_MM[1] / 2)
            tubes.append(Tube(line, thickness, float(rng.uniform(0.75, 1.0))))
    return tubes


def tube_occupancy(tube: Tube, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
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


def _draw_lines(
    seeds: np.ndarray,
    length: float,
    rng: np.random.Generator,
    upwards: np.ndarray,
    outwards: np.ndarray,
) -> np.ndarray:
    """Draw curved lines from random seeds, shape (lines, points, 3)."""
    count = _TRIALS
    starts = seeds[rng.integers(len(seeds), size=count)] + rng.uniform(-0.75, 0.75, (count, 3))
    heading = upwards + rng.normal(0.35, 0.25, (count, 1)) * outwards
    heading = heading + rng.normal(0, 0.2, (count, 3))
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    # Curvature, 1/mm: mostly back inwards, as the arteries run.
    bend = -np.abs(rng.normal(0, 0.04, (count, 1))) * outwards + rng.normal(0, 0.02, (count, 3))
    steps = np.arange(0, length + STEP_MM / 2, STEP_MM)
    headings = heading[:, None] + steps[:, None] * bend[:, None]
    headings /= np.linalg.norm(headings, axis=2, keepdims=True)
    moves = np.concatenate([np.zeros((count, 1, 3)), headings[:, :-1] * STEP_MM], axis=1)
    return starts[:, None] + np.cumsum(moves, axis=1)


def _longest_free(
    lines: np.ndarray, radius: float, inside: DistanceFunction, others: tuple[Tube, ...]
) -> np.ndarray:
    """Return the line that stays free longest, cut where it meets a surface or a tube."""
    count, points = lines.shape[:2]
    flat = lines.reshape(-1, 3)
    free = inside(flat) < -(1.1 * radius + WALL_MM)
    for other in others:
        gap = cKDTree(other.points).query(flat)[0]
        free &= gap > 1.1 * radius + other.radius.max() + WALL_MM
    blocked = ~free.reshape(count, points)
    lengths = np.where(blocked.any(axis=1), blocked.argmax(axis=1), points)
    best = int(lengths.argmax())
    return lines[best, : lengths[best]]
