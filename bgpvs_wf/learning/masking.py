"""What the second of two separate networks sees: the basal ganglia that the first has found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bgpvs_wf.imaging.morphology import dilate_mm
from bgpvs_wf.learning.classes import BG_CLASSES

AROUND_BG_MM = 1.0
"""How far the images are kept beyond the basal ganglia."""


def mask_to_bg(
    images: np.ndarray, classes: np.ndarray, voxel_mm: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Return standardised images that are 0 outside of the basal ganglia and 1 mm around them.

    Parameters
    ----------
    images : ndarray, shape (channels, x, y, z)
    classes : ndarray of int, shape (x, y, z)
        Numbers of `bgpvs_wf.learning.classes.FINE_CLASSES`.
    voxel_mm : sequence of 3 float

    Returns
    -------
    ndarray, shape (channels, x, y, z)

    Examples
    --------
    >>> classes = np.array([0, 0, 0, 1, 6]).reshape(5, 1, 1)
    >>> mask_to_bg(np.ones((1, 5, 1, 1)), classes, (0.5, 0.5, 0.5)).ravel()
    array([0., 1., 1., 1., 1.])
    """
    affine = np.diag([*voxel_mm, 1.0])
    kept = dilate_mm(np.isin(classes, BG_CLASSES), affine, AROUND_BG_MM)
    return np.where(kept, images, 0).astype(images.dtype)
