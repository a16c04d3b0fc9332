"""How much each voxel looks like a tube of fluid, in units of the noise of its nucleus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.imaging.intensity import median_and_spread
from bgpvs_wf.imaging.morphology import ball
from bgpvs_wf.imaging.vesselness import vesselness
from bgpvs_wf.pseudolabels.outline import local_background
from bgpvs_wf.pseudolabels.region import Region

FLUID_SIGN = {"T2w": 1.0, "T1w": -1.0}
"""Whether fluid is bright or dark on each contrast."""
HOLLOW_SPREADS = 1.5
"""What is darker than the tissue by more spreads than this is filled up to here (chosen)."""
MISALIGNMENT_MM = 0.5
"""T1w evidence counts within this distance (chosen: what rigid registration leaves)."""
T1W_WEIGHT = 0.5
"""Weight of the T1w where both contrasts exist (chosen on phantoms): it supports, T2w leads."""
_SHRINKAGE_VOXELS = 2000.0


@dataclass(frozen=True)
class Evidence:
    """Tube responses over their noise, each float32, shape of the working grid."""

    fluid: np.ndarray
    """Of tubes that look like fluid."""
    opposite: np.ndarray
    """Of tubes of the opposite sign, made in the same way: what chance does."""


def scales_for(scales_mm: Sequence[float], native_mm: float) -> tuple[float, ...]:
    """Return the scales that the native voxels can show: at least half a voxel.

    Examples
    --------
    >>> scales_for((0.3, 0.45, 0.65), 0.8)
    (0.45, 0.65)
    """
    kept = tuple(s for s in scales_mm if s >= 0.5 * native_mm - 1e-6)
    return kept or (max(scales_mm),)


def gather_evidence(
    excesses: dict[str, tuple[np.ndarray, float]], region: Region, scales_mm: Sequence[float]
) -> Evidence:
    """Filter the contrasts for tubes, standardise, and combine.

    Parameters
    ----------
    excesses : dict of str to (ndarray, float)
        From `excess_over_tissue`, of `T2w`, `T1w` or both, fluid bright; the first leads.
    region : Region
    scales_mm : sequence of float
    """
    parts = [_of_one(*excesses[name], region, scales_mm) for name in excesses]
    if len(parts) == 1:
        return parts[0]
    lead, support = parts
    footprint = ball(MISALIGNMENT_MM, region.grid.affine)
    return Evidence(
        fluid=_supported(lead.fluid, support.fluid, footprint),
        opposite=_supported(lead.opposite, support.opposite, footprint),
    )


def _supported(lead: np.ndarray, support: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    near = ndimage.grey_dilation(support, footprint=footprint)
    return lead + T1W_WEIGHT * np.minimum(near, lead)


def excess_over_tissue(image: np.ndarray, region: Region) -> tuple[np.ndarray, float]:
    """Return how much an image exceeds the tissue of the nuclei around, and its spread inside.

    Parameters
    ----------
    image : ndarray, shape of the working grid
        Fluid bright.
    region : Region

    Returns
    -------
    excess : ndarray of float32
    spread : float
        Robust standard deviation inside the region.
    """
    excess = image - local_background(
        image, region.search, np.zeros_like(region.search), region.grid.affine
    )
    _, spread = median_and_spread(excess[region.interior])
    return excess.astype(np.float32), max(spread, 1e-6)


def _of_one(
    excess: np.ndarray, spread: float, region: Region, scales_mm: Sequence[float]
) -> Evidence:
    shape = excess.shape
    fluid, opposite = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    bright = _without_hollows(excess, spread, region)
    dark = _without_hollows(-excess, spread, region)
    for scale in scales_mm:
        one = vesselness(bright, region.grid.affine, [scale])
        other = vesselness(dark, region.grid.affine, [scale])
        noise = noise_map(one, other, region)
        np.maximum(fluid, one / noise, out=fluid)
        np.maximum(opposite, other / noise, out=opposite)
    return Evidence(fluid, opposite)


def _without_hollows(excess: np.ndarray, spread: float, region: Region) -> np.ndarray:
    """Fill what is darker than the tissue: outside the nuclei wholly, inside beyond the noise.

    Between dark white matter the thin end of a nucleus is a ridge itself, and beside a dark
    vessel there is a bright flank; neither is a tube of fluid.
    """
    floor = np.where(region.search, -HOLLOW_SPREADS * spread, 0.0)
    return np.maximum(excess, floor).astype(np.float32)


def noise_map(one: np.ndarray, other: np.ndarray, region: Region) -> np.ndarray:
    """Return the noise of the responses for every voxel, by its nucleus.

    The median of the positive responses of both signs inside the nucleus, away from its rim;
    tubes fill far less than half of it. Small nuclei borrow from the region as a whole.
    """
    inner = region.interior
    overall = _noise(one, other, inner)
    noise = np.full(one.shape, overall, np.float32)
    for label in np.unique(region.labels[inner]):
        here = inner & (region.labels == label)
        count = np.count_nonzero(here)
        share = count / (count + _SHRINKAGE_VOXELS)
        noise[region.labels == label] = share * _noise(one, other, here) + (1 - share) * overall
    return noise


def _noise(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    values = np.concatenate([one[where], other[where]])
    values = values[values > 0]
    return max(float(np.median(values)), 1e-6) if values.size else 1e-6
