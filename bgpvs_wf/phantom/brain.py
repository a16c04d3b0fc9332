"""One infant's brain as functions of space: pose, growth, deformation, folding.

`Brain` is an `bgpvs_wf.phantom.abstract_anatomy.Anatomy`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.phantom import template
from bgpvs_wf.phantom.abstract_anatomy import Contrast, DistanceFunction
from bgpvs_wf.phantom.growth import NUCLEI_NAMES, Growth, growth_at
from bgpvs_wf.phantom.render import LABELS, SKULL_MM, Canvas, grid_points, render
from bgpvs_wf.phantom.shapes import Points, smooth_union
from bgpvs_wf.phantom.template import union_distance
from bgpvs_wf.phantom.waves import WaveField

_FOLD_CENTRE = (20.0, -8.0, 6.0)
_FOLD_RADII = (38.0, 74.0, 46.0)
_FOLD_SPHERE_MM = 52.0
_FOLD_WAVELENGTHS_MM = (17.0, 26.0)  # two sulci a wave, on a 12-month brain; chosen
_FOLD_SWAY = 0.5
_OTHER_SIDE_MM = 300.0  # moves the left side's folds to an unrelated part of the field


@dataclass(frozen=True)
class Brain:
    """An infant's brain.

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

    def extent(self, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the box of the head, along a grid's axes; see `Anatomy.extent`."""
        step, half = 3.0, 120.0
        count = int(2 * half / step) + 1
        affine = np.diag([step, step, step, 1.0])
        affine[:3, 3] = -half
        affine[:3] = turn @ affine[:3]
        points = self.to_template(grid_points(Grid((count,) * 3, affine)))
        index = np.argwhere(self.head(points) * self.growth.scale < (SKULL_MM if self.skull else 0))
        spare = step + 4
        return index.min(axis=0) * step - half - spare, index.max(axis=0) * step - half + spare

    def paint(self, grid: Grid, contrast: Contrast) -> Canvas:
        """Paint labels and noiseless signals; see `Anatomy.paint`."""
        return render(self, grid, contrast)

    def inside(self, names: tuple[str, ...], side: int) -> DistanceFunction:
        """Return the signed distance to what is visible of some structures of a side."""
        if names == ("ventricle",):
            return self._inside_ventricle(side)
        last = NUCLEI_NAMES.index(names[-1])

        def inside(points: np.ndarray) -> np.ndarray:
            x, y, z = self.to_template((points[:, 0], points[:, 1], points[:, 2]))
            nuclei = self.nuclei((x, y, z))
            distance = np.minimum.reduce([nuclei[name] for name in names])
            for later in NUCLEI_NAMES[last + 1 :]:
                distance = np.maximum(distance, -nuclei[later])
            return np.asarray(np.maximum(distance, -side * x) * self.growth.scale)

        return inside

    def _inside_ventricle(self, side: int) -> DistanceFunction:
        def inside(points: np.ndarray) -> np.ndarray:
            x, y, z = self.to_template((points[:, 0], points[:, 1], points[:, 2]))
            distance = union_distance(template.LATERAL_VENTRICLE, (np.abs(x), y, z))
            for nucleus in self.nuclei((x, y, z)).values():
                distance = np.maximum(distance, -nucleus)
            return np.asarray(np.maximum(distance, -side * x) * self.growth.scale)

        return inside

    def perforated_substance(self, side: int) -> np.ndarray:
        """Return where the lenticulostriate arteries enter, mm, shape (3,)."""
        x, y, z = template.PERFORATED_SUBSTANCE_MM
        return self.from_template(np.array([[side * x, y, z]]))[0]

    def region_of(self, points: np.ndarray) -> int:
        """Return the label of the nucleus that most of some points, (n, 3), mm, lie in."""
        x, y, z = self.to_template((points[:, 0], points[:, 1], points[:, 2]))
        name = np.zeros(len(points), int)
        for i, distance in enumerate(self.nuclei((x, y, z)).values()):
            name[distance < 0] = i
        most = NUCLEI_NAMES[int(np.bincount(name).argmax())]
        return LABELS[most][int(x.mean() > 0)]

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


def draw_brain(
    age_weeks: float,
    rng: np.random.Generator,
    *,
    variation: float = 1.0,
    hindbrain: bool = True,
    skull: bool = False,
) -> Brain:
    """Draw an infant's brain.

    Parameters
    ----------
    age_weeks : float
        Post-menstrual age, weeks.
    rng : Generator
    variation : float
        How much infants differ: 1 gives displacements of 1.2 mm, turns of 3 degrees and sizes of
        3 % (standard deviations, chosen); 0 gives the template.
    hindbrain, skull : bool
        Whether there are a cerebellum and a brainstem, and a skull with its scalp.

    Raises
    ------
    AgeError
        If the age is out of range.
    """
    from scipy.spatial.transform import Rotation

    growth = growth_at(age_weeks)
    turn = Rotation.from_euler("xyz", variation * rng.normal(0, 3, 3), degrees=True).as_matrix()
    size = np.diag(np.exp(variation * rng.normal(0, 0.03, 3)))
    warp = [WaveField.draw(rng, 8, (70.0, 160.0)) for _ in range(3)]
    brain = Brain(
        growth=growth,
        linear=size @ turn,
        shift=variation * rng.normal(0, 3, 3),
        warp=(warp[0], warp[1], warp[2]),
        warp_mm=1.2 * variation,
        folds=WaveField.draw(rng, 24, _FOLD_WAVELENGTHS_MM),
        depths=WaveField.draw(rng, 8, (25.0, 60.0)),
        offsets=dict.fromkeys(NUCLEI_NAMES, 0.0),
        hindbrain=hindbrain,
        skull=skull,
    )
    brain.offsets.update(_volume_offsets(growth))
    return brain


def _volume_offsets(growth: Growth) -> dict[str, float]:
    """Find how far each nucleus' surface has to move for its volume to be that of the age."""
    step = 0.75
    axes = np.arange(0, 36, step), np.arange(-44, 36, step), np.arange(-24, 34, step)
    grid = np.meshgrid(*(a.astype(np.float32) for a in axes), indexing="ij")
    points = (grid[0], grid[1], grid[2])
    distances = {name: union_distance(template.NUCLEI[name], points) for name in NUCLEI_NAMES}
    offsets = dict.fromkeys(NUCLEI_NAMES, 0.0)
    for _ in range(3):
        for i, name in enumerate(NUCLEI_NAMES):
            free = np.ones(grid[0].shape, bool)
            for later in NUCLEI_NAMES[i + 1 :]:
                free &= distances[later] > offsets[later]
            wanted = growth.nuclei_ml[name] * 1000 / (growth.scale * step) ** 3
            values = distances[name][free]
            offsets[name] = float(np.partition(values, int(wanted))[int(wanted)])
    return offsets
