"""Real brains in other heads: what is around a brain, from a label map, made to fit it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import nibabel as nib
import numpy as np
from scipy import ndimage

from bgpvs_wf.imaging.geometry import voxel_sizes, voxel_volume
from bgpvs_wf.learning.heads.maps import BACKGROUND, BELOW, Head, distance_field

REAL, CSF = -1, 24
"""Name of voxels that show a real brain; label of what is between it and the skull."""
_BINS = (48, 24)
"""Directions that the radius of a brain is told in: around, and from below to above."""
_SMOOTH = 1.0
_SLAB = 16


def graft(brain: Head, around: Head) -> Head:
    """Put a brain into a head whose own brain is left out.

    What is around is stretched along the lines from the middle of the nuclei, so that the surface
    of its cerebrum comes to lie on that of the brain. What is then between is fluid; cerebellum and
    stem are those of the head.

    Parameters
    ----------
    brain : Head
        Of a scan, with images. Its grid is kept; make room around it first (`with_room`).
    around : Head
        Of a label map.
    """
    mine, theirs = brain.classes > BACKGROUND, around.classes
    cerebrum = (theirs > BACKGROUND) & (theirs != BELOW)
    radius, other = _radii(mine, brain.affine), _radii(cerebrum, around.affine)
    volume = mine.sum() * voxel_volume(brain.affine)
    size = (volume / (cerebrum.sum() * voxel_volume(around.affine))) ** (1 / 3)
    back = np.linalg.inv(around.affine)
    names = [0, *np.unique(around.names[around.names > 0]).tolist(), REAL]
    if CSF not in names:
        names.append(CSF)
    place = {name: number for number, name in enumerate(names)}
    translate = np.array([place[int(name)] for name in around.names], np.uint8)
    numbers = np.zeros(mine.shape, np.uint8)
    classes = np.array(brain.classes)
    for start in range(0, mine.shape[0], _SLAB):
        rows = slice(start, min(start + _SLAB, mine.shape[0]))
        index = np.moveaxis(np.indices((rows.stop - start, *mine.shape[1:])), 0, -1)
        index = index + np.array([start, 0, 0])
        mm = nib.affines.apply_affine(brain.affine, index)
        away = np.linalg.norm(mm, axis=-1)
        r, o = _radius(radius, mm), _radius(other, mm)
        # Inside in proportion; outside, what is around keeps its thickness for the head's size.
        there = np.where(away <= r, away * o / r, o + (away - r) / size)
        voxel = nib.affines.apply_affine(back, mm * (there / np.maximum(away, 1e-6))[..., None])
        voxel = np.round(voxel).astype(int)
        within = np.all((voxel >= 0) & (voxel < around.numbers.shape), axis=-1)
        flat = tuple(np.where(within[..., None], voxel, 0).reshape(-1, 3).T)
        found = translate[around.numbers[flat]].reshape(within.shape) * within
        kind = theirs[flat].reshape(within.shape) * within
        found[(kind > BACKGROUND) & (kind != BELOW)] = place[CSF]
        own = mine[rows]
        numbers[rows] = np.where(own, place[REAL], found)
        classes[rows] = np.where(
            own, brain.classes[rows], np.where(kind == BELOW, BELOW, BACKGROUND)
        )
    distance, distance_affine = distance_field(classes > BACKGROUND, brain.affine)
    return dataclasses.replace(
        brain,
        numbers=numbers,
        names=np.array(names),
        classes=classes,
        distance=distance,
        distance_affine=distance_affine,
    )


def with_room(head: Head, room_mm: Sequence[tuple[float, float]]) -> Head:
    """Return a head on a larger grid.

    Parameters
    ----------
    head : Head
    room_mm : sequence of 3 pairs of float
        Before and behind each axis of its arrays.
    """
    sizes = voxel_sizes(head.affine)
    pads = [
        tuple(round(float(mm / size)) for mm in pair)
        for pair, size in zip(room_mm, sizes, strict=True)
    ]
    affine = head.affine.copy()
    affine[:3, 3] -= head.affine[:3, :3] @ np.array([before for before, _ in pads])
    images = None if head.images is None else np.pad(head.images, [(0, 0), *pads])
    return dataclasses.replace(
        head,
        numbers=np.pad(head.numbers, pads),
        classes=np.pad(head.classes, pads),
        affine=affine,
        images=images,
    )


def _radii(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return how far a mask reaches in each direction from the origin, mm, shape `_BINS`."""
    mm = nib.affines.apply_affine(affine, np.argwhere(mask))
    away = np.linalg.norm(mm, axis=1)
    around, up = _directions(mm)
    index = (
        np.minimum((around * _BINS[0]).astype(int), _BINS[0] - 1),
        np.minimum((up * _BINS[1]).astype(int), _BINS[1] - 1),
    )
    radii = np.zeros(_BINS)
    np.maximum.at(radii, index, away)
    empty = radii == 0
    if empty.any():
        nearest = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
        radii = radii[tuple(nearest)]
    return ndimage.gaussian_filter(radii, _SMOOTH, mode=("wrap", "nearest"))


def _radius(radii: np.ndarray, mm: np.ndarray) -> np.ndarray:
    around, up = _directions(mm)
    at = [around * _BINS[0] - 0.5, np.clip(up * _BINS[1] - 0.5, 0, _BINS[1] - 1)]
    return ndimage.map_coordinates(radii, at, order=1, mode="grid-wrap")


def _directions(mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the direction of places: round the vertical, and cosine from below, 0 to 1 each."""
    away = np.maximum(np.linalg.norm(mm, axis=-1), 1e-6)
    around = np.arctan2(mm[..., 1], mm[..., 0]) / (2 * np.pi) % 1.0
    return around, (mm[..., 2] / away + 1) / 2
