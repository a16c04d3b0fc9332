from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgpvs_wf.phantom.shapes import Arc, Blob, smooth_union

LENGTHS = st.floats(3, 20)


def points_of(array):
    return tuple(np.asarray(array, float).T)


@given(radius=LENGTHS, seed=st.integers(0, 999))
def test_distance_to_a_sphere_is_exact(radius, seed):
    places = np.random.default_rng(seed).normal(0, 20, (50, 3))
    ball = Blob((1.0, 2.0, 3.0), (radius,) * 3, turn=(30, 40, 50))
    expected = np.linalg.norm(places - [1, 2, 3], axis=1) - radius
    assert np.allclose(ball.distance(points_of(places)), expected, atol=1e-4)


@settings(max_examples=15)
@given(a=LENGTHS, b=LENGTHS, c=LENGTHS, turn=st.tuples(*[st.floats(-180, 180)] * 3))
def test_volume_of_a_turned_ellipsoid(a, b, c, turn):
    axis = np.arange(-21, 21, 0.75) + 0.3
    grid = np.meshgrid(axis, axis, axis, indexing="ij")
    inside = Blob((0, 0, 0), (a, b, c), turn).distance(tuple(grid)) < 0
    assert inside.sum() * 0.75**3 == pytest.approx(4 / 3 * np.pi * a * b * c, rel=0.05)


@settings(max_examples=15)
@given(k=st.tuples(*[st.floats(-0.03, 0.03)] * 4))
def test_bending_keeps_the_volume(k):
    axis = np.arange(-25, 25, 0.75)
    grid = np.meshgrid(axis, axis, axis, indexing="ij")
    straight = Blob((0, 0, 0), (5, 14, 9)).distance(tuple(grid)) < 0
    bent = Blob((0, 0, 0), (5, 14, 9), bend=k).distance(tuple(grid)) < 0
    assert bent.sum() == pytest.approx(straight.sum(), rel=0.03)


def test_arc_is_a_half_ring():
    ring = Arc((0, 0), (20, 20), (0, 180), (0, 0, 0), (3, 3, 3), (3, 3, 3))
    angle = np.radians(np.linspace(5, 175, 30))
    line = np.stack([0 * angle, 20 * np.cos(angle), 20 * np.sin(angle)], 1)
    assert (
        np.allclose(ring.distance(points_of(line)), 0, atol=0.1)
        or (ring.distance(points_of(line)) < 0).all()
    )
    outwards = line * [1, 1.15, 1.15]
    assert np.allclose(ring.distance(points_of(outwards)), 0, atol=0.1)
    below = line * [1, 1, -1]
    assert (ring.distance(points_of(below[5:25])) > 1).all()


@given(seed=st.integers(0, 999), radius=st.floats(0.5, 10))
def test_smooth_union_never_loses_a_shape_and_adds_little(seed, radius):
    a, b = np.random.default_rng(seed).normal(0, 10, (2, 100))
    union = smooth_union([a, b], radius)
    assert (union <= np.minimum(a, b)).all()
    assert (union >= np.minimum(a, b) - radius / 4 - 1e-9).all()
