"""Nuclei as a network finds them, moved to the borders that the scan shows on its own grid.

A network has seen other infants, at 1 mm; a mixture model with the network's answer as its prior
learns the contrast of this one scan (docs/decisions/borders.md).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bgpvs_wf.anatomy.labels import NUCLEI
from bgpvs_wf.anatomy.refine import FLUID, refine
from bgpvs_wf.learning.data.classes import (
    BG_CLASSES,
    THALAMUS_CLASS,
    VENTRICLE_CLASS,
    anatomy_labels,
)
from bgpvs_wf.learning.data.scan import BoxImages
from bgpvs_wf.learning.inference.localisation import tidy_nuclei


class Nuclei(NamedTuple):
    """The nuclei in a box, on the scan's own grid, shape (x, y, z)."""

    labels: np.ndarray
    """int16: harmonised labels of nuclei and ventricles."""
    bg_share: np.ndarray
    """float32: probability of the nuclei that count as basal ganglia."""


def follow_borders(
    shares: np.ndarray, images: BoxImages, right: np.ndarray, include_thalamus: bool = False
) -> Nuclei:
    """Return the nuclei of a network's answer, along the borders in the images.

    Parameters
    ----------
    shares : ndarray, shape (classes, x, y, z)
        Probabilities of `bgpvs_wf.learning.data.classes.FINE_CLASSES` on the own grid.
    images : BoxImages
    right : ndarray of bool, shape (x, y, z)
        The right side; nuclei have the labels of the left elsewhere.
    include_thalamus : bool
        Whether the thalamus counts as basal ganglia.
    """
    found = tidy_nuclei(anatomy_labels(shares.argmax(axis=0), right))
    nuclei = np.isin(found, list(NUCLEI))
    if not nuclei.any():
        return Nuclei(found, np.zeros(found.shape, np.float32))
    # Standardised images have values below 0; the lowest is background.
    seen = [image - image.min() for image in images.own if np.ptp(image) > 0]
    told = {FLUID: shares[VENTRICLE_CLASS]}
    for number in (*BG_CLASSES, THALAMUS_CLASS):
        sides = anatomy_labels(np.array([number, number]), np.array([False, True]))
        for label, side in zip(sides.tolist(), (~right, right), strict=True):
            told[label] = shares[number] * side
    refined = refine(found, images.own_grid.affine, seen, told, include_thalamus)
    labels = np.where(nuclei, 0, found)
    inside = np.isin(refined.dseg, list(NUCLEI))
    labels[inside] = refined.dseg[inside]
    return Nuclei(tidy_nuclei(labels), refined.bg_probability)
