"""What a real scan tells of itself: the signals of tissue and fluid, its noise, its sharpness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.imaging.geometry import voxel_sizes, voxel_volume
from bgpvs_wf.imaging.morphology import open_mm

BACKGROUND_MM = 2.0
"""Standard deviation of the Gaussian that weighs the nuclei around a voxel (chosen)."""
_BULK_MM3 = 30.0
_BULK_RADIUS_MM = 1.0
_LEAST_CORE = 30  # voxels of nuclei away from any border, to measure noise in; chosen
_BLURS = np.linspace(0.0, 1.2, 61)  # standard deviations, voxels


@dataclass(frozen=True)
class Noise:
    """Noise of a scan.

    Parameters
    ----------
    sd : float
        Standard deviation, in the scan's units; NaN if it cannot be told.
    blur : ndarray, shape (3,)
        Standard deviation of the Gaussian, voxels along each axis, that would make white noise
        as smooth as the scan's.
    """

    sd: float
    blur: np.ndarray


def bulk_fluid(image: np.ndarray, nuclei: np.ndarray, affine: np.ndarray, sign: int) -> np.ndarray:
    """Find cerebrospinal fluid in bulk by its signal, as ventricles and cisterns hold it.

    It is nearer to the extreme of the image than to the nuclei, fills balls of 1 mm radius that
    make 30 mm3 together, and lies mostly outside the nuclei (all chosen).

    Parameters
    ----------
    image, nuclei : ndarray, shape (x, y, z)
        The surroundings of the nuclei, and where these are; 0 in the image is cut out.
    affine : ndarray, shape (4, 4)
    sign : int
        1 if fluid is bright (T2w), -1 if it is dark (T1w).

    Returns
    -------
    ndarray of bool, shape (x, y, z)
    """
    values = sign * image.astype(np.float32)
    there = image != 0
    middle = float(np.median(values[nuclei & there]))
    reach = float(np.percentile(values[there], 99.5)) - middle
    bright = there & (values - middle > 0.5 * max(reach, 1e-6))
    labels, count = ndimage.label(open_mm(bright, affine, _BULK_RADIUS_MM))
    numbers = np.arange(count + 1)
    keep = np.bincount(labels.ravel(), minlength=count + 1) * voxel_volume(affine) >= _BULK_MM3
    keep &= np.atleast_1d(ndimage.mean(nuclei, labels, numbers)) < 0.5
    keep[0] = False
    return np.asarray(keep[labels])


def fluid_signal(image: np.ndarray, fluid: np.ndarray) -> float:
    """Return the signal of fluid in bulk, from its voxels away from walls; NaN if there is none."""
    core = ndimage.binary_erosion(fluid)
    core = core if core.any() else np.asarray(fluid, bool)
    values = image[core & (image != 0)]
    return float(np.median(values)) if values.size else float("nan")


def signals_of_fluid(images: np.ndarray, nuclei: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the signal of fluid in bulk in a standardised T2w and T1w.

    Parameters
    ----------
    images : ndarray, shape (2, x, y, z)
        The surroundings of the nuclei; an image that is missing is 0.
    nuclei : ndarray of bool, shape (x, y, z)
    affine : ndarray, shape (4, 4)

    Returns
    -------
    ndarray, shape (2,)
        NaN where it is not known.
    """
    fluid = np.full(2, np.nan)
    bulk: np.ndarray | None = None
    for channel, image in enumerate(images):
        if not image.any() or not nuclei.any():
            continue
        # From the background, as `bulk_fluid` wants it: standardised images have another zero.
        raised = image - image.min()
        if bulk is None:
            bulk = bulk_fluid(raised, nuclei, affine, -1 if channel else 1)
        fluid[channel] = fluid_signal(raised, bulk & ~nuclei) + image.min()
    return fluid


def tissue_around(image: np.ndarray, tissue: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the mean signal of tissue around each voxel, with Gaussian weights of 2 mm.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
    tissue : ndarray of bool, shape (x, y, z)
        What counts: nuclei without fluid. The outer hundredths of its signals are cut, for they
        are vessels.
    affine : ndarray, shape (4, 4)

    Returns
    -------
    ndarray of float32, shape (x, y, z)
        Everywhere; far from all tissue its median.
    """
    counted = tissue & (image != 0)
    values = image[counted].astype(np.float32)
    low, high = np.percentile(values, [2, 98])
    sigma = BACKGROUND_MM / voxel_sizes(affine)
    weight = ndimage.gaussian_filter(counted.astype(np.float32), sigma)
    clipped = np.where(counted, np.clip(image, low, high), 0).astype(np.float32)
    total = ndimage.gaussian_filter(clipped, sigma)
    near = weight > 1e-3
    mean = total / np.where(near, weight, 1)
    return np.where(near, mean, np.float32(np.median(values)))


def measure_noise(image: np.ndarray, tissue: np.ndarray) -> Noise:
    """Measure noise where tissue is even, and how smooth it is.

    Second differences along two or three axes leave hardly anything of anatomy (Immerkaer, Comput
    Vis Image Underst 1996, doi 10.1006/cviu.1996.0060), but less of smooth noise than of white:
    interpolated and filtered scans would seem too good. How much less along an axis is told by
    the step from two axes to three; the noise is extrapolated with it to no axis at all. Tried
    on white noise smoothed by up to 0.7 voxels: within a tenth.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
    tissue : ndarray of bool, shape (x, y, z)
        Nuclei without fluid.
    """
    core = ndimage.binary_erosion(tissue & (image != 0), np.ones((3, 3, 3)))
    if core.sum() < _LEAST_CORE:
        return Noise(float("nan"), np.zeros(3))
    steps = np.array([1.0, -2.0, 1.0])
    values = image.astype(np.float32)
    on_two = np.zeros(3)
    for axis in range(3):
        rough = values
        for other in {0, 1, 2} - {axis}:
            rough = ndimage.convolve1d(rough, steps, axis=other)
        on_two[axis] = _deviation(rough[core]) / 6
        if axis == 2:
            on_three = _deviation(ndimage.convolve1d(rough, steps, axis=2)[core]) / 6**1.5
    if on_three == 0:
        return Noise(0.0, np.zeros(3))
    kept = np.minimum((on_three / on_two) ** 2, 1)
    blur = np.interp(-kept, -_kept_by_blur(), _BLURS)
    return Noise(float(on_three / np.sqrt(kept.prod())), blur)


def _deviation(values: np.ndarray) -> float:
    """Return the standard deviation of Gaussian values from their mean size, tails cut."""
    size = np.abs(values)
    # Vessels make tails; the half normal's mean below its 95th percentile is 0.717 deviations.
    return float(size[size <= np.percentile(size, 95)].mean() / 0.7168)


def _kept_by_blur() -> np.ndarray:
    """Return the share of white noise's second differences that each of `_BLURS` leaves.

    Relative to the variance of the blurred noise itself; falls with the blur.
    """
    impulse = np.zeros(21)
    impulse[10] = 1
    kept = []
    for sigma in _BLURS:
        kernel = ndimage.gaussian_filter1d(impulse, sigma) if sigma else impulse
        near = np.correlate(kernel, kernel, "full")[20:23]
        kept.append((6 - 8 * near[1] / near[0] + 2 * near[2] / near[0]) / 6)
    return np.array(kept)
