"""Whether left is left: labels with sides against the header."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.anatomy.labels import BG_LABELS, LEFT_LABELS, RIGHT_LABELS
from bgpvs_wf.errors import BadLabelsError


def left_right_gap_mm(dseg: np.ndarray, affine: np.ndarray) -> float | None:
    """Return how far the right labels lie to the right of the left ones.

    Parameters
    ----------
    dseg : ndarray of int, shape (x, y, z)
        Harmonised labels.
    affine : ndarray, shape (4, 4)
        Voxel index to mm, RAS+.

    Returns
    -------
    float or None
        Difference of the centroids' x, mm; negative if the header contradicts the labels. Of
        the nuclei if both sides have some, else of all sided labels. None without two sides.
    """
    for among in (set(BG_LABELS), set(LEFT_LABELS + RIGHT_LABELS)):
        sides = [np.isin(dseg, sorted(among & set(s))) for s in (LEFT_LABELS, RIGHT_LABELS)]
        if all(side.any() for side in sides):
            left, right = (np.argwhere(side).mean(axis=0) for side in sides)
            return float(np.asarray(affine)[0, :3] @ (right - left))
    return None


def check_sides(dseg: np.ndarray, affine: np.ndarray, *, source: str) -> None:
    """Refuse a label map whose left labels lie to the right of its right ones.

    Raises
    ------
    BadLabelsError
        If the header contradicts the labels.
    """
    gap = left_right_gap_mm(dseg, affine)
    if gap is not None and gap <= 0:
        raise BadLabelsError(
            f"{source}: its left labels lie {-gap:.1f} mm to the right of its right ones; "
            "header and labels contradict each other, correct the orientation (or the table)."
        )
