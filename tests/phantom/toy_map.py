"""A label map of ellipsoids on any grid: what tests of label anatomies and hybrids share."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from bgpvs_wf.imaging.geometry import Grid

# Label, centre and half axes of the right side, mm; later ones over earlier ones.
_SHAPES = (
    (24, (0, 0, 0), (34, 38, 30)),
    (41, (0, 0, 0), (32, 36, 28)),
    (43, (5, 8, 14), (4, 12, 5)),
    (50, (13, 8, 11), (5, 12, 5)),
    (51, (24, 0, 0), (5, 13, 9)),
    (52, (16, -2, -2), (5, 8, 6)),
    (58, (8, 12, -4), (3, 4, 3)),
)
_LEFT = {41: 2, 43: 4, 50: 11, 51: 12, 52: 13, 58: 26}
VOLUME_MM3 = {label: 4 / 3 * np.pi * np.prod(radii) for label, _, radii in _SHAPES}


def turned_grid(seed: int, voxel: tuple[float, float, float], half: float = 42.0) -> Grid:
    """Return a grid of random orientation about the origin, its axes in random order."""
    rng = np.random.default_rng(seed)
    turn = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn[:, rng.permutation(3)] * np.array(voxel)
    shape = tuple(int(np.ceil(2 * half / v)) for v in voxel)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid((shape[0], shape[1], shape[2]), affine)


def straight_grid(voxel: float, half: float = 42.0) -> Grid:
    """Return a grid along the scanner's axes about the origin."""
    count = int(np.ceil(2 * half / voxel))
    affine = np.diag([voxel, voxel, voxel, 1.0])
    affine[:3, 3] = -(count - 1) / 2 * voxel
    return Grid((count,) * 3, affine)


def toy_labels(grid: Grid, nuclei_only: bool = False) -> np.ndarray:
    """Sample the ellipsoids at the voxels of a grid; int16."""
    index = np.indices(grid.shape).reshape(3, -1)
    points = (grid.affine[:3, :3] @ index + grid.affine[:3, 3:]).T
    sided = points * [1, 1, 1]
    sided[:, 0] = np.abs(sided[:, 0])
    labels = np.zeros(len(points), np.int16)
    for label, centre, radii in _SHAPES:
        inside = (((sided - centre) / radii) ** 2).sum(axis=1) < 1
        labels[inside] = np.where(points[inside, 0] < 0, _LEFT.get(label, label), label)
    labels = labels.reshape(grid.shape)
    return np.where(
        np.isin(labels, (11, 12, 13, 26, 50, 51, 52, 58)) | (not nuclei_only), labels, 0
    )
