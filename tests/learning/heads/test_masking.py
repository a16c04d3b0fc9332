"""The mask of a brain that was found in a head, against the whole grid resampled at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bgpvs_wf.imaging.geometry import Grid, resample
from bgpvs_wf.learning.heads.masking import mask_between, mask_of

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


def ball(radius: float, grid: Grid, middle: np.ndarray) -> np.ndarray:
    """Return how surely voxels are in a ball around a place in mm, 0 to 1."""
    places = np.moveaxis(np.indices(grid.shape), 0, -1) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    away = np.linalg.norm(places - middle, axis=-1)
    return np.clip((radius - away) / 4 + 0.5, 0, 1).astype(np.float32)


def scan(angles: tuple[float, ...], voxel_mm: float, middle: np.ndarray) -> Grid:
    """Return a grid of 96 mm about a place."""
    count = int(96 / voxel_mm)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * voxel_mm
    affine[:3, 3] = middle - affine[:3, :3] @ np.full(3, (count - 1) / 2)
    return Grid((count, count, count), affine)


ROUGH = Grid((24, 24, 24), AFFINE)
MIDDLE = np.full(3, 46.0)


@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    voxel_mm=st.sampled_from([1.5, 2.0, 3.0]),
    shift=st.tuples(*[st.floats(-30, 30)] * 3),
)
@settings(max_examples=20, deadline=None)
def test_the_finer_mask_comes_to_the_scan_wherever_that_lies(angles, voxel_mm, shift):
    grid = scan(angles, voxel_mm, MIDDLE + np.array(shift))
    rough, finer = ball(24, ROUGH, MIDDLE), ball(28, ROUGH, MIDDLE)
    inside = np.ones(grid.shape, bool)
    mask = mask_of(rough, ROUGH, inside, grid, lambda: (finer, ROUGH))
    # What is far from the surface is certain; beyond it, nothing is.
    whole = resample(finer, AFFINE, grid) > 0.5
    assert (mask != whole).sum() <= 0.002 * whole.sum()


def test_islands_go_and_holes_are_filled():
    grid = scan((0, 0, 0), 2.0, MIDDLE)
    finer = ball(28, ROUGH, MIDDLE)
    plain = mask_of(finer, ROUGH, np.ones(grid.shape, bool), grid, lambda: (finer, ROUGH))
    changed = finer.copy()
    changed[12, 12, 12], changed[1:3, 1:3, 1:3] = 0, 1
    mask = mask_of(finer, ROUGH, np.ones(grid.shape, bool), grid, lambda: (changed, ROUGH))
    np.testing.assert_array_equal(mask, plain)


def test_what_was_found_roughly_stays_where_nothing_is_seen_then():
    grid, rough = scan((0, 0, 0), 2.0, MIDDLE), ball(28, ROUGH, MIDDLE)
    inside = np.ones(grid.shape, bool)
    mask = mask_of(rough, ROUGH, inside, grid, lambda: (0.1 * rough, ROUGH))
    np.testing.assert_array_equal(mask, mask_of(rough, ROUGH, inside, grid, lambda: (rough, ROUGH)))


def test_a_brain_that_was_taken_out_is_not_looked_at_again():
    grid = scan((0, 0, 0), 2.0, MIDDLE)
    inside = ball(26, grid, MIDDLE) > 0.5

    def see() -> tuple[np.ndarray, Grid]:
        raise AssertionError

    assert mask_of(ball(24, ROUGH, MIDDLE), ROUGH, inside, grid, see) is None


@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    shift=st.tuples(*[st.floats(-6, 6)] * 3),
    radii=st.tuples(*[st.floats(26, 32)] * 2),
)
@settings(max_examples=20, deadline=None)
def test_the_mask_of_a_pair_is_half_way_between_theirs(angles, shift, radii):
    here = scan((10, 20, -30), 1.5, MIDDLE)
    there = scan(angles, 2.0, MIDDLE + np.array(shift))
    one, other = (ball(r, g, MIDDLE) > 0.5 for r, g in zip(radii, (here, there), strict=True))
    mask, doubt = mask_between(one, here, other, there.affine)
    truth = ball(float(np.mean(radii)), here, MIDDLE) > 0.5
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.97
    assert not doubt


def test_masks_that_differ_are_in_doubt_and_the_first_stays():
    grid = scan((0, 0, 0), 2.0, MIDDLE)
    one, other = (ball(28, grid, MIDDLE + shift) > 0.5 for shift in (0, 12))
    mask, doubt = mask_between(one, grid, other, grid.affine)
    np.testing.assert_array_equal(mask, one)
    assert "Dice 0." in doubt


def test_an_image_that_shows_less_of_the_head_tells_nothing_of_the_rest():
    grid = scan((0, 0, 0), 2.0, MIDDLE)
    one = ball(28, grid, MIDDLE) > 0.5
    mask, _ = mask_between(one, grid, one[..., :28], grid.affine)
    assert (mask != one).sum() < 0.03 * one.sum()
