"""From kept candidates to voxels of the image's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.imaging.geometry import Grid, voxel_sizes
from bgpvs_wf.imaging.intensity import median_and_spread
from bgpvs_wf.imaging.morphology import dilate_mm, nearest_label

BACKGROUND_MM = 2.5
"""Standard deviation of the average that gives the local signal of tissue (chosen)."""
OUTLIER = 2.0
"""Robust standard deviations at which tissue is clipped: what is beyond is white matter, fluid or a
vessel, and would tint its surroundings (chosen)."""
RING_MM = 1.5
"""The same for the signal around one tube."""
SPREAD_MM = 0.5
"""How far beyond its core, which is what rises above chance, a tube's signal is looked for; where
voxels are larger, that is the core alone (chosen on phantoms)."""
SURE = 2.0
"""A voxel this many deviations of the tissue's noise off the threshold is surely on its side."""
FILL = 0.9
"""Signal of a tube's fluid over that of fluid in bulk (chosen: 0.75 to 1 is usual)."""
PEAK_SHARE = 0.5
"""Share of its peak that a tube's voxels reach, where the signal of fluid is not known."""


@dataclass(frozen=True)
class Outline:
    """Voxels of tubes on the image's grid, each shape (x, y, z)."""

    mask: np.ndarray
    certainty: np.ndarray
    """float32, 0 to 1: how clearly a voxel of the neighbourhood is on its side of the threshold."""


def to_home(values: np.ndarray, working: Grid, home: Grid) -> np.ndarray:
    """Carry values of the working grid to the home voxels that hold their centres.

    Parameters
    ----------
    values : ndarray, shape of `working`
        Not negative.
    working, home : Grid

    Returns
    -------
    ndarray of float32, shape of `home`
        The largest value in each home voxel; 0 where there is none.
    """
    if working is home:
        return np.asarray(values, np.float32)
    out = np.zeros(home.shape, np.float32)
    voxels = np.argwhere(values > 0)
    to_index = np.linalg.inv(home.affine) @ working.affine
    place = np.round(voxels @ to_index[:3, :3].T + to_index[:3, 3]).astype(int)
    inside = ((place >= 0) & (place < home.shape)).all(axis=1)
    values_here = values[tuple(voxels[inside].T)].astype(np.float32)
    np.maximum.at(out, tuple(place[inside].T), values_here)
    return out


def local_background(
    image: np.ndarray,
    tissue: np.ndarray,
    tubes: np.ndarray,
    affine: np.ndarray,
    sigma_mm: float = BACKGROUND_MM,
) -> np.ndarray:
    """Return the signal of the nuclei around each voxel, tubes left out.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
    tissue, tubes : ndarray of bool
        The nuclei, and what may be tubes in them.
    affine : ndarray, shape (4, 4)
    """
    clean = tissue & ~tubes
    if not clean.any():
        clean = tissue
    middle, spread = median_and_spread(image[clean])
    low, high = middle - OUTLIER * spread, middle + OUTLIER * spread
    sigma = sigma_mm / voxel_sizes(affine)
    weight = ndimage.gaussian_filter(clean.astype(np.float32), sigma)
    total = ndimage.gaussian_filter(
        np.where(clean, np.clip(image, low, high), 0).astype(np.float32), sigma
    )
    return np.where(weight > 1e-4, total / np.maximum(weight, 1e-4), np.median(image[clean]))


def fluid_contrast(excess: np.ndarray, csf: np.ndarray) -> float:
    """Return how much fluid in bulk exceeds the tissue; 0 where no fluid was found.

    Labels of fluid that were registered lie partly on tissue; so only voxels that reach half of the
    brightest of them count, and their upper quartile, since many are shared with tissue.
    """
    values = excess[csf]
    if not values.size:
        return 0.0
    fluid = values[values >= 0.5 * np.percentile(values, 95)]
    return max(float(np.percentile(fluid, 75)), 0.0)


def outline(
    image: np.ndarray,
    core: np.ndarray,
    tissue: np.ndarray,
    contrast: float,
    affine: np.ndarray,
) -> Outline:
    """Decide which voxels at and beside the core of tubes belong to them.

    A tube thinner than the scan resolves is seen wider and fainter than it is, but the signal it
    adds, over all voxels it reaches, stays that of its fluid. So a tube gets as many voxels as
    its fluid fills, the brightest ones. Where the signal of fluid is not known, it gets those
    above half of its peak.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
        The leading contrast, fluid bright.
    core : ndarray of bool
        Home voxels that kept candidates reach.
    tissue : ndarray of bool
        Where tubes may be.
    contrast : float
        Of fluid in bulk against the tissue; 0 if unknown.
    affine : ndarray, shape (4, 4)
    """
    if not core.any():
        return Outline(np.zeros(core.shape, bool), np.zeros(core.shape, np.float32))
    around = dilate_mm(core, affine, SPREAD_MM) & tissue
    excess = image - local_background(image, tissue, around, affine, RING_MM)
    cores, count = ndimage.label(core, np.ones((3, 3, 3)))
    place = np.nonzero(around)
    tube = nearest_label(cores, affine)[place]
    values = excess[place].astype(np.float64)
    if contrast > 0:
        budget = np.bincount(tube, values, minlength=count + 1) / (FILL * contrast)
        threshold = _nth_largest(values, tube, np.maximum(np.round(budget), 1).astype(int))
    else:
        threshold = PEAK_SHARE * _nth_largest(values, tube, np.ones(count + 1, int))
    level = threshold[tube]
    belongs = (values >= level) & (values > 0)
    mask = np.zeros(core.shape, bool)
    mask[place] = belongs
    rest = np.abs(excess[tissue & ~around])
    noise = max(1.4826 * float(np.median(rest)), 1e-6) if rest.size else 1e-6
    certainty = np.zeros(core.shape, np.float32)
    certainty[place] = np.clip(np.abs(values - level) / (SURE * noise), 0, 1)
    return Outline(mask, certainty)


def _nth_largest(values: np.ndarray, groups: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Return the n-th largest value of each group, or its smallest where it has fewer."""
    order = np.lexsort((-values, groups))
    sizes = np.bincount(groups, minlength=len(rank))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    last = np.clip(rank, 1, np.maximum(sizes, 1)) - 1
    found = np.full(len(rank), np.inf)
    some = sizes > 0
    found[some] = values[order][(starts + last)[some]]
    return found
