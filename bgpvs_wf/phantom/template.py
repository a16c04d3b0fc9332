"""The shapes of the infant brain: a few geometric bodies a structure, right side, mm at 12 months.

Axes: x to the right from the midline, y forwards, z up; the origin lies between the nuclei, about
the anterior wall of the third ventricle. The parameters are chosen by least squares and by eye so
that the bodies resemble the structures of three infants of 2, 6 and 12 months.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgpvs_wf.phantom.shapes import Arc, Blob, Points, smooth_union

Shape = Blob | Arc

CEREBRUM: tuple[Shape, ...] = (
    Blob(
        (2.6, 16.0, 10.9),
        (55.2, 42.2, 37.5),
        (18.0, 12.2, 70.1),
        (0.0, 0.009, 0.0, -0.0043),
        (-0.57, 0.0, 0.0),
    ),
    Blob(
        (22.0, -34.7, 23.8),
        (27.9, 61.8, 38.9),
        (-10.3, 40.0, 15.0),
        (-0.0051, 0.0, 0.0, -0.0038),
        (-0.06, 0.0, 0.0),
    ),
    Blob(
        (35.1, -14.4, -11.2),
        (23.7, 41.2, 20.8),
        (6.1, -129.0, 12.6),
        (0.0085, 0.0127, 0.0, 0.0018),
        (0.15, 0.0, 0.0),
    ),
    Blob(
        (17.1, 41.8, 1.4),
        (18.3, 31.3, 22.2),
        (-89.2, 266.8, 129.9),
        (0.0098, 0.0244, 0.0, -0.0542),
        (-0.55, 0.0, 0.0),
    ),
)
"""One hemisphere with the fluid on it, and the midline base."""
CEREBRUM_FILLET_MM = 14.0
TENTORIUM = Blob((0.0, -48.0, -34.0), (26.0, 36.0, 26.0))
"""The hollow under the cerebrum in which the cerebellum lies."""
NUCLEI: dict[str, tuple[Shape, ...]] = {
    "thalamus": (
        Blob(
            (8.1, -17.9, 5.2),
            (5.8, 17.5, 11.8),
            (-1.5, -23.5, -29.7),
            (0.0203, 0.0129, 0.0032, -0.0083),
            (0.13, 0.10, 0.05),
        ),
    ),
    "caudate": (
        Blob(
            (10.9, 11.5, 7.0),
            (8.1, 15.0, 4.1),
            (48.3, 51.1, -4.2),
            (-0.0112, -0.0350, -0.0216, -0.0174),
            (0.16, -0.39, 0.14),
        ),
        Blob(
            (13.3, 1.1, 15.7),
            (5.2, 17.6, 3.0),
            (18.1, 46.7, -3.9),
            (0.0005, -0.0348, -0.0021, -0.0111),
            (0.24, -0.02, 0.33),
        ),
    ),
    "accumbens": (
        Blob(
            (7.6, 8.9, -7.9),
            (2.9, 4.4, 5.8),
            (32.5, -2.2, 45.4),
            (0.0150, -0.0155, 0.0070, 0.0048),
            (0.08, 0.04, -0.07),
        ),
    ),
    "putamen": (
        Blob(
            (19.4, 5.9, -0.1),
            (4.7, 14.4, 8.4),
            (60.0, 13.6, -21.6),
            (-0.0154, 0.0209, 0.0188, -0.0078),
            (0.37, 0.04, 0.22),
        ),
        Blob(
            (23.0, -4.4, 1.3),
            (3.4, 10.9, 12.9),
            (77.9, 17.8, 3.7),
            (-0.0093, -0.0218, 0.0002, -0.0090),
            (-0.21, 0.28, 0.23),
        ),
    ),
    "pallidum": (
        Blob(
            (15.1, -2.8, -4.4),
            (8.5, 4.6, 8.9),
            (51.6, 37.5, -124.7),
            (0.0563, -0.0109, -0.0140, 0.0988),
            (0.25, 0.20, -0.17),
        ),
    ),
}
"""Painted in this order, the later over the earlier."""
LATERAL_VENTRICLE: tuple[Shape, ...] = (
    Arc(
        (-7.0, 1.0),
        (29.0, 15.5),
        (5.0, 250.0),
        (6.0, 12.0, 31.0),
        (1.6, 5.0, 1.8),
        (1.8, 2.8, 1.2),
        0.2,
    ),
    Blob((4.6, 9.0, 9.5), (2.9, 11.0, 7.5), (0.0, -25.0, 18.0)),
    Blob((8.0, 19.0, 4.5), (2.0, 7.5, 6.5), (0.0, -10.0, 24.0)),
    Blob((20.5, -36.0, 4.5), (3.0, 8.5, 6.0), (0.0, 0.0, -35.0)),
)
THIRD_VENTRICLE: tuple[Shape, ...] = (Blob((0.0, -12.0, 0.0), (1.6, 15.0, 10.0), (10.0, 0.0, 0.0)),)
HIPPOCAMPUS: tuple[Shape, ...] = (
    Arc(
        (-11.0, -2.0),
        (20.0, 16.0),
        (180.0, 290.0),
        (17.0, 24.0, 23.0),
        (3.5, 4.5, 6.0),
        (3.0, 3.5, 4.5),
    ),
)
AMYGDALA: tuple[Shape, ...] = (Blob((20.0, 3.0, -17.5), (6.5, 6.0, 6.5)),)
PERFORATED_SUBSTANCE_MM = (13.0, 4.0, -13.0)
"""Where the lenticulostriate arteries enter, below the lentiform nucleus."""
CALLOSUM: tuple[Shape, ...] = (Blob((0.0, -6.0, 1.0), (40.0, 39.0, 23.5), (4.0, 0.0, 0.0)),)
"""What the interhemispheric fissure does not reach: callosum and all below it."""
DEEP_CORE: tuple[Shape, ...] = (Blob((12.0, -6.0, 0.0), (24.0, 38.0, 22.0)),)
"""Free of sulci."""
CORONA: tuple[Shape, ...] = (Blob((21.0, -10.0, 22.0), (4.5, 16.0, 12.0), (0.0, 12.0, 0.0)),)
"""Early myelinating white matter above the internal capsule."""
BRAINSTEM: tuple[Shape, ...] = (
    Blob((0.0, -22.0, -28.0), (12.5, 10.0, 27.0), (-10.0, 0.0, 0.0)),
    Blob((0.0, -15.0, -31.0), (14.0, 9.0, 11.0)),
    Blob((9.0, -14.0, -14.0), (5.5, 7.0, 10.0), (0.0, 25.0, 0.0)),
)
CEREBELLUM: tuple[Shape, ...] = (
    Blob((18.0, -46.0, -31.0), (23.0, 20.0, 16.5), (8.0, 8.0, -10.0)),
    Blob((0.0, -44.0, -23.0), (12.0, 19.0, 16.0)),
)
CEREBELLUM_ANCHOR = (0.0, -36.0, -18.0)
"""What stays in place as the cerebellum grows."""
FOURTH_VENTRICLE: tuple[Shape, ...] = (
    Blob((0.0, -31.0, -30.0), (4.5, 3.0, 9.0), (-10.0, 0.0, 0.0)),
)


@dataclass(frozen=True)
class Insula:
    """The Sylvian fissure: a slit from the side down to the insula, and the one over it."""

    bottom_mm: float = 34.0
    """x of the insula."""
    slope: float = -0.5
    """Fall of the slit forwards."""
    height_mm: float = -3.0
    """z of the slit at y = 0."""
    reach_mm: tuple[float, float] = (-32.0, 24.0)
    """y of its ends."""
    operculum_mm: tuple[float, float] = (-8.0, 17.0)
    """Lower and upper end of the slit over the insula, relative to the first slit."""
    insula_mm: tuple[float, float] = (-22.0, 20.0)
    """y of the ends of the insula."""
    curve: tuple[float, float] = (-0.012, -0.012)
    """Bend of the insula: shift of x by y^2 and by the height over the slit squared, 1/mm."""
    claustrum_mm: tuple[float, float] = (1.2, 0.9)
    """Depth of the extreme capsule under the insula's cortex, thickness of the claustrum."""

    def _sheet(self, points: Points) -> tuple[np.ndarray, np.ndarray]:
        """Return the height over the slit, and x of the insula there."""
        x, y, z = points
        ripple = 1.5 * np.sin(0.16 * y + 0.11 * x) + 1.0 * np.sin(0.21 * x - 0.3 * y)
        rise = z - (self.height_mm + self.slope * y) + ripple
        high = np.clip(rise - sum(self.operculum_mm) / 2, -14.0, 14.0)
        # Short gyri cross the insula.
        gyri = 0.7 * np.sin(0.55 * y + 0.35 * z)
        return rise, self.bottom_mm + self.curve[0] * y * y + self.curve[1] * high * high + gyri

    def distance(self, points: Points) -> np.ndarray:
        """Return the unsigned distance to the sheet in its middle, mm."""
        x, y, _ = points
        rise, bottom = self._sheet(points)
        slit = _hypot3(
            rise * (1 + self.slope**2) ** -0.5,
            np.maximum(bottom - x, 0),
            _outside(y, self.reach_mm),
        )
        plate = _hypot3(x - bottom, _outside(rise, self.operculum_mm), _outside(y, self.insula_mm))
        return np.minimum(slit, plate)

    def claustrum_distance(self, points: Points, beside: float) -> np.ndarray:
        """Return the signed distance to the claustrum, mm.

        Parameters
        ----------
        points : tuple of 3 ndarrays
        beside : float
            From the middle of the slit to the white matter under the insula, mm.
        """
        x, y, _ = points
        rise, bottom = self._sheet(points)
        capsule, thick = self.claustrum_mm
        across = x - (bottom - beside - capsule - thick / 2)
        low, high = self.operculum_mm
        outside = _outside(rise, (low + 3, high - 3)), _outside(y, self.insula_mm)
        return _hypot3(across, *outside) - thick / 2


def union_distance(shapes: tuple[Shape, ...], points: Points, fillet_mm: float = 2.0) -> np.ndarray:
    """Return the signed distance to the filleted union of some shapes, mm."""
    return smooth_union([shape.distance(points) for shape in shapes], fillet_mm)


def cerebrum_distance(sided: Points) -> np.ndarray:
    """Return the signed distance to the surface of one hemisphere with its fluid, mm."""
    hull = union_distance(CEREBRUM, sided, CEREBRUM_FILLET_MM)
    # The union's smoothing, turned inside out, cuts the hollow.
    return -smooth_union([-hull, TENTORIUM.distance(sided)], 6.0)


def _outside(value: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    return np.maximum(np.maximum(limits[0] - value, value - limits[1]), 0)


def _hypot3(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return np.sqrt(a * a + b * b + c * c)
