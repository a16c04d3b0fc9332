"""Images to register, painted from the labels of an atlas that has none."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import (
    CORTEX_LABELS,
    CSF_LABELS,
    LENTIFORM_LABELS,
    NUCLEI,
    PUTAMEN_LABELS,
    WM_LABELS,
)
from bgpvs_wf.errors import AtlasError
from bgpvs_wf.imaging.geometry import bounding_box, voxel_sizes

_CLOSING_MM = 3.0  # chosen: bridges the gaps that group label maps leave between gyri
# Labels of sources without sides or split, to those that carry the same contrast.
_PAINTED_AS = {213: 4, 219: 2, 220: 3, 172: 8, 9008: 8, 9010: 10, 9017: 17}
_PAINTED_AS |= dict(zip(LENTIFORM_LABELS, PUTAMEN_LABELS, strict=True))


def require_paintable(dseg: np.ndarray, *, source: str) -> None:
    """Make sure that a harmonised label map shows enough to be registered by.

    Raises
    ------
    AtlasError
        If white matter, or both cortex and fluid, are missing.
    """
    has = [np.isin(dseg, labels).any() for labels in (WM_LABELS, (*CORTEX_LABELS, *CSF_LABELS))]
    if not all(has):
        raise AtlasError(
            f"{source} has no image, and labels of the nuclei alone cannot be registered; "
            "add its T1w or T2w, or labels of the whole brain."
        )


def paint(dseg: np.ndarray, affine: np.ndarray, age_weeks: float, modality: str) -> np.ndarray:
    """Return the T1w or T2w contrast of an age, painted into a harmonised label map.

    Parameters
    ----------
    dseg : ndarray of int, shape (x, y, z)
    affine : ndarray, shape (4, 4)
    age_weeks : float
        Post-menstrual age, weeks.
    modality : str
        `T1w` or `T2w`.

    Returns
    -------
    ndarray of float32, shape (x, y, z)
        Zero outside the brain; see `bgpvs_wf.anatomy.contrast.synthesise_contrast`.
    """
    from bgpvs_wf.anatomy.contrast import synthesise_contrast

    filled = fill_inside(dseg, affine)
    image = np.zeros(filled.shape, np.float32)
    if not filled.any():
        return image
    box = bounding_box(filled != 0, affine)
    part = filled[box]
    for index, painted in _PAINTED_AS.items():
        part[part == index] = painted
    x, y, z = map(float, voxel_sizes(affine))
    image[box] = synthesise_contrast(part, age_weeks, modality, (x, y, z))
    return image


def fill_inside(dseg: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Give unlabelled voxels inside the brain the nearest label that is no nucleus.

    Parameters
    ----------
    dseg : ndarray of int, shape (x, y, z)
        Harmonised labels.
    affine : ndarray, shape (4, 4)

    Returns
    -------
    ndarray of int16, shape (x, y, z)
        Labelled voxels are as they were; unlabelled ones outside stay 0. Inside is what a
        closing by 3 mm and the filling of cavities add.
    """
    from bgpvs_wf.imaging.morphology import close_mm, nearest_label

    out = np.array(dseg, np.int16)
    if not out.any():
        return out
    box = bounding_box(out != 0, affine, margin_mm=2 * _CLOSING_MM)
    part = out[box]
    inside = ndimage.binary_fill_holes(close_mm(part != 0, affine, _CLOSING_MM))
    gaps = inside & (part == 0)
    around = np.where(np.isin(part, tuple(NUCLEI)), 0, part)
    if gaps.any() and around.any():
        part[gaps] = nearest_label(around, affine)[gaps]
    return out
