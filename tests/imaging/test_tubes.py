from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bgpvs_wf.imaging.geometry import Grid, voxel_volume
from bgpvs_wf.imaging.tubes import Tube, tube_occupancy


def straight(start, direction, length, diameter):
    steps = np.arange(0, length + 0.05, 0.1)
    direction = np.asarray(direction, float) / np.linalg.norm(direction)
    return Tube(start + steps[:, None] * direction, np.full(len(steps), diameter / 2), 1.0)


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.tuples(*[st.floats(0.4, 1.5)] * 3),
    turn=st.floats(-60, 60),
    direction=st.tuples(*[st.floats(0.2, 1.0)] * 3),
    diameter=st.floats(0.5, 1.6),
)
def test_occupancy_sums_to_the_volume_on_any_grid(sizes, turn, direction, diameter):
    tube = straight(np.zeros(3), direction, 6.0, diameter)
    affine = np.eye(4)
    rotation = Rotation.from_euler("xyz", [turn, turn / 2, 10], degrees=True).as_matrix()
    affine[:3, :3] = rotation @ np.diag(sizes)
    shape = tuple(int(np.ceil(24 / s)) for s in sizes)
    affine[:3, 3] = tube.points.mean(axis=0) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    index, share = tube_occupancy(tube, Grid(shape, affine))
    assert share.max() <= 1
    assert len(np.unique(index, axis=0)) == len(index)
    assert share.sum() * voxel_volume(affine) == pytest.approx(tube.volume_mm3, rel=0.04)


def test_volume_of_a_straight_tube():
    tube = straight(np.zeros(3), [0, 0, 1], 8.0, 1.0)
    assert tube.length_mm == pytest.approx(8.0)
    assert tube.volume_mm3 == pytest.approx(np.pi * 0.25 * 8 + np.pi / 6, rel=1e-6)


def test_tube_outside_the_grid_fills_nothing():
    tube = straight(np.full(3, 100.0), [0, 0, 1], 5.0, 1.0)
    index, share = tube_occupancy(tube, Grid((10, 10, 10), np.eye(4)))
    assert len(index) == len(share) == 0
