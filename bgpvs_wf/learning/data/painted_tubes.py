"""Tubes painted into what a network learns from: as thin and as faint as real ones may be.

Labelled scans have some tens of perivascular spaces each, and synthetic ones are brighter than many
real ones. Here others are put beside them, drawn anew for each example, whose share of every voxel
is known. So neither network nor threshold is set by the bright ones
(docs/decisions/painted-tubes.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.imaging.tubes import Tube, fill_grid
from bgpvs_wf.learning.data.classes import BG_CLASSES
from bgpvs_wf.phantom.fill import fill_of_infant
from bgpvs_wf.phantom.label_shapes import SignedDistance
from bgpvs_wf.phantom.scan_facts import measure_noise, signals_of_fluid, tissue_around
from bgpvs_wf.phantom.trees import grow_tubes
from bgpvs_wf.phantom.truth import PVS_SHARE

FILL = (0.19, 1.0)
"""Least and largest signal of painted tubes, on its way from tissue to fluid (chosen: in real
infants it is 0.44 at the peak)."""
DIAMETERS_MM = (0.4, 1.9)
"""Of half of the painted tubes, evenly; the others are as wide as infants' are (chosen)."""
_BLURS = (0.2, 1.1)
_SHARPNESS = (0.7, 1.15)
"""The blur of a scan is told from its noise, and not better than within these (chosen). Where
k-space ends early a tube is sharper than a Gaussian as smooth as the noise would make it: as by one
of 0.75 (`dhcp`) to 0.86 times (`bcp`) its width."""
_ORIGIN_MM = 30.0
_LEAST_VOXELS = 200
_SEEDS = 2000
_ONE_VOXEL = np.ones((3, 3, 3), bool)


@dataclass(frozen=True)
class ScanSignals:
    """What of a scan tells how a tube would look in it."""

    fluid: np.ndarray
    """Signal of fluid in T2w and T1w, shape (2,); NaN where it is not known."""
    blur: np.ndarray
    """Of T2w and T1w along each axis, voxels (standard deviation), shape (2, 3)."""


def scan_signals(images: np.ndarray, bg: np.ndarray, affine: np.ndarray) -> ScanSignals:
    """Measure fluid and blur of standardised images.

    Parameters
    ----------
    images : ndarray, shape (2, x, y, z)
        T2w and T1w; one that is missing is 0.
    bg : ndarray of bool, shape (x, y, z)
        The basal ganglia.
    affine : ndarray, shape (4, 4)
    """
    blur = np.zeros((2, 3))
    for channel, image in enumerate(images):
        if image.any() and bg.any():
            blur[channel] = measure_noise(image - image.min(), bg).blur
    return ScanSignals(signals_of_fluid(images, bg, affine), blur)


@dataclass(frozen=True)
class Painted:
    """Images with tubes."""

    images: np.ndarray
    """float32, shape (2, x, y, z)."""
    share: np.ndarray
    """float32, shape (x, y, z): of each voxel that the painted tubes fill."""
    brightness: float
    """Of what they hold, on the way from tissue to fluid: their mean; NaN if there are none."""


def paint_tubes(
    images: np.ndarray,
    classes: np.ndarray,
    barred: np.ndarray,
    affine: np.ndarray,
    signals: ScanSignals,
    rng: np.random.Generator,
    count: int,
    fill: tuple[float, float] | None = None,
) -> Painted:
    """Put tubes into the basal ganglia of standardised images.

    Parameters
    ----------
    images : ndarray of float32, shape (2, x, y, z)
        T2w and T1w; one that is missing is 0, and stays so.
    classes : ndarray of int, shape (x, y, z)
        Of the anatomy.
    barred : ndarray of bool, shape (x, y, z)
        Where no tube may lie, nor beside it: others are there, or nobody knows.
    affine : ndarray, shape (4, 4)
    signals : ScanSignals
        Of the scan that the images are from.
    rng : Generator
    count : int
        Tubes wanted; fewer are painted where there is no room.
    fill : tuple of 2 float, optional
        Least and largest signal of what is in them; default: as of some infant.
    """
    bg = np.isin(classes, BG_CLASSES)
    free = bg & ~ndimage.binary_dilation(barred, _ONE_VOXEL)
    seen = [channel for channel in range(2) if images[channel].any()]
    if free.sum() < _LEAST_VOXELS or not np.isfinite(signals.fluid[seen]).all():
        return Painted(images, np.zeros(classes.shape, np.float32), float("nan"))
    tubes = _draw(free, affine, rng, count, fill or fill_of_infant(FILL, rng))
    share, filled = fill_grid(tubes, Grid(classes.shape, affine))
    painted = images.copy()
    for channel in seen:
        around = images[channel] - images[channel].min()
        tissue = tissue_around(around, bg & ~barred, affine) + images[channel].min()
        blur = np.clip(signals.blur[channel], *_BLURS) * rng.uniform(*_SHARPNESS)
        blurred = ndimage.gaussian_filter(np.minimum(filled, 1), blur)
        painted[channel] += blurred * (np.float32(signals.fluid[channel]) - tissue)
    brightness = float(filled.sum() / share.sum()) if share.any() else float("nan")
    return Painted(painted, np.minimum(share, 1), brightness)


def labelled(share: np.ndarray) -> np.ndarray:
    """Return which voxels are PVS, by the share of each that tubes fill."""
    return np.asarray(share >= PVS_SHARE)


def _draw(
    free: np.ndarray,
    affine: np.ndarray,
    rng: np.random.Generator,
    count: int,
    fill: tuple[float, float],
) -> list[Tube]:
    """Draw tubes that fan out from a point below, as arteries do, but from anywhere there."""
    distance = SignedDistance(free, affine)
    places = np.argwhere(free)
    places = places[rng.integers(len(places), size=_SEEDS)] @ affine[:3, :3].T + affine[:3, 3]
    away = rng.normal(size=3)
    away[2] = -abs(away[2])
    outwards = np.append(rng.normal(size=2), 0.0)
    return grow_tubes(
        lambda points: distance((points[:, 0], points[:, 1], points[:, 2])),
        places,
        count,
        rng,
        origin=places.mean(axis=0) + _ORIGIN_MM * away / np.linalg.norm(away),
        outwards=outwards / np.linalg.norm(outwards),
        diameters_mm=DIAMETERS_MM if rng.random() < 0.5 else None,
        fill=fill,
    )
