"""Perivascular spaces of known geometry, put into real scans.

A phantom's tissue is simpler than an infant's. A real scan with spaces added has everything that is
hard about real ones (vessels, texture, noise as it is), while the added spaces are known to the
last voxel. The scan's own spaces are not: voxels that may be such are named, to be left out
wherever something is scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.errors import BadImageError, BadLabelsError
from bgpvs_wf.imaging.geometry import Grid, bounding_box, crop_affine, resample, same_grid
from bgpvs_wf.imaging.morphology import distance_mm, distance_to_mm
from bgpvs_wf.imaging.tubes import Tube, fill_grid
from bgpvs_wf.phantom.abstract_anatomy import DistanceFunction
from bgpvs_wf.phantom.fill import FILL
from bgpvs_wf.phantom.label_anatomy import LabelAnatomy
from bgpvs_wf.phantom.label_shapes import SignedDistance
from bgpvs_wf.phantom.scan_facts import (
    bulk_fluid,
    fluid_signal,
    measure_noise,
    tissue_around,
)
from bgpvs_wf.phantom.trees import draw_pvs

IGNORED_DEPTH_MM = 1.0
"""Fluid in the nuclei that is less deep than this, and as near to a ventricle or a cistern, is the
partial volume of that: no space of the scan's own, and a mistake to take for one."""
IGNORED_SHARE = 1 / 3
"""How far a voxel's signal is on its way to fluid if it may be a space of the scan's own."""
_IGNORED_NOISE = 4.0  # or at least this many deviations of the noise, where that is more
_DOUBTFUL_SHARE = 0.1
"""What the other scan takes for a space need only be this far on its way to fluid here: an artery
in it, dark on T2w, may hide it. 18 spots of a 12-month-old's nuclei were a third of the way to
fluid on T1w, and 0.12 in the median on T2w."""
_REACH_MM = 15.0  # ventricles and the insula's cistern lie this near to the nuclei
_ONE_VOXEL = np.ones((3, 3, 3), bool)


@dataclass(frozen=True)
class Hybrid:
    """Scans with perivascular spaces put in.

    Parameters
    ----------
    images : dict of str to ndarray
        Modality to scan, of the shape and type it came with.
    occupancy : ndarray of float32, shape (x, y, z)
        Share of each voxel of the home grid that tubes fill.
    tubes : list of Tube
    regions : list of int
        Label of the nucleus that most of each tube lies in.
    bgpvs : ndarray of uint8, shape (x, y, z)
        0 rest, 1 BG, 2 BG-PVS.
    dseg : ndarray of int16, shape (x, y, z)
        The nuclei as they came.
    ignore : ndarray of bool, shape (x, y, z)
        Voxels that were fluid before: nobody knows the truth there.
    snr : float
        Median of the nuclei over the noise's standard deviation, on the leading scan.
    """

    images: dict[str, np.ndarray]
    occupancy: np.ndarray
    tubes: list[Tube]
    regions: list[int]
    bgpvs: np.ndarray
    dseg: np.ndarray
    ignore: np.ndarray
    snr: float


@dataclass(frozen=True)
class _Scan:
    """One scan around the nuclei, and what it tells of itself."""

    box: tuple[slice, slice, slice]
    grid: Grid
    there: np.ndarray
    nuclei: np.ndarray
    fluid_mask: np.ndarray
    background: np.ndarray
    fluid: float
    share: np.ndarray
    own_fluid: np.ndarray
    snr: float
    blur: np.ndarray


def insert_tubes(
    images: Mapping[str, tuple[np.ndarray, np.ndarray]],
    nuclei: np.ndarray,
    affine: np.ndarray,
    rng: np.random.Generator,
    *,
    n_tubes: int | None = None,
    diameters_mm: tuple[float, float] | None = None,
    fill: tuple[float, float] = FILL,
    tubes: Sequence[Tube] | None = None,
    blur_voxels: float | None = None,
) -> Hybrid:
    """Put tubes into the scans of an infant, at the same places in space.

    To each scan is added fill times share times the difference of fluid and tissue: tissue's
    signal is the mean of the nuclei around, fluid's that of ventricles and cisterns, and the share
    of a voxel that a tube fills (`tube_occupancy`) is blurred as the scan's own noise is
    (`scan_facts.measure_noise`): interpolation and filters of the scanner smooth both alike. The
    noise itself stays what it was. Rician noise is taken for Gaussian, as it is above an SNR of 3.

    Parameters
    ----------
    images : mapping
        `T2w`, `T1w` or both, to the scan, shape (x, y, z), and its affine. Where it is 0, it is
        cut out, and stays 0. Each may have its own grid; they must lie on each other in space.
    nuclei : ndarray of int, shape (x, y, z)
        Harmonised labels on the grid of the leading scan: the T2w if there is one.
    affine : ndarray, shape (4, 4)
        Of the nuclei.
    rng : Generator
    n_tubes, diameters_mm, fill : optional
        See `bgpvs_wf.phantom.trees.draw_pvs`.
    tubes : sequence of Tube, optional
        These tubes rather than drawn ones.
    blur_voxels : float, optional
        Standard deviation of the blur, voxels, instead of the measured one.

    Returns
    -------
    Hybrid

    Raises
    ------
    BadLabelsError
        If there are no basal ganglia, or they are on another grid than the leading scan.
    BadImageError
        If no fluid is found in a scan, or it does not differ from the nuclei.
    """
    leading = "T2w" if "T2w" in images else "T1w"
    home = Grid(images[leading][0].shape, images[leading][1])
    if not same_grid(home, Grid(nuclei.shape, affine), 0.1):
        raise BadLabelsError(f"The nuclei are on another grid than the {leading}; resample them.")
    anatomy = LabelAnatomy.from_labels(nuclei, affine, rng, variation=0.0)
    bg = np.isin(nuclei, BG_LABELS)
    first = _examine(leading, *images[leading], bg, home)
    scans = {leading: first} | {
        name: _examine(name, *images[name], bg, home, first) for name in images if name != leading
    }
    ignore = _fluid_before(list(scans.values()), home)
    if tubes is None:
        free = _away_from(ignore, affine)
        tubes = draw_pvs(anatomy, rng, n_tubes, free=free, diameters_mm=diameters_mm, fill=fill)
    changed = {
        name: _with_tubes(images[name][0], scan, tubes, blur_voxels) for name, scan in scans.items()
    }
    occupancy = np.minimum(fill_grid(tubes, home)[0], 1)
    from bgpvs_wf.phantom.truth import pvs_labels

    dseg = np.asarray(nuclei, np.int16)
    return Hybrid(
        images=changed,
        occupancy=occupancy,
        tubes=list(tubes),
        regions=[anatomy.region_of(tube.points) for tube in tubes],
        bgpvs=pvs_labels(dseg, occupancy),
        dseg=dseg,
        ignore=ignore & (occupancy == 0),
        snr=first.snr,
    )


def _examine(
    name: str,
    image: np.ndarray,
    affine: np.ndarray,
    bg: np.ndarray,
    home: Grid,
    leading: _Scan | None = None,
) -> _Scan:
    """Measure a scan around the nuclei; the fluid of the leading scan is that of the others."""
    grid = Grid(image.shape, affine)
    nuclei = bg if same_grid(grid, home) else resample(bg, home.affine, grid, order=0)
    if not (nuclei & (image != 0)).any():
        raise BadImageError(f"The {name} does not show the nuclei: it is cut out or elsewhere.")
    box = bounding_box(nuclei, affine, _REACH_MM)
    part, own = image[box], crop_affine(affine, box)
    inside = nuclei[box]
    sign = 1 if name == "T2w" else -1
    if leading is None:
        fluid_mask = bulk_fluid(part, inside, own, sign)
    else:
        fluid_mask = resample(
            leading.fluid_mask, leading.grid.affine, Grid(part.shape, own), order=0
        )
    fluid = fluid_signal(part, fluid_mask & ~inside)
    background = tissue_around(part, inside & ~fluid_mask, own)
    typical = float(np.median(background[inside]))
    # Also false if no fluid was found and its signal is NaN.
    if not sign * (fluid - typical) > 0.1 * abs(typical):
        bright = "bright" if sign > 0 else "dark"
        raise BadImageError(
            f"The {name} shows no {bright} fluid around the nuclei; check which contrast it is."
        )
    noise = measure_noise(part, inside & ~fluid_mask)
    share = (part - background) / (fluid - background)
    least = IGNORED_SHARE
    if np.isfinite(noise.sd):
        least = max(least, _IGNORED_NOISE * noise.sd / abs(fluid - typical))
    own_fluid = (share > least) & _may_be_own(inside, fluid_mask, own)
    tissue = inside & ~fluid_mask & ~ndimage.binary_dilation(own_fluid, _ONE_VOXEL)
    return _Scan(
        box=box,
        grid=Grid(part.shape, own),
        there=part != 0,
        nuclei=inside,
        fluid_mask=fluid_mask,
        background=tissue_around(part, tissue, own),
        fluid=fluid,
        share=share,
        own_fluid=own_fluid,
        snr=typical / noise.sd if noise.sd else float("inf"),
        blur=noise.blur,
    )


def _may_be_own(inside: np.ndarray, bulk: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the nuclei without bulk fluid and without their rim on it."""
    beside = distance_to_mm(bulk, affine) <= IGNORED_DEPTH_MM
    rim = beside & (distance_mm(inside, affine) <= IGNORED_DEPTH_MM)
    return np.asarray(inside & ~bulk & ~rim)


def _fluid_before(scans: Sequence[_Scan], home: Grid) -> np.ndarray:
    """Find voxels of the nuclei that are fluid already, with a rim of one voxel; home grid."""
    first = scans[0]
    seen = first.own_fluid.copy()
    for other in scans[1:]:
        # Grown by a voxel first: the grids may differ, and the scans be half a voxel apart.
        near = ndimage.binary_dilation(other.own_fluid, _ONE_VOXEL)
        here = resample(near, other.grid.affine, first.grid, order=0)
        seen |= here & (first.share > _DOUBTFUL_SHARE) & first.nuclei
    ignore = np.zeros(home.shape, bool)
    ignore[first.box] = ndimage.binary_dilation(seen, _ONE_VOXEL) & first.nuclei
    return ignore


def _away_from(mask: np.ndarray, affine: np.ndarray) -> DistanceFunction:
    """Return the signed distance to the rest of space, negative away from a mask."""
    distance = SignedDistance(mask, affine)
    return lambda points: -distance((points[:, 0], points[:, 1], points[:, 2]))


def _with_tubes(
    image: np.ndarray, scan: _Scan, tubes: Sequence[Tube], blur_voxels: float | None
) -> np.ndarray:
    blur = scan.blur if blur_voxels is None else np.full(3, blur_voxels)
    filled = np.minimum(fill_grid(tubes, scan.grid)[1], 1)
    share = ndimage.gaussian_filter(filled, blur)
    added = share * (scan.fluid - scan.background) * scan.there
    changed = image.copy()
    if image.dtype.kind in "iu":
        limits = np.iinfo(image.dtype)
        whole = np.rint(added).astype(np.int64) + image[scan.box]
        changed[scan.box] = np.clip(whole, limits.min, limits.max)
    else:
        changed[scan.box] += added.astype(image.dtype)
    return changed
