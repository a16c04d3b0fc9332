from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tubes import make_tube

from bgpvs_wf.imaging.skeleton import centreline, skeleton_paths

ISOTROPIC = np.diag([0.5, 0.5, 0.5, 1.0])
TUBES = settings(max_examples=25, deadline=None)


@TUBES
@given(
    seed=st.integers(0, 10_000),
    voxel=st.sampled_from([0.5, 0.8]),
    voxels_wide=st.floats(2.0, 3.5),
    aspect=st.floats(4.0, 7.0),
    bend=st.sampled_from([0.0, 0.1, 0.2]),
    flat=st.booleans(),
)
def test_length_and_diameter_within_a_tenth(seed, voxel, voxels_wide, aspect, bend, flat):
    diameter = voxel * voxels_wide
    tube = make_tube(
        seed,
        voxel=voxel,
        diameter=diameter,
        length=aspect * diameter,
        curvature=bend / diameter,
        flat=flat,
    )
    line = centreline(tube.occupancy >= 0.5, tube.affine, tube.occupancy)
    assert line.length_mm == pytest.approx(tube.length, rel=0.1)
    assert line.mean_diameter_mm == pytest.approx(diameter, rel=0.1)
    assert line.max_diameter_mm == pytest.approx(diameter, rel=0.1)
    assert line.branches == ()


@TUBES
@given(seed=st.integers(0, 10_000), curvature=st.sampled_from([0.0, 0.1]))
def test_length_from_the_mask_alone(seed, curvature):
    tube = make_tube(seed, voxel=0.5, diameter=1.5, length=9.0, curvature=curvature)
    line = centreline(tube.occupancy >= 0.5, tube.affine)
    assert line.length_mm == pytest.approx(tube.length, rel=0.1)
    assert line.mean_diameter_mm == pytest.approx(tube.diameter, rel=0.15)


@TUBES
@given(seed=st.integers(0, 10_000))
def test_anisotropic_voxels(seed):
    tube = make_tube(seed, voxel=(0.5, 0.8, 1.2), diameter=2.4, length=12.0, curvature=0.05)
    line = centreline(tube.occupancy >= 0.5, tube.affine, tube.occupancy)
    assert line.length_mm == pytest.approx(tube.length, rel=0.1)


@TUBES
@given(seed=st.integers(0, 10_000))
def test_chord_points_along_the_tube_and_upwards(seed):
    tube = make_tube(seed, voxel=0.5, diameter=1.2, length=8.0)
    line = centreline(tube.occupancy >= 0.5, tube.affine, tube.occupancy)
    unit = line.chord / np.linalg.norm(line.chord)
    truth = tube.chord / np.linalg.norm(tube.chord)
    assert abs(unit @ truth) > np.cos(np.radians(5))
    assert unit[2] >= 0
    assert line.tortuosity == pytest.approx(1.0, abs=0.01)


def test_tortuosity_of_an_arc():
    tube = make_tube(1, voxel=0.5, diameter=1.2, length=12.0, curvature=0.15)
    line = centreline(tube.occupancy >= 0.5, tube.affine, tube.occupancy)
    angle = tube.length * 0.15
    assert line.tortuosity == pytest.approx(angle / 2 / np.sin(angle / 2), rel=0.03)


def test_a_sheared_affine_measures_in_space():
    straight = np.zeros((8, 8, 40), bool)
    straight[3:5, 3:5, 5:35] = True
    affine = ISOTROPIC.copy()
    affine[:3, 2] = (0.15, 0.0, 0.5)
    line = centreline(straight, affine)
    assert line.length_mm == pytest.approx(30 * np.hypot(0.15, 0.5), rel=0.05)


def test_position_in_space():
    tube = make_tube(5, voxel=0.5, diameter=1.2, length=8.0)
    line = centreline(tube.occupancy >= 0.5, tube.affine, tube.occupancy)
    index = np.argwhere(tube.occupancy > 0)
    weights = tube.occupancy[tube.occupancy > 0]
    centre = np.average(index @ tube.affine[:3, :3].T + tube.affine[:3, 3], axis=0, weights=weights)
    assert np.linalg.norm(line.points.mean(axis=0) - centre) < 0.25


def letter_t() -> np.ndarray:
    mask = np.zeros((16, 30, 34), bool)
    mask[6:9, 6:9, 2:32] = True
    mask[6:9, 9:27, 11:14] = True
    return mask


def test_a_branch_counts_in_the_total_only():
    line = centreline(letter_t(), ISOTROPIC)
    assert len(line.branches) == 1
    # The arm joins the stem 5.25 mm above its lower end: what is below is the side branch.
    assert line.length_mm == pytest.approx(15.0 - 5.25 + 9.75, rel=0.1)
    assert line.total_length_mm == pytest.approx(15.0 + 9.75, rel=0.1)


def test_a_bump_is_no_branch():
    mask = np.zeros((20, 20, 40), bool)
    mask[6:11, 6:11, 3:37] = True
    mask[11:13, 8, 20] = True
    assert len(skeleton_paths(mask, ISOTROPIC)) == 1


def test_a_ring_is_as_long_as_the_way_around():
    x, y, z = (np.indices((40, 40, 12)).T * 0.5 - np.array([10, 10, 3])).T
    ring = np.hypot(np.hypot(x, y) - 7.0, z) <= 0.8
    line = centreline(ring, ISOTROPIC)
    assert line.length_mm == pytest.approx(2 * np.pi * 7.0, rel=0.1)


def test_one_voxel_has_a_size_but_no_direction():
    mask = np.zeros((5, 5, 5), bool)
    mask[2, 2, 2] = True
    line = centreline(mask, np.diag([0.5, 0.5, 4.0, 1.0]))
    assert line.length_mm == pytest.approx(1.0)
    assert line.mean_diameter_mm == pytest.approx(2 / np.sqrt(np.pi))
    assert np.isnan(line.tortuosity)
    assert not line.chord.any()


@pytest.mark.parametrize(("step", "least"), [((0, 0, 1), 0.9), ((1, 1, 1), 1.3)])
def test_two_voxels_are_longer_than_one(step, least):
    mask = np.zeros((6, 6, 6), bool)
    mask[2, 2, 2] = mask[tuple(2 + np.array(step))] = True
    line = centreline(mask, ISOTROPIC)
    assert least < line.length_mm < 2.0
    assert line.chord @ np.array(step) / np.linalg.norm(step) == pytest.approx(
        np.linalg.norm(line.chord), rel=1e-3
    )


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    seed=st.integers(0, 10_000),
    weighted=st.booleans(),
)
def test_any_object_has_finite_measures_and_no_warning(shape, seed, weighted):
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    found, _ = ndimage.label(rng.random(shape) < 0.5, np.ones((3, 3, 3)))
    mask = found == 1
    if not mask.any():
        mask[0, 0, 0] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        line = centreline(mask, ISOTROPIC, rng.normal(size=shape) if weighted else None)
    assert 0 < line.length_mm <= line.total_length_mm + 1e-9
    assert 0 < line.mean_diameter_mm <= line.max_diameter_mm + 1e-9
    assert np.isfinite(line.points).all()


def test_occupancy_that_contradicts_the_mask_is_not_used():
    mask = letter_t()
    plain = centreline(mask, ISOTROPIC)
    for empty in (np.zeros(mask.shape), np.full(mask.shape, np.nan), np.full(mask.shape, -1.0)):
        assert centreline(mask, ISOTROPIC, empty).length_mm == plain.length_mm


def test_empty_mask():
    with pytest.raises(ValueError, match="empty"):
        centreline(np.zeros((3, 3, 3), bool), ISOTROPIC)
