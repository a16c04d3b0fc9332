"""Polylines in space: shape (n, 3), mm."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bgpvs_wf.arrays import Floats, Points

STEP_MM = 0.05
"""Spacing of the vertices of an evenly resampled polyline."""


def soften(path: Points) -> Points:
    """Smooth a chain of voxel centres a little: its staircase, not its course."""
    return np.asarray(ndimage.gaussian_filter1d(path, 1.5, axis=0, mode="nearest"))


def project(points: Points, path: Points) -> Floats:
    """Return the place of points along a path, mm from its start; straight beyond its ends."""
    from scipy.spatial import cKDTree

    nearest = cKDTree(path).query(points)[1]
    tangent = np.gradient(path, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    beside = ((points - path[nearest]) * tangent[nearest]).sum(axis=1)
    return np.asarray(arc_lengths(path)[nearest] + beside)


def resample_evenly(path: Points) -> Points:
    """Return a polyline with vertices every 0.05 mm, at least three."""
    arc = arc_lengths(path)
    if arc[-1] == 0:
        return path[:1]
    at = np.linspace(0, arc[-1], max(int(np.ceil(arc[-1] / STEP_MM)), 2) + 1)
    return np.stack([np.interp(at, arc, path[:, axis]) for axis in range(3)], axis=1)


def arc_lengths(path: Points) -> Floats:
    """Return the distance of each vertex from the start along the polyline, shape (n,), mm."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def polyline_length(path: Points) -> float:
    """Return the length, mm.

    Examples
    --------
    >>> polyline_length(np.array([[0, 0, 0], [3, 4, 0], [3, 4, 1.0]]))
    6.0
    """
    return float(arc_lengths(path)[-1])
