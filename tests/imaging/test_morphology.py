from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import Delaunay
from scipy.spatial.transform import Rotation

from bgpvs_wf.imaging import morphology

FAST = settings(max_examples=25, deadline=None)


@st.composite
def affines(draw, sheared=False):
    rotation = Rotation.random(random_state=draw(st.integers(0, 10_000))).as_matrix()
    sizes = [draw(st.sampled_from([0.5, 0.8, 1.0, 1.6])) for _ in range(3)]
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag(sizes) * draw(st.sampled_from([1, -1]))
    if sheared:
        affine[:3, :3] = affine[:3, :3] @ np.array([[1, 0.2, 0], [0, 1, -0.3], [0, 0, 1]])
    affine[:3, 3] = draw(st.floats(-100, 100))
    return affine


def random_mask(seed, shape=(9, 8, 10), density=0.03):
    return np.random.default_rng(seed).random(shape) < density


def brute_distance(mask, affine):
    world = np.argwhere(np.ones(mask.shape)) @ affine[:3, :3].T
    gap = np.linalg.norm(world[:, None] - world[~mask.ravel()][None], axis=-1)
    return np.where(mask, gap.min(axis=1).reshape(mask.shape), 0.0)


@FAST
@given(affines(), st.booleans(), st.integers(0, 100))
def test_distance_is_the_least_distance_in_space(affine, shear, seed):
    if shear:
        affine = affine.copy()
        affine[:3, :3] = affine[:3, :3] @ np.array([[1, 0.2, 0], [0, 1, -0.3], [0, 0, 1]])
    mask = ~random_mask(seed, (6, 5, 7), 0.1)
    mask[0, 0, 0] = False
    expected = brute_distance(mask, affine)
    np.testing.assert_allclose(morphology.distance_mm(mask, affine), expected, atol=1e-6)


def test_distance_in_a_full_mask_is_infinite():
    assert np.isinf(morphology.distance_mm(np.ones((2, 3, 4), bool), np.eye(4))).all()


@FAST
@given(affines(), affines(sheared=True), st.floats(0, 2.5), st.integers(0, 100))
def test_dilation_equals_the_ball_as_footprint(straight, sheared, radius, seed):
    mask = random_mask(seed)
    for affine in (straight, sheared):
        footprint = morphology.ball(radius, affine)
        expected = ndimage.binary_dilation(mask, footprint)
        np.testing.assert_array_equal(morphology.dilate_mm(mask, affine, radius), expected)


@FAST
@given(affines(), st.floats(0, 2.5), st.integers(0, 100))
def test_erosion_is_dual_to_dilation(affine, radius, seed):
    mask = ~random_mask(seed)
    expected = ~ndimage.binary_dilation(~mask, morphology.ball(radius, affine))
    np.testing.assert_array_equal(morphology.erode_mm(mask, affine, radius), expected)


@FAST
@given(affines(), affines(sheared=True), st.floats(0.4, 2.5), st.integers(0, 100))
def test_closing_and_opening_have_their_algebra(straight, sheared, radius, seed):
    mask = ndimage.binary_dilation(random_mask(seed))
    for affine in (straight, sheared):
        closed = morphology.close_mm(mask, affine, radius)
        assert (closed >= mask).all()
        np.testing.assert_array_equal(morphology.close_mm(closed, affine, radius), closed)
        opened = morphology.open_mm(mask, affine, radius)
        assert (opened <= mask).all()


def test_closing_at_the_edge_is_as_inside():
    mask = random_mask(3, (8, 8, 8), 0.1)
    inside = np.pad(mask, 8)
    affine = np.diag([0.8, 0.8, 1.2, 1.0])
    closed = morphology.close_mm(mask, affine, 2.0)
    padded = morphology.close_mm(inside, affine, 2.0)[8:-8, 8:-8, 8:-8]
    np.testing.assert_array_equal(closed, padded)


def test_closing_takes_in_the_gap_narrower_than_twice_the_radius():
    mask = np.zeros((30, 12, 12), bool)
    mask[4:10], mask[16:22] = True, True
    affine = np.diag([-0.5, 0.5, 0.5, 1.0])
    assert morphology.close_mm(mask, affine, 2.0)[10:16, 6, 6].all()  # gap of 3 mm
    assert not morphology.close_mm(mask, affine, 1.0)[10:16, 6, 6].any()


@FAST
@given(affines(sheared=True), st.integers(0, 100))
def test_nearest_label_is_nearest_in_space(affine, seed):
    labels = random_mask(seed, (6, 6, 6), 0.05) * (np.arange(216).reshape(6, 6, 6) + 1)
    labels[2, 2, 2] = 999
    world = np.argwhere(np.ones(labels.shape)) @ affine[:3, :3].T
    seeds = np.argwhere(labels) @ affine[:3, :3].T
    gap = np.linalg.norm(world[:, None] - seeds[None], axis=-1)
    out = morphology.nearest_label(labels, affine).ravel()
    chosen = np.argwhere(labels.ravel()[None] == out[:, None])[:, 1]
    np.testing.assert_allclose(np.linalg.norm(world - world[chosen], axis=1), gap.min(axis=1))


def test_nothing_stays_nothing():
    empty = np.zeros((4, 5, 6), bool)
    for function in (morphology.dilate_mm, morphology.close_mm, morphology.open_mm):
        assert not function(empty, np.eye(4), 2.0).any()
    with pytest.raises(ValueError, match="no label"):
        morphology.nearest_label(empty, np.eye(4))
    with pytest.raises(ValueError, match="negative"):
        morphology.ball(-1, np.eye(4))


def test_surface_is_the_rim():
    mask = np.zeros((7, 7, 7), bool)
    mask[1:6, 1:6, 1:6] = True
    assert morphology.surface(mask).sum() == 5**3 - 3**3
    assert morphology.surface(np.ones((3, 3, 3), bool)).sum() == 26


@FAST
@given(st.tuples(*[st.integers(3, 13)] * 3), st.integers(0, 1000), st.integers(1, 12))
def test_a_hull_is_that_of_tetrahedra(shape, seed, few):
    mask = np.zeros(shape, bool)
    mask.flat[np.random.default_rng(seed).integers(0, mask.size, few)] = True
    steps = 0.5 * np.concatenate([np.eye(3), -np.eye(3)])
    points = (np.argwhere(mask)[:, None] + steps).reshape(-1, 3)
    inside = Delaunay(points).find_simplex(np.argwhere(np.ones(shape))) >= 0
    np.testing.assert_array_equal(morphology.hull(mask), inside.reshape(shape))


def test_the_hull_of_nothing_is_empty():
    assert not morphology.hull(np.zeros((3, 4, 5), bool)).any()
