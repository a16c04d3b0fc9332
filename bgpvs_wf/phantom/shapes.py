"""Implicit shapes: functions of a point that are negative inside, about the distance outside.

Every function takes points as a tuple of three arrays (x, y, z), mm, and returns an approximate
signed distance in mm: exact on the surface, first order near it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Points = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Blob:
    """An ellipsoid, turned, bent and tapered.

    Parameters
    ----------
    centre : tuple of 3 floats
        mm.
    radii : tuple of 3 floats
        Half axes along the shape's own x, y, z, mm.
    turn : tuple of 3 floats
        Rotation about x, then y, then z, degrees.
    bend : tuple of 4 floats
        Shift of own x by (first) y^2, (second) z^2, (third) y z, and of own z by (fourth) y^2,
        1/mm.
    taper : tuple of 3 floats
        Relative growth of own x with y and with z, and of own z with y, per half axis.
    """

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bend: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    taper: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def distance(self, points: Points) -> np.ndarray:
        """Return the signed distance, mm, negative inside."""
        x, y, z = _rotate([p - c for p, c in zip(points, self.centre, strict=True)], self.turn)
        _, b, c = self.radii
        k = self.bend
        x = x - (k[0] * y * y + k[1] * z * z + k[2] * y * z)
        z = z - k[3] * y * y
        grow = np.clip(y / b, -1.5, 1.5)
        rise = np.clip(z / c, -1.5, 1.5)
        x = x / np.maximum(1 + self.taper[0] * grow + self.taper[1] * rise, 0.2)
        z = z / np.maximum(1 + self.taper[2] * grow, 0.2)
        return _ellipsoid_distance((x, y, z), self.radii)


@dataclass(frozen=True)
class Arc:
    """A tube along an arc of an ellipse in the sagittal plane, as C-shaped structures are.

    The angle runs from the front (0 degrees) over the top (90) to the back (180) and below (270).

    Parameters
    ----------
    centre : tuple of 2 floats
        y, z of the arc's centre, mm.
    radii : tuple of 2 floats
        Half axes of the arc along y and z, mm.
    span : tuple of 2 floats
        First and last angle of the centre line, degrees.
    lateral : tuple of 3 floats
        x of the centre line at the first angle, half way, and at the last one, mm.
    width : tuple of 3 floats
        Half width across (in x) at these three places, mm.
    depth : tuple of 3 floats
        Half width in the plane at these three places, mm.
    lean : float
        Shift of x per mm of distance outwards from the arc.
    """

    centre: tuple[float, float]
    radii: tuple[float, float]
    span: tuple[float, float]
    lateral: tuple[float, float, float]
    width: tuple[float, float, float]
    depth: tuple[float, float, float]
    lean: float = 0.0

    def distance(self, points: Points) -> np.ndarray:
        """Return the signed distance, mm, negative inside."""
        x, y, z = points
        b, c = self.radii
        v, w = (y - self.centre[0]) / b, (z - self.centre[1]) / c
        first, last = (math.radians(angle) for angle in self.span)
        # The branch cut lies opposite the middle of the arc.
        middle = 0.5 * (first + last)
        angle = np.arctan2(
            w * math.cos(middle) - v * math.sin(middle),
            v * math.cos(middle) + w * math.sin(middle),
        )
        half = 0.5 * (last - first)
        t = np.clip(angle / half, -1, 1)
        held = middle + half * t
        dy = y - self.centre[0] - b * np.cos(held)
        dz = z - self.centre[1] - c * np.sin(held)
        ny, nz = np.cos(held) / b, np.sin(held) / c
        norm = np.sqrt(ny * ny + nz * nz)
        outwards = (dy * ny + dz * nz) / norm
        beyond = (dy * nz - dz * ny) / norm
        across = x - _quadratic(self.lateral, t) - self.lean * outwards
        wide, deep = _quadratic(self.width, t), _quadratic(self.depth, t)
        return _ellipsoid_distance((across, outwards, beyond), (wide, deep, np.minimum(wide, deep)))


def smooth_union(distances: list[np.ndarray], radius: float) -> np.ndarray:
    """Return the union of shapes, its creases filled with fillets of about `radius` mm."""
    result = distances[0]
    for other in distances[1:]:
        h = np.maximum(radius - np.abs(result - other), 0) / radius
        result = np.minimum(result, other) - h * h * (radius / 4)
    return result


def smooth_step(value: np.ndarray, start: float, end: float) -> np.ndarray:
    """Return 0 below `start`, 1 above `end`, and a smooth ramp between.

    Examples
    --------
    >>> smooth_step(np.array([0.0, 1.5, 3.0]), 1, 2)
    array([0. , 0.5, 1. ])
    """
    t = np.clip((value - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def _quadratic(values: tuple[float, float, float], t: np.ndarray) -> np.ndarray:
    """Parabola through three values at t = -1, 0, 1."""
    a, b, c = values
    return b + 0.5 * (c - a) * t + (0.5 * (a + c) - b) * t * t


def _rotate(points: list[np.ndarray], turn: tuple[float, float, float]) -> list[np.ndarray]:
    # Python floats throughout: NumPy's own would turn float32 points into float64.
    x, y, z = points
    for axis, degrees in enumerate(turn):
        if degrees:
            c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
            if axis == 0:
                y, z = c * y - s * z, s * y + c * z
            elif axis == 1:
                x, z = c * x + s * z, c * z - s * x
            else:
                x, y = c * x - s * y, s * x + c * y
    return [x, y, z]


def _ellipsoid_distance(
    points: tuple[np.ndarray, ...], radii: tuple[float | np.ndarray, ...]
) -> np.ndarray:
    """First-order signed distance to an ellipsoid at the origin (f / |grad f|)."""
    k0: np.ndarray | float = 0.0
    k1: np.ndarray | float = 0.0
    for p, r in zip(points, radii, strict=True):
        scaled = p / r
        k0 = k0 + scaled * scaled
        scaled = scaled / r
        k1 = k1 + scaled * scaled
    k0 = np.sqrt(k0 + 1e-12)
    return k0 * (k0 - 1) / np.sqrt(k1 + 1e-12)
