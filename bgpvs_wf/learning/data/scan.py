"""What the networks see of a subject: the head at 2 mm, the box of the nuclei on two grids.

Axes are brought into the order right, anterior, superior. A head that lies along them is seen on
them, so that nothing is interpolated that need not be; one that lies turned is seen upright, on
grids along its own axes (`bgpvs_wf.learning.heads.finding`).
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from bgpvs_wf.anatomy.starts import turn_degrees
from bgpvs_wf.imaging.geometry import (
    Box,
    Grid,
    bounding_box,
    coarsen,
    crop_affine,
    isotropic_grid,
    part_of,
    voxel_sizes,
)
from bgpvs_wf.imaging.intensity import foreground

MODALITIES = ("T2w", "T1w")
"""Channels of an input, in this order."""
HEAD_MM, MASK_MM, COARSE_MM, FINE_MM = 4.0, 2.0, 2.0, 1.0
MARGIN_MM = 8.0
"""How far the fine box reaches beyond the nuclei (chosen: what a voxel at the border needs, and
room for nuclei that were found too small)."""
CLIP = 5.0
"""Standardised values are cut here (chosen): fat and vessels beyond tell nothing."""
_KEPT_MM = (0.85, 1.2)
"""Voxels between these are taken as they are: nothing gains from interpolation (chosen)."""

UPRIGHT_DEGREES = 12.0
"""Heads that lie turned by less are seen along the axes of the scan (chosen: the networks learn
from heads turned by up to 15 degrees about each axis, and the nod is told to within 8)."""
_PLACES = 20_000
"""Voxels of the head that tell how far it reaches."""


@dataclass(frozen=True)
class BoxImages:
    """The box of the nuclei, standardised, channels in the order of `MODALITIES`."""

    fine: np.ndarray
    """float32, shape (2, x, y, z), at 1 mm."""
    fine_grid: Grid
    own: np.ndarray
    """The same on the scan's own grid: nothing was interpolated."""
    own_grid: Grid


@dataclass(frozen=True)
class Scan:
    """The images of a subject on one grid, axes in the order right, anterior, superior."""

    images: np.ndarray
    """float32, shape (2, x, y, z), in the order of `MODALITIES`; one that is missing is 0."""
    present: tuple[bool, bool]
    grid: Grid
    home: Grid
    """The grid the images came on; see `to_home`."""
    pose: np.ndarray | None = None
    """The head's axes right, anterior and superior as columns, shape (3, 3), in directions of the
    axes of `grid`; None if they are those."""

    @classmethod
    def from_arrays(
        cls,
        t2w: np.ndarray | None,
        t1w: np.ndarray | None,
        affine: np.ndarray,
        brain: np.ndarray | None = None,
    ) -> Scan:
        """Make a scan of preprocessed images on one grid; one may be missing.

        What is outside of the mask `brain`, if there is one, is left out: the networks know brains.

        Raises
        ------
        ValueError
            If both are missing, or their shapes differ.
        """
        if brain is not None:
            t2w, t1w = (None if image is None else image * brain for image in (t2w, t1w))
        given = [image for image in (t2w, t1w) if image is not None]
        if not given or any(image.shape != given[0].shape for image in given):
            raise ValueError("a scan needs a T2w or a T1w, both of one shape")
        turned = [None if image is None else canonical(image, affine) for image in (t2w, t1w)]
        shape, turned_affine = next((x[0].shape, x[1]) for x in turned if x is not None)
        images = np.zeros((2, *shape), np.float32)
        for channel, pair in zip(images, turned, strict=True):
            if pair is not None:
                channel[...] = pair[0]
        return cls(
            images,
            (t2w is not None, t1w is not None),
            Grid(shape, turned_affine),
            Grid(given[0].shape, np.asarray(affine, float)),
        )

    def turned(self, turn: np.ndarray) -> Scan:
        """Return the scan as it is if its header is wrong by a turn, shape (4, 4), about axes."""
        images = [canonical(image, turn @ self.grid.affine) for image in self.images]
        return Scan(
            np.stack([image for image, _ in images]),
            self.present,
            Grid(images[0][0].shape, images[0][1]),
            Grid(self.home.shape, turn @ self.home.affine),
        )

    def upright(self, axes: np.ndarray) -> Scan:
        """Return the scan as it is along the axes of a head.

        Parameters
        ----------
        axes : ndarray, shape (3, 3)
            The head's axes right, anterior and superior as columns, in directions of the axes of
            `grid`. The nearest order of axes costs nothing; what is left beyond
            `UPRIGHT_DEGREES` becomes the `pose`.
        """
        way = nearest_order(axes)
        turn = np.eye(4)
        turn[:3, :3] = way.T
        scan = self if np.array_equal(way, np.eye(3)) else self.turned(turn)
        rest = way.T @ axes
        if turn_degrees(rest) <= UPRIGHT_DEGREES:
            return scan
        return dataclasses.replace(scan, pose=rest)

    def coarse(self) -> tuple[np.ndarray, Grid]:
        """Return the head at 2 mm, standardised, and its grid."""
        leading = self.images[0 if self.present[0] else 1]
        inside = foreground(leading)
        box = bounding_box(inside, self.grid.affine, 2 * COARSE_MM)
        part = part_of(self.grid, box)
        grid = isotropic_grid(part, COARSE_MM)
        if self.pose is not None:
            places = np.argwhere(inside[box])[:: max(inside.sum() // _PLACES, 1)]
            grid = upright_grid(part, self.pose, places, COARSE_MM)
        images = [coarsen(image[box], part.affine, grid) for image in self.images]
        return standardise(np.stack(images)), grid

    def boxed(self, box: Box, upright: Grid | None = None) -> BoxImages:
        """Return a box of the scan as fine networks see it.

        Parameters
        ----------
        box : tuple of 3 slice
            See `box_around`.
        upright : Grid, optional
            Where the head lies turned, what to see of it along its own axes.
        """
        part = part_of(self.grid, box)
        own = standardise(self.images[:, *box])
        grid = fine_grid(part) if upright is None else isotropic_grid(upright, FINE_MM)
        if grid is part:
            return BoxImages(own, part, own, part)
        # The blur looks a few voxels beyond the box only.
        near = slices_around(self.grid, part if upright is None else grid, 4)
        affine = crop_affine(self.grid.affine, near)
        images = np.stack([coarsen(image[near], affine, grid) for image in self.images])
        return BoxImages(standardise(images), grid, own, part)

    def box_around(self, mask: np.ndarray, grid: Grid) -> Box:
        """Return the box of the fine network around a mask on another grid.

        Raises
        ------
        ValueError
            If the mask is empty.
        """
        return slices_around(self.grid, grid_around(mask, grid), 0)


def canonical(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring the axes of an array into the order right, anterior, superior; lossless."""
    to = nib.io_orientation(affine)
    turned = nib.apply_orientation(np.asarray(data), to)
    return turned, np.asarray(affine) @ nib.orientations.inv_ornt_aff(to, data.shape)


def to_home(data: np.ndarray, home: Grid) -> np.ndarray:
    """Undo `canonical`: bring the axes back into the order they have at home."""
    back = nib.orientations.ornt_transform(
        nib.io_orientation(np.eye(4)), nib.io_orientation(home.affine)
    )
    return np.asarray(nib.apply_orientation(data, back))


def nearest_order(axes: np.ndarray) -> np.ndarray:
    """Return the order of axes, a rotation, shape (3, 3), that is nearest to a rotation.

    Examples
    --------
    >>> nearest_order(np.array([[0.1, -0.99, 0], [0.99, 0.1, 0], [0, 0, 1]])).astype(int)
    array([[ 0, -1,  0],
           [ 1,  0,  0],
           [ 0,  0,  1]])
    """
    return max(orders(), key=lambda way: float((way * axes).sum()))


def orders() -> list[np.ndarray]:
    """Return all orders of axes that are rotations, 24 of shape (3, 3), the one that is first."""
    ways = [
        np.eye(3)[:, order] * signs
        for order in itertools.permutations(range(3))
        for signs in itertools.product((1.0, -1.0), repeat=3)
    ]
    return [way for way in ways if np.linalg.det(way) > 0]


def grid_around(mask: np.ndarray, grid: Grid) -> Grid:
    """Return the part of a grid that holds a mask and `MARGIN_MM` around it."""
    return part_of(grid, bounding_box(mask, grid.affine, MARGIN_MM))


def upright_grid(grid: Grid, pose: np.ndarray, places: np.ndarray, voxel_mm: float) -> Grid:
    """Return the grid of cubic voxels along the axes of a head that holds some voxels.

    Parameters
    ----------
    grid : Grid
    pose : ndarray, shape (3, 3)
        See `Scan.pose`.
    places : ndarray, shape (n, 3)
        Voxels of `grid`.
    voxel_mm : float
    """
    axes = grid.affine[:3, :3] / voxel_sizes(grid.affine) @ pose
    along = nib.affines.apply_affine(grid.affine, places) @ axes
    low, high = along.min(axis=0) - 2 * voxel_mm, along.max(axis=0) + 2 * voxel_mm
    shape = np.ceil((high - low) / voxel_mm).astype(int) + 1
    affine = np.eye(4)
    affine[:3, :3] = axes * voxel_mm
    affine[:3, 3] = axes @ low
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def fine_grid(box: Grid) -> Grid:
    """Return the grid of the fine network in a box: 1 mm, or the box's own if close to it."""
    sizes = voxel_sizes(box.affine)
    if sizes.min() >= _KEPT_MM[0] and sizes.max() <= _KEPT_MM[1]:
        return box
    return isotropic_grid(box, FINE_MM)


def standardise(images: np.ndarray) -> np.ndarray:
    """Give each image the mean 0 and the deviation 1 where it is not 0; clipped, float32.

    Parameters
    ----------
    images : ndarray, shape (channels, x, y, z)
        Background is 0; a channel that is 0 everywhere stays as it is.
    """
    out = np.zeros(images.shape, np.float32)
    for channel, image in zip(out, images, strict=True):
        inside = image[image > 0]
        if not inside.size:
            continue
        low, high = np.percentile(inside, (0.5, 99.5))
        kept = inside[(inside >= low) & (inside <= high)]
        channel[...] = np.clip((image - kept.mean()) / max(float(kept.std()), 1e-6), -CLIP, CLIP)
    return out


def slices_around(grid: Grid, inner: Grid, margin: int) -> Box:
    """Return the slices of a grid that hold another one, grown by voxels."""
    ends = [(-0.5, n - 0.5) for n in inner.shape]
    corners = np.array(list(itertools.product(*ends)))
    ends = nib.affines.apply_affine(np.linalg.inv(grid.affine) @ inner.affine, corners)
    low = np.maximum(np.floor(ends.min(axis=0) + 0.5 + 1e-6).astype(int) - margin, 0)
    high = np.minimum(np.ceil(ends.max(axis=0) + 0.5 - 1e-6).astype(int) + margin, grid.shape)
    return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])
