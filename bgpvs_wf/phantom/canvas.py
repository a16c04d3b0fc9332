"""What a phantom is painted on: labels, and T1w and T2w signals with partial volume.

A voxel is shared between two tissues according to the distance of its centre from the boundary,
in units of how far the voxel reaches across it: exact for a flat boundary along the voxel's faces,
a straight ramp otherwise. Any voxel size and obliquity follow from differences between neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bgpvs_wf.anatomy.labels import (
    ACCUMBENS_LABELS,
    CAUDATE_LABELS,
    PALLIDUM_LABELS,
    PUTAMEN_LABELS,
    THALAMUS_LABELS,
)
from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.phantom.shapes import Points

Contrast = Mapping[str, Mapping[str, float]]
"""Modality to tissue to signal, as `bgpvs_wf.anatomy.contrast.tissue_contrast` names tissues."""
LABELS = {
    "cortex": (3, 42),
    "wm": (2, 41),
    "claustrum": (2, 41),
    "thalamus": THALAMUS_LABELS,
    "caudate": CAUDATE_LABELS,
    "putamen": PUTAMEN_LABELS,
    "pallidum": PALLIDUM_LABELS,
    "accumbens": ACCUMBENS_LABELS,
    "ventricle": (4, 43),
    "hippocampus": (17, 53),
    "amygdala": (18, 54),
    "third": (14, 14),
    "csf": (24, 24),
    "fourth": (15, 15),
    "brainstem": (16, 16),
    "cerebellum": (8, 47),
    "cerebellum_wm": (7, 46),
}
"""Structure to its harmonised labels, left and right; the claustrum has none of its own."""
_SIGNAL_OF = {
    "claustrum": "cortex",
    "hippocampus": "cortex",
    "amygdala": "cortex",
    "third": "ventricle",
    "fourth": "ventricle",
    "cerebellum_wm": "wm",
}


@dataclass
class Canvas:
    """What is painted on: labels and signals, each shape (x, y, z)."""

    dseg: np.ndarray
    signals: dict[str, np.ndarray]
    """Modality to signal, in the units of `tissue_contrast`."""
    left: np.ndarray
    contrast: Contrast

    def cut(self, slices: tuple[slice, ...]) -> Canvas:
        """Return the part of the canvas inside some slices, as views."""
        parts = {name: image[slices] for name, image in self.signals.items()}
        return Canvas(self.dseg[slices], parts, self.left[slices], self.contrast)

    def paint(self, tissue: str, distance: np.ndarray) -> None:
        """Put a tissue where a signed distance is negative, over what is there."""
        share = occupancy(distance)
        inside = distance < 0
        left, right = LABELS[tissue]
        self.dseg[inside] = np.where(self.left[inside], left, right)
        for name, image in self.signals.items():
            value = self.contrast[name][_SIGNAL_OF.get(tissue, tissue)]
            image += share * (np.float32(value) - image)


def occupancy(distance: np.ndarray) -> np.ndarray:
    """Return the share of each voxel inside a shape, from the signed distance at its centre.

    Examples
    --------
    >>> occupancy(np.array([[[-2.0]], [[-1.0]], [[0.0]], [[1.0]]])).ravel()
    array([1. , 1. , 0.5, 0. ])
    """
    reach = np.full_like(distance, 1e-3)
    for axis in range(3):
        if distance.shape[axis] > 1:
            step = np.abs(np.diff(distance, axis=axis))
            first, last = _ends(axis)
            side = np.zeros_like(distance)
            side[first] = step
            np.maximum(side[last], step, out=side[last])
            reach += side
    return np.clip(0.5 - distance / reach, 0, 1)


def grid_points(grid: Grid, rows: slice | None = None) -> Points:
    """Return the positions of voxel centres, three float32 arrays, mm."""
    rows = rows or slice(0, grid.shape[0])
    index = np.ogrid[rows, 0 : grid.shape[1], 0 : grid.shape[2]]
    affine = np.asarray(grid.affine, float)
    x, y, z = (
        (sum(affine[i, j] * index[j] for j in range(3)) + affine[i, 3]).astype(np.float32)
        for i in range(3)
    )
    return x, y, z


def _ends(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    first, last = [slice(None)] * 3, [slice(None)] * 3
    first[axis], last[axis] = slice(None, -1), slice(1, None)
    return tuple(first), tuple(last)
