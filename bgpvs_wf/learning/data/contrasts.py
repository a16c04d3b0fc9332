"""Domain randomisation: images of random contrast, painted from labels.

After SynthSeg (Billot et al., Med Image Anal 2023, doi 10.1016/j.media.2023.102789): a network that
has seen every contrast relies on none. One thing is kept: fluid is brightest on T2w and darkest on
T1w, for without it a perivascular space is no different from a vessel.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import REGIONS
from bgpvs_wf.learning.data.scan import MODALITIES, standardise
from bgpvs_wf.learning.data.tissues import TISSUES, UNNAMED

_FLUID = {"T2w": 1.0, "T1w": 0.25}
_TISSUE = {"T2w": (0.35, 0.85), "T1w": (0.40, 1.00)}
"""Range of the signal of tissues without fluid (chosen: wider than ages and scanners have)."""
_CLOSE = 0.06  # the nuclei differ little from each other and from grey matter
_BLUR_VOXELS = (0.4, 1.0)
_NOISE = (0.01, 0.06)
_TEXTURE = 0.02
_FILL = (0.5, 1.0)


def random_contrast(tissue: np.ndarray, fluid: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paint a T2w and a T1w of random contrast, standardised.

    Parameters
    ----------
    tissue : ndarray of int, shape (x, y, z)
        Numbers of `bgpvs_wf.learning.data.tissues`.
    fluid : ndarray, shape (x, y, z)
        Share of each voxel that perivascular spaces fill.
    rng : Generator

    Returns
    -------
    ndarray of float32, shape (2, x, y, z)
    """
    images = np.zeros((len(MODALITIES), *tissue.shape), np.float32)
    blur = rng.uniform(*_BLUR_VOXELS)
    fill = rng.uniform(*_FILL)
    for image, modality in zip(images, MODALITIES, strict=True):
        signal = _signals(modality, rng)
        painted = signal[tissue]
        there = painted > 0
        noise = rng.standard_normal(tissue.shape, np.float32)
        painted += _TEXTURE * ndimage.gaussian_filter(noise, 1.0) * there
        painted += fill * fluid * (_FLUID[modality] - painted) * there
        painted = ndimage.gaussian_filter(painted, blur)
        painted += rng.uniform(*_NOISE) * rng.standard_normal(tissue.shape, np.float32)
        image[...] = np.where(there, np.maximum(painted, 1e-3), 0)
    return standardise(images)


def _signals(modality: str, rng: np.random.Generator) -> np.ndarray:
    """Draw the signal of each number of a tissue; both sides have the same."""
    low, high = _TISSUE[modality]
    grey = rng.uniform(low, high)
    signals = np.zeros(UNNAMED[-1] + 1, np.float32)
    signals[list(UNNAMED)] = rng.uniform(low, high, len(UNNAMED))
    signals[UNNAMED[-1]] = _FLUID[modality]
    drawn: dict[str, float] = {}
    for label, number in TISSUES.items():
        region = REGIONS[label]
        kind = region.tissue
        if kind in ("ventricle", "CSF"):
            signals[number] = _FLUID[modality]
            continue
        if kind in ("BG", "thalamus", "deepGM", "limbic"):
            name = region.name.split("-", 1)[-1]
            value = drawn.setdefault(name, grey + rng.normal(0, _CLOSE))
        else:
            value = drawn.setdefault(kind, rng.uniform(low, high))
        signals[number] = np.clip(value, low, high)
    return signals
