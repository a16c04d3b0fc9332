"""How sure each voxel's label is, from 0 to 1."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

BOUNDARY_MM = 1.0
"""Standard deviation of where a nucleus ends (chosen: about the error of atlas registration)."""
_FAR_MM = 6.0


def region_confidence(
    mask: np.ndarray, signed_mm: np.ndarray, probability: np.ndarray | None = None
) -> np.ndarray:
    """Return how sure BG against the rest is: 0.5 at the boundary, 1 far from it.

    Parameters
    ----------
    mask : ndarray of bool, shape (x, y, z)
        The basal ganglia.
    signed_mm : ndarray
        Distance to its surface, positive inside, mm.
    probability : ndarray, optional
        Of the basal ganglia, 0 to 1; used instead of the distance where given.

    Examples
    --------
    >>> region_confidence(np.array([True, False]), np.array([0.0, -9.0])).tolist()
    [0.5, 1.0]
    """
    if probability is not None:
        probability = np.clip(probability, 0, 1)
        return np.where(mask, probability, 1 - probability).astype(np.float32)
    away = np.where(mask, signed_mm, -signed_mm)
    sure = ndtr(np.clip(away, 0, _FAR_MM) / BOUNDARY_MM)
    return np.where(away > _FAR_MM - 1e-6, 1.0, sure).astype(np.float32)


def label_confidence(
    region: np.ndarray,
    tubes: np.ndarray,
    false_share: np.ndarray,
    certainty: np.ndarray,
    suspect: np.ndarray,
) -> np.ndarray:
    """Combine what is known of the region and of the tubes.

    Parameters
    ----------
    region : ndarray, shape (x, y, z)
        From `region_confidence`.
    tubes : ndarray of bool
        Voxels labelled BG-PVS.
    false_share : ndarray
        False-discovery rate at the tube's peak, where there is one.
    certainty : ndarray
        From the outline: 0 at its threshold, 1 far from it.
    suspect : ndarray
        0 to 1: chance that a voxel labelled BG is a tube after all (refused or faint ones).
    """
    # A voxel at the outline's threshold is as likely on one side as on the other.
    of_tube = (1 - np.clip(false_share, 0, 1)) * (0.5 + 0.5 * certainty)
    return np.clip(np.where(tubes, of_tube, region * (1 - suspect)), 0, 1).astype(np.float32)
