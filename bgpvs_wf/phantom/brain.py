"""A drawn brain: an `bgpvs_wf.phantom.abstract_anatomy.Anatomy`."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.phantom import template
from bgpvs_wf.phantom.abstract_anatomy import DistanceFunction
from bgpvs_wf.phantom.brain_shape import BrainShape
from bgpvs_wf.phantom.canvas import LABELS, Canvas, Contrast, grid_points
from bgpvs_wf.phantom.growth import NUCLEI_NAMES, Growth, growth_at
from bgpvs_wf.phantom.render import SKULL_MM, render
from bgpvs_wf.phantom.template import union_distance
from bgpvs_wf.phantom.waves import WaveField

_FOLD_WAVELENGTHS_MM = (17.0, 26.0)  # two sulci a wave, on a 12-month brain; chosen


class Brain(BrainShape):
    """An infant's brain, to be painted and measured in."""

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
