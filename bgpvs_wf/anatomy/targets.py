"""What is registered to what: an atlas painted for the subject's age, and the subject's images.

The atlas is the fixed image, so that its cerebrum says where the metric looks. A missing
cerebellum, a skull, or a cropped field of view of the subject then change little. Two levels: the
whole cerebrum at 2 mm, then a box around the nuclei at 1.2 mm, since the basal ganglia take
another share of the brain at 12 months than at birth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.contrast import tissue_contrast
from bgpvs_wf.anatomy.intensities import fill_inside, paint
from bgpvs_wf.anatomy.labels import (
    ANY_LENTIFORM_LABELS,
    BRAINSTEM_LABELS,
    CEREBELLUM_LABELS,
    CORTEX_LABELS,
    NUCLEI,
    WM_LABELS,
)
from bgpvs_wf.imaging.geometry import (
    Grid,
    bounding_box,
    coarsen,
    crop_affine,
    isotropic_grid,
    part_of,
    resample,
)
from bgpvs_wf.imaging.intensity import foreground
from bgpvs_wf.imaging.morphology import close_mm, distance_to_mm

WHOLE_MM, BOX_MM = 2.0, 1.2
"""Voxel sizes of the two levels, mm (chosen: seconds and tens of seconds on two cores)."""
_OVERLAP = 0.5
"""Least share of two masks together that both have, where they are of one brain (chosen)."""
BOX_DEPTH_MM = 10.0
"""How far around the nuclei the second level looks (chosen)."""
_HULL_CLOSING_MM = 2.5
_CLAUSTRUM_MM = 7.0  # chosen: putamen to insular cortex is about that wide


@dataclass(frozen=True)
class Target:
    """The atlas at one level of the registration."""

    images: Mapping[str, np.ndarray]
    """By modality, float32, shape (x, y, z)."""
    mask: np.ndarray
    """Where the metric looks, bool, shape (x, y, z)."""
    affine: np.ndarray


def make_targets(
    dseg: np.ndarray,
    affine: np.ndarray,
    age_weeks: float,
    modalities: Sequence[str],
    images: Mapping[str, np.ndarray] | None = None,
) -> tuple[Target, Target]:
    """Return the two levels of an atlas: whole cerebrum, and box around the nuclei.

    Parameters
    ----------
    dseg : ndarray of int, shape (x, y, z)
        Harmonised labels.
    affine : ndarray, shape (4, 4)
    age_weeks : float
        Post-menstrual age to paint for, weeks.
    modalities : sequence of str
        `T2w`, `T1w` or both.
    images : mapping of str to ndarray, optional
        Images to use instead of painting, by modality.
    """
    box = bounding_box(dseg > 0, affine, margin_mm=6)
    part, affine = dseg[box], crop_affine(affine, box)
    cerebrum, hull = cerebrum_of(part, affine)
    if images is None:
        made = _paint(cerebrum, hull, affine, age_weeks, modalities)
    else:
        made = {name: images[name][box] for name in modalities}
    outside = distance_to_mm(hull, affine)
    away = distance_to_mm(np.isin(part, (*CEREBELLUM_LABELS, *BRAINSTEM_LABELS)), affine)
    whole = (outside < 3) & (away > 2)
    near = distance_to_mm(np.isin(cerebrum, tuple(NUCLEI)), affine) < BOX_DEPTH_MM
    return (
        _level(made, whole, affine, WHOLE_MM),
        _level(made, near & (outside < 2), affine, BOX_MM),
    )


def cerebrum_of(dseg: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels inside the cerebrum, and its mask with sulci and ventricles filled.

    The rim of CSF goes: brain extraction leaves more or less of it.
    """
    out = np.array(dseg, np.int16)
    out[np.isin(out, (*CEREBELLUM_LABELS, *BRAINSTEM_LABELS))] = 0
    tissue = (out > 0) & (out != 24)
    box = bounding_box(tissue, affine, margin_mm=2 * _HULL_CLOSING_MM)
    hull = np.zeros(out.shape, bool)
    closed = close_mm(np.pad(tissue[box], 8), affine, _HULL_CLOSING_MM)[8:-8, 8:-8, 8:-8]
    hull[box] = ndimage.binary_fill_holes(closed)
    out[~hull] = 0
    return out, hull


def _paint(
    cerebrum: np.ndarray,
    hull: np.ndarray,
    affine: np.ndarray,
    age_weeks: float,
    modalities: Sequence[str],
) -> dict[str, np.ndarray]:
    """Paint the cerebrum with the contrast of an age.

    Label maps do not know the claustrum. White matter between putamen and insular cortex is
    painted halfway to cortex, as that sheet of thin grey and white layers looks at 0.5 to 1 mm;
    else the lateral border of the putamen is drawn to edges that are not there.
    """
    sheet = np.isin(fill_inside(cerebrum, affine), WM_LABELS)
    for labels in (ANY_LENTIFORM_LABELS, CORTEX_LABELS):
        sheet &= distance_to_mm(np.isin(cerebrum, labels), affine) < _CLAUSTRUM_MM
    images = {}
    for modality in modalities:
        image = paint(cerebrum, affine, age_weeks, modality)
        cortex = tissue_contrast(age_weeks, modality)["cortex"]
        image[sheet] = (image[sheet] + cortex) / 2
        blank = hull & (image == 0)
        image[blank] = image[image > 0].mean()
        images[modality] = image
    return images


def source_image(
    data: np.ndarray, affine: np.ndarray, brain: np.ndarray | None, voxel_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return a subject's image for one level: cropped, smoothed and resampled; and its affine.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
    brain : ndarray of bool, optional
        What is outside becomes 0.
    voxel_mm : float
        Never less than the image's own.
    """
    data = np.asarray(data, np.float32)
    data = np.where(brain, data, 0) if brain is not None else data
    inside = foreground(data)
    box = bounding_box(inside, affine, margin_mm=6)
    # A few bright voxels (fat, vessels) would take most of the metric's histogram.
    part = np.minimum(data[box], np.percentile(data[inside], 99.7))
    grid = part_of(Grid(data.shape, affine), box)
    coarse = isotropic_grid(grid, voxel_mm)
    return coarsen(part, grid.affine, coarse), coarse.affine


def shared_brain(
    one: np.ndarray, affine: np.ndarray, other: np.ndarray, other_affine: np.ndarray
) -> np.ndarray:
    """Return a mask of the brain that takes in what another image's mask does, on its grid.

    Two masks of one brain that lack other parts would be aligned by their edges. Where headers say
    that they hardly overlap, the mask is returned as it is.

    Parameters
    ----------
    one, other : ndarray of bool, shape (x, y, z)
        On grids of their own.
    affine, other_affine : ndarray, shape (4, 4)
    """
    there = resample(other, other_affine, Grid(one.shape, affine), order=0)
    both, either = one & there, one | there
    return either if both.sum() >= _OVERLAP * either.sum() else one


def _level(
    images: Mapping[str, np.ndarray], mask: np.ndarray, affine: np.ndarray, voxel_mm: float
) -> Target:
    box = bounding_box(mask, affine, margin_mm=4)
    cropped = crop_affine(affine, box)
    shape = mask[box].shape
    grid = isotropic_grid(Grid((shape[0], shape[1], shape[2]), cropped), voxel_mm)
    inside = resample(mask[box].astype(np.float32), cropped, grid, 1) > 0.5
    made = {name: coarsen(image[box], cropped, grid) for name, image in images.items()}
    return Target(made, inside, grid.affine)
