"""What fools a tube filter, drawn once in the scanner's space and painted onto every grid.

Arteries (dark on T2w), pockets of fluid on the surface of the nuclei, choroid plexus, the bright
rim of a newborn's white matter, and the texture of tissue. Sizes and signals are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import BG_LABELS, WM_LABELS
from bgpvs_wf.imaging.geometry import Grid, bounding_box, crop_affine, voxel_sizes
from bgpvs_wf.imaging.morphology import distance_to_mm
from bgpvs_wf.imaging.tubes import Tube, tube_occupancy
from bgpvs_wf.phantom.abstract_anatomy import Anatomy, DistanceFunction
from bgpvs_wf.phantom.canvas import Canvas, grid_points, occupancy
from bgpvs_wf.phantom.protocol import ConfounderConfig
from bgpvs_wf.phantom.trees import grow_tubes
from bgpvs_wf.phantom.waves import WaveField

VESSEL_DIAMETER_MM = (0.55, 0.2)
"""Median, and standard deviation of the logarithm."""
CLEFT_RADII_MM = ((1.0, 2.5), (0.25, 0.5))
"""Along the surface and across it."""
CHOROID_DIAMETER_MM = 1.5
RIM_MM = 1.5
"""Depth of the bright rim."""
RIM_WEEKS = (44.0, 57.0)
"""Post-menstrual ages between which the rim fades."""
TEXTURE_MM = 0.6
"""Standard deviation of the Gaussian that makes texture of white noise."""
_SIGNAL = {
    "vessel": {"T2w": 0.20, "T1w": 0.80},
    "cleft": {"T2w": 0.95, "T1w": 0.45},
    "choroid": {"T2w": 0.62, "T1w": 0.68},
}


@dataclass(frozen=True)
class Cleft:
    """A flat ellipsoid of fluid: centre, mm; axes as rows; radii, mm."""

    centre: np.ndarray
    axes: np.ndarray
    radii: np.ndarray

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Return the signed distance, mm, of points (..., 3), to first order."""
        own = ((points - self.centre) @ self.axes.T) / self.radii
        level = np.sqrt((own**2).sum(axis=-1))
        slope = np.sqrt(((own / self.radii) ** 2).sum(axis=-1))
        return np.asarray(level * (level - 1) / np.maximum(slope, 1e-9))


@dataclass(frozen=True)
class Confounders:
    """All that is drawn of one infant."""

    vessels: tuple[Tube, ...]
    clefts: tuple[Cleft, ...]
    choroid: tuple[Tube, ...]
    rim: float
    rim_field: WaveField
    texture: float


def draw_confounders(
    anatomy: Anatomy, age_weeks: float, rng: np.random.Generator, config: ConfounderConfig
) -> Confounders:
    """Draw the confounders of an infant.

    Parameters
    ----------
    anatomy : Anatomy
    age_weeks : float
        Post-menstrual age, weeks.
    rng : Generator
    config : ConfounderConfig
    """
    vessels: list[Tube] = []
    clefts: list[Cleft] = []
    choroid: list[Tube] = []
    for side in (-1, 1):
        lentiform = anatomy.inside(("putamen", "pallidum"), side)
        origin = anatomy.perforated_substance(side)
        lattice = _lattice(origin)
        outwards = np.array([float(side), 0.0, 0.0])
        depth = lentiform(lattice)
        vessels += grow_tubes(
            lentiform,
            lattice[depth < -0.5],
            (config.vessels + (side > 0)) // 2,
            rng,
            origin=origin,
            outwards=outwards,
            diameter_mm=VESSEL_DIAMETER_MM,
        )
        clefts += _draw_clefts(lentiform, lattice, depth, rng, (config.clefts + (side > 0)) // 2)
        if config.choroid:
            ventricle = anatomy.inside(("ventricle",), side)
            choroid += grow_tubes(
                ventricle,
                lattice[ventricle(lattice) < -0.8],
                2,
                rng,
                origin=origin + np.array([0.0, 30.0, 0.0]),
                outwards=outwards,
                diameter_mm=(CHOROID_DIAMETER_MM, 0.1),
            )
    return Confounders(
        vessels=tuple(vessels),
        clefts=tuple(clefts[: config.clefts]),
        choroid=tuple(choroid),
        rim=rim_at(age_weeks, config),
        rim_field=WaveField.draw(rng, 16, (6.0, 18.0)),
        texture=config.texture,
    )


def rim_at(age_weeks: float, config: ConfounderConfig) -> float:
    """Return how bright the rim of a newborn's white matter is at an age."""
    newborn = np.clip((RIM_WEEKS[1] - age_weeks) / (RIM_WEEKS[1] - RIM_WEEKS[0]), 0, 1)
    return config.rims * float(newborn)


def paint_confounders(
    canvas: Canvas, confounders: Confounders, grid: Grid, rng: np.random.Generator
) -> None:
    """Paint confounders into the signals of a canvas; labels stay as they are.

    Parameters
    ----------
    canvas : Canvas
    confounders : Confounders
    grid : Grid
    rng : Generator
        Of the texture, which differs from contrast to contrast.
    """
    if confounders.rim:
        _paint_rim(canvas, confounders, grid)
    for kind, tubes in (("vessel", confounders.vessels), ("choroid", confounders.choroid)):
        for tube in tubes:
            index, share = tube_occupancy(tube, grid)
            _blend(canvas, tuple(index.T), share, _SIGNAL[kind])
    for cleft in confounders.clefts:
        _paint_cleft(canvas, cleft, grid)
    if confounders.texture:
        _add_texture(canvas, confounders.texture, grid, rng)


def _blend(
    canvas: Canvas, at: tuple[Any, ...], share: np.ndarray, signal: dict[str, float]
) -> None:
    for name, image in canvas.signals.items():
        image[at] += share * (np.float32(signal[name]) - image[at])


def _draw_clefts(
    inside: DistanceFunction,
    lattice: np.ndarray,
    depth: np.ndarray,
    rng: np.random.Generator,
    count: int,
) -> list[Cleft]:
    """Draw flat pockets of fluid that lie on a surface."""
    near = lattice[np.abs(depth) < 1.0]
    if not len(near) or count < 1:
        return []
    clefts = []
    for start in near[rng.integers(len(near), size=count)]:
        normal = _gradient(inside, start)
        centre = start - inside(start[None])[0] * normal
        along = np.cross(normal, rng.normal(size=3))
        along /= np.linalg.norm(along)
        axes = np.stack([along, np.cross(normal, along), normal])
        flat, thick = CLEFT_RADII_MM
        radii = np.array([*rng.uniform(*flat, 2), rng.uniform(*thick)])
        clefts.append(Cleft(centre, axes, radii))
    return clefts


def _gradient(inside: DistanceFunction, point: np.ndarray) -> np.ndarray:
    steps = 0.5 * np.eye(3)
    slope = inside(point + steps) - inside(point - steps)
    return np.asarray(slope / max(float(np.linalg.norm(slope)), 1e-6))


def _paint_cleft(canvas: Canvas, cleft: Cleft, grid: Grid) -> None:
    reach = float(cleft.radii.max()) + float(voxel_sizes(grid.affine).max())
    corners = cleft.centre + reach * (np.indices((2, 2, 2)).reshape(3, -1).T * 2 - 1)
    inverse = np.linalg.inv(grid.affine)
    index = corners @ inverse[:3, :3].T + inverse[:3, 3]
    low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, grid.shape)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, grid.shape)
    if (high <= low).any():
        return
    slices = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    box = Grid(tuple(high - low), crop_affine(grid.affine, slices))
    points = np.stack(np.broadcast_arrays(*grid_points(box)), axis=-1)
    share = occupancy(cleft.distance(points).astype(np.float32))
    part = canvas.cut(slices)
    _blend(part, (slice(None),) * 3, share, _SIGNAL["cleft"])


def _paint_rim(canvas: Canvas, confounders: Confounders, grid: Grid) -> None:
    """Brighten the white matter next to the nuclei on T2w, here more and there less."""
    if "T2w" not in canvas.signals:
        return
    nuclei = np.isin(canvas.dseg, BG_LABELS)
    box = bounding_box(nuclei, grid.affine, 2 * RIM_MM)
    affine = crop_affine(grid.affine, box)
    away = distance_to_mm(nuclei[box], affine)
    white = np.isin(canvas.dseg[box], WM_LABELS)
    part = Grid(nuclei[box].shape, affine)
    uneven = np.clip(0.5 + 0.7 * confounders.rim_field(grid_points(part)), 0, 1.5)
    weight = np.clip(1 - away / RIM_MM, 0, 1) * white * uneven
    canvas.signals["T2w"][box] += np.float32(confounders.rim) * weight.astype(np.float32)


def _add_texture(canvas: Canvas, strength: float, grid: Grid, rng: np.random.Generator) -> None:
    sigma = TEXTURE_MM / voxel_sizes(grid.affine)
    for image in canvas.signals.values():
        texture = rng.standard_normal(image.shape, np.float32)
        ndimage.gaussian_filter(texture, sigma, output=texture, truncate=3.0)
        image *= 1 + np.float32(strength / float(texture.std())) * texture


def _lattice(middle: np.ndarray) -> np.ndarray:
    """Return points every 1 mm around the nuclei of a side, shape (n, 3)."""
    axis = np.arange(-36.0, 36.0, 1.0)
    return np.asarray(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)) + (
        middle + np.array([0.0, 0.0, 15.0])
    )
