"""How a head lies, from the hulls of its nuclei, whichever way it is turned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bgpvs_wf.anatomy.starts import half_turn, turn_degrees
from bgpvs_wf.imaging.geometry import Grid, axes_in_space
from bgpvs_wf.learning.data.scan import Scan, nearest_order, orders
from bgpvs_wf.learning.heads.lie import TILT_DEGREES, Lie, lying

ANGLES = st.tuples(*[st.floats(-70, 70)] * 3)


def _hulls(axes: np.ndarray) -> list[np.ndarray]:
    """Return ellipsoids left and right of the middle, long from behind to front."""
    places = np.moveaxis(np.indices((60,) * 3), 0, -1) - 29.5
    tilt = Rotation.from_euler("x", TILT_DEGREES, degrees=True).as_matrix()
    along = places @ axes @ tilt
    radii = np.array([6.0, 14.0, 9.0])
    return [(((along - [side * 9, 0, 0]) / radii) ** 2).sum(-1) < 1 for side in (-1, 1)]


@settings(max_examples=25, deadline=None)
@given(angles=ANGLES)
def test_a_turned_head_is_told_to_a_degree(angles):
    axes = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    left, right = _hulls(axes)
    told = lying(left, right)
    if axes[0, 0] < 0.05 or axes[1, 1] < 0.05:  # these are seen along another order of axes
        return
    assert told is not None
    assert turn_degrees(told.T @ axes) < 1.5


def test_sides_the_wrong_way_round_or_missing_tell_nothing():
    left, right = _hulls(np.eye(3))
    assert lying(right, left) is None
    assert lying(left, np.zeros_like(left)) is None


def test_a_lie_survives_being_plain_values():
    axes = Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix()
    other = Lie(axes.T, 0.9, np.zeros(3), 11.0)
    back = Lie.from_dict(Lie(axes, 0.91, np.array([1.0, -20.5, 3.0]), 12.5, (other,)).to_dict())
    np.testing.assert_allclose(back.axes, axes, atol=1e-8)
    assert back.sureness == 0.91
    np.testing.assert_allclose(back.others[0].axes, axes.T, atol=1e-8)
    assert back.others[0].others == ()


def test_orders_are_all_rotations_of_a_cube():
    ways = orders()
    assert len({way.tobytes() for way in ways}) == 24
    assert all(np.linalg.det(way) == pytest.approx(1) for way in ways)
    np.testing.assert_array_equal(ways[0], np.eye(3))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31))
def test_what_is_left_beside_the_nearest_order_is_at_most_63_degrees(seed):
    axes = Rotation.random(random_state=seed).as_matrix()
    assert turn_degrees(nearest_order(axes).T @ axes) < 62.9


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), angles=ANGLES)
def test_a_scan_in_another_order_of_axes_is_seen_as_it_was(seed, angles):
    """The voxels are the same, whatever a header says of them, once it is known how it lies."""
    rng = np.random.default_rng(seed)
    image = rng.random((5, 6, 7)).astype(np.float32)
    affine = np.diag([1.0, 1.2, 0.9, 1.0])
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    scan = Scan.from_arrays(image, None, turn @ affine)
    # The head lies along the voxels, in whatever order the header puts them.
    axes = np.linalg.inv(axes_in_space(turn @ affine)) @ turn[:3, :3]
    seen = scan.upright(axes)
    assert seen.pose is None
    np.testing.assert_array_equal(seen.images[0], image)
    assert seen.grid.shape == image.shape


def test_a_head_between_axes_is_seen_along_its_own():
    image = np.zeros((40, 40, 40), np.float32)
    image[10:30, 12:28, 14:26] = 1
    axes = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    scan = Scan.from_arrays(image, None, np.eye(4)).upright(axes)
    _, grid = scan.coarse()
    assert isinstance(grid, Grid)
    np.testing.assert_allclose(grid.affine[:3, :3] / 2.0, axes, atol=1e-12)


def test_axes_in_space_are_in_the_order_of_a_canonical_image():
    affine = half_turn(2) @ np.array([[0, 0, 2.0, 1], [3, 0, 0, 2], [0, 1, 0, 3], [0, 0, 0, 1]])
    np.testing.assert_allclose(axes_in_space(affine), np.eye(3), atol=1e-12)
