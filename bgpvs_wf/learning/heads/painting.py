"""Signals of whole heads: contrasts of every age, and such as nobody has scanned.

After SynthSeg (Billot et al., Med Image Anal 2023, doi 10.1016/j.media.2023.102789).
"""

from __future__ import annotations

import numpy as np

from bgpvs_wf.anatomy.labels import (
    ACCUMBENS_LABELS,
    CAUDATE_LABELS,
    PALLIDUM_LABELS,
    PUTAMEN_LABELS,
    THALAMUS_LABELS,
)

_FLUID = (4, 5, 14, 15, 24, 43, 44, 72)
_KINDS = (
    _FLUID,
    (2, 41, 85, 25, 57),  # white matter, and spots in it
    (3, 42),
    (17, 18, 53, 54),
    (8, 47),
    (7, 46),
    (16, 28, 60),
    (30, 62),
)
_NUCLEI = (
    THALAMUS_LABELS,
    CAUDATE_LABELS,
    PUTAMEN_LABELS,
    PALLIDUM_LABELS,
    ACCUMBENS_LABELS,
)
AROUND = 500
"""Labels from here on are of what is around the brain."""
_LIKE_A_SCAN = 0.6
"""Share of contrasts whose fluid is bright on T2w and dark on T1w (chosen)."""


def draw_signals(names: np.ndarray, modality: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the signal of each label of a head, and how much it varies; air is 0.

    Parameters
    ----------
    names : ndarray of int, shape (n,)
        FreeSurfer's numbers.
    modality : int
        0 for a T2w, 1 for a T1w.
    rng : Generator

    Returns
    -------
    ndarray of float32, shape (2, n)
    """
    like = rng.random() < _LIKE_A_SCAN
    low, high = ((0.3, 0.9), (0.35, 1.0))[modality] if like else (0.05, 1.0)
    values = dict.fromkeys(names.tolist(), 0.0)
    for kind in _KINDS:
        values |= dict.fromkeys(kind, float(rng.uniform(low, high)))
    if like:
        fluid = rng.uniform(*((0.85, 1.4), (0.1, 0.4))[modality])
        values |= dict.fromkeys(_FLUID, float(fluid))
    grey = float(rng.uniform(low, high))
    for pair in _NUCLEI:
        value = grey + rng.normal(0, 0.07) if rng.random() < 0.8 else rng.uniform(low, high)
        values |= dict.fromkeys(pair, float(np.clip(value, low, high)))
    # Fat may be twice as bright as the brain, bone as dark as air.
    brightest = rng.choice([0.6, 1.0, 1.6, 2.5])
    signals = np.zeros((2, len(names)), np.float32)
    for place, name in enumerate(names.tolist()):
        if name >= AROUND or name not in values or (name and not values[name]):
            signals[0, place] = rng.uniform(0, brightest) * rng.choice([0.1, 1.0], p=[0.2, 0.8])
        else:
            signals[0, place] = values[name]
        signals[1, place] = rng.uniform(0, 0.15) * signals[0, place]
    signals[:, names == 0] = 0
    return signals
