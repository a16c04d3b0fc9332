"""`simulate_subject`: a synthetic infant, T1w and T2w with the whole truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.errors import UsageError
from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.phantom.acquisition import add_rician_noise, bias_field, grid_around
from bgpvs_wf.phantom.brain import Brain, draw_brain
from bgpvs_wf.phantom.growth import NUCLEI_NAMES
from bgpvs_wf.phantom.render import LABELS, Canvas, grid_points, render
from bgpvs_wf.phantom.tubes import DistanceFunction, Tube, grow_tubes, tube_occupancy

if TYPE_CHECKING:
    import pandas as pd

SIGNAL_SCALE = 1000.0
"""Image values of fluid on T2w before the bias field."""
PVS_SHARE = 0.4
"""A voxel is labelled PVS where tubes fill at least this much of it. Chosen: for straight tubes one
to three voxels wide, of random direction, it keeps the voxelised volume within 10 % of the true one
(a third gives 15 to 20 % too much, a half 5 to 40 % too little)."""
_VOXEL_LIMITS_MM = (0.2, 5.0)


@dataclass(frozen=True)
class SyntheticInfant:
    """A synthetic infant; all arrays share a shape (x, y, z) and `affine`.

    Parameters
    ----------
    age_weeks : float
        Post-menstrual age.
    t1w, t2w : ndarray of float32
        Brain-extracted images; zero outside.
    affine : ndarray, shape (4, 4)
        Voxel index to mm (RAS+).
    dseg : ndarray of int16
        Harmonised aseg indices, as if there were no tubes.
    bgpvs : ndarray of uint8
        0 rest, 1 BG, 2 BG-PVS.
    occupancy : ndarray of float32
        Share of each voxel filled by tubes.
    tubes : DataFrame
        A row per tube: `tube`, `region_index`, `length_mm`, `diameter_mm`, `volume_mm3`, `fill`,
        and `points`, its centre line (n, 3), mm.
    """

    age_weeks: float
    t1w: np.ndarray
    t2w: np.ndarray
    affine: np.ndarray
    dseg: np.ndarray
    bgpvs: np.ndarray
    occupancy: np.ndarray
    tubes: pd.DataFrame


def simulate_subject(
    age_weeks: float,
    *,
    seed: int,
    voxel_mm: float | tuple[float, float, float] = 0.8,
    n_tubes: int | None = None,
    noise: float = 0.02,
    bias: float = 0.1,
    variation: float = 1.0,
    oblique_deg: float = 0.0,
    misalignment: tuple[float, float] = (0.0, 0.0),
    hindbrain: bool = True,
) -> SyntheticInfant:
    """Simulate an infant.

    Parameters
    ----------
    age_weeks : float
        Post-menstrual age, weeks, 28 to 160.
    seed : int
        The same call gives the same infant.
    voxel_mm : float or tuple of 3 floats
        Voxel size, mm.
    n_tubes : int, optional
        PVS wanted; by default 4 to 30, fewer in small nuclei.
    noise : float
        Standard deviation of the noise, relative to fluid on T2w.
    bias : float
        Standard deviation of the logarithm of the bias field.
    variation : float
        How much infants differ in shape and pose; 0 gives the template of the age.
    oblique_deg : float
        Turn of the grid against the scanner's axes, degrees, about a random axis.
    misalignment : tuple of 2 floats
        How far the T1w is off the T2w: shift in mm, turn in degrees, in random directions.
    hindbrain : bool
        Whether there are a cerebellum and a brainstem.

    Returns
    -------
    SyntheticInfant

    Raises
    ------
    AgeError
        If the age is out of range.
    UsageError
        If the voxel size is absurd.

    Examples
    --------
    >>> infant = simulate_subject(40, seed=1, voxel_mm=3.0, n_tubes=0)
    >>> infant.t2w.shape == infant.dseg.shape, len(infant.tubes)
    (True, 0)
    """
    sizes = checked_voxel(voxel_mm)
    # Independent streams, so that the noise does not change the anatomy.
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(6)]
    brain = draw_brain(age_weeks, streams[0], variation=variation, hindbrain=hindbrain)
    turn = _random_turn(streams[1], oblique_deg)
    grid = grid_around(*head_extent(brain, turn), sizes, turn)
    shifted = any(misalignment)
    canvas = render(brain, grid, ("T2w",) if shifted else ("T1w", "T2w"))
    tubes = _draw_tubes(brain, streams[2], n_tubes)
    regions = [_region(brain, tube) for tube in tubes]
    occupancy = _fill(canvas, tubes, grid)
    signals = dict(canvas.signals)
    if shifted:
        moved = Grid(grid.shape, _misalign(grid, streams[3], *misalignment))
        other = render(brain, moved, ("T1w",))
        _fill(other, tubes, moved)
        signals |= other.signals
    images = {
        name: _acquire(signals[name], grid, stream, noise, bias)
        for name, stream in zip(("T1w", "T2w"), streams[4:], strict=True)
    }
    bgpvs = np.isin(canvas.dseg, BG_LABELS).astype(np.uint8)
    bgpvs[(occupancy >= PVS_SHARE) & (bgpvs > 0)] = 2
    return SyntheticInfant(
        age_weeks=float(age_weeks),
        t1w=images["T1w"],
        t2w=images["T2w"],
        affine=grid.affine,
        dseg=canvas.dseg,
        bgpvs=bgpvs,
        occupancy=occupancy,
        tubes=_table(tubes, regions),
    )


def checked_voxel(voxel_mm: float | tuple[float, float, float]) -> tuple[float, float, float]:
    """Return the three voxel edges, mm; refuse absurd ones.

    Raises
    ------
    UsageError
        If one is outside 0.2 to 5 mm.
    """
    sizes = np.broadcast_to(np.asarray(voxel_mm, float), 3)
    low, high = _VOXEL_LIMITS_MM
    if not ((sizes >= low) & (sizes <= high)).all():
        raise UsageError(
            f"Voxel size {voxel_mm} mm is outside {low:g} to {high:g} mm; choose another."
        )
    return float(sizes[0]), float(sizes[1]), float(sizes[2])


def _random_turn(rng: np.random.Generator, degrees: float) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    axis = rng.normal(size=3)
    return Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis)).as_matrix()


def _misalign(grid: Grid, rng: np.random.Generator, shift_mm: float, turn_deg: float) -> np.ndarray:
    """Return the affine of the places the T1w's voxels really show."""
    turn = _random_turn(rng, turn_deg)
    shift = rng.normal(size=3)
    shift *= shift_mm / np.linalg.norm(shift)
    centre = (np.asarray(grid.affine) @ np.append((np.array(grid.shape) - 1) / 2, 1))[:3]
    motion = np.eye(4)
    motion[:3, :3] = turn
    motion[:3, 3] = centre - turn @ centre + shift
    return motion @ grid.affine


def head_extent(brain: Brain, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the box, along the grid's axes, that the head fills, with 4 mm to spare."""
    step, half = 3.0, 120.0
    count = int(2 * half / step) + 1
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = -half
    affine[:3] = turn @ affine[:3]
    inside = brain.head(brain.to_template(grid_points(Grid((count,) * 3, affine)))) < 0
    index = np.argwhere(inside)
    return index.min(axis=0) * step - half - step - 4, index.max(axis=0) * step - half + step + 4


def _draw_tubes(brain: Brain, rng: np.random.Generator, wanted: int | None) -> list[Tube]:
    """Grow tubes, most in the lentiform nuclei, the others in the caudates.

    Nothing here depends on the voxel grid: a seed gives the same tubes at any resolution.
    """
    if wanted is None:
        room = brain.growth.nuclei_ml["putamen"] / 3.5
        wanted = int(np.clip(rng.poisson(11 * min(room, 1.0)), 4, 30))
    upwards, outwards = np.array([0.0, -0.1, 1.0]), np.array([1.0, 0.0, 0.0])
    tubes: list[Tube] = []
    shares = rng.multinomial(wanted, [0.4, 0.4, 0.1, 0.1])
    places = [
        (names, side) for names in (("putamen", "pallidum"), ("caudate",)) for side in (-1, 1)
    ]
    for count, (names, side) in zip(shares, places, strict=True):
        inside = _inside(brain, names, side)
        lattice = _lattice(brain)
        seeds = lattice[inside(lattice) < -0.5]
        seeds = seeds[seeds[:, 2] < np.quantile(seeds[:, 2], 0.7)]
        tubes += grow_tubes(inside, seeds, int(count), rng, upwards, side * outwards, tuple(tubes))
    return tubes


def _lattice(brain: Brain) -> np.ndarray:
    """Return points every 1.5 mm, shape (n, 3), around the nuclei."""
    half = 45.0 * brain.growth.scale
    axis = np.arange(-half, half, 1.5)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    return grid + brain.shift


def _inside(brain: Brain, names: tuple[str, ...], side: int) -> DistanceFunction:
    """Return the signed distance, mm of the infant, to what is visible of some nuclei of a side."""
    last = NUCLEI_NAMES.index(names[-1])

    def inside(points: np.ndarray) -> np.ndarray:
        x, y, z = brain.to_template((points[:, 0], points[:, 1], points[:, 2]))
        nuclei = brain.nuclei((x, y, z))
        distance = np.minimum.reduce([nuclei[name] for name in names])
        for later in NUCLEI_NAMES[last + 1 :]:
            distance = np.maximum(distance, -nuclei[later])
        return np.maximum(distance, -side * x) * brain.growth.scale

    return inside


def _fill(canvas: Canvas, tubes: list[Tube], grid: Grid) -> np.ndarray:
    """Put the tubes into the signals; return the share of each voxel they fill."""
    occupancy = np.zeros(grid.shape, np.float32)
    for tube in tubes:
        index, share = tube_occupancy(tube, grid)
        at = tuple(index.T)
        occupancy[at] = np.minimum(occupancy[at] + share, 1)
        for name, image in canvas.signals.items():
            image[at] += tube.fill * share * (np.float32(canvas.contrast[name]["pvs"]) - image[at])
    return occupancy


def _region(brain: Brain, tube: Tube) -> int:
    """Find the nucleus that most of a tube lies in."""
    points = brain.to_template((tube.points[:, 0], tube.points[:, 1], tube.points[:, 2]))
    name = np.zeros(len(tube.points), int)
    for i, distance in enumerate(brain.nuclei(points).values()):
        name[distance < 0] = i
    most = NUCLEI_NAMES[int(np.bincount(name).argmax())]
    return LABELS[most][int(points[0].mean() > 0)]


def _acquire(
    signal: np.ndarray, grid: Grid, rng: np.random.Generator, noise: float, bias: float
) -> np.ndarray:
    brain = signal > 0
    if bias:
        signal = signal * bias_field(grid, rng, bias)
    return np.float32(SIGNAL_SCALE) * add_rician_noise(signal, rng, noise) * brain


def _table(tubes: list[Tube], regions: list[int]) -> pd.DataFrame:
    import pandas as pd

    columns = ["tube", "region_index", "length_mm", "diameter_mm", "volume_mm3", "fill", "points"]
    rows = [
        (i, region, t.length_mm, t.diameter_mm, t.volume_mm3, t.fill, t.points)
        for i, (t, region) in enumerate(zip(tubes, regions, strict=True), start=1)
    ]
    return pd.DataFrame(rows, columns=columns)
