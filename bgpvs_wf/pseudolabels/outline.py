"""From kept candidates to voxels of the image's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.imaging.geometry import Grid, voxel_sizes
from bgpvs_wf.imaging.morphology import ball, dilate_mm

BACKGROUND_MM = 2.5
"""Standard deviation of the average that gives the local signal of tissue (chosen)."""
PEAK_MM = 1.5
"""How far along a tube its peak is looked for (chosen)."""
FILL_SHARE = 1 / 3
"""A voxel belongs to a tube if fluid fills this share of it. Chosen: for tubes about a voxel wide
this keeps the volume of the voxels near that of the tube."""
PEAK_SHARE = 0.5
"""Or if it reaches this share of the tube's own peak (half maximum), where that is less."""


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
    image: np.ndarray, tissue: np.ndarray, tubes: np.ndarray, affine: np.ndarray
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
    low, high = np.percentile(image[clean], [2, 98])
    sigma = BACKGROUND_MM / voxel_sizes(affine)
    weight = ndimage.gaussian_filter(clean.astype(np.float32), sigma)
    total = ndimage.gaussian_filter(
        np.where(clean, np.clip(image, low, high), 0).astype(np.float32), sigma
    )
    return np.where(weight > 1e-4, total / np.maximum(weight, 1e-4), np.median(image[clean]))


def fluid_contrast(excess: np.ndarray, csf: np.ndarray) -> float:
    """Return how much fluid in bulk exceeds the tissue; 0 where no fluid was found."""
    return max(float(np.percentile(excess[csf], 75)), 0.0) if csf.any() else 0.0


def outline(
    image: np.ndarray,
    core: np.ndarray,
    tissue: np.ndarray,
    contrast: float,
    affine: np.ndarray,
) -> Outline:
    """Decide which voxels at and beside the core of tubes belong to them.

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
    excess = image - local_background(image, tissue, dilate_mm(core, affine, 1.0), affine)
    footprint = ball(PEAK_MM, affine)
    peak = ndimage.grey_dilation(np.where(core, excess, 0), footprint=footprint)
    # The mean over the neighbourhood of the maxima is steadier than a maximum.
    near = ndimage.uniform_filter(core.astype(np.float32), footprint.shape)
    peak = ndimage.uniform_filter(np.where(core, peak, 0), footprint.shape) / np.maximum(near, 1e-6)
    threshold = PEAK_SHARE * peak
    if contrast > 0:
        threshold = np.minimum(threshold, FILL_SHARE * contrast)
    beside = ndimage.binary_dilation(core, np.ones((3, 3, 3), bool)) & tissue
    mask = beside & (excess >= threshold) & (threshold > 0)
    clear = np.abs(excess - threshold) / np.maximum(threshold, 1e-6)
    return Outline(mask, np.where(beside, np.clip(clear, 0, 1), 0).astype(np.float32))
