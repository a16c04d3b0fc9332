"""`simulate_subject`: a synthetic infant, T1w and T2w with the whole truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bgpvs_wf.anatomy.contrast import tissue_contrast
from bgpvs_wf.errors import UsageError
from bgpvs_wf.imaging.geometry import Grid, same_grid
from bgpvs_wf.imaging.tubes import Tube, tube_occupancy
from bgpvs_wf.phantom.abstract_anatomy import Anatomy
from bgpvs_wf.phantom.acquisition import acquire, grid_around
from bgpvs_wf.phantom.brain import draw_brain
from bgpvs_wf.phantom.canvas import Canvas, Contrast
from bgpvs_wf.phantom.confounders import Confounders, draw_confounders, paint_confounders
from bgpvs_wf.phantom.fill import FILL
from bgpvs_wf.phantom.protocol import AcquisitionConfig, ProtocolConfig, plain
from bgpvs_wf.phantom.trees import draw_pvs
from bgpvs_wf.phantom.truth import pvs_labels


@dataclass(frozen=True)
class SyntheticInfant:
    """A synthetic infant; all arrays but `t1w` share a shape (x, y, z) and `affine`.

    Parameters
    ----------
    age_weeks : float
        Post-menstrual age.
    t2w, t1w : ndarray of float32
        Images; brain-extracted ones are zero outside.
    affine, t1w_affine : ndarray, shape (4, 4)
        Voxel index to mm (RAS+), of the T2w and of the T1w as its header says, which is wrong by
        the protocol's misalignment.
    dseg : ndarray of int16
        Harmonised aseg indices, as if there were no tubes.
    bgpvs : ndarray of uint8
        0 rest, 1 BG, 2 BG-PVS.
    occupancy : ndarray of float32
        Share of each voxel filled by tubes.
    tubes : tuple of Tube
        The perivascular spaces.
    regions : tuple of int
        Label of the nucleus that most of each tube lies in.
    snr : float
        Signal of the cortex over the standard deviation of the noise, T2w.
    """

    age_weeks: float
    t2w: np.ndarray
    t1w: np.ndarray
    affine: np.ndarray
    t1w_affine: np.ndarray
    dseg: np.ndarray
    bgpvs: np.ndarray
    occupancy: np.ndarray
    tubes: tuple[Tube, ...]
    regions: tuple[int, ...]
    snr: float

    @property
    def pvs_mm3(self) -> float:
        """Volume of the perivascular spaces; where a branch leaves counts twice, about 1 %."""
        return sum(tube.volume_mm3 for tube in self.tubes)


def simulate_subject(
    age_weeks: float,
    *,
    seed: int,
    protocol: ProtocolConfig | None = None,
    labels: tuple[np.ndarray, np.ndarray] | None = None,
    n_tubes: int | None = None,
    fill: tuple[float, float] = FILL,
    variation: float = 1.0,
    oblique_deg: float = 0.0,
) -> SyntheticInfant:
    """Simulate an infant.

    Parameters
    ----------
    age_weeks : float
        Post-menstrual age, weeks, 28 to 160.
    seed : int
        The same call gives the same infant.
    protocol : ProtocolConfig, optional
        By default `bgpvs_wf.phantom.protocol.plain`.
    labels : tuple of ndarray, shape (x, y, z), and ndarray, shape (4, 4), optional
        Harmonised label map and its affine, to take the anatomy from instead of drawing it. It
        has the size it has; the age gives the contrast only.
    n_tubes : int, optional
        PVS wanted; by default 4 to 30, about 11.
    fill : tuple of 2 floats
        See `bgpvs_wf.phantom.trees.draw_pvs`.
    variation : float
        How much infants differ in shape and pose; 0 gives the template of the age.
    oblique_deg : float
        Turn of the grid against the scanner's axes, degrees, about a random axis.

    Returns
    -------
    SyntheticInfant

    Raises
    ------
    AgeError
        If the age is out of range.
    BadLabelsError
        If the label map has no basal ganglia.
    UsageError
        If the protocol wants a skull, which a label map has not.

    Examples
    --------
    >>> infant = simulate_subject(40, seed=1, protocol=plain(3.0), n_tubes=0)
    >>> infant.t2w.shape == infant.dseg.shape, len(infant.tubes)
    (True, 0)
    """
    protocol = protocol or plain()
    # Independent streams, so that the noise does not change the anatomy.
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(8)]
    anatomy = _anatomy(age_weeks, streams[0], protocol, labels, variation)
    tubes = draw_pvs(anatomy, streams[2], n_tubes, fill=fill)
    confounders = draw_confounders(anatomy, age_weeks, streams[6], protocol.confounders)
    return scan_infant(
        anatomy, tubes, confounders, age_weeks, streams, protocol, oblique_deg=oblique_deg
    )


def scan_infant(
    anatomy: Anatomy,
    tubes: Sequence[Tube],
    confounders: Confounders,
    age_weeks: float,
    streams: Sequence[np.random.Generator],
    protocol: ProtocolConfig,
    *,
    oblique_deg: float = 0.0,
) -> SyntheticInfant:
    """Scan an infant of whom everything is drawn.

    Parameters
    ----------
    anatomy : Anatomy
    tubes : sequence of Tube
    confounders : Confounders
    age_weeks : float
        Post-menstrual age, weeks, for the contrast.
    streams : sequence of 8 Generator
        Those of the scan are 1 (the grid's turn), 3 (misalignment), 4 and 5 (noise of T1w and
        T2w) and 7 (texture).
    protocol : ProtocolConfig
    oblique_deg : float
        See `simulate_subject`.
    """
    contrast = {name: _contrast(age_weeks, name, protocol) for name in ("T2w", "T1w")}
    turn = _random_turn(streams[1], oblique_deg)
    extent = anatomy.extent(turn)
    grid = grid_around(*extent, _sizes(protocol.t2w), turn)
    header = grid_around(*extent, _sizes(protocol.t1w), turn)
    # Where the T1w's voxels really are; its header knows nothing of that.
    shown = Grid(header.shape, _misalign(header, streams[3], protocol))
    shared = same_grid(grid, shown, 1e-6)
    first = contrast if shared else {"T2w": contrast["T2w"]}
    canvas = _paint(anatomy, grid, first, confounders, streams[7])
    occupancy = _fill(canvas, tubes, grid)
    signals = dict(canvas.signals)
    if not shared:
        other = _paint(anatomy, shown, {"T1w": contrast["T1w"]}, confounders, streams[7])
        _fill(other, tubes, shown)
        signals |= other.signals
    images = {
        name: acquire(
            signals[name], on, stream, scan, contrast[name]["cortex"], extracted=not protocol.skull
        )
        for name, on, stream, scan in (
            ("T1w", header, streams[4], protocol.t1w),
            ("T2w", grid, streams[5], protocol.t2w),
        )
    }
    return SyntheticInfant(
        age_weeks=float(age_weeks),
        t2w=images["T2w"],
        t1w=images["T1w"],
        affine=grid.affine,
        t1w_affine=header.affine,
        dseg=canvas.dseg,
        bgpvs=pvs_labels(canvas.dseg, occupancy),
        occupancy=occupancy,
        tubes=tuple(tubes),
        regions=tuple(anatomy.region_of(tube.points) for tube in tubes),
        snr=protocol.t2w.snr,
    )


def _anatomy(
    age_weeks: float,
    rng: np.random.Generator,
    protocol: ProtocolConfig,
    labels: tuple[np.ndarray, np.ndarray] | None,
    variation: float,
) -> Anatomy:
    if labels is not None:
        if protocol.skull:
            raise UsageError("A label map has no skull; set skull = false in the protocol.")
        from bgpvs_wf.phantom.label_anatomy import LabelAnatomy

        return LabelAnatomy.from_labels(*labels, rng, variation=variation)
    return draw_brain(
        age_weeks,
        rng,
        variation=variation,
        hindbrain=protocol.hindbrain,
        skull=protocol.skull,
    )


def _contrast(age_weeks: float, modality: str, protocol: ProtocolConfig) -> dict[str, float]:
    """Return the signals of the tissues, weighted as the protocol says."""
    signals = tissue_contrast(age_weeks, modality)
    weighting = (protocol.t2w if modality == "T2w" else protocol.t1w).weighting
    anchor = signals["csf"] if modality == "T2w" else signals["cortex"]
    return {name: anchor * (value / anchor) ** weighting for name, value in signals.items()}


def _sizes(scan: AcquisitionConfig) -> tuple[float, float, float]:
    x, y, z = scan.voxel_mm
    return x, y, z


def _random_turn(rng: np.random.Generator, degrees: float) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    axis = rng.normal(size=3)
    return Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis)).as_matrix()


def _misalign(grid: Grid, rng: np.random.Generator, protocol: ProtocolConfig) -> np.ndarray:
    """Return the affine of the places the T1w's voxels really show."""
    turn = _random_turn(rng, protocol.misalignment_deg)
    shift = rng.normal(size=3)
    shift *= protocol.misalignment_mm / np.linalg.norm(shift)
    centre = (np.asarray(grid.affine) @ np.append((np.array(grid.shape) - 1) / 2, 1))[:3]
    motion = np.eye(4)
    motion[:3, :3] = turn
    motion[:3, 3] = centre - turn @ centre + shift
    return motion @ grid.affine


def _paint(
    anatomy: Anatomy,
    grid: Grid,
    contrast: Contrast,
    confounders: Confounders,
    rng: np.random.Generator,
) -> Canvas:
    canvas = anatomy.paint(grid, contrast)
    paint_confounders(canvas, confounders, grid, rng)
    return canvas


def _fill(canvas: Canvas, tubes: Sequence[Tube], grid: Grid) -> np.ndarray:
    """Put the tubes into the signals; return the share of each voxel they fill."""
    occupancy = np.zeros(grid.shape, np.float32)
    for tube in tubes:
        index, share = tube_occupancy(tube, grid)
        at = tuple(index.T)
        # Where a branch leaves its trunk only what is not filled yet.
        new = np.minimum(share, 1 - occupancy[at])
        occupancy[at] += new
        for name, image in canvas.signals.items():
            image[at] += tube.fill * new * (np.float32(canvas.contrast[name]["pvs"]) - image[at])
    return occupancy
