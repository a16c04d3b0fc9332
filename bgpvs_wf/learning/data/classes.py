"""The classes that networks tell apart, and how they stand to harmonised anatomy labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from bgpvs_wf.anatomy.labels import (
    ACCUMBENS_LABELS,
    BG_LABELS,
    CAUDATE_LABELS,
    NUCLEI,
    PALLIDUM_LABELS,
    PUTAMEN_LABELS,
    SIDES,
    THALAMUS_LABELS,
    VENTRICLE_LABELS,
    WM_LABELS,
)
from bgpvs_wf.errors import BadLabelsError
from bgpvs_wf.imaging.morphology import hull, nearest_label

if TYPE_CHECKING:
    import torch

Array = TypeVar("Array", np.ndarray, "torch.Tensor")
_OF_NAME = {
    "caudate": CAUDATE_LABELS,
    "putamen": PUTAMEN_LABELS,
    "pallidum": PALLIDUM_LABELS,
    "accumbens": ACCUMBENS_LABELS,
    "thalamus": THALAMUS_LABELS,
    "ventricle": VENTRICLE_LABELS,
}
"""Name of a class to its labels, left and right where it has sides."""
FINE_CLASSES = ("rest", *_OF_NAME)
"""Classes of the fine network."""
BG_CLASSES = (1, 2, 3, 4)
SURE = 0.5
"""Confidence from which on a label is believed, where one is asked for yes or no (chosen)."""
THALAMUS_CLASS = 5
VENTRICLE_CLASS = 6
COARSE_CLASSES = ("background", "brain", "ventricle", "left nuclei", "right nuclei")
"""Classes of the coarse network; nuclei of a side are their convex hull."""
BRAIN, VENTRICLE, LEFT_NUCLEI, RIGHT_NUCLEI = 1, 2, 3, 4
MIRRORED = (0, BRAIN, VENTRICLE, RIGHT_NUCLEI, LEFT_NUCLEI)
"""What each coarse class is in the mirror image."""
CONTEXT = (
    "nuclei",
    "ventricle",
    *(
        f"{wave} of {way}"
        for way in ("lateral", "anterior", "superior")
        for wave in ("sine", "cosine")
    ),
)
"""What the fine network is told of the coarse one's answer, a channel each: where nuclei and
ventricles are, and how far a voxel is from the middle of the nuclei along each axis, as waves."""
_VENTRICLE_LABEL = 213  # as a whole, without sides


def fine_classes(dseg: np.ndarray) -> np.ndarray:
    """Return the classes of harmonised labels, uint8.

    Raises
    ------
    BadLabelsError
        If there are no basal ganglia, or putamen and pallidum are one label.

    Examples
    --------
    >>> fine_classes(np.array([0, 11, 51, 52, 49, 43, 2]))
    array([0, 1, 2, 3, 5, 6, 0], dtype=uint8)
    """
    found = set(np.unique(dseg).tolist())
    missing = [name for name in FINE_CLASSES[1:4] if found.isdisjoint(_OF_NAME[name])]
    if missing:
        raise BadLabelsError(
            f"The labels to learn from have no {' and no '.join(missing)}; "
            "give an anatomy that tells the nuclei apart."
        )
    classes = np.zeros(dseg.shape, np.uint8)
    for number, name in enumerate(FINE_CLASSES[1:], start=1):
        classes[np.isin(dseg, _OF_NAME[name])] = number
    return classes


def is_nucleus(classes: Array) -> Array:
    """Return which voxels are nuclei, the thalamus among them, by their fine class."""
    return (classes > 0) & (classes <= THALAMUS_CLASS)


def coarse_classes(dseg: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Return the coarse classes, uint8, of harmonised labels and a mask of the brain.

    The nuclei of a side are their convex hull without what is ventricle, of the other side, or no
    brain: at 2 mm the capsule between them is seen in some heads only.
    """
    classes = brain.astype(np.uint8)
    classes[np.isin(dseg, VENTRICLE_LABELS)] = VENTRICLE
    masks = {
        number: np.isin(dseg, [label for label in SIDES[side] if label in NUCLEI])
        for side, number in (("left", LEFT_NUCLEI), ("right", RIGHT_NUCLEI))
    }
    for number, mask in masks.items():
        classes[mask] = number
    for number, mask in masks.items():
        classes[hull(mask) & (classes == BRAIN)] = number
    return classes


def anatomy_labels(classes: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return harmonised labels, int16, of fine classes and a mask of the right side.

    Examples
    --------
    >>> anatomy_labels(np.array([1, 1, 5, 6]), np.array([False, True, True, True]))
    array([ 11,  50,  49, 213], dtype=int16)
    """
    table = np.zeros((2, len(FINE_CLASSES)), np.int16)
    for number, name in enumerate(FINE_CLASSES[1:], start=1):
        table[:, number] = _OF_NAME[name][:2] if name != "ventricle" else _VENTRICLE_LABEL
    return np.asarray(table[right.astype(np.uint8), classes])


def divide_bg(dseg: np.ndarray, bg: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return an anatomy whose basal ganglia are exactly a mask; each voxel has its nearest nucleus.

    Labels drawn by hand say as a rule what is basal ganglia, not which nucleus.

    Parameters
    ----------
    dseg : ndarray of int, shape (x, y, z)
        Harmonised labels that tell nuclei apart, roughly right.
    bg : ndarray of bool, shape (x, y, z)
    affine : ndarray, shape (4, 4)

    Raises
    ------
    BadLabelsError
        If the anatomy has no basal ganglia.
    """
    nuclei = np.where(np.isin(dseg, BG_LABELS), dseg, 0)
    if not nuclei.any():
        raise BadLabelsError(
            "There are no nuclei to divide the labelled basal ganglia by; "
            "check that labels and scan belong together."
        )
    kept = np.where(nuclei > 0, 0, dseg)
    white = np.where(np.isin(dseg, WM_LABELS), dseg, 0)
    if white.any():
        # What is no nucleus after all must not be a hole where all tissues are known.
        kept = np.where((nuclei > 0) & ~bg, nearest_label(white, affine), kept)
    return np.where(bg, nearest_label(nuclei, affine), kept).astype(np.int16)
