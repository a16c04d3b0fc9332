"""Intensity scales that mean the same in every infant."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bgpvs_wf.arrays import Affine, Floats, Image, Mask
from bgpvs_wf.imaging.geometry import (
    Box,
    Grid,
    bounding_box,
    coarsen,
    isotropic_grid,
    part_of,
    voxel_sizes,
)
from bgpvs_wf.imaging.morphology import large_parts

BRAIN_MEDIAN = 100.0
"""Median of the brain after `scale_to_brain`."""
TRACE = 0.05
"""Share of the brightest signal below which there is no tissue (chosen)."""
_AROUND_MM, _ISLAND, _ROUGH_MM = 10.0, 0.01, 2.0
"""Around the head, what is kept of a scan; share of the head from which on a part of it is not
noise in the air; voxels that tell (chosen)."""
_ELSEWHERE = 0.1
"""A brain that was extracted has less than this share of its signal outside of its mask (chosen: in
a head it is half)."""
_ALL_BRAIN = 0.9
"""Share of a coarse voxel in the brain from which on its signal is the brain's (chosen)."""


def foreground(data: Image) -> Mask:
    """Return the mask of the head, or of the brain where the rest was set to zero.

    Examples
    --------
    >>> foreground(np.array([0.0, 0.0, 5.0, 7.0]))
    array([False, False,  True,  True])
    """
    data = np.asarray(data)
    # Interpolation leaves traces around a brain whose background was zeroed.
    positive = data > TRACE * np.percentile(data, 99.5)
    if positive.mean() < 0.7:
        return positive
    from skimage.filters import threshold_otsu

    bright: Mask = data > threshold_otsu(np.asarray(data, np.float32)) / 2
    return bright


def brain_only(data: Image, brain: Mask) -> bool:
    """Tell whether an image has next to no signal outside of the brain: skull and scalp are gone.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
    brain : ndarray of bool, shape (x, y, z)

    Examples
    --------
    >>> brain = np.array([False, True, True])
    >>> brain_only(np.array([0.0, 5.0, 7.0]), brain), brain_only(np.array([9.0, 5.0, 7.0]), brain)
    (True, False)
    """
    there = np.asarray(data) > TRACE * np.percentile(data, 99.5)
    return bool((there & ~brain).sum() < _ELSEWHERE * there.sum())


def head_box(data: Image, affine: Affine, brain: Mask | None = None) -> Box:
    """Return the box of the head in a scan, and 10 mm around it; all where nothing is brighter.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
        From zero on.
    affine : ndarray, shape (4, 4)
    brain : ndarray of bool, optional, shape (x, y, z)
        Stays in the box.
    """
    step = np.maximum((_ROUGH_MM / voxel_sizes(affine)).astype(int), 1)
    some = np.s_[:: step[0], :: step[1], :: step[2]]
    rough = foreground(data[some])
    head = large_parts(rough, _ISLAND)
    if brain is not None:
        head = head | brain[some]
    if not head.any():
        head = ~head
    sizes_mm = voxel_sizes(affine) * step
    ends = bounding_box(head, np.diag([*sizes_mm, 1.0]), _AROUND_MM + float(sizes_mm.max()))
    box = [
        slice(int(end.start * n), int(min(end.stop * n, size)))
        for end, n, size in zip(ends, step, data.shape, strict=True)
    ]
    return box[0], box[1], box[2]


def median_and_spread(values: Floats) -> tuple[float, float]:
    """Return the median, and the deviation from it that outliers do not change.

    The median absolute deviation, times what makes it the standard deviation of normal values
    (Rousseeuw and Croux, J Am Stat Assoc 1993, doi 10.1080/01621459.1993.10476408).

    Examples
    --------
    >>> median_and_spread(np.array([1.0, 2.0, 3.0, 4.0, 500.0]))
    (3.0, 1.4826)
    """
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def scale_to_brain(data: Image, brain: Mask | None = None) -> Floats:
    """Scale an image so that the median of the brain is 100 and zero stays zero.

    A ratio scale: magnitudes have a true zero, so quotients of tissues survive. Matching
    histograms or standard deviations would not do, since white and grey matter change places on
    T2w within the first year.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
        Magnitudes; negative values, which interpolation makes, become 0.
    brain : ndarray of bool, optional, shape (x, y, z)
        Default: `foreground`.

    Returns
    -------
    ndarray of float32, shape (x, y, z)

    Raises
    ------
    ValueError
        If there is no signal in the brain.
    """
    data = np.asarray(data, np.float32)
    inside = data[foreground(data) if brain is None else brain]
    median = float(np.median(inside)) if inside.size else 0.0
    if median <= 0:
        raise ValueError("no signal in the brain")
    scaled: Floats = np.maximum(data * np.float32(BRAIN_MEDIAN / median), 0)
    return scaled


def coarse_brain(
    data: Image, affine: Affine, brain: Mask | None, voxel_mm: float
) -> tuple[Floats, Mask, Affine]:
    """Return the brain on a coarse grid, for N4: image, voxels that are all brain, affine.

    The blur before an image is coarsened leaves traces of signal around the brain. N4 looks at
    the histogram of logarithms, in which these would take most of the room, and then corrects too
    little (docs/decisions/bias-field.md).

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
    brain : ndarray of bool, optional, shape (x, y, z)
        Default: `foreground`.
    voxel_mm : float
    """
    brain = foreground(data) if brain is None else brain
    box = bounding_box(brain, affine, margin_mm=2 * voxel_mm)
    mask, part = brain[box], part_of(Grid(brain.shape, affine), box)
    grid = isotropic_grid(part, voxel_mm)
    image = coarsen(np.asarray(data[box], np.float32) * mask, part.affine, grid)
    inside = coarsen(mask, part.affine, grid) > _ALL_BRAIN
    return image, inside & (image > 0), grid.affine


def bias_percent(bias: Floats, brain: Mask | None = None) -> float:
    """Return the range of a bias field, from the 5th to the 95th percentile, percent of its median.

    Parameters
    ----------
    bias : ndarray, shape (x, y, z)
    brain : ndarray of bool, optional, shape (x, y, z)
        Where it is looked at; default: everywhere.
    """
    low, middle, high = np.percentile(bias if brain is None else bias[brain], (5, 50, 95))
    return float(100 * (high - low) / middle)


def divide_bias(data: Image, affine: Affine, bias: Floats, bias_affine: Affine) -> Floats:
    """Divide an image by a bias field that was estimated on a coarser, smaller grid.

    Outside of that grid the field goes on as it is at the edge.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
    bias : ndarray, shape (i, j, k)
        Positive.
    bias_affine : ndarray, shape (4, 4)

    Returns
    -------
    ndarray of float32, shape (x, y, z)
    """
    to_bias = np.linalg.inv(bias_affine) @ affine
    field: Floats = ndimage.affine_transform(
        np.asarray(bias, np.float32),
        to_bias[:3, :3],
        to_bias[:3, 3],
        output_shape=data.shape,
        order=1,
        mode="nearest",
    )
    divided: Floats = np.asarray(data, np.float32) / np.maximum(field, np.float32(1e-3))
    return divided
