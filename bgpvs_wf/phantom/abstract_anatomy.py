"""What a phantom needs of an anatomy, be it drawn (`Brain`) or a label map (`LabelAnatomy`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.phantom.canvas import Canvas, Contrast

DistanceFunction = Callable[[np.ndarray], np.ndarray]
"""Points (n, 3), mm in the scanner (RAS+), to signed distances (n,), mm, negative inside."""


class Anatomy(Protocol):
    """An anatomy in the scanner's space, mm, RAS+; `side` is -1 for left and 1 for right."""

    def extent(self, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the corners of the box the head fills, along the axes of a turned grid.

        Parameters
        ----------
        turn : ndarray, shape (3, 3)
            Rotation of the grid's axes in the scanner.

        Returns
        -------
        low, high : ndarray, shape (3,)
            mm, with a few mm to spare.
        """
        ...

    def paint(self, grid: Grid, contrast: Contrast) -> Canvas:
        """Paint labels and, for each modality of the contrast, the noiseless signal."""
        ...

    def inside(self, names: tuple[str, ...], side: int) -> DistanceFunction:
        """Return the signed distance to the union of some structures of a side.

        Parameters
        ----------
        names : tuple of str
            Of `thalamus`, `caudate`, `putamen`, `pallidum`, `accumbens`, `ventricle` (lateral).
        side : int
            -1 left, 1 right.
        """
        ...

    def perforated_substance(self, side: int) -> np.ndarray:
        """Return where the lenticulostriate arteries enter, mm, shape (3,)."""
        ...

    def region_of(self, points: np.ndarray) -> int:
        """Return the harmonised label of the nucleus that most of some points, (n, 3), lie in."""
        ...
