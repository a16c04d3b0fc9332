"""Perivascular spaces: trees of curved tubes along the lenticulostriate arteries.

The arteries enter the brain at the anterior perforated substance, below the lentiform nucleus, fan
out upwards and outwards through it, and curve back inwards into the caudate; at 7 T the spaces
around them are seen to do so (Bouvy et al., Invest Radiol 2014, doi
10.1097/RLI.0000000000000027). What a scan shows of the spaces are pieces of that fan, some with a
branch. Sizes, in mm, are chosen after what 3 T and 7 T scans show.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.spatial import cKDTree

from bgpvs_wf.imaging.tubes import STEP_MM, Tube
from bgpvs_wf.phantom.abstract_anatomy import Anatomy, DistanceFunction
from bgpvs_wf.phantom.fill import FILL, fill_of_infant

DIAMETER_MM = (0.5, 1.6)
LENGTH_MM = (3.0, 15.0)
BRANCH_DIAMETER = (0.7, 0.95)
"""Diameter of a branch over that of its trunk."""
BRANCH_ANGLE_DEG = (20.0, 45.0)
BRANCH_CHANCE = 0.3
WALL_MM = 0.3
"""Tissue kept between a tube and the surface of its nucleus, and between two trees."""

_TRIALS = 40  # lines tried for each tube
_UPWARDS = np.array([0.0, -0.1, 1.0])
_LENTIFORM = ("putamen", "pallidum")
_MEAN_COUNT = 11  # with a usual size gives about 50 mm3, the burden of infants
_COUNTS = (4, 30)


def draw_pvs(
    anatomy: Anatomy,
    rng: np.random.Generator,
    wanted: int | None = None,
    *,
    taken: tuple[Tube, ...] = (),
    free: DistanceFunction | None = None,
    diameters_mm: tuple[float, float] | None = None,
    fill: tuple[float, float] = FILL,
) -> list[Tube]:
    """Draw the perivascular spaces of an infant: four of five in the lentiform nuclei.

    Nothing here depends on a voxel grid: a seed gives the same tubes at any resolution.

    Parameters
    ----------
    anatomy : Anatomy
    rng : Generator
    wanted : int, optional
        Tubes, branches included; by default about 11, 4 to 30. Fewer come back where there is
        no room.
    taken : tuple of Tube
        Tubes to keep away from.
    free : callable, optional
        Signed distance, mm, negative where tubes may lie, besides being inside a nucleus.
    diameters_mm : tuple of 2 floats, optional
        Diameters are drawn evenly between these, rather than as infants' are.
    fill : tuple of 2 floats
        Least and largest `Tube.fill`. An infant's is drawn evenly, and its tubes' near it.

    Returns
    -------
    list of Tube
        Trees are numbered from 1.
    """
    count = int(np.clip(rng.poisson(_MEAN_COUNT), *_COUNTS)) if wanted is None else wanted
    shares = rng.multinomial(count, [0.4, 0.4, 0.1, 0.1])
    fill = fill_of_infant(fill, rng.spawn(1)[0])
    places = [(names, side) for names in (_LENTIFORM, ("caudate",)) for side in (-1, 1)]
    tubes: list[Tube] = []
    for share, (names, side) in zip(shares, places, strict=True):
        inside = _both(anatomy.inside(names, side), free)
        origin = anatomy.perforated_substance(side)
        seeds = _lower_part(inside, origin)
        grown = grow_tubes(
            inside,
            seeds,
            int(share),
            rng,
            origin=origin,
            outwards=np.array([float(side), 0.0, 0.0]),
            taken=(*taken, *tubes),
            diameters_mm=diameters_mm,
            fill=fill,
        )
        first = max((tube.tree for tube in tubes), default=0)
        tubes += [dataclasses.replace(tube, tree=tube.tree + first) for tube in grown]
    return tubes


def grow_tubes(
    inside: DistanceFunction,
    seeds: np.ndarray,
    count: int,
    rng: np.random.Generator,
    *,
    origin: np.ndarray,
    outwards: np.ndarray,
    taken: tuple[Tube, ...] = (),
    diameter_mm: tuple[float, float] = (0.85, 0.28),
    diameters_mm: tuple[float, float] | None = None,
    fill: tuple[float, float] = FILL,
) -> list[Tube]:
    """Grow tubes inside a region, away from an origin.

    Parameters
    ----------
    inside : callable
        Signed distance to the region's surface.
    seeds : ndarray, shape (n, 3)
        Points to start from, mm; drawn at random.
    count : int
        Tubes wanted; fewer come back where there is no room.
    rng : Generator
    origin : ndarray, shape (3,)
        Where the arteries come from, mm.
    outwards : ndarray, shape (3,)
        Unit vector away from the midline.
    taken : tuple of Tube
        Tubes to keep away from.
    diameter_mm : tuple of 2 floats
        Median of the diameters, and standard deviation of their logarithm; within `DIAMETER_MM`.
    diameters_mm : tuple of 2 floats, optional
        Diameters are drawn evenly between these instead; a branch is thinner than its trunk.
    fill : tuple of 2 floats
        Least and largest `Tube.fill`; that of a branch is its trunk's.

    Returns
    -------
    list of Tube
        Trees are numbered from 1.
    """
    tubes: list[Tube] = []
    tree = 0
    limits = diameters_mm or DIAMETER_MM
    while count > 0 and len(seeds):
        count -= 1
        if diameters_mm is None:
            width = rng.lognormal(np.log(diameter_mm[0]), diameter_mm[1])
        else:
            width = rng.uniform(*diameters_mm)
        radius = 0.5 * float(np.clip(width, *limits))
        length = float(np.clip(rng.gamma(6.0, 1.3), *LENGTH_MM))
        starts = seeds[rng.integers(len(seeds), size=_TRIALS)]
        starts = starts + rng.uniform(-0.75, 0.75, (_TRIALS, 3))
        heading = _away_from(origin, starts) + rng.normal(0, 0.15, (_TRIALS, 3))
        lines = _draw_lines(starts, heading, length, rng, outwards)
        line = _longest_free(lines, radius, inside, (*taken, *tubes))
        filled, branches = float(rng.uniform(*fill)), rng.uniform() < BRANCH_CHANCE
        if (len(line) - 1) * STEP_MM < LENGTH_MM[0]:
            continue
        tree += 1
        trunk = Tube(line, _taper(radius, len(line), rng, limits), filled, tree)
        others = (*taken, *tubes)
        tubes.append(trunk)
        if branches and count > 0:
            branch = _branch(trunk, inside, rng, outwards, others, limits)
            if branch is not None:
                tubes.append(branch)
                count -= 1
    return tubes


def _branch(
    trunk: Tube,
    inside: DistanceFunction,
    rng: np.random.Generator,
    outwards: np.ndarray,
    others: tuple[Tube, ...],
    limits: tuple[float, float],
) -> Tube | None:
    """Grow a branch that leaves the trunk in its middle half, or none where there is no room."""
    places = rng.integers(len(trunk.points) // 4, 3 * len(trunk.points) // 4, size=_TRIALS)
    along = np.gradient(trunk.points, axis=0)[places]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(along, rng.normal(size=(_TRIALS, 3)))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    angle = np.radians(rng.uniform(*BRANCH_ANGLE_DEG, size=(_TRIALS, 1)))
    length = float(np.clip(rng.gamma(4.0, 1.3), *LENGTH_MM))
    heading = np.cos(angle) * along + np.sin(angle) * across
    lines = _draw_lines(trunk.points[places], heading, length, rng, outwards)
    radius = max(float(trunk.radius.mean() * rng.uniform(*BRANCH_DIAMETER)), limits[0] / 2)
    line = _longest_free(lines, radius, inside, others)
    if (len(line) - 1) * STEP_MM < LENGTH_MM[0]:
        return None
    return Tube(line, _taper(radius, len(line), rng, limits), trunk.fill, trunk.tree)


def _taper(
    radius: float, count: int, rng: np.random.Generator, limits: tuple[float, float]
) -> np.ndarray:
    """Return the radius along a tube: up to a tenth more or less at its ends."""
    taper = 1 + 0.1 * rng.uniform(-1, 1) * np.cos(np.linspace(0, np.pi, count))
    return np.clip(radius * taper, limits[0] / 2, limits[1] / 2)


def _away_from(origin: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return headings, half away from the origin and half upwards."""
    away = points - origin
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    return away + _UPWARDS


def _draw_lines(
    starts: np.ndarray,
    heading: np.ndarray,
    length: float,
    rng: np.random.Generator,
    outwards: np.ndarray,
) -> np.ndarray:
    """Draw curved lines from starts with headings (n, 3); shape (n, points, 3)."""
    count = len(starts)
    heading = heading / np.linalg.norm(heading, axis=1, keepdims=True)
    # Curvature, 1/mm: mostly back inwards, as the arteries run.
    bend = -np.abs(rng.normal(0, 0.04, (count, 1))) * outwards + rng.normal(0, 0.02, (count, 3))
    steps = np.arange(0, length + STEP_MM / 2, STEP_MM)
    headings = heading[:, None] + steps[:, None] * bend[:, None]
    headings /= np.linalg.norm(headings, axis=2, keepdims=True)
    moves = np.concatenate([np.zeros((count, 1, 3)), headings[:, :-1] * STEP_MM], axis=1)
    return np.asarray(starts[:, None] + np.cumsum(moves, axis=1))


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
    return np.asarray(lines[best, : lengths[best]])


def _lower_part(inside: DistanceFunction, origin: np.ndarray) -> np.ndarray:
    """Return points of a region every 1.5 mm, without its upper third, shape (n, 3)."""
    axis = np.arange(-45.0, 45.0, 1.5)
    lattice = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3) + origin
    seeds = lattice[inside(lattice) < -0.5]
    if not len(seeds):
        return seeds
    return np.asarray(seeds[seeds[:, 2] < np.quantile(seeds[:, 2], 0.7)])


def _both(one: DistanceFunction, other: DistanceFunction | None) -> DistanceFunction:
    """Return the signed distance to the intersection of two regions."""
    if other is None:
        return one
    return lambda points: np.maximum(one(points), other(points))
