"""Perivascular spaces of a session as lines in space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.arrays import Affine, Labels, Points
from bgpvs_wf.imaging.geometry import crop_affine, voxel_volume
from bgpvs_wf.imaging.polyline import resample_evenly
from bgpvs_wf.imaging.skeleton import centreline
from bgpvs_wf.quantification.instances import label_instances

Transform = Callable[[Points], Points]
"""Places of one session, (n, 3), mm, to those of the same tissue in another: affine or warp."""
_EVERY = 6
"""Of the points of a line, which come every 0.05 mm, one in so many is taken."""


@dataclass(frozen=True)
class Space:
    """A perivascular space of a session."""

    number: int
    """As in its ``desc-pvs_dseg``."""
    points: Points
    """Along its centreline and branches, mm, evenly; a single voxel has its centre."""
    volume_mm3: float
    diameter_mm: float
    """Mean."""
    voxels: int = 1


def find_spaces(
    labels: Labels, affine: Affine, measured: Mapping[int, tuple[float, float]] | None = None
) -> list[Space]:
    """Return the perivascular spaces of a label map.

    Parameters
    ----------
    labels : ndarray of int, shape (x, y, z)
        Number of the space in every voxel, 0 for none.
    affine : ndarray, shape (4, 4)
        Voxel index to mm, RAS+.
    measured : mapping of int to (float, float), optional
        Number to volume, mm3, and mean diameter, mm, where they are known better than by voxels.

    Returns
    -------
    list of Space
        By number.

    Examples
    --------
    >>> labels = np.zeros((5, 5, 9), int)
    >>> labels[2, 2, 1:8] = 4
    >>> (space,) = find_spaces(labels, np.eye(4))
    >>> space.number, space.volume_mm3, len(space.points) > 10
    (4, 7.0, True)
    """
    measured = measured or {}
    found = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        mask = labels[box] == number
        # What hangs together by less than a corner is measured piece by piece.
        parts = label_instances(mask)
        lines = [
            centreline(parts == part, crop_affine(affine, box))
            for part in range(1, int(parts.max()) + 1)
        ]
        points = [_thinned(path) for line in lines for path in (line.points, *line.branches)]
        voxels = int(mask.sum())
        own = (voxels * voxel_volume(affine), lines[0].mean_diameter_mm)
        sizes = measured.get(number, own)
        found.append(Space(number, np.concatenate(points), *sizes, voxels=voxels))
    return found


def by_affine(affine: Affine) -> Transform:
    """Return an affine, shape (4, 4), mm to mm, as what moves points."""
    matrix, shift = np.asarray(affine, float)[:3, :3], np.asarray(affine, float)[:3, 3]
    return lambda points: np.asarray(points @ matrix.T + shift)


def _thinned(path: Points) -> Points:
    return path if len(path) < 2 else resample_evenly(path)[::_EVERY]
