"""What the PVS network sees: signal on the scan's own grid, and the basal ganglia.

A tube is about a voxel wide. Interpolated to another grid it is blurred, and labels that went there
by nearest neighbour have steps that no image shows; so whether a voxel is PVS is asked on the grid
it was measured on (docs/decisions/network-for-pvs.md). The network is small: it need not find the
nuclei, only be told where they are, roughly, as the fine network finds them. In training that is
imitated.
Signal is told over noise, which says what can be seen, and over that of fluid, which says what it
may be. A voxel half filled by bright fluid looks like a whole one of fluid half as bright; so where
it is known how bright that of an infant's perivascular spaces is, signal is told over that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from bgpvs_wf.imaging.intensity import median_and_spread
from bgpvs_wf.learning.data.sampling import sampler_grid, smooth_noise, voxel_indices
from bgpvs_wf.phantom.scan_facts import signals_of_fluid

UNTOLD = 0.0
"""Brightness that is not known."""
_LOCAL_MM = 3.0
"""What changes over more than this is tissue or bias, and taken away (chosen)."""
_SOFT_MM = 0.7
"""The basal ganglia are blurred by this: their border is not known better (chosen)."""
_WRONG_MM = 0.6
"""Displacement of an imitated border along each axis, standard deviation (chosen)."""
_LARGER = 0.3
"""How much more or less than half inside counts as inside there, at most (chosen)."""
_CLIP = 8.0
"""Noise, in standard deviations, beyond which nothing more is told."""
_MOST_SHARE = 1.5
"""Of the way to fluid, likewise (chosen)."""
_LEAST_CONTRAST = 0.3
"""Of fluid and basal ganglia in a standardised image; less says nothing (chosen)."""


def pvs_input(
    images: np.ndarray,
    bg: np.ndarray,
    voxel_mm: Sequence[float] | np.ndarray,
    fluid: np.ndarray | None = None,
    brightness: float = UNTOLD,
) -> np.ndarray:
    """Return the input of the PVS network.

    Parameters
    ----------
    images : ndarray of float32, shape (2, x, y, z)
        Standardised, in the order of `MODALITIES`; one that is missing is 0.
    bg : ndarray of bool, shape (x, y, z)
        The basal ganglia.
    voxel_mm : sequence of 3 float
    fluid : ndarray, optional, shape (2,)
        Signal of fluid in the images, NaN where it is not known. Default: as the images show it
        (`bgpvs_wf.phantom.scan_facts.signals_of_fluid`), which a patch may be too small for.
    brightness : float
        Of the fluid in perivascular spaces, on its way from tissue to a ventricle's, as far as it
        is known.

    Returns
    -------
    ndarray of float32, shape (6, x, y, z)
        The channels are `bgpvs_wf.learning.nets.architectures.NetworkConfig.inputs`.
    """
    sizes = np.asarray(voxel_mm, float)
    if fluid is None:
        fluid = signals_of_fluid(images, bg, np.diag([*sizes, 1.0]))
    excess = [image - ndimage.gaussian_filter(image, _LOCAL_MM / sizes) for image in images]
    over_noise = [_over_noise(more, bg) for more in excess]
    over_fluid = [
        _over_fluid(more, image, bg, float(signal), brightness or 1.0)
        for more, image, signal in zip(excess, images, fluid, strict=True)
    ]
    share = ndimage.gaussian_filter(bg.astype(np.float32), _SOFT_MM / sizes)
    told = np.full(bg.shape, brightness)
    return np.stack([*over_noise, *over_fluid, share, told]).astype(np.float32)


def _over_noise(excess: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return how much an image exceeds what is around, in units of that in the basal ganglia."""
    _, noise = median_and_spread(excess[inside] if inside.any() else excess)
    # An image that is missing has neither signal nor noise.
    return np.clip(excess / max(noise, 1e-3), -_CLIP, _CLIP)


def _over_fluid(
    excess: np.ndarray, image: np.ndarray, inside: np.ndarray, fluid: float, brightness: float
) -> np.ndarray:
    """Return how much an image exceeds what is around, as a share of what fluid in PVS does."""
    contrast = fluid - float(np.median(image[inside] if inside.any() else image))
    if not abs(contrast) > _LEAST_CONTRAST:
        return np.zeros_like(excess)
    return np.clip(excess / (contrast * brightness), -_MOST_SHARE, _MOST_SHARE)


def rough_mask(
    bg: np.ndarray, voxel_mm: Sequence[float] | np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return a mask of the basal ganglia as a fine network might find it: bent, larger or smaller.

    Parameters
    ----------
    bg : ndarray of bool, shape (x, y, z)
        As they are.
    voxel_mm : sequence of 3 float
    rng : Generator

    Returns
    -------
    ndarray of bool, shape (x, y, z)
    """
    import torch
    from torch.nn import functional

    sizes = np.asarray(voxel_mm, float)
    share = ndimage.gaussian_filter(bg.astype(np.float32), _SOFT_MM / sizes)
    bent = smooth_noise(rng, 3, bg.shape).movedim(0, -1)
    bent = bent * torch.from_numpy((_WRONG_MM / sizes).astype(np.float32))
    grid = sampler_grid(voxel_indices(bg.shape) + bent, bg.shape)
    source = torch.from_numpy(share)[None, None]
    moved = functional.grid_sample(source, grid, "bilinear", "border", align_corners=False)
    return np.asarray(moved[0, 0] >= 0.5 + rng.uniform(-_LARGER, _LARGER))
