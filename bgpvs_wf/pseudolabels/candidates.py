"""Candidates: connected voxels of evidence, and what is measured on each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import pdist

from bgpvs_wf.imaging.geometry import voxel_sizes, voxel_volume
from bgpvs_wf.imaging.morphology import distance_mm
from bgpvs_wf.imaging.vesselness import tubes
from bgpvs_wf.pseudolabels.region import Region

NEAR_CSF_MM = 1.0
"""Voxels this near to ventricle or CSF count as touching it (chosen: two working voxels)."""
RING_MM = 1.25
"""Radius of the ring around a tube on which it is compared with its surroundings (chosen)."""
SURROUNDINGS_MM = 2.5
"""Edge of the cube in which two thirds nucleus surround a voxel (chosen)."""
_ANGLES = 8
_DIRECTION_MM = 0.65
_MANY = 400


@dataclass(frozen=True)
class Candidate:
    """A connected set of voxels that may be a perivascular space."""

    index: int
    """Its value in the label array."""
    peak: float
    """Largest evidence in it, in units of noise."""
    volume_mm3: float
    length_mm: float
    """Largest distance between two of its voxels, ends included."""
    elongation: float
    """Length over the diameter of the cylinder of this length and volume; 1.2 for a ball."""
    in_region: float
    """Share of its voxels in the reported basal ganglia, or surrounded by them."""
    near_csf: float
    """Share of its voxels that touch ventricle or CSF."""
    on_rim: float
    """Share of its voxels in the rim of the region."""
    along_rim: float
    """How parallel it runs to the region's surface: 1 along, 0 straight across."""
    contrast: float
    """How much the stronger half of its voxels exceeds the tissue around, as a share of how much
    fluid in bulk does; infinite where there is no fluid to compare with."""
    isolation: float
    """Smallest fall of the signal away from its axis, over directions, as a share of the mean
    fall: near 1 for a tube, 0 for a sheet, negative for an edge."""


def find_candidates(
    evidence: np.ndarray,
    excess: np.ndarray,
    fluid: float,
    region: Region,
    grow: float,
    rim_mm: float,
) -> tuple[np.ndarray, list[Candidate]]:
    """Label the connected sets of evidence above a level, and measure each.

    Parameters
    ----------
    evidence, excess : ndarray, shape (x, y, z)
        Evidence, and how much the leading contrast exceeds the tissue, fluid bright.
    fluid : float
        Excess of fluid in bulk; 0 if unknown.
    region : Region
    grow : float
        The level.
    rim_mm : float
        Depth of the rim.

    Returns
    -------
    labels : ndarray of int32, shape (x, y, z)
    candidates : list of Candidate
    """
    affine = region.grid.affine
    above = (evidence > grow) & region.search & ~region.csf
    labels, count = ndimage.label(above, np.ones((3, 3, 3)))
    direction = tubes(excess, affine, [_DIRECTION_MM]).direction
    normal = _normals(region)
    width = np.round(SURROUNDINGS_MM / voxel_sizes(affine)).astype(int)
    around = ndimage.uniform_filter(region.mask.astype(np.float32), tuple(width))
    within = region.mask | (around > 2 / 3)
    csf_distance = distance_mm(~region.csf, affine) if region.csf.any() else None
    found = []
    for index, slices in enumerate(ndimage.find_objects(labels, count), start=1):
        voxels = np.argwhere(labels[slices] == index) + [s.start for s in slices]
        at = tuple(voxels.T)
        length = _length(voxels, affine)
        volume = len(voxels) * voxel_volume(affine)
        along = direction[at]
        parallel = np.sqrt(np.clip(1 - (along * normal[at]).sum(-1) ** 2, 0, 1))
        found.append(
            Candidate(
                index=index,
                peak=float(evidence[at].max()),
                volume_mm3=volume,
                length_mm=length,
                elongation=length / (2 * float(np.sqrt(volume / (np.pi * length)))),
                in_region=float(within[at].mean()),
                near_csf=float((csf_distance[at] <= NEAR_CSF_MM).mean())
                if csf_distance is not None
                else 0.0,
                on_rim=float((region.depth[at] <= rim_mm).mean()),
                along_rim=float(parallel.mean()),
                contrast=float(excess[at][evidence[at] >= np.median(evidence[at])].mean()) / fluid
                if fluid > 0
                else np.inf,
                isolation=_isolation(excess, voxels, along, evidence[at], affine),
            )
        )
    return labels, found


def _length(voxels: np.ndarray, affine: np.ndarray) -> float:
    """Return the largest distance between voxel centres plus one voxel, mm."""
    points = voxels @ np.asarray(affine, float)[:3, :3].T
    if len(points) > _MANY:
        # The ends lie far along some direction: keep the extremes of many.
        axes = np.random.default_rng(0).normal(size=(_MANY // 2, 3))
        shadow = points @ axes.T
        points = points[np.unique(np.r_[shadow.argmax(axis=0), shadow.argmin(axis=0)])]
    span = float(pdist(points).max()) if len(points) > 1 else 0.0
    return span + float(voxel_sizes(affine).mean())


def _normals(region: Region) -> np.ndarray:
    """Return unit normals of the surfaces of equal depth, world axes, shape (x, y, z, 3)."""
    sizes = voxel_sizes(region.grid.affine)
    smooth = ndimage.gaussian_filter(region.depth, 1.0 / sizes)
    gradient = np.stack(np.gradient(smooth, *sizes), axis=-1)
    gradient /= np.maximum(np.linalg.norm(gradient, axis=-1, keepdims=True), 1e-6)
    return np.asarray(gradient @ (region.grid.affine[:3, :3] / sizes).T)


def _isolation(
    image: np.ndarray,
    voxels: np.ndarray,
    along: np.ndarray,
    weight: np.ndarray,
    affine: np.ndarray,
) -> float:
    """Compare the signal on a tube's axis with a ring around it; see `Candidate.isolation`.

    Falls are averaged along the candidate's stronger half before the smallest is taken, so that
    noise does not decide.
    """
    strong = weight >= np.median(weight)
    voxels, along = voxels[strong], along[strong]
    mean_axis = np.linalg.eigh(along.T @ along)[1][:, -1]
    helper = np.eye(3)[np.abs(mean_axis).argmin()]
    first = np.cross(along, np.cross(mean_axis, helper))
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-6)
    second = np.cross(along, first)
    # Signs of directions are arbitrary; make the second vector follow one of them.
    second *= np.where(along @ mean_axis < 0, -1.0, 1.0)[:, None]
    first *= np.where(first @ first.mean(axis=0) < 0, -1.0, 1.0)[:, None]
    to_index = np.linalg.inv(np.asarray(affine, float)[:3, :3])
    centre = image[tuple(voxels.T)]
    falls = []
    for angle in np.arange(_ANGLES) * 2 * np.pi / _ANGLES:
        offset = RING_MM * (np.cos(angle) * first + np.sin(angle) * second)
        place = (voxels + offset @ to_index.T).T
        falls.append(centre - ndimage.map_coordinates(image, place, order=1, mode="nearest"))
    mean_falls = np.array([fall.mean() for fall in falls])
    overall = mean_falls.mean()
    return float(mean_falls.min() / overall) if overall > 0 else -1.0
