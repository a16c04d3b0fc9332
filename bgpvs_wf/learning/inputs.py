"""What a fine network sees: images, what the tube filter says of them, and the context.

A network learns from examples what a tube looks like; the filter knows. Shown its answer, a network
learns which tubes are perivascular spaces, and needs fewer examples for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bgpvs_wf.imaging.vesselness import vesselness
from bgpvs_wf.learning.classes import TUBE_SCALES_MM
from bgpvs_wf.learning.views import CLIP, MODALITIES
from bgpvs_wf.pseudolabels.evidence import FLUID_SIGN

_GAIN = 4.0
"""A long straight tube of amplitude A answers with A / 4."""


def fine_input(
    images: np.ndarray, context: np.ndarray, voxel_mm: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Return the input of a fine network.

    Parameters
    ----------
    images : ndarray of float32, shape (2, x, y, z)
        Standardised, in the order of `MODALITIES`.
    context : ndarray of float32, shape (len(CONTEXT), x, y, z)
        See `bgpvs_wf.learning.context`.
    voxel_mm : sequence of 3 float

    Returns
    -------
    ndarray of float32, shape (channels, x, y, z)
        The channels are `bgpvs_wf.learning.networks.NetworkConfig.inputs`.
    """
    return np.concatenate([images, tube_channels(images, voxel_mm), context])


def tube_channels(images: np.ndarray, voxel_mm: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return how much each voxel looks like the middle of a tube of fluid.

    Parameters
    ----------
    images : ndarray, shape (2, x, y, z)
        Standardised, in the order of `MODALITIES`; one that is missing is 0.
    voxel_mm : sequence of 3 float

    Returns
    -------
    ndarray of float32, shape (len(TUBES), x, y, z)
        See `bgpvs_wf.imaging.vesselness.vesselness`; as the amplitude that a tube would have, in
        standard deviations of the image.
    """
    affine = np.diag([*voxel_mm, 1.0])
    found = [
        vesselness(FLUID_SIGN[name] * image, affine, [scale]) if image.any() else image
        for name, image in zip(MODALITIES, images, strict=True)
        for scale in TUBE_SCALES_MM
    ]
    return np.minimum(_GAIN * np.stack(found), CLIP).astype(np.float32)
