"""Slices to judge a registration by: edges of one image, or outlines of an atlas, over another."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.anatomy.labels import REGIONS
from bgpvs_wf.imaging.geometry import bounding_box, crop_affine, voxel_sizes
from bgpvs_wf.reports.views import (
    PLANES,
    Outline,
    Tile,
    Volume,
    on_grid,
    smooth_outline,
    to_display,
    to_grey,
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
    home, shown = _framed(fixed.data, moving, fixed)
    tiles = []
    for plane, index in _middle(home):
        cut, step = _slice(home, plane, index)
        outline = Outline("edges", "edge", EDGE_COLOUR, _edges(cut, step))
        tiles.append(_tile(shown, plane, index, caption, (outline,)))
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
    labels = on_grid(atlas, image.grid, order=0)
    home, framed = _framed(image.data, Volume(labels, image.affine), image, order=0)
    of = {index: region.tissue for index, region in REGIONS.items()}
    tissues = {
        tissue: np.isin(framed.data, [i for i, kind in of.items() if kind == tissue])
        for tissue in TISSUE_COLOURS
    }
    deep = tissues["BG"] | tissues["thalamus"]
    tiles = []
    for plane, index in _middle(Volume(deep, home.affine) if deep.any() else home):
        outlines = []
        for tissue, mask in tissues.items():
            cut, step = _slice(Volume(mask, home.affine), plane, index)
            if cut.any():
                lines = tuple(line * step for line in smooth_outline(cut))
                outlines.append(Outline(tissue, "edge", TISSUE_COLOURS[tissue], lines))
        tiles.append(_tile(home, plane, index, caption, tuple(outlines)))
    return tiles


def _framed(
    reference: np.ndarray, other: Volume, home: Volume, order: int = 1
) -> tuple[Volume, Volume]:
    """Cut two volumes to where the reference is not zero, and turn them for display."""
    moved = on_grid(other, home.grid, order=order)
    mask = np.asarray(reference) != 0
    box = bounding_box(mask, home.affine, 4.0) if mask.any() else (slice(None),) * 3
    affine = crop_affine(home.affine, box)
    shown = to_display(Volume(moved[box], affine))
    return to_display(Volume(np.asarray(home.data)[box], affine)), shown


def _middle(volume: Volume) -> list[tuple[str, int]]:
    """Return a slice of each plane: the middle; sagittal a quarter of the width off it."""
    inside = [np.flatnonzero((volume.data != 0).any(axis=_others(axis))) for axis in range(3)]
    ends = [(int(hit[0]), int(hit[-1])) if hit.size else (0, 0) for hit in inside]
    share = {"axial": 0.5, "coronal": 0.5, "sagittal": 0.3}
    order = ("axial", "coronal", "sagittal")
    return [(p, round(np.interp(share[p], (0, 1), ends[PLANES[p]]))) for p in order]


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


def _slice(volume: Volume, plane: str, index: int) -> tuple[np.ndarray, np.ndarray]:
    axis = PLANES[plane]
    return np.take(volume.data, index, axis=axis).T, voxel_sizes(volume.affine)[list(_others(axis))]


def _tile(
    volume: Volume, plane: str, index: int, caption: str, outlines: tuple[Outline, ...]
) -> Tile:
    grey = to_grey(volume.data)
    cut, step = _slice(Volume(grey, volume.affine), plane, index)
    size = (float(cut.shape[1] * step[0]), float(cut.shape[0] * step[1]))
    return Tile(plane, f"{caption}, {plane}", cut, size, outlines)


def _others(axis: int) -> tuple[int, int]:
    first, second = (i for i in range(3) if i != axis)
    return first, second
