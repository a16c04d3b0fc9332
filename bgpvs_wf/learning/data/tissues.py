"""Tissues of a box: those that labels name, and what the intensities tell apart of the rest."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.cluster.vq import kmeans2, vq

from bgpvs_wf.anatomy.labels import REGIONS

TISSUES: dict[int, int] = {label: number for number, label in enumerate(REGIONS, start=1)}
"""Harmonised label to its number; numbers fit into float16."""
UNNAMED = tuple(range(len(TISSUES) + 1, len(TISSUES) + 6))
"""Numbers of what no label names, by its intensities; the last is the most like fluid."""
_SAMPLES, _LEAST = 20_000, 1000
_SMOOTH_VOXELS = 0.7


def named_tissues(dseg: np.ndarray) -> np.ndarray:
    """Return the number of each voxel's label, uint8; 0 for none."""
    numbers = np.zeros(dseg.shape, np.uint8)
    for label in np.unique(dseg[dseg > 0]).tolist():
        numbers[dseg == label] = TISSUES.get(label, 0)
    return numbers


def all_named(numbers: np.ndarray) -> bool:
    """Tell whether more is labelled than nuclei and ventricles."""
    known = {
        REGIONS[label].tissue for label, number in TISSUES.items() if (numbers == number).any()
    }
    return {"WM", "cortex"} <= known


def with_unnamed(numbers: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Divide what no label names by its intensities, so that other contrasts can be painted.

    By k-means, as a synthesis from partial labels does (Billot et al., MIDL 2020,
    doi 10.48550/arXiv.2003.01995).

    Parameters
    ----------
    numbers : ndarray of int, shape (x, y, z)
        See `TISSUES`.
    images : ndarray, shape (2, x, y, z)
        T2w and T1w, standardised; one that is missing is 0. The least value is background.

    Returns
    -------
    ndarray of int, shape (x, y, z)
    """
    present = [number for number, image in enumerate(images) if image.any()]
    there = images[present[0]] > images[present[0]].min()
    rest = there & (numbers == 0)
    if rest.sum() < _LEAST:
        return numbers
    # Background must not bleed into what borders on it.
    share = _smooth(there)[rest]
    smooth = [_smooth(images[number] * there)[rest] / share for number in present]
    values = np.stack(smooth, axis=-1).astype(np.float64)
    rng = np.random.default_rng(0)
    chosen = values[rng.choice(len(values), min(len(values), _SAMPLES), replace=False)]
    centres, _ = kmeans2(chosen, len(UNNAMED), minit="++", rng=rng)
    # Fluid is bright on T2w and dark on T1w.
    wet = centres[:, 0] if present[0] == 0 else -centres[:, 0]
    out = numbers.copy()
    out[rest] = UNNAMED[0] + vq(values, centres[np.argsort(wet)])[0]
    return out


def _smooth(image: np.ndarray) -> np.ndarray:
    return np.asarray(ndimage.gaussian_filter(image.astype(np.float32), _SMOOTH_VOXELS))
