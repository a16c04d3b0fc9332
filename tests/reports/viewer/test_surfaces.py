from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from viewer_toys import affines

from bgpvs_wf.reports.viewer.surfaces import Surface, joined, mask_surface

BALL_MM = 6.0


def ball(affine: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """A mask of a ball, and its centre in mm."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    shape = np.ceil(2 * (radius + 2) / sizes).astype(int) + 1
    index = np.indices(shape).reshape(3, -1)
    centre = affine @ np.append((shape - 1) / 2, 1)
    places = affine[:3, :3] @ index + affine[:3, 3:]
    away = np.linalg.norm(places - centre[:3, None], axis=0)
    return (away <= radius).reshape(shape), centre[:3]


def edges(surface: Surface) -> np.ndarray:
    return np.concatenate([surface.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])


@settings(max_examples=25, deadline=None)
@given(affines())
def test_a_ball_is_where_it_is_and_as_large_as_its_voxels(affine):
    mask, centre = ball(affine, BALL_MM)
    surface = mask_surface(mask, affine, step_mm=0.8, smooth_voxels=0.8)
    inside = mask.sum() * abs(np.linalg.det(affine[:3, :3]))
    # Steps of 0.8 mm are an eighth of the radius.
    assert surface.volume_mm3 == pytest.approx(inside, rel=0.05)
    radii = np.linalg.norm(surface.vertices - centre, axis=1)
    # The blur draws the poles of a ball of few voxels in.
    assert radii.mean() == pytest.approx((3 * inside / (4 * np.pi)) ** (1 / 3), rel=0.03)
    assert np.abs(radii - BALL_MM).max() < 0.9 * np.linalg.norm(affine[:3, :3], axis=0).max()


@settings(max_examples=15, deadline=None)
@given(affines(), st.integers(0, 2**32 - 1))
def test_surfaces_are_closed_and_seen_from_outside(affine, seed):
    mask = np.random.default_rng(seed).random((5, 4, 6)) < 0.4
    mask[2, 2, 2] = True
    surface = mask_surface(mask, affine, step_mm=0.5)
    there = np.unique(edges(surface), axis=0, return_counts=True)
    back = np.unique(edges(surface)[:, ::-1], axis=0, return_counts=True)
    assert np.array_equal(there[0], back[0])
    assert np.array_equal(there[1], back[1])
    assert surface.volume_mm3 > 0


def test_one_voxel_is_a_drop_of_its_volume_at_its_place():
    affine = np.diag([-0.8, 0.8, 0.8, 1.0])
    affine[:3, 3] = [10, -20, 30]
    mask = np.zeros((5, 5, 5), bool)
    mask[4, 0, 2] = True  # at the edge
    surface = mask_surface(mask, affine, step_mm=0.3)
    assert surface.volume_mm3 == pytest.approx(0.8**3, rel=0.2)
    assert surface.vertices.mean(axis=0) == pytest.approx([10 - 3.2, -20, 31.6], abs=0.02)


def test_voxels_that_touch_by_a_corner_are_one_piece():
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    mask = np.zeros((6, 6, 6), bool)
    for step in range(6):
        mask[step, step, step] = True
    surface = mask_surface(mask, np.eye(4), step_mm=0.3)
    a, b = edges(surface).T
    links = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(surface.vertices),) * 2)
    assert connected_components(links)[0] == 1


def test_an_empty_mask_has_no_surface():
    with pytest.raises(ValueError, match="empty"):
        mask_surface(np.zeros((3, 3, 3), bool), np.eye(4), step_mm=1)


def test_joined_surfaces_keep_their_triangles():
    mask = np.ones((2, 2, 2), bool)
    one = mask_surface(mask, np.eye(4), step_mm=1)
    other = Surface(one.vertices + 9, one.faces)
    both = joined([one, other])
    assert both.volume_mm3 == pytest.approx(2 * one.volume_mm3)
    assert np.array_equal(both.vertices[both.faces[-1]], other.vertices[other.faces[-1]])
