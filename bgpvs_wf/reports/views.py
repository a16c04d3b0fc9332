"""Which slices to show of a subject, and what to draw on them; positions in mm."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bgpvs_wf.anatomy.colours import COLOURS
from bgpvs_wf.anatomy.labels import NUCLEI
from bgpvs_wf.imaging.geometry import (
    Grid,
    resample,
    same_grid,
)

PLANES: dict[str, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
"""Plane to the axis it is a slice of, in display order (left, posterior, inferior)."""
LETTERS: dict[str, tuple[str, str, str, str]] = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "S", "I"),
    "sagittal": ("A", "P", "S", "I"),
}
"""What is at the left, right, top and bottom edge: radiological convention."""


class Volume(NamedTuple):
    """Voxels, shape (x, y, z), and where they are: affine (4, 4), voxel index to mm (RAS+)."""

    data: np.ndarray
    affine: np.ndarray

    @property
    def grid(self) -> Grid:
        """The voxel grid."""
        x, y, z = self.data.shape
        return Grid((x, y, z), self.affine)


class Outline(NamedTuple):
    """Lines around a structure, in mm from the upper left corner of its tile."""

    name: str
    kind: str
    """`nucleus`, `pvs` or `edge`."""
    colour: str
    lines: tuple[np.ndarray, ...]
    """Each of shape (n, 2): across, down."""


@dataclass(frozen=True)
class Tile:
    """One slice, ready to draw: patient's right at the left of axial and coronal slices."""

    plane: str
    caption: str
    grey: np.ndarray
    """uint8, shape (rows, columns)."""
    size_mm: tuple[float, float]
    """Width and height."""
    outlines: tuple[Outline, ...] = ()

    @property
    def letters(self) -> tuple[str, str, str, str]:
        """What is at the left, right, top and bottom edge."""
        return LETTERS[self.plane]

    @property
    def alt(self) -> str:
        """What a reader who cannot see it is told."""
        names = ", ".join(outline.name for outline in self.outlines)
        return f"{self.caption}; outlined: {names}" if names else self.caption


def to_display(volume: Volume) -> Volume:
    """Turn and flip a volume so that its axes run left, posterior, inferior; nothing is resampled.

    Slices of the result are shown by transposing them: patient's right at the left of the
    screen. Oblique volumes keep their own axes, each named after the direction it is nearest to.

    Examples
    --------
    >>> ras = Volume(np.arange(2.0).reshape(2, 1, 1), np.eye(4))
    >>> to_display(ras).data.ravel()
    array([1., 0.])
    """
    from nibabel import orientations as orient

    start = orient.io_orientation(volume.affine)
    change = orient.ornt_transform(start, orient.axcodes2ornt(("L", "P", "I")))
    data = orient.apply_orientation(volume.data, change)
    return Volume(data, volume.affine @ orient.inv_ornt_aff(change, volume.data.shape))


def choose_slices(
    weight: np.ndarray, target: np.ndarray, axis: int, count: int, spacing: float
) -> list[int]:
    """Choose slices that cover a region and show most of what is in it.

    The region's extent is cut into `count` bands of equal volume; in each, the slice with most
    of the target wins, and among slices without any, the one with most of the
    region; of equals, the one nearest to the middle of the band.

    Parameters
    ----------
    weight, target : ndarray of bool, shape (x, y, z)
        The region, and what is searched in it.
    axis, count : int
    spacing : float
        Between slices, mm. Slices of two bands are at least 3 mm apart where the bands allow it.

    Returns
    -------
    list of int
        Ascending, without repetition; fewer than `count` in a very thin region, none in an empty.
    """
    others = tuple(i for i in range(3) if i != axis)
    area, hits = weight.sum(axis=others).astype(float), target.sum(axis=others).astype(float)
    if not area.any():
        return []
    score = hits / max(hits.max(), 1) + 0.5 * area / area.max()
    score[area == 0] = -1
    band = np.minimum((np.cumsum(area) - area / 2) / area.sum() * count, count - 1e-9).astype(int)
    chosen: list[int] = []
    for number in range(count):
        inside = np.flatnonzero((band == number) & (area > 0))
        apart = [i for i in inside if not chosen or (i - chosen[-1]) * spacing >= 3.0]
        candidates = apart or [i for i in inside if i not in chosen]
        if len(candidates):
            middle = inside.mean()
            chosen.append(int(max(candidates, key=lambda i: (score[i], -abs(i - middle)))))
    return chosen


def voxel_outline(mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the edges between voxels inside and outside of a mask, exactly.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)

    Returns
    -------
    tuple of ndarray, each of shape (2, 2)
        Straight lines as (column, row) corners, in voxels from the upper left corner.

    Examples
    --------
    >>> len(voxel_outline(np.ones((1, 3), bool)))
    4
    """
    padded = np.pad(np.asarray(mask, bool), 1).astype(np.int8)
    lines = []
    for transposed in (False, True):
        change = np.diff(padded.T if transposed else padded, axis=0)
        for level, row in enumerate(change):
            # Runs of equal sign are one line; the sign says which side the mask is on.
            ends = np.flatnonzero(np.diff(row))
            for start, stop in itertools.pairwise(ends):
                if row[start + 1]:
                    line = np.array([[start, level], [stop, level]], float)
                    lines.append(line[:, ::-1] if transposed else line)
    return tuple(lines)


def smooth_outline(mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return contours half-way between voxel centres inside and outside of a mask.

    Returns
    -------
    tuple of ndarray, each of shape (n, 2)
        Closed lines as (column, row), in voxels from the upper left corner.
    """
    from skimage.measure import find_contours

    found = find_contours(np.pad(np.asarray(mask, float), 1), 0.5)
    return tuple(line[:, ::-1] - 0.5 for line in found)


def structures(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the nuclei of a label array by name, both sides in one mask."""
    found: dict[str, np.ndarray] = {}
    for index, name in NUCLEI.items():
        mask = labels == index
        if mask.any():
            short = name.split("-")[1]
            found[short] = found[short] | mask if short in found else mask
    return {name: found[name] for name in COLOURS if name in found}


def on_grid(volume: Volume, grid: Grid, order: int = 1) -> np.ndarray:
    """Return a volume's voxels on a grid, untouched where it lies there already."""
    if same_grid(volume.grid, grid, tolerance_mm=0.1):
        return np.asarray(volume.data)
    return resample(np.asarray(volume.data), volume.affine, grid, order=order)


def window(data: np.ndarray, focus: np.ndarray | None = None) -> tuple[float, float]:
    """Return the values shown black and white.

    Around a focus, the window is three times as wide as the middle 98 % of the focus (chosen: the
    nuclei fill the mid-greys, the white matter around them stays apart, CSF and vessels saturate).
    Without one, it takes in the middle 98 % of what is not zero.

    Parameters
    ----------
    data : ndarray, of any shape
    focus : ndarray of bool, same shape, optional
    """
    inside = data != 0 if focus is None else focus & (data != 0)
    tissue = np.asarray(data[inside], np.float32)
    tissue = tissue[np.isfinite(tissue)]
    if tissue.size == 0:
        return 0.0, 1.0
    bottom, top = (float(v) for v in np.percentile(tissue, [1, 99]))
    if focus is not None:
        bottom, top = max(2 * bottom - top, float(np.nanmin(data))), 2 * top - bottom
    return bottom, top


def to_grey(data: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return an image between two values as uint8, black to white.

    Examples
    --------
    >>> to_grey(np.array([-5, 0, 5, 10, 20]), (0, 10))
    array([  0,   0, 128, 255, 255], dtype=uint8)
    """
    bottom, top = limits
    scaled = (np.nan_to_num(np.asarray(data, np.float32)) - bottom) / max(top - bottom, 1e-6)
    return (np.clip(scaled, 0, 1) * 255).round().astype(np.uint8)
