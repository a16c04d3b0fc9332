"""A subject's basal ganglia, ready to be cut into tiles."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bgpvs_wf.anatomy.colours import COLOURS, PVS_COLOUR
from bgpvs_wf.anatomy.labels import BG_LABELS, LEFT_LABELS, LENTIFORM_LABELS, NUCLEI
from bgpvs_wf.imaging.geometry import bounding_box, crop_affine, voxel_sizes
from bgpvs_wf.reports.views import (
    PLANES,
    Outline,
    Tile,
    Volume,
    choose_slices,
    on_grid,
    smooth_outline,
    structures,
    to_display,
    to_grey,
    voxel_outline,
    window,
)

PVS_LABEL = 2
"""Of the perivascular spaces in a `desc-bgpvs_dseg`."""
BOX_MARGIN_MM = 8.0
"""Shown around the basal ganglia (chosen: takes in insula, ventricles and thalamus)."""


class Scene:
    """Images, nuclei and PVS of a subject on one grid, cut to the basal ganglia.

    Parameters
    ----------
    images : mapping of str to Volume
        Name ("T2w") to image. The grid of the first is home; others are resampled onto it.
    nuclei, bgpvs : Volume, optional
        Label maps: harmonised indices; 0 rest, 1 BG, 2 PVS.

    Raises
    ------
    ValueError
        If there is no image.
    """

    def __init__(
        self,
        images: Mapping[str, Volume],
        nuclei: Volume | None = None,
        bgpvs: Volume | None = None,
    ) -> None:
        if not images:
            raise ValueError("a scene needs an image")
        home = next(iter(images.values())).grid
        labels = None if nuclei is None else on_grid(nuclei, home, order=0)
        marked = None if bgpvs is None else on_grid(bgpvs, home, order=0)
        focus = _focus(labels, marked)
        if focus is None:
            focus = on_grid(next(iter(images.values())), home) != 0
        everywhere = (slice(None),) * 3
        box = bounding_box(focus, home.affine, BOX_MARGIN_MM) if focus.any() else everywhere
        affine = crop_affine(home.affine, box)

        def cut(data: np.ndarray) -> np.ndarray:
            return to_display(Volume(data[box], affine)).data

        self.images = {name: cut(on_grid(image, home)) for name, image in images.items()}
        """Name to array, axes left, posterior, inferior."""
        shape = next(iter(self.images.values())).shape
        self.nuclei = np.zeros(shape, np.int32) if labels is None else cut(labels)
        self.bgpvs = np.zeros(shape, np.int32) if marked is None else cut(marked)
        self.focus = cut(focus)
        self.affine = to_display(Volume(focus[box], affine)).affine
        self.spacing = voxel_sizes(self.affine)
        self._window = {name: window(data, self.focus) for name, data in self.images.items()}
        self.structures = structures(self.nuclei)
        """Name to mask of the nuclei, both sides in one."""

    @property
    def pvs(self) -> np.ndarray:
        """Mask of the perivascular spaces."""
        return self.bgpvs == PVS_LABEL

    def slices(self, plane: str, count: int = 3) -> list[int]:
        """Choose slices of a plane; sagittal ones through the lentiform of either side."""
        axis = PLANES[plane]
        if plane != "sagittal":
            return choose_slices(self.focus, self.pvs, axis, count, self.spacing[axis])
        left = np.isin(self.nuclei, LEFT_LABELS)
        chosen = []
        for side in (~left, left):
            region = _lentiform(self.nuclei) & side
            chosen += choose_slices(region, self.pvs & region, axis, 1, self.spacing[axis])
        return chosen or choose_slices(self.focus, self.pvs, axis, 2, self.spacing[axis])

    def tile(self, name: str, plane: str, index: int) -> Tile:
        """Return one slice of one image with all outlines on it."""
        axis = PLANES[plane]

        def cut(data: np.ndarray) -> np.ndarray:
            return np.moveaxis(data, axis, 0)[index].T

        masks = {key: cut(mask) for key, mask in self.structures.items()}
        caption = f"{name}, {plane} {self._place(axis, index)}"
        return self._draw(
            plane,
            caption,
            to_grey(cut(self.images[name]), self._window[name]),
            masks,
            cut(self.pvs),
        )

    def projection(self, plane: str) -> Tile:
        """Return all perivascular spaces at once, seen through the silhouettes of the nuclei."""
        axis = PLANES[plane]
        bg = np.isin(self.nuclei, BG_LABELS)
        masks = {n: np.any(mask & bg, axis=axis).T for n, mask in self.structures.items()}
        depth = self.pvs.sum(axis=axis).T * self.spacing[axis]
        grey = np.where(bg.any(axis=axis).T, 46, 14)
        # Saturates at 4 mm of PVS behind one another (chosen).
        grey = np.where(depth > 0, 130 + 125 * np.minimum(depth / 4.0, 1), grey)
        caption = f"all PVS, {plane} projection"
        visible = {name: mask for name, mask in masks.items() if mask.any()}
        return self._draw(plane, caption, grey.astype(np.uint8), visible, depth > 0)

    def _draw(
        self,
        plane: str,
        caption: str,
        grey: np.ndarray,
        masks: Mapping[str, np.ndarray],
        pvs: np.ndarray,
    ) -> Tile:
        across, down = (i for i in range(3) if i != PLANES[plane])
        step = self.spacing[[across, down]]
        outlines = [
            Outline(
                name, "nucleus", COLOURS[name], tuple(line * step for line in smooth_outline(mask))
            )
            for name, mask in masks.items()
            if mask.any()
        ]
        if pvs.any():
            lines = tuple(line * step for line in voxel_outline(pvs))
            outlines.append(Outline("PVS", "pvs", PVS_COLOUR, lines))
        height, width = grey.shape
        return Tile(
            plane, caption, grey, (float(width * step[0]), float(height * step[1])), tuple(outlines)
        )

    def _place(self, axis: int, index: int) -> str:
        """Return where a slice is, at its centre: "z = 12 mm"."""
        centre = (np.array(self.focus.shape) - 1) / 2
        centre[axis] = index
        value = (self.affine @ np.append(centre, 1))[axis]
        return f"{'xyz'[axis]} = {value:.0f} mm".replace("-0 ", "0 ").replace("-", "−")


def _focus(labels: np.ndarray | None, marked: np.ndarray | None) -> np.ndarray | None:
    """Return the basal ganglia, or None if nobody says where they are."""
    bg = np.isin(labels, BG_LABELS) if labels is not None else None
    if marked is not None:
        bg = (marked > 0) if bg is None else bg | (marked > 0)
    return bg if bg is not None and bg.any() else None


def _lentiform(labels: np.ndarray) -> np.ndarray:
    parts = [i for i, name in NUCLEI.items() if name.endswith(("Putamen", "Pallidum"))]
    return np.isin(labels, [*parts, *LENTIFORM_LABELS])
