"""What label maps and images tell about whether a result can be: plain numbers, no bounds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import (
    ACCUMBENS_LABELS,
    BG_LABELS,
    MIRROR,
    NUCLEI,
    SIDES,
    VENTRICLE_LABELS,
    side_of,
)
from bgpvs_wf.arrays import Affine, Image, Labels, Mask, Points
from bgpvs_wf.imaging.geometry import bounding_box, voxel_sizes, voxel_volume

_RING_MM = (1.5, 5.0)
"""From where to where around a nucleus its surroundings are looked at (chosen)."""
_LEAST_VOXELS = 10
"""A median of fewer is not looked at (chosen)."""
_MIRROR_MM = 2.0
"""Least edge of the cells that sides are compared in (chosen)."""

_EVERY_SECOND = slice(None, None, 2)
_REPEATED = 0.01
"""Neighbouring slices that differ by less, as a share of how signals vary, are one (chosen)."""


def nucleus_volumes(anatomy: Labels, affine: Affine) -> dict[str, dict[str, float]]:
    """Return the volume of each nucleus, mm3: by its name, then by side.

    Nuclei that are nowhere are left out; those that are on one side only have 0 on the other.

    Parameters
    ----------
    anatomy : ndarray of int, shape (x, y, z)
        Harmonised labels.
    affine : ndarray, shape (4, 4)
        Voxel index to mm, RAS+.

    Examples
    --------
    >>> nucleus_volumes(np.array([[[11, 11, 50, 12]]]), np.diag([2.0, 1, 1, 1]))
    {'Caudate': {'left': 4.0, 'right': 2.0}, 'Putamen': {'left': 2.0, 'right': 0.0}}
    """
    counts = np.bincount(np.clip(anatomy, 0, None).ravel(), minlength=max(NUCLEI) + 1)
    found: dict[str, dict[str, float]] = {}
    for label, name in NUCLEI.items():
        side = side_of(label)
        structure = name.removeprefix(f"{side.title()}-")
        volumes = found.setdefault(structure, dict.fromkeys(SIDES, 0.0))
        volumes[side] += float(counts[label] * voxel_volume(affine))
    return {name: sides for name, sides in found.items() if any(sides.values())}


def bg_volume(volumes: Mapping[str, Mapping[str, float]]) -> float:
    """Return the volume of the basal ganglia of both sides, mm3, of what `nucleus_volumes` gives.

    Examples
    --------
    >>> bg_volume({"Caudate": {"left": 4.0, "right": 2.0}, "Thalamus": {"left": 9.0, "right": 9.0}})
    6.0
    """
    return sum(sum(sides.values()) for name, sides in volumes.items() if name != "Thalamus")


def mirror_overlap(anatomy: Labels, affine: Affine) -> float:
    """Return the Dice of the right basal ganglia with the left ones, mirrored; NaN without a side.

    The mirror is the plane half-way between the middles of both sides.
    """
    points = [
        _places(np.isin(anatomy, [n for n in SIDES[side] if n in BG_LABELS]), affine)
        for side in SIDES
    ]
    if not all(len(p) for p in points):
        return float("nan")
    left, right = points
    way = right.mean(axis=0) - left.mean(axis=0)
    length = np.linalg.norm(way)
    if length == 0:
        return float("nan")
    way /= length
    middle = (right.mean(axis=0) + left.mean(axis=0)) / 2
    mirrored = left - 2 * ((left - middle) @ way)[:, None] * way
    step = max(_MIRROR_MM, float(voxel_sizes(affine).max()))
    cells = [{tuple(c) for c in np.floor(p / step).astype(int)} for p in (mirrored, right)]
    return 2 * len(cells[0] & cells[1]) / (len(cells[0]) + len(cells[1]))


def stretch(mask: Mask, affine: Affine) -> float:
    """Return how much farther a mask's voxels are from its middle than those of a ball; 1 is one.

    Root mean squares of the distance. A rod ten times as long as thick has 3.
    """
    points = _places(mask, affine)
    if len(points) == 0:
        return float("nan")
    radius = (3 * len(points) * voxel_volume(affine) / (4 * np.pi)) ** (1 / 3)
    spread = np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean())
    return float(spread / (radius * np.sqrt(3 / 5)))


def largest_part(mask: Mask) -> float:
    """Return the share of a mask that its largest piece has.

    Examples
    --------
    >>> largest_part(np.array([1, 1, 1, 0, 1]).reshape(-1, 1, 1) > 0)
    0.75
    """
    parts, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if not count:
        return float("nan")
    sizes = np.bincount(parts.ravel())[1:]
    return float(sizes.max() / sizes.sum())


def position(anatomy: Labels, head: Mask, affine: Affine) -> tuple[float, float]:
    """Return where the nuclei lie in the head.

    Returns
    -------
    inside : float
        Share of the nuclei inside of the head.
    away : float
        How far the middle of the nuclei is from that of the head, as a share of the way to the
        head's surface: 0 in the middle, 1 at the surface of a ball.
    """
    nuclei = np.isin(anatomy, list(NUCLEI))
    filled = ndimage.binary_fill_holes(head)
    inside = float((filled & nuclei).sum() / max(int(nuclei.sum()), 1))
    points, whole = _places(nuclei, affine), _places(filled, affine)
    if not len(points) or len(whole) < 4:  # fewer span no space
        return inside, float("nan")
    offset = points.mean(axis=0) - whole.mean(axis=0)
    # A ball's surface is sqrt(5) standard deviations from its middle.
    spread = 5 * np.cov(whole.T)
    return inside, float(np.sqrt(offset @ np.linalg.pinv(spread) @ offset))


def fluid_ratio(image: Image, anatomy: Labels) -> float:
    """Return the median signal of the ventricles over that of the basal ganglia; NaN without."""
    fluid, bg = np.isin(anatomy, VENTRICLE_LABELS), np.isin(anatomy, BG_LABELS)
    if fluid.sum() < _LEAST_VOXELS or not bg.any():
        return float("nan")
    return float(np.median(image[fluid]) / max(float(np.median(image[bg])), 1e-6))


def side_contrast(image: Image, anatomy: Labels, affine: Affine) -> float:
    """Return by how much basal ganglia stand out more on one side than on the other.

    How a nucleus stands out is its median signal over that around it: of a ring of 1.5 to 5 mm,
    without nuclei, ventricles and background. Fields of bias hardly touch that.

    Returns
    -------
    float
        Root mean square of the differences of left and right; NaN without a pair.
    """
    taken = np.isin(anatomy, (*NUCLEI, *VENTRICLE_LABELS)) | (image <= 0)
    out = {}
    for label in BG_LABELS:
        mask = anatomy == label
        if mask.sum() < _LEAST_VOXELS:
            continue
        box = bounding_box(mask, affine, _RING_MM[1])
        away = ndimage.distance_transform_edt(~mask[box], sampling=voxel_sizes(affine))
        ring = (away > _RING_MM[0]) & (away < _RING_MM[1]) & ~taken[box]
        around = float(np.median(image[box][ring])) if ring.sum() >= _LEAST_VOXELS else 0.0
        if around > 0:
            out[label] = float(np.median(image[mask])) / around
    pairs = [out[left] - out[MIRROR[left]] for left in out if MIRROR[left] in out]
    return float(np.sqrt(np.mean(np.square(pairs)))) if pairs else float("nan")


def variety(image: Image, anatomy: Labels) -> float:
    """Return the range of median signals in the basal ganglia, over their mean; NaN without two.

    The accumbens, which hardly differs from the caudate, is left out.
    """
    medians = []
    for left in (n for n in BG_LABELS if side_of(n) == "left" and n not in ACCUMBENS_LABELS):
        values = image[np.isin(anatomy, (left, MIRROR[left]))]
        if values.size >= _LEAST_VOXELS:
            medians.append(float(np.median(values)))
    mean = float(np.mean(medians)) if medians else 0.0
    return (max(medians) - min(medians)) / mean if len(medians) > 1 and mean > 0 else float("nan")


def coherence(
    image: Image, head: Mask, steps: tuple[int, int, int] = (1, 1, 1)
) -> tuple[float, float, float]:
    """Return the correlation of signals in the head with those so many slices on, by axis.

    Every second voxel across tells it.
    """
    found = []
    for axis, step in enumerate(steps):
        here, on = slice(None, -step), slice(step, None)
        at = [tuple(s if a == axis else _EVERY_SECOND for a in range(3)) for s in (here, on)]
        both = head[at[0]] & head[at[1]]
        one, other = image[at[0]][both], image[at[1]][both]
        known = one.size > 2 and np.ptp(one) > 0 and np.ptp(other) > 0
        found.append(float(np.corrcoef(one, other)[0, 1]) if known else float("nan"))
    return found[0], found[1], found[2]


def slice_mm(image: Image, head: Mask, affine: Affine) -> float:
    """Return how thick slices are that are repeated to fill thinner ones, mm.

    Images that were resampled to the nearest slice have a resolution that no header tells.

    Returns
    -------
    float
        The largest of all axes; the length of a voxel where no slice is repeated.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((6, 6, 12))
    >>> everywhere = np.ones(image.shape, bool)
    >>> slice_mm(image, everywhere, np.eye(4))
    1.0
    >>> slice_mm(np.repeat(image[..., ::4], 4, axis=2), everywhere, np.eye(4))
    4.0
    """
    found = []
    for axis, size in enumerate(voxel_sizes(affine)):
        slices, inside = np.moveaxis(image, axis, 0), np.moveaxis(head, axis, 0)
        scale = _REPEATED * float(np.std(image[head])) if head.any() else 0.0
        pairs = [k for k in range(1, len(slices)) if (inside[k] & inside[k - 1]).any()]
        new = sum(
            float(np.abs(slices[k] - slices[k - 1])[inside[k] & inside[k - 1]].mean()) > scale
            for k in pairs
        )
        found.append(size * (len(pairs) + 1) / (new + 1))
    return float(max(found))


def _places(mask: Mask, affine: Affine) -> Points:
    """Return the places of a mask's voxels, mm, shape (n, 3)."""
    return np.argwhere(mask) @ np.asarray(affine)[:3, :3].T + np.asarray(affine)[:3, 3]
