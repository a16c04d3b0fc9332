"""The mask of a brain that was found roughly in a head: more precise, on the grid of the scan."""

from __future__ import annotations

from collections.abc import Callable

import nibabel as nib
import numpy as np
from scipy import ndimage

from bgpvs_wf.imaging.geometry import Grid, coarsen, crop_affine, isotropic_grid, resample
from bgpvs_wf.imaging.morphology import dilate_mm, distance_mm, distance_to_mm, largest_part
from bgpvs_wf.learning.data.scan import MASK_MM

_NEAR_MM, _ELSEWHERE = 6.0, 0.06
"""A brain that was extracted has less than this share of all signal farther than this from what is
seen as brain (chosen)."""

_ALIKE = 0.8
"""Least Dice of the masks of two images of one head that is believed (chosen; 0.89 to 0.93 in three
infants' heads)."""

See = Callable[[], tuple[np.ndarray, Grid]]
"""To the probability of the brain on a finer grid, and that."""


def mask_of(
    rough: np.ndarray, rough_grid: Grid, inside: np.ndarray, grid: Grid, see: See
) -> np.ndarray | None:
    """Return the mask of a brain; None where it was extracted before: all that has a signal.

    Parameters
    ----------
    rough : ndarray of float32, shape (i, j, k)
        Probability of the brain.
    rough_grid : Grid
    inside : ndarray of bool, shape (x, y, z)
        What has a signal.
    grid : Grid
        Of the scan.
    see : callable
        Asked if there is more than a brain.
    """
    there = resample(inside.astype(np.float32), grid.affine, rough_grid) > 0.5
    near = dilate_mm(largest_part(rough > 0.5), rough_grid.affine, _NEAR_MM)
    if (there & ~near).sum() < _ELSEWHERE * there.sum():
        return None
    seen, seen_grid = see()
    if seen.max() <= 0.5:
        seen, seen_grid = rough, rough_grid
    return _onto(_whole(seen), seen_grid, grid) > 0.5


def mask_between(
    mask: np.ndarray, grid: Grid, other: np.ndarray, other_affine: np.ndarray
) -> tuple[np.ndarray, str]:
    """Return the mask half way between two that were seen of one brain, and what is doubtful.

    What is mistaken for brain in one image of a head seldom is in another.

    Parameters
    ----------
    mask : ndarray of bool, shape (x, y, z)
    grid : Grid
        Of the scan, and of what comes back.
    other : ndarray of bool, shape (i, j, k)
        In another image.
    other_affine : ndarray, shape (4, 4)
        Of that, to the mm of the scan.

    Returns
    -------
    ndarray of bool, shape (x, y, z)
        `mask` as it is, if they are too unlike.
    str
        Why; empty if they are alike.
    """
    coarse = isotropic_grid(grid, MASK_MM)
    mine = coarsen(mask, grid.affine, coarse) > 0.5
    covered = resample(np.ones(other.shape, np.float32), other_affine, coarse) > 0.5
    theirs = np.where(covered, coarsen(other, other_affine, coarse) > 0.5, mine)
    alike = 2 * (mine & theirs).sum() / max(int(mine.sum() + theirs.sum()), 1)
    if alike < _ALIKE:
        why = f"what is seen as brain differs from that in the T1w (Dice {alike:.2f})"
        return mask, f"{why}; look at desc-brain_mask, and give a mask if it is wrong."
    inside, also = (
        distance_mm(one, coarse.affine) - distance_to_mm(one, coarse.affine)
        for one in (mine, theirs)
    )
    half = (inside + np.where(covered, also, inside)) / 2
    return _onto(half.astype(np.float32), coarse, grid) > 0, ""


def _whole(brain: np.ndarray) -> np.ndarray:
    """Return the probability of the largest part of a brain, without holes."""
    mask = largest_part(brain > 0.5)
    holes = ndimage.binary_fill_holes(mask) & ~mask
    near = ndimage.binary_dilation(mask)
    return np.where(holes, 1, np.where(near, brain, 0)).astype(np.float32)


def _onto(brain: np.ndarray, source: Grid, grid: Grid) -> np.ndarray:
    """Resample a brain to a grid; only where it is, since heads are much larger."""
    corners = np.stack([np.argwhere(brain > 0).min(0) - 1, np.argwhere(brain > 0).max(0) + 1])
    ends = np.stack(np.meshgrid(*corners.T, indexing="ij"), -1).reshape(-1, 3)
    to_voxels = np.linalg.inv(grid.affine) @ source.affine
    voxels = nib.affines.apply_affine(to_voxels, ends)
    low = np.clip(np.floor(voxels.min(0)).astype(int), 0, grid.shape)
    high = np.clip(np.ceil(voxels.max(0)).astype(int) + 1, low, grid.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    out = np.zeros(grid.shape, np.float32)
    if out[box].size:
        part = Grid(out[box].shape, crop_affine(grid.affine, box))
        out[box] = resample(brain, source.affine, part)
    return out
