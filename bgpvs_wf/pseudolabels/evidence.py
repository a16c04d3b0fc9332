"""How much each voxel looks like a tube of fluid, in units of the noise of its nucleus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.imaging.morphology import ball
from bgpvs_wf.imaging.vesselness import vesselness
from bgpvs_wf.pseudolabels.region import Region

FLUID_IS = {"T2w": "bright", "T1w": "dark"}
"""How a tube of fluid looks on each contrast."""
_OPPOSITE = {"bright": "dark", "dark": "bright"}
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
    response: np.ndarray
    """Of tubes like fluid on the leading contrast, in the unit of the image."""


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
    images: dict[str, np.ndarray], region: Region, scales_mm: Sequence[float]
) -> Evidence:
    """Filter the contrasts for tubes, standardise, and combine.

    Parameters
    ----------
    images : dict of str to ndarray
        `T2w`, `T1w` or both, on the working grid; the first leads.
    region : Region
    scales_mm : sequence of float
    """
    parts = [_of_one(images[name], FLUID_IS[name], region, scales_mm) for name in images]
    if len(parts) == 1:
        return parts[0]
    lead, support = parts
    footprint = ball(MISALIGNMENT_MM, region.grid.affine)
    return Evidence(
        fluid=_supported(lead.fluid, support.fluid, footprint),
        opposite=_supported(lead.opposite, support.opposite, footprint),
        response=lead.response,
    )


def _supported(lead: np.ndarray, support: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    near = ndimage.grey_dilation(support, footprint=footprint)
    return lead + T1W_WEIGHT * np.minimum(near, lead)


def _of_one(
    image: np.ndarray, fluid_is: str, region: Region, scales_mm: Sequence[float]
) -> Evidence:
    shape = image.shape
    fluid, opposite, raw = (np.zeros(shape, np.float32) for _ in range(3))
    for scale in scales_mm:
        one = vesselness(image, region.grid.affine, [scale], polarity=fluid_is)
        other = vesselness(image, region.grid.affine, [scale], polarity=_OPPOSITE[fluid_is])
        noise = noise_map(one, other, region)
        np.maximum(fluid, one / noise, out=fluid)
        np.maximum(opposite, other / noise, out=opposite)
        np.maximum(raw, one, out=raw)
    return Evidence(fluid, opposite, raw)


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
