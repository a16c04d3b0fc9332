"""Where to look: the basal ganglia box on its working grid, and what surrounds the nuclei."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import BG_LABELS, CSF_LABELS, THALAMUS_LABELS
from bgpvs_wf.config import BG_REGIONS
from bgpvs_wf.errors import BadLabelsError
from bgpvs_wf.imaging.geometry import (
    Box,
    Grid,
    bounding_box,
    isotropic_grid,
    part_of,
    resample,
    voxel_sizes,
    voxel_volume,
)
from bgpvs_wf.imaging.morphology import (
    close_mm,
    dilate_mm,
    distance_mm,
    nearest_label,
    open_mm,
)

MARGIN_MM = 8.0
"""The box reaches this far beyond the nuclei (chosen): filters and CSF beside them fit in."""
WORKING_MM = 0.5
"""Voxels larger than about this are interpolated to this (chosen: half of a usual tube)."""
CSF_SHARE = 1 / 3
"""Voxels beside CSF in bulk that are this much fluid belong to it."""
CLOSING_MM = 2.0
"""Radius that closes the nuclei over the strip of capsule between them."""
GAP_MM = 1.0
"""Tubes up to twice this wide that the anatomy left out of a nucleus are searched, too (chosen)."""


@dataclass(frozen=True)
class Region:
    """The basal ganglia on one grid.

    Attributes
    ----------
    grid : Grid
    labels : ndarray of int
        Harmonised label of the nearest nucleus, everywhere; names the noise to standardise by.
    mask : ndarray of bool
        The basal ganglia as reported.
    search : ndarray of bool
        Where candidates may lie: the mask and narrow gaps in it.
    csf : ndarray of bool
        Ventricles and other CSF in bulk.
    depth : ndarray of float32
        Distance to the surface of `search`, mm: positive inside, negative outside.
    """

    grid: Grid
    labels: np.ndarray
    mask: np.ndarray
    search: np.ndarray
    csf: np.ndarray
    depth: np.ndarray

    @property
    def interior(self) -> np.ndarray:
        """The part of the search region deeper than its rim of 1 mm, if that is any part."""
        inner = self.depth > 1.0
        return inner if inner.any() else self.search


def nuclei_mask(anatomy: np.ndarray, include_thalamus: bool = False) -> np.ndarray:
    """Return where the nuclei are that count as basal ganglia.

    Raises
    ------
    BadLabelsError
        If there are none.
    """
    wanted = BG_LABELS + (THALAMUS_LABELS if include_thalamus else ())
    mask = np.isin(anatomy, wanted)
    if not mask.any():
        raise BadLabelsError(
            "The anatomy has no basal ganglia (aseg indices 11, 12, 13, 26, 50, 51, 52, 58); "
            "check which label table it follows."
        )
    return np.asarray(mask)


def bg_mask(nuclei: np.ndarray, affine: np.ndarray, bg_region: str) -> np.ndarray:
    """Return the basal ganglia: the nuclei, or the nuclei `closed` by about 2 mm."""
    if bg_region not in BG_REGIONS:
        raise ValueError(f"bg_region is {bg_region!r}; choose nuclei or closed")
    return nuclei if bg_region == "nuclei" else close_mm(nuclei, affine, CLOSING_MM)


def working_grid(box: Grid) -> Grid:
    """Return the grid to filter on: the box's own if fine and nearly cubic, else 0.5 mm cubes.

    Never coarser than the image along any axis.
    """
    sizes = voxel_sizes(box.affine)
    if sizes.max() <= 1.2 * max(WORKING_MM, float(sizes.min())) and sizes.max() <= 1.2 * WORKING_MM:
        return box
    return isotropic_grid(box, min(WORKING_MM, float(sizes.min())))


def box_of(nuclei: np.ndarray, affine: np.ndarray) -> tuple[Box, Grid]:
    """Return the slices of the box around the nuclei, and its grid."""
    slices = bounding_box(nuclei, affine, MARGIN_MM)
    return slices, part_of(Grid(nuclei.shape, affine), slices)


def find_region(
    anatomy: np.ndarray,
    nuclei: np.ndarray,
    box: Grid,
    target: Grid,
    bg_region: str,
    image: np.ndarray,
    bright_csf: bool,
) -> Region:
    """Describe the region on the working grid.

    Parameters
    ----------
    anatomy, nuclei : ndarray, shape of `box`
        Harmonised labels, and which of them count.
    box, target : Grid
        Their grid, and the working grid.
    bg_region : {'nuclei', 'closed'}
    image : ndarray, shape of `target`
        The leading contrast; finds CSF that the anatomy does not tell.
    bright_csf : bool
        Whether CSF is bright in it.
    """
    mask = _to_grid(bg_mask(nuclei, box.affine, bg_region), box, target)
    nuclei_here = _to_grid(nuclei, box, target)
    known = resample(np.isin(anatomy, CSF_LABELS), box.affine, target, order=0)
    seen = csf_by_intensity(image, nuclei_here, target.affine, bright_csf)
    csf = (known & ~nuclei_here) | seen
    labels = resample(np.where(nuclei, anatomy, 0).astype(np.int16), box.affine, target, order=0)
    search = with_gaps(mask, labels, target.affine) & ~csf
    depth = distance_mm(search, target.affine) - distance_mm(~search, target.affine)
    return Region(
        grid=target,
        labels=nearest_label(np.where(search, labels, 0), target.affine),
        mask=mask,
        search=search,
        csf=csf,
        depth=depth.astype(np.float32),
    )


def with_gaps(mask: np.ndarray, nuclei: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return a mask of the basal ganglia with narrow gaps in them: tubes may have been left out.

    Parameters
    ----------
    mask : ndarray of bool, shape (x, y, z)
    nuclei : ndarray of int, shape (x, y, z)
        Labels of the nuclei, 0 elsewhere.
    affine : ndarray, shape (4, 4)
    """
    filled = mask.copy()
    for label in np.unique(nuclei[nuclei > 0]):
        # Each nucleus by itself: the gap between two of them is white matter.
        filled |= close_mm(nuclei == label, affine, GAP_MM)
    return filled


def with_tubes(
    labels: np.ndarray, nuclei: np.ndarray, tubes: np.ndarray, affine: np.ndarray
) -> np.ndarray:
    """Return labels in which tubes in the gaps of nuclei have the label of the nearest nucleus.

    Parameters
    ----------
    labels : ndarray of int, shape (x, y, z)
    nuclei : ndarray of int
        The same of the nuclei, 0 elsewhere.
    tubes : ndarray of bool
        Those in nuclei keep their labels.
    affine : ndarray, shape (4, 4)
    """
    outside = tubes & (nuclei == 0)
    if not outside.any():
        return labels
    return np.where(outside, nearest_label(nuclei, affine), labels)


def csf_by_intensity(
    image: np.ndarray, nuclei: np.ndarray, affine: np.ndarray, bright: bool
) -> np.ndarray:
    """Return CSF in bulk, by intensity alone.

    Fluid is nearer to the extreme of the box than to the nuclei. It is bulk where it fills balls
    of 1 mm radius that make at least 30 mm3 together (chosen), mostly outside the nuclei, which
    perivascular spaces do not; what touches that and is still a third fluid belongs to it, into
    the nuclei, too, where the anatomy overlaps a ventricle.
    """
    values = image if bright else -image
    inside = values[image != 0]
    if not inside.size or not nuclei.any():
        return np.zeros(image.shape, bool)
    middle = float(np.median(values[nuclei]))
    share = (values - middle) / max(float(np.percentile(inside, 99.5)) - middle, 1e-6)
    share[image == 0] = 0
    labels, count = ndimage.label(open_mm(share > 0.5, affine, 1.0), np.ones((3, 3, 3)))
    numbers = np.arange(count + 1)
    keep = np.bincount(labels.ravel(), minlength=count + 1) * voxel_volume(affine) >= 30.0
    keep &= np.atleast_1d(ndimage.mean(nuclei, labels, numbers)) < 0.5
    keep[0] = False
    bulk = keep[labels]
    return np.asarray(bulk | (dilate_mm(bulk, affine, 1.0) & (share > CSF_SHARE)))


def _to_grid(mask: np.ndarray, box: Grid, target: Grid) -> np.ndarray:
    if target is box:
        return mask
    return np.asarray(resample(mask, box.affine, target, order=1) > 0.5)
