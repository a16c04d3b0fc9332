"""A head to learn from: labels from scalp to nuclei, upright about the middle of its nuclei."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from bgpvs_wf.errors import BadLabelsError
from bgpvs_wf.imaging.files import atomic_file
from bgpvs_wf.imaging.geometry import bounding_box, crop_affine, voxel_sizes, voxel_volume
from bgpvs_wf.imaging.morphology import close_mm, distance_mm, distance_to_mm, hull
from bgpvs_wf.learning.heads.lie import upright_axes

_LEFT = (2, 3, 4, 5, 7, 8, 10, 11, 12, 13, 17, 18, 26, 28)
_RIGHT = (41, 42, 43, 44, 46, 47, 49, 50, 51, 52, 53, 54, 58, 60)
_MIDDLE = (14, 15, 16, 72, 85)
"""FreeSurfer's numbers of what is brain, but for fluid around it, which is closed over."""
_HULLS = ((10, 11, 12, 13, 26), (49, 50, 51, 52, 58))
_VENTRICLES = (4, 5, 14, 43, 44, 72)
_BELOW = (7, 8, 46, 47, 15, 16)
"""Cerebellum, brainstem and the fourth ventricle, which many brains come without."""
BACKGROUND, BRAIN, VENTRICLE, LEFT, RIGHT, BELOW = range(6)
"""Classes of a head: those of the coarse network, and what of the brain is no cerebrum."""
_CLOSED_MM = 4.0
DISTANCE_MM = 4.0
_PAIRS = ((2, 41), (3, 42), (10, 49), (11, 50), (12, 51), (8, 47))


@dataclass(frozen=True, kw_only=True)
class Head:
    """Arrays of a head, and where it lies.

    Parameters
    ----------
    numbers : ndarray of uint8, shape (x, y, z)
        What each voxel is painted as; 0 is air.
    names : ndarray of int, shape (n,)
        Label of each number.
    classes : ndarray of uint8, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        From voxels to mm right, anterior and superior of the middle of the nuclei, upright.
    distance : ndarray of float32, shape (4, i, j, k)
        Distance from the brain, mm, negative inside, and its gradient, at `DISTANCE_MM`.
    distance_affine : ndarray, shape (4, 4)
        From its voxels to the same mm.
    images : ndarray of float16, shape (2, x, y, z), or None
        T2w and T1w of a real brain, standardised there, shown where `names` is -1.
    """

    numbers: np.ndarray
    names: np.ndarray
    classes: np.ndarray
    affine: np.ndarray
    distance: np.ndarray
    distance_affine: np.ndarray
    images: np.ndarray | None = None

    @functools.cached_property
    def volume_ml(self) -> float:
        """Of the brain with what belongs to it."""
        return float((self.classes > 0).sum() * voxel_volume(self.affine) / 1000)

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        arrays: dict[str, Any] = {
            name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        with atomic_file(path) as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> Head:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})


def head_of_labels(labels: np.ndarray, affine: np.ndarray) -> Head:
    """Return the head of a label map with FreeSurfer's numbers.

    Parameters
    ----------
    labels : ndarray of int, shape (x, y, z)
        Numbers above 500 are of what is around the brain, by intensity.
    affine : ndarray, shape (4, 4)

    Raises
    ------
    BadLabelsError
        If nuclei of a side are missing.
    """
    if not all(np.isin(side, labels).any() for side in _HULLS):
        raise BadLabelsError("the label map of a head has no nuclei on some side")
    box = bounding_box(labels > 0, affine, 4.0)
    labels, affine = np.asarray(labels[box]), crop_affine(affine, box)
    names, numbers = np.unique(labels, return_inverse=True)
    classes = head_classes(labels, affine)
    turned = _upright(labels, affine) @ affine
    distance, distance_affine = distance_field(classes > 0, turned)
    return Head(
        numbers=numbers.reshape(labels.shape).astype(np.uint8),
        names=names,
        classes=classes,
        affine=turned,
        distance=distance,
        distance_affine=distance_affine,
    )


def head_classes(labels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the classes of a label map of FreeSurfer's numbers, uint8."""
    tissue = np.isin(labels, (*_LEFT, *_RIGHT, *_MIDDLE))
    brain = ndimage.binary_fill_holes(close_mm(tissue, affine, _CLOSED_MM) & (labels < 500))
    below = np.isin(labels, _BELOW)
    # What is closed over belongs to what is nearest.
    near = distance_to_mm(below, affine) < distance_to_mm(tissue & ~below, affine)
    classes = np.where(brain, np.where(near, BELOW, BRAIN), BACKGROUND).astype(np.uint8)
    classes[np.isin(labels, _VENTRICLES)] = VENTRICLE
    for number, side in zip((LEFT, RIGHT), _HULLS, strict=True):
        mask = np.isin(labels, side)
        classes[mask] = number
        classes[hull(mask) & (classes == BRAIN)] = number
    return classes


def distance_field(brain: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the signed distance from a brain, its gradient, and the affine of both."""
    step = np.maximum(np.round(DISTANCE_MM / voxel_sizes(affine)).astype(int), 1)
    signed = distance_to_mm(brain, affine) - distance_mm(brain, affine)
    signed = ndimage.gaussian_filter(signed.astype(np.float32), step / 2)
    signed = signed[:: step[0], :: step[1], :: step[2]]
    to_mm = np.eye(4)
    to_mm[:3, :3], to_mm[:3, 3] = affine[:3, :3] * step, affine[:3, 3]
    # Along the axes of voxels, then along those of the head.
    along = np.stack(np.gradient(signed), -1) @ np.linalg.inv(to_mm[:3, :3])
    return np.concatenate([signed[None], np.moveaxis(along, -1, 0)]).astype(np.float32), to_mm


def _upright(labels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the rigid motion, shape (4, 4), that brings a head upright about its nuclei."""

    def places(numbers: Sequence[int]) -> np.ndarray:
        return nib.affines.apply_affine(affine, np.argwhere(np.isin(labels, numbers)))

    present = np.unique(labels)
    # What a map lacks tells nothing; there are nuclei on both sides.
    pairs: list[tuple[Sequence[int], Sequence[int]]]
    pairs = [((le,), (r,)) for le, r in _PAIRS if np.isin((le, r), present).all()] or [_HULLS]
    lines = [places(r).mean(0) - places(le).mean(0) for le, r in pairs]
    right = np.sum([line / np.linalg.norm(line) for line in lines], 0)
    right /= np.linalg.norm(right)
    sides = [places(side) for side in _HULLS]
    motion = np.eye(4)
    motion[:3, :3] = upright_axes(right, sides).T
    motion[:3, 3] = -motion[:3, :3] @ np.mean([side.mean(0) for side in sides], 0)
    return motion
