"""Centrelines of thin tubes: how long, how wide, which way.

A thinned mask is one voxel wide, but it is no ruler: it ends about a radius before the tube does,
and its staircase is up to 40 % longer than the tube. So the skeleton only says where the tube runs
and branches. Its main path, the longest one in the minimum spanning tree of its voxels, is then
replaced by a smooth curve through all voxels of the tube (least-squares B-spline of their place in
space over their place along the path, a principal curve in the sense of Hastie and Stuetzle,
J Am Stat Assoc 1989, doi 10.1080/01621459.1989.10478797), and the curve runs on straight at both
ends until it leaves the tube. Everything happens in mm, on any affine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from bgpvs_wf.arrays import Affine, Floats, Ints, Mask, Points
from bgpvs_wf.imaging.geometry import voxel_volume
from bgpvs_wf.imaging.morphology import distance_mm
from bgpvs_wf.imaging.polyline import (
    STEP_MM,
    polyline_length,
    project,
    resample_evenly,
    soften,
)

_ROUNDS = 2
# Chosen on tubes of known geometry (0.5 and 0.8 mm voxels, 2 to 4 voxels wide, straight and bent):
_STRAIGHT_BELOW = 3.0  # shorter than so many diameters: a line, else a curve
_KNOTS_DIAMETERS = 2.0  # spacing of the knots along the curve
_EDGE_LEVEL = 0.45  # share of the occupancy on the axis at which the tube ends


@dataclass(frozen=True)
class Centreline:
    """The centreline of one object."""

    points: Points
    """Main path from tip to tip, shape (n, 3), mm; a single point for a single voxel."""
    length_mm: float
    """Of the main path, tip to tip."""
    branches: tuple[Points, ...]
    """Side branches from the main path to their tips, each of shape (n, 3), mm."""
    total_length_mm: float
    """Main path and side branches."""
    mean_diameter_mm: float
    """Of the circular cylinder with the object's volume and total length."""
    max_diameter_mm: float
    """Of the circle with the area of the widest cross-section of the main path."""

    @property
    def chord(self) -> Floats:
        """Vector from tip to tip, upwards (last component not negative), shape (3,), mm."""
        chord = self.points[-1] - self.points[0]
        lead = next((value for value in chord[::-1] if abs(value) > 1e-9), 0.0)
        return np.asarray(-chord if lead < 0 else chord)

    @property
    def tortuosity(self) -> float:
        """Length over distance from tip to tip, at least 1; NaN for a single voxel."""
        chord = float(np.linalg.norm(self.chord))
        return max(self.length_mm / chord, 1.0) if chord > 0 else float("nan")


def centreline(mask: Mask, affine: Affine, occupancy: Floats | None = None) -> Centreline:
    """Return the centreline of one object.

    Parameters
    ----------
    mask : ndarray of bool, shape (x, y, z)
        The object's voxels, at least one, 26-connected.
    affine : ndarray, shape (4, 4)
        Voxel index to mm.
    occupancy : ndarray of float, shape (x, y, z), optional
        Share of each voxel that the object fills, 0 to 1, where known better than the mask:
        usually not 0 in a rim about the mask. If it hardly fills the mask (less than a tenth),
        the mask is used.

    Returns
    -------
    Centreline
        A closed ring is opened at one voxel; its length is the way around. A single voxel
        has the edge of a cube of its volume as length, and no direction.

    Raises
    ------
    ValueError
        If the mask is empty.

    Examples
    --------
    >>> mask = np.zeros((5, 5, 20), bool)
    >>> mask[1:4, 1:4, 4:16] = True
    >>> line = centreline(mask, np.diag([0.5, 0.5, 0.5, 1.0]))
    >>> round(line.length_mm, 1), round(line.mean_diameter_mm, 1), round(line.tortuosity, 3)
    (6.1, 1.7, 1.0)
    """
    mask = np.pad(np.asarray(mask, bool), 1)
    if not mask.any():
        raise ValueError("empty mask has no centreline")
    field = _occupancy(mask, None if occupancy is None else np.pad(occupancy, 1))
    matrix = np.asarray(affine, float)[:3, :3]
    origin = np.asarray(affine, float)[:3, 3] - matrix.sum(axis=1)
    tube = _Tube(field, matrix, voxel_volume(affine))
    if mask.sum() == 1:
        return _single_voxel(np.argwhere(mask) @ matrix.T + origin, tube)
    return _measure(tube, skeleton_paths(mask, affine), origin)


def skeleton_paths(mask: Mask, affine: Affine) -> list[Ints]:
    """Return the paths of the thinned mask: the main one, then side branches, longest first.

    Parameters
    ----------
    mask : ndarray of bool, shape (x, y, z)
    affine : ndarray, shape (4, 4)

    Returns
    -------
    list of ndarray of int, shape (n, 3)
        Voxel indices along each path. Side branches begin at a voxel of a longer path.
        Spurs no longer than twice the distance from their root to the surface, plus a
        voxel, are left out: they are wrinkles of the surface. Loops are cut.
    """
    from scipy.sparse.csgraph import dijkstra, minimum_spanning_tree
    from skimage.graph import pixel_graph
    from skimage.morphology import skeletonize

    thin = skeletonize(np.asarray(mask, bool), method="lee") > 0
    depth = distance_mm(mask, affine)
    if thin.sum() < 2:  # it can be empty: blocks of even size thin to nothing
        return [np.argwhere(depth == depth.max())[:1]]
    graph, nodes = pixel_graph(thin, connectivity=3)
    index = np.stack(np.unravel_index(nodes, thin.shape), axis=1)
    space = index @ np.asarray(affine, float)[:3, :3].T
    graph = graph.tocoo()
    graph.data = np.linalg.norm(space[graph.row] - space[graph.col], axis=1)
    tree: Any = minimum_spanning_tree(graph.tocsr())
    # The farthest node from any node of a tree is an end of its longest path.
    start = int(_finite(dijkstra(tree, directed=False, indices=0)).argmax())
    away, before = dijkstra(tree, directed=False, indices=start, return_predecessors=True)
    paths = [_walk(before, int(_finite(away).argmax()))]
    spur = 2 * depth[tuple(index.T)] + float(graph.data.min())
    paths += _side_branches(tree, paths[0], spur)
    return [index[path] for path in paths]


def _side_branches(tree: Any, main: list[int], spur: Floats) -> Iterator[list[int]]:
    from scipy.sparse.csgraph import dijkstra

    known = list(main)
    while True:
        away, before, _ = dijkstra(
            tree, directed=False, indices=known, min_only=True, return_predecessors=True
        )
        away = _finite(away)
        far = int(away.argmax())
        path = _walk(before, far)
        if away[far] <= spur[path[0]]:
            return
        yield path
        known += path


def _finite(distance: Floats) -> Floats:
    return np.where(np.isfinite(distance), distance, -1.0)


def _walk(before: Ints, node: int) -> list[int]:
    """Follow predecessors back to where they end; return the way from there to the node."""
    path = [node]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    return path[::-1]


class _Tube:
    """Voxels of an object with their occupancy, in a frame whose origin is voxel (0, 0, 0)."""

    def __init__(self, field: Floats, matrix: Floats, volume: float) -> None:
        self.field = field
        self.matrix = matrix
        self.inverse = np.linalg.inv(matrix)
        inside = field > 0
        self.points = np.argwhere(inside) @ matrix.T
        self.volumes = field[inside].astype(float) * volume
        self.edge = volume ** (1 / 3)

    def sample(self, points: Floats) -> Floats:
        """Return the occupancy at points (..., 3), mm, linear between voxel centres."""
        index = np.moveaxis(points @ self.inverse.T, -1, 0)
        return np.asarray(ndimage.map_coordinates(self.field, index, order=1, mode="constant"))


def _occupancy(mask: Mask, occupancy: Floats | None) -> Floats:
    if occupancy is not None:
        field: Floats = np.clip(np.nan_to_num(np.asarray(occupancy, float)), 0.0, 1.0)
        if field[mask].sum() >= 0.1 * mask.sum() and (field > 0).sum() > 1:
            return field
    return mask.astype(float)


def _single_voxel(centre: Points, tube: _Tube) -> Centreline:
    diameter = _diameter(float(tube.volumes.sum()), tube.edge)
    return Centreline(centre, tube.edge, (), tube.edge, diameter, diameter)


def _measure(tube: _Tube, paths: list[Ints], origin: Floats) -> Centreline:
    from scipy.spatial import cKDTree

    rough = [resample_evenly(soften(path @ tube.matrix.T)) for path in paths]
    owner = np.concatenate([np.full(len(path), i) for i, path in enumerate(rough)])
    mine = owner[cKDTree(np.concatenate(rough)).query(tube.points)[1]]
    curves: list[Points] = []
    for i, path in enumerate(rough):
        curve = _curve(path, tube, mine == i)
        curves.append(curve if i == 0 else _rooted(curve, path[0], curves))
    lengths = [polyline_length(curve) for curve in curves]
    volume = float(tube.volumes.sum())
    mean = _diameter(volume, sum(lengths))
    widest = _widest(curves[0], tube, mine == 0)
    placed = [curve + origin for curve in curves]
    return Centreline(
        placed[0], lengths[0], tuple(placed[1:]), sum(lengths), mean, max(widest, mean)
    )


def _rooted(curve: Points, root: Floats, curves: list[Points]) -> Points:
    """Join a side branch to the nearest point of the curves before it."""
    if np.linalg.norm(curve[-1] - root) < np.linalg.norm(curve[0] - root):
        curve = curve[::-1]
    others = np.concatenate(curves)
    # The tube's end was sought at both ends; at the root that is inside the other tube.
    joint = others[np.linalg.norm(others - root, axis=1).argmin()]
    first = int(np.linalg.norm(curve - joint, axis=1).argmin())
    return np.concatenate([joint[None], curve[min(first + 1, len(curve) - 1) :]])


def _curve(path: Points, tube: _Tube, mine: Mask) -> Points:
    """Return a smooth curve through the object's own voxels, from end to end, every 0.05 mm."""
    points, weights = tube.points[mine], tube.volumes[mine]
    if len(points) < 2:
        return path
    if polyline_length(path) < 2 * tube.edge:
        path = _principal_axis(points, weights, tube.edge)
    for _ in range(_ROUNDS):
        along = project(points, path)
        low, high = float(along.min()), float(along.max())
        span = max(high - low, STEP_MM)
        width = _diameter(float(weights.sum()), span)
        knots = (
            max(int(span / (_KNOTS_DIAMETERS * width)), 1) if span > _STRAIGHT_BELOW * width else 0
        )
        path = resample_evenly(
            _spline(along, points, weights, knots, np.linspace(low, low + span, 200))
        )
    return _to_the_ends(path, tube, width)


def _spline(along: Floats, points: Points, weights: Floats, pieces: int, at: Floats) -> Points:
    """Fit a cubic of so many pieces (0: a line, 1: a parabola); return it at some places."""
    from scipy.interpolate import BSpline

    degree = min(pieces + 1, 3)
    ends = (at[0], at[-1])
    inner = np.linspace(*ends, max(pieces, 1) + 1)
    knots = np.concatenate([[ends[0]] * degree, inner, [ends[1]] * degree])
    design = BSpline.design_matrix(np.clip(along, *ends), knots, degree).toarray()
    # A little stiffness keeps pieces defined where the path has few voxels of its own.
    bend = np.diff(np.eye(design.shape[1]), n=2, axis=0) * np.sqrt(1e-3 * weights.sum())
    root = np.sqrt(weights)[:, None]
    centre = np.average(points, axis=0, weights=weights)
    left = np.concatenate([design * root, bend])
    right = np.concatenate([(points - centre) * root, np.zeros((len(bend), 3))])
    coefficients = np.linalg.lstsq(left, right, rcond=None)[0]
    placed: Points = np.asarray(BSpline(knots, coefficients, degree)(at)) + centre
    return placed


def _to_the_ends(path: Points, tube: _Tube, width: float) -> Points:
    """Cut half a diameter off both ends, and run on straight until the tube is left."""
    inside = tube.sample(path)
    level = _EDGE_LEVEL * float(np.median(inside[len(path) // 4 : 3 * len(path) // 4 + 1]))
    hits = np.flatnonzero(inside >= level)
    path = path[hits[0] : hits[-1] + 1] if len(hits) > 1 else path
    cut = min(int(width / 2 / STEP_MM) + 1, len(path) // 3)
    path = path[cut : len(path) - cut]
    for _ in range(2):
        path = np.concatenate([path, _beyond(path, tube, width, level)])[::-1]
    return path


def _beyond(path: Points, tube: _Tube, width: float, level: float) -> Points:
    """Return the point at which the straight prolongation of a path leaves the tube."""
    back = min(int(width / STEP_MM) + 1, len(path) - 1)
    direction = path[-1] - path[-1 - back]
    norm = float(np.linalg.norm(direction))
    if back < 1 or norm == 0:
        return path[:0]
    direction = direction / norm
    # Half a diameter was cut off; what goes on further is a ring or a bend, and counted already.
    steps = np.arange(0, width / 2 + 1.5 * tube.edge, STEP_MM / 2)
    # A small bundle of rays, for a single one grazes single voxels.
    sideways = np.linalg.svd(direction[None])[2][1:] * (0.15 * width)
    rays = path[-1] + np.concatenate([np.zeros((1, 3)), sideways, -sideways])
    values = tube.sample(rays[:, None] + steps[:, None] * direction).mean(axis=0)
    out = np.flatnonzero(values < level)
    end: Points = (path[-1] + direction * (steps[out[0]] if len(out) else steps[-1]))[None]
    return end


def _widest(curve: Points, tube: _Tube, mine: Mask) -> float:
    """Return the diameter of the largest cross-section, averaged over about two voxels."""
    along, weights = project(tube.points[mine], curve), tube.volumes[mine]
    length = polyline_length(curve)
    at = np.arange(0, length + tube.edge, tube.edge / 4)
    scaled = (at[:, None] - along[None]) / tube.edge
    kernel = np.exp(-0.5 * scaled**2) / (np.sqrt(2 * np.pi) * tube.edge)
    return _diameter(float((kernel @ weights).max()), 1.0)


def _diameter(volume: float, length: float) -> float:
    return float(2 * np.sqrt(volume / (np.pi * length)))


def _principal_axis(points: Points, weights: Floats, edge: float) -> Points:
    centre = np.average(points, axis=0, weights=weights)
    axis = np.linalg.svd((points - centre) * np.sqrt(weights)[:, None], full_matrices=False)[2][0]
    return resample_evenly(np.stack([centre - edge * axis, centre + edge * axis]))
