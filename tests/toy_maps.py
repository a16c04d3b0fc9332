"""Label maps of toy heads, with FreeSurfer's numbers, from scalp to nuclei."""

from __future__ import annotations

import nibabel as nib
import numpy as np

# Label of the right side, centre and radii in mm; later ones over earlier ones.
_PARTS = (
    (507, (0, 0, 0), (19, 20, 19)),
    (515, (0, 0, 0), (17, 18, 17)),
    (42, (0, 0, 2), (14, 16, 13)),
    (41, (0, 0, 2), (12, 14, 11)),
    (43, (2.5, 0, 6), (2, 5, 2)),
    (49, (4, -5, 1), (2.5, 3, 2.5)),
    (50, (5, 5, 4), (2, 3, 2)),
    (51, (8, 1, 1), (2, 4, 3)),
    (52, (5, 1, 0), (1.5, 2.5, 2)),
    (58, (5, 6, 0), (1.5, 1.5, 1.5)),
)
_LEFT = {41: 2, 42: 3, 43: 4, 49: 10, 50: 11, 51: 12, 52: 13, 58: 26}


def toy_map(
    voxel_mm: float = 1.0, size: float = 1.0, motion: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of a head in a field of 44 mm, and their affine.

    Parameters
    ----------
    voxel_mm, size : float
        `size` is that of the head.
    motion : ndarray, shape (4, 4), optional
        What turns and shifts it.
    """
    count = round(44 / voxel_mm)
    affine = np.diag([voxel_mm] * 3 + [1.0])
    affine[:3, 3] = -voxel_mm * (count - 1) / 2
    place = nib.affines.apply_affine(affine, np.moveaxis(np.indices([count] * 3), 0, -1))
    if motion is not None:
        place = nib.affines.apply_affine(np.linalg.inv(motion), place)
    place = place / size
    sided = np.concatenate([np.abs(place[..., :1]), place[..., 1:]], -1)
    labels = np.zeros([count] * 3, np.int16)
    for label, centre, radii in _PARTS:
        inside = (((sided - centre) / radii) ** 2).sum(-1) < 1
        labels[inside] = np.where(place[inside, 0] < 0, _LEFT.get(label, label), label)
    return labels, affine
