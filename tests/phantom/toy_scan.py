"""Scans of the toy map: fluid, nuclei and noise, T1w on another grid than T2w."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from toy_map import toy_labels, turned_grid

from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.imaging.tubes import Tube

HOME = turned_grid(5, (0.9, 1.0, 1.1), 37.0)
OTHER = turned_grid(6, (1.0, 1.0, 1.0), 37.0)
SIGNALS = {"T2w": (500, 900), "T1w": (600, 200)}
NUCLEI = toy_labels(HOME, nuclei_only=True)
_FLUID = (24, 4, 43)


def toy_scan(name: str, noise: float, dtype: type = np.uint16, blur: float = 0.0) -> np.ndarray:
    """Return tissue and fluid with noise, cut out to 0."""
    labels = toy_labels(HOME if name == "T2w" else OTHER)
    tissue, fluid = SIGNALS[name]
    clean = np.where(np.isin(labels, _FLUID), fluid, tissue).astype(float)
    rough = np.random.default_rng(len(name) + int(noise)).normal(0, 1, labels.shape)
    if blur:
        rough = ndimage.gaussian_filter(rough, blur)
    image = np.where(labels > 0, clean + noise * rough / max(rough.std(), 1e-9), 0)
    return image.round().astype(dtype) if np.issubdtype(dtype, np.integer) else image.astype(dtype)


def scans(noise: float, dtype: type = np.uint16) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return T2w and T1w with their affines."""
    grids: dict[str, Grid] = {"T2w": HOME, "T1w": OTHER}
    return {name: (toy_scan(name, noise, dtype), grid.affine) for name, grid in grids.items()}


def tube(start: tuple[float, float, float], fill: float = 1.0, width: float = 1.6) -> Tube:
    """Return a tube that runs 8 mm upwards."""
    steps = np.arange(0, 8.01, 0.1)
    points = np.array(start) + steps[:, None] * [0.1, 0.0, 1.0]
    return Tube(points, np.full(len(steps), width / 2), fill, 1)
