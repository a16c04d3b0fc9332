"""The shape of an infant's brain as functions of space: pose, growth, deformation, folding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgpvs_wf.phantom import template
from bgpvs_wf.phantom.growth import NUCLEI_NAMES, Growth
from bgpvs_wf.phantom.shapes import Points, smooth_union
from bgpvs_wf.phantom.template import union_distance
from bgpvs_wf.phantom.waves import WaveField

_FOLD_CENTRE = (20.0, -8.0, 6.0)
_FOLD_RADII = (38.0, 74.0, 46.0)
_FOLD_SPHERE_MM = 52.0
_FOLD_SWAY = 0.5
_OTHER_SIDE_MM = 300.0  # moves the left side's folds to an unrelated part of the field


@dataclass(frozen=True)
class BrainShape:
    """The shape of an infant's brain.

    Parameters
    ----------
    growth : Growth
    linear : ndarray, shape (3, 3)
        From the scanner's axes to the brain's: a turn, and sizes near 1.
    shift : ndarray, shape (3,)
        Where the brain's origin lies in the scanner, mm.
    warp : tuple of 3 WaveField
        Smooth displacement along the brain's axes, in units of `warp_mm`.
    warp_mm : float
        Standard deviation of the displacement, mm at 12 months.
    folds, depths : WaveField
        Sulci run where the first is zero, as deep as the second says.
    offsets : dict of str to float
        How far each nucleus' surface is moved outwards to have its volume, mm at 12 months.
    hindbrain : bool
        Whether there are a cerebellum and a brainstem.
    skull : bool
        Whether there are a skull and a scalp.
    """

    growth: Growth
    linear: np.ndarray
    shift: np.ndarray
    warp: tuple[WaveField, WaveField, WaveField]
    warp_mm: float
    folds: WaveField
    depths: WaveField
    offsets: dict[str, float]
    hindbrain: bool
    skull: bool = False

    def from_template(self, points: np.ndarray) -> np.ndarray:
        """Map points of the template, (n, 3), to the scanner, mm: the inverse of `to_template`.

        By fixed-point iteration; the warp is smooth and far from folding.
        """
        turn = np.linalg.inv(self.linear / self.growth.scale)
        found = points @ turn.T + self.shift
        for _ in range(10):
            mapped = np.stack(self.to_template((found[:, 0], found[:, 1], found[:, 2])), axis=1)
            found = found + (points - mapped) @ turn.T
        return np.asarray(found)

    def to_template(self, points: Points) -> Points:
        """Map points of the scanner, mm, to the template (right and left both)."""
        moved = [p - float(s) for p, s in zip(points, self.shift, strict=True)]
        rows = (self.linear / self.growth.scale).tolist()
        x, y, z = (a * moved[0] + b * moved[1] + c * moved[2] for a, b, c in rows)
        if not self.warp_mm:
            return x, y, z
        fields = [self.warp_mm * wave((x, y, z)) for wave in self.warp]
        return x + fields[0], y + fields[1], z + fields[2]

    def nuclei(self, points: Points) -> dict[str, np.ndarray]:
        """Return the signed distance to each nucleus at template points, mm at 12 months."""
        sided = (np.abs(points[0]), points[1], points[2])
        return {
            name: union_distance(template.NUCLEI[name], sided) - self.offsets[name]
            for name in NUCLEI_NAMES
        }

    def head(self, points: Points, cerebrum: np.ndarray | None = None) -> np.ndarray:
        """Return the signed distance to the surface of the brain with its fluid.

        `cerebrum` is that of `template.cerebrum_distance`, where it is known already.
        """
        sided = (np.abs(points[0]), points[1], points[2])
        if cerebrum is None:
            cerebrum = template.cerebrum_distance(sided)
        if not self.hindbrain:
            return cerebrum
        stem = union_distance(template.BRAINSTEM, sided)
        return smooth_union([cerebrum, self.cerebellum(sided) - 1.0, stem - 1.0], 10.0)

    def cerebellum(self, sided: Points) -> np.ndarray:
        """Return the signed distance to the cerebellum, right side."""
        grown = self.growth.cerebellum_scale
        anchored = [
            a + (p - a) / grown for p, a in zip(sided, template.CEREBELLUM_ANCHOR, strict=True)
        ]
        return grown * union_distance(
            template.CEREBELLUM, (anchored[0], anchored[1], anchored[2]), 4.0
        )

    def fold_field(self, points: Points) -> np.ndarray:
        """Return the field whose zero sheets are the sulci, nearly constant along rays."""
        x, y, z = points
        ray = [
            (p - c) / r
            for p, c, r in zip((np.abs(x), y, z), _FOLD_CENTRE, _FOLD_RADII, strict=True)
        ]
        away = _FOLD_SPHERE_MM / np.sqrt(ray[0] ** 2 + ray[1] ** 2 + ray[2] ** 2 + 1e-3)
        side = np.where(x < 0, np.float32(_OTHER_SIDE_MM), np.float32(0))
        # A share of the position itself lets the sulci sway on their way down.
        return self.folds(
            (
                ray[0] * away + _FOLD_SWAY * x + side,
                ray[1] * away + _FOLD_SWAY * y,
                ray[2] * away + _FOLD_SWAY * z,
            )
        )
