"""Partial volume: how much of a voxel is cerebrospinal fluid, from its intensity.

A voxel that tissue and CSF share has, to first order, the mean of their signals weighted by volume
(the two-class mixture of Santago and Gage, IEEE Trans Med Imaging 1993, doi 10.1109/42.241885).
A PVS is filled with CSF, so that its share is (I - B) / (C - B), where B is the signal of the
nucleus around it and C that of CSF, taken from the ventricles. On T2w C is above B, on T1w below.
What is measured so is the volume of fluid: the vessel inside a PVS, or flow, lowers it; see
`bgpvs_wf.quantification.brightness` for what the tubes take up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.arrays import Affine, Floats, Image, Labels, Mask
from bgpvs_wf.imaging.geometry import bounding_box, voxel_sizes
from bgpvs_wf.imaging.intensity import median_and_spread

BACKGROUND_SIGMA_MM = 2.0
"""Standard deviation of the Gaussian that weighs a voxel's surroundings; chosen."""
_OUTLIER = 3.0  # robust standard deviations beyond which a voxel is no background; chosen
_LEAST_VENTRICLE_VOXELS = 10  # fewer say nothing about the signal of CSF; chosen
_LEAST_CONTRAST = 0.1  # of the background; less cannot tell CSF from tissue; chosen
_SLACK = 0.25  # how far noise may take a voxel's share beyond 0 and 1; chosen
_ONE_VOXEL = np.ones((3, 3, 3), bool)


@dataclass(frozen=True)
class Occupancy:
    """The share of CSF in every voxel of a region."""

    share: Floats
    """Shape (x, y, z), float32, in [-0.25, 1.25]: noise is not cut at 0 and 1, for sums over
    many voxels would be biased. NaN outside the region, everywhere if CSF cannot be told."""
    background: Floats
    """Local signal of the nucleus, shape (x, y, z), float32; NaN outside the region."""
    csf_signal: float
    """Signal of CSF; NaN if the ventricles do not tell."""

    @property
    def known(self) -> bool:
        """Whether partial volumes can be told at all."""
        return bool(np.isfinite(self.csf_signal))


UNKNOWN = Occupancy(np.empty((0, 0, 0)), np.empty((0, 0, 0)), float("nan"))
"""Where there is no image."""


def occupancy(
    image: Image,
    affine: Affine,
    *,
    parcels: Labels,
    pvs: Mask,
    ventricles: Mask,
) -> Occupancy:
    """Estimate the share of CSF in the voxels of some parcels.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
        T2w or T1w intensities.
    affine : ndarray, shape (4, 4)
    parcels : ndarray of int, shape (x, y, z)
        Nuclei, 0 outside. The background never mixes two of them.
    pvs : ndarray of bool, shape (x, y, z)
        Perivascular spaces; with a rim of one voxel they are no background.
    ventricles : ndarray of bool, shape (x, y, z)

    Returns
    -------
    Occupancy
    """
    image = np.asarray(image, np.float32)
    background = local_background(image, affine, parcels, _dilated(pvs))
    inside = np.isfinite(background)
    typical = float(np.median(background[inside])) if inside.any() else float("nan")
    csf = csf_signal(image, ventricles, typical)
    if not abs(csf - typical) > _LEAST_CONTRAST * abs(typical):
        csf = float("nan")
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (image - background) / (csf - background)
    share = np.clip(share, -_SLACK, 1 + _SLACK).astype(np.float32)
    return Occupancy(share, background, csf)


def csf_signal(image: Image, ventricles: Mask, tissue: float) -> float:
    """Return the signal of CSF, from the middle of the ventricles.

    The median of the ventricles without their outermost voxels (if enough remain), and then of
    those voxels that are nearer to that median than to tissue: leaves out choroid plexus, septum
    and walls.

    Parameters
    ----------
    image, ventricles : ndarray, shape (x, y, z)
    tissue : float
        Typical signal of tissue.

    Returns
    -------
    float
        NaN if there are fewer than 10 voxels.
    """
    core = ndimage.binary_erosion(ventricles)
    if core.sum() < _LEAST_VENTRICLE_VOXELS:
        core = np.asarray(ventricles, bool)
    values = image[core]
    values = values[np.isfinite(values) & (values != 0)]
    if values.size < _LEAST_VENTRICLE_VOXELS:
        return float("nan")
    middle = float(np.median(values))
    fluid = values[np.abs(values - middle) <= np.abs(values - tissue)]
    return float(np.median(fluid)) if fluid.size else middle


def local_background(image: Image, affine: Affine, parcels: Labels, excluded: Mask) -> Floats:
    """Return the local mean signal of each parcel, from its voxels that are not excluded.

    Gaussian weights (standard deviation 2 mm); voxels more than three robust standard
    deviations from the parcel's median do not count, for they are vessels or partly CSF.

    Returns
    -------
    ndarray of float32, shape (x, y, z)
        NaN outside the parcels, and in parcels of which everything is excluded.
    """
    background = np.full(image.shape, np.nan, np.float32)
    sigma = BACKGROUND_SIGMA_MM / voxel_sizes(affine)
    for parcel in np.unique(parcels[parcels != 0]):
        here = parcels == parcel
        box = bounding_box(here, affine, margin_mm=1.0)
        values, usable = image[box], here[box] & ~excluded[box]
        usable &= np.isfinite(values) & (values != 0)
        if not usable.any():
            continue
        middle, spread = median_and_spread(values[usable])
        usable &= np.abs(values - middle) <= max(_OUTLIER * spread, 1e-6 * abs(middle))
        weight = ndimage.gaussian_filter(usable.astype(float), sigma)
        total = ndimage.gaussian_filter(np.where(usable, values, 0.0).astype(float), sigma)
        local = np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), middle)
        background[box][here[box]] = local[here[box]]
    return background


def _dilated(mask: Mask) -> Mask:
    return np.asarray(ndimage.binary_dilation(mask, _ONE_VOXEL))
