"""Label maps of whole heads as anatomies of infants: the brain alone, as large as at an age."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.harmonisation import require_nuclei
from bgpvs_wf.anatomy.labels import REGIONS
from bgpvs_wf.errors import UsageError
from bgpvs_wf.imaging.geometry import bounding_box, crop_affine, voxel_volume
from bgpvs_wf.imaging.morphology import close_mm, nearest_label
from bgpvs_wf.phantom.growth import growth_at

_ALIKE = {5: 4, 44: 43, 72: 14, 85: 2, 25: 2, 57: 41}
"""FreeSurfer's labels that are parts of others here: inferior horns, fifth ventricle, the optic
chiasm, and spots in white matter."""
_SUFFIXES = (".nii.gz", ".nii")
_AROUND = 500
_CSF = 24
_CLOSED_MM = 6.0
"""Sulci and cisterns up to twice as wide count as brain (chosen: as brain extraction leaves it)."""


def label_maps_in(folder: Path) -> dict[str, Path]:
    """Return the images of a folder by name, without suffix; hidden ones are left out."""
    return {
        path.name.removesuffix(suffix): path
        for path in sorted(folder.glob("[!.]*"))
        for suffix in _SUFFIXES
        if path.name.endswith(suffix)
    }


def find_label_maps(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """Return the label maps of a folder, sorted; those of some names only, if given.

    Raises
    ------
    UsageError
        If there are none, or not those.
    """
    found = label_maps_in(folder)
    missing = [name for name in names if name not in found]
    if not found or missing:
        raise UsageError(
            f"{folder} has no label map {', '.join(missing)}; correct the names."
            if found
            else f"{folder} has no label maps (.nii or .nii.gz); correct the folder."
        )
    return [found[name] for name in (names or found)]


def infant_of_map(
    labels: np.ndarray, affine: np.ndarray, age_weeks: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the brain of a label map with FreeSurfer's labels, in the size of an age.

    Parameters
    ----------
    labels : ndarray of int, shape (x, y, z)
        What is around the brain may be labelled from 500 on.
    affine : ndarray, shape (4, 4)
    age_weeks : float
        Post-menstrual.

    Returns
    -------
    labels : ndarray of int16, shape (i, j, k)
        Harmonised.
    affine : ndarray, shape (4, 4)

    Raises
    ------
    AgeError
        If the age is out of range.
    BadLabelsError
        If there are no nuclei.
    """
    known = np.where(labels < _AROUND, labels, 0).astype(np.int16)
    for one, other in _ALIKE.items():
        known[labels == one] = other
    tissue = (known > 0) & (known != _CSF)
    box = bounding_box(tissue, affine, 2 * _CLOSED_MM)
    known, tissue, affine = known[box], tissue[box], crop_affine(affine, box)
    unnamed = tissue & ~np.isin(known, list(REGIONS))
    known[unnamed] = 0
    known = np.where(unnamed, nearest_label(np.where(tissue, known, 0), affine), known)
    size = (growth_at(age_weeks).brain_ml * 1000 / (tissue.sum() * voxel_volume(affine))) ** (1 / 3)
    brain = ndimage.binary_fill_holes(close_mm(tissue, affine, _CLOSED_MM))
    harmonised = np.where(brain, np.where(known > 0, known, _CSF), 0).astype(np.int16)
    require_nuclei(harmonised, source="the label map")
    scaled = affine.copy()
    scaled[:3] *= size
    return harmonised, scaled
