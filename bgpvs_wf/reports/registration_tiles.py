"""Slices to judge a registration by: edges of one image, or outlines of an atlas, over another."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.anatomy.labels import REGIONS
from bgpvs_wf.imaging.geometry import Grid, bounding_box, crop_affine, resample, voxel_sizes
from bgpvs_wf.reports.views import (
    PLANES,
    Outline,
    Tile,
    Volume,
    on_grid,
    smooth_outline,
    to_display,
    to_grey,
    window,
)

EDGE_COLOUR = "#56B4E9"
TISSUE_COLOURS: dict[str, str] = {
    "ventricle": "#56B4E9",
    "BG": "#E8602C",
    "deepGM": "#E8602C",
    "thalamus": "#F0E442",
    "WM": "#1FC29A",
}
"""What of an atlas is outlined; the cortex shows as the outside of the white matter."""
_EDGE_SIGMA_MM = 1.2
_STEEP_PERCENTILE = 75.0
_SHORTEST_EDGE_MM = 8.0


def edge_tiles(fixed: Volume, moving: Volume, caption: str) -> list[Tile]:
    """Draw the edges of one image on another, in three slices through the middle.

    Parameters
    ----------
    fixed : Volume
        Its edges are drawn; its grid is home.
    moving : Volume
        Is shown; resampled where it lies on another grid.
    caption : str
        Of every tile: "T1w as scanned", ...

    Returns
    -------
    list of Tile
        Axial, coronal, sagittal.
    """
    home = _framed(fixed, np.asarray(fixed.data) != 0)
    limits = _window(moving)
    tiles = []
    for plane, index in _middle(home.data != 0):
        across = _Cross(home, plane, index)
        shown = to_grey(across.sample(moving), limits)
        outline = Outline("edges", "edge", EDGE_COLOUR, _edges(across.cut(home), across.step))
        tiles.append(across.tile(shown, caption, (outline,)))
    return tiles


def atlas_tiles(image: Volume, atlas: Volume, caption: str) -> list[Tile]:
    """Draw the outlines of an atlas, in the subject's space, on the subject's image.

    Parameters
    ----------
    image : Volume
    atlas : Volume
        Harmonised labels; resampled to the image where they lie on another grid.
    caption : str

    Returns
    -------
    list of Tile
        Axial, coronal, sagittal, through the middle of the deep grey matter.
    """
    inside = np.asarray(image.data) != 0
    home = _framed(image, inside)
    labels = _framed(Volume(on_grid(atlas, image.grid, order=0), image.affine), inside)
    masks = {
        tissue: np.isin(labels.data, [i for i, r in REGIONS.items() if r.tissue == tissue])
        for tissue in TISSUE_COLOURS
    }
    limits = _window(home)
    deep = masks["BG"] | masks["thalamus"]
    tiles = []
    for plane, index in _middle(deep if deep.any() else home.data != 0):
        across = _Cross(home, plane, index)
        outlines = []
        for tissue, mask in masks.items():
            cut = across.cut(Volume(mask, home.affine))
            if cut.any():
                lines = tuple(line * across.step for line in smooth_outline(cut))
                outlines.append(Outline(tissue, "edge", TISSUE_COLOURS[tissue], lines))
        tiles.append(across.tile(to_grey(across.cut(home), limits), caption, tuple(outlines)))
    return tiles


def _window(volume: Volume) -> tuple[float, float]:
    """Return black and white of a whole image, from every third voxel along each axis."""
    return window(np.asarray(volume.data)[::3, ::3, ::3])


class _Cross:
    """One slice through a volume that lies as it is displayed."""

    def __init__(self, home: Volume, plane: str, index: int) -> None:
        self.plane, self.axis, self.index = plane, PLANES[plane], index
        self.step = voxel_sizes(home.affine)[[i for i in range(3) if i != self.axis]]
        box = [slice(None)] * 3
        box[self.axis] = slice(index, index + 1)
        shape = list(home.data.shape)
        shape[self.axis] = 1
        self.grid = Grid((shape[0], shape[1], shape[2]), crop_affine(home.affine, tuple(box)))

    def cut(self, volume: Volume) -> np.ndarray:
        """Return the slice of a volume on the same grid, shape (rows, columns)."""
        return np.moveaxis(volume.data, self.axis, 0)[self.index].T

    def sample(self, volume: Volume) -> np.ndarray:
        """Return the slice of a volume on any grid."""
        plane = resample(np.asarray(volume.data), volume.affine, self.grid)
        return np.moveaxis(plane, self.axis, 0)[0].T

    def tile(self, grey: np.ndarray, caption: str, outlines: tuple[Outline, ...]) -> Tile:
        """Return the tile of a slice."""
        size = (float(grey.shape[1] * self.step[0]), float(grey.shape[0] * self.step[1]))
        return Tile(self.plane, f"{caption}, {self.plane}", grey, size, outlines)


def _framed(volume: Volume, inside: np.ndarray) -> Volume:
    """Cut a volume to a mask and a little more, and turn it for display."""
    box = bounding_box(inside, volume.affine, 4.0) if inside.any() else (slice(None),) * 3
    return to_display(Volume(np.asarray(volume.data)[box], crop_affine(volume.affine, box)))


def _middle(mask: np.ndarray) -> list[tuple[str, int]]:
    """Return a slice of each plane: the middle; sagittal well off it, inside a hemisphere."""
    chosen = []
    for plane, share in (("axial", 0.5), ("coronal", 0.5), ("sagittal", 0.3)):
        axis = PLANES[plane]
        hit = np.flatnonzero(mask.any(axis=tuple(i for i in range(3) if i != axis)))
        chosen.append((plane, round(hit[0] + share * (hit[-1] - hit[0])) if hit.size else 0))
    return chosen


def _edges(cut: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the strong edges of a slice, at sub-voxel places.

    Zero crossings of the Laplacian of Gaussian (Marr & Hildreth, Proc R Soc Lond B 1980,
    doi 10.1098/rspb.1980.0020) where the slope is steep.
    """
    from scipy import ndimage
    from skimage.measure import find_contours

    image, sigma = np.pad(np.asarray(cut, float), 2), _EDGE_SIGMA_MM / step[::-1]
    slope = ndimage.gaussian_gradient_magnitude(image, sigma)
    if not slope.any():
        return ()
    steep = np.percentile(slope[image != 0], _STEEP_PERCENTILE)
    lines = []
    for line in find_contours(ndimage.gaussian_laplace(image, sigma), 0.0):
        strong = ndimage.map_coordinates(slope, line.T, order=1) > steep
        cuts = np.flatnonzero(np.diff(strong)) + 1
        for run, kept in zip(np.split(line, cuts), np.split(strong, cuts), strict=True):
            if kept[0] and len(run) * step.mean() > _SHORTEST_EDGE_MM:
                lines.append((run[:, ::-1] - 1.5) * step)
    return tuple(lines)
