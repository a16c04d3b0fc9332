from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.processing import resample_from_to
from scipy.spatial.transform import Rotation

from bgpvs_wf.imaging.geometry import (
    Grid,
    bounding_box,
    coarse_labels,
    coarsen,
    crop_affine,
    isotropic_grid,
    part_of,
    place_in,
    resample,
    same_grid,
    uncrop,
    voxel_sizes,
    voxel_volume,
)


@st.composite
def grids(draw, low=0.3, high=3.0, max_shape=12):
    """Draw a grid: any rotation, axis order and flips, anisotropic voxels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = np.array([draw(st.floats(low, high)) for _ in range(3)])
    shape = tuple(draw(st.integers(2, max_shape)) for _ in range(3))
    order = list(draw(st.permutations(range(3))))
    flips = np.array([draw(st.sampled_from([-1, 1])) for _ in range(3)])
    turn = Rotation.random(rng=rng).as_matrix() if draw(st.booleans()) else np.eye(3)
    affine = np.eye(4)
    affine[:3, :3] = (turn @ np.eye(3)[order]) * flips * sizes
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    return Grid(shape, affine), sizes


def edges(grid):
    """Return the world positions of the eight corners of the field of view, (8, 3)."""
    ends = [(-0.5, n - 0.5) for n in grid.shape]
    index = np.array(np.meshgrid(*ends, indexing="ij")).reshape(3, -1).T
    return nib.affines.apply_affine(grid.affine, index)


relaxed = settings(max_examples=60, deadline=None)


@relaxed
@given(grids())
def test_voxel_sizes_and_volume_agree_with_nibabel(drawn):
    grid, sizes = drawn
    np.testing.assert_allclose(voxel_sizes(grid.affine), sizes)
    np.testing.assert_allclose(voxel_sizes(grid.affine), nib.affines.voxel_sizes(grid.affine))
    np.testing.assert_allclose(voxel_volume(grid.affine), sizes.prod())


@relaxed
@given(grids(), st.floats(-0.5, 0.5), st.integers(0, 2))
def test_same_grid_is_the_distance_of_corresponding_voxels(drawn, shift, axis):
    grid, _ = drawn
    moved = grid.affine.copy()
    moved[axis, 3] += shift
    assert same_grid(grid, grid)
    if abs(abs(shift) - 0.1) > 1e-6:
        assert same_grid(grid, Grid(grid.shape, moved), 0.1) == (abs(shift) < 0.1)
    assert not same_grid(grid, Grid((*grid.shape[:2], grid.shape[2] + 1), grid.affine))


@relaxed
@given(grids(), st.sampled_from([0, 1, 2]))
def test_a_flipped_axis_is_another_grid(drawn, axis):
    grid, _ = drawn
    flipped = grid.affine.copy()
    flipped[:3, 3] += flipped[:3, axis] * (grid.shape[axis] - 1)
    flipped[:3, axis] *= -1
    assert not same_grid(grid, Grid(grid.shape, flipped))


@relaxed
@given(grids(), st.integers(0, 2**32 - 1), st.floats(0, 4))
def test_a_crop_keeps_every_voxel_where_it_was(drawn, seed, margin):
    grid, sizes = drawn
    rng = np.random.default_rng(seed)
    mask = rng.random(grid.shape) < 0.05
    mask[tuple(rng.integers(0, n) for n in grid.shape)] = True
    box = bounding_box(mask, grid.affine, margin)
    assert mask[box].sum() == mask.sum()
    position = tuple(int(rng.integers(0, n)) for n in mask[box].shape)
    whole = [p + s.start for p, s in zip(position, box, strict=True)]
    np.testing.assert_allclose(
        nib.affines.apply_affine(crop_affine(grid.affine, box), position),
        nib.affines.apply_affine(grid.affine, whole),
        atol=1e-9,
    )
    hit = np.argwhere(mask)
    for axis, part in enumerate(box):
        # At least the margin all round, at most a voxel more, never outside the array.
        below = (hit[:, axis].min() - part.start) * sizes[axis]
        above = (part.stop - 1 - hit[:, axis].max()) * sizes[axis]
        assert part.start == 0 or margin - 1e-5 <= below < margin + sizes[axis]
        assert part.stop == grid.shape[axis] or margin - 1e-5 <= above < margin + sizes[axis]
        assert 0 <= part.start < part.stop <= grid.shape[axis]


def test_the_box_of_nothing_is_refused():
    with pytest.raises(ValueError, match="empty"):
        bounding_box(np.zeros((3, 3, 3), bool), np.eye(4))


@relaxed
@given(grids(), st.floats(0.4, 2.0))
def test_the_isotropic_grid_covers_the_same_field_of_view(drawn, voxel_mm):
    grid, sizes = drawn
    fine = isotropic_grid(grid, voxel_mm)
    np.testing.assert_allclose(voxel_sizes(fine.affine), voxel_mm)
    directions = grid.affine[:3, :3] / sizes
    np.testing.assert_allclose(fine.affine[:3, :3] / voxel_mm, directions, atol=1e-9)
    centre = (edges(grid).mean(0), edges(fine).mean(0))
    np.testing.assert_allclose(*centre, atol=1e-8)
    # Each edge is off by half a voxel at most; a field of view thinner than that keeps one voxel.
    extent = np.array(grid.shape) * sizes
    assert (np.abs(np.array(fine.shape) * voxel_mm - extent) <= voxel_mm / 2 + 1e-9).all() or (
        extent < voxel_mm / 2
    ).any()


def well_inside(source, target):
    """Return which voxels of the target have all their neighbours in the source."""
    world = nib.affines.apply_affine(target.affine, np.indices(target.shape).reshape(3, -1).T)
    index = nib.affines.apply_affine(np.linalg.inv(source.affine), world)
    last = np.array(source.shape) - 1
    return ((index > 1e-6) & (index < last - 1e-6)).all(1).reshape(target.shape)


def onto(source, target):
    """Put the middle of the target on that of the source."""
    middle = nib.affines.apply_affine(source.affine, (np.array(source.shape) - 1) / 2)
    target.affine[:3, 3] = middle - target.affine[:3, :3] @ ((np.array(target.shape) - 1) / 2)
    return middle


@relaxed
@given(grids(low=0.8, high=1.5), grids(low=0.5, high=1.5), st.sampled_from([0, 1, 3]))
def test_resampling_agrees_with_nibabel(source, target, order):
    (a, _), (b, _) = source, target
    onto(a, b)
    inside = well_inside(a, b)
    data = np.random.default_rng(0).integers(0, 50, a.shape).astype(np.float32)
    ours = resample(data, a.affine, b, order)[inside]
    # Ours goes on as zeros beyond the array, also for the spline; nibabel's needs to be told.
    pad = 12 if order > 1 else 0
    moved = a.affine @ nib.affines.from_matvec(np.eye(3), [-pad] * 3)
    wide = nib.Nifti1Image(np.pad(data, pad), moved)
    theirs = resample_from_to(wide, (b.shape, b.affine), order)
    if order:
        np.testing.assert_allclose(ours, theirs.get_fdata()[inside], atol=2e-3)
    else:  # a sample half-way between two voxels may fall to either
        assert (ours != theirs.get_fdata()[inside]).sum() <= 0.02 * inside.size


@relaxed
@given(grids(), st.sampled_from([0, 1]))
def test_resampling_to_the_own_grid_changes_nothing(drawn, order):
    grid, _ = drawn
    data = np.random.default_rng(0).integers(0, 900, grid.shape).astype(np.int16)
    np.testing.assert_allclose(resample(data, grid.affine, grid, order), data, atol=0.05)


@relaxed
@given(grids(low=0.8, high=1.2, max_shape=10), grids(low=0.5, high=1.0, max_shape=10))
def test_a_ramp_in_space_stays_a_ramp(source, target):
    (a, _), (b, _) = source, target
    middle = onto(a, b)

    def ramp(grid):
        world = nib.affines.apply_affine(grid.affine, np.indices(grid.shape).reshape(3, -1).T)
        return ((world - middle) @ [1.0, -2.0, 0.5]).reshape(grid.shape)

    inside = well_inside(a, b)
    ours = resample(ramp(a).astype(np.float32), a.affine, b, 1)
    np.testing.assert_allclose(ours[inside], ramp(b)[inside], atol=1e-3)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int16, np.int32])
def test_labels_keep_their_type_and_values(kind):
    data = (np.arange(60).reshape(3, 4, 5) % 2).astype(kind)
    out = resample(data, np.eye(4), Grid((6, 8, 10), np.diag([0.5, 0.5, 0.5, 1])), order=0)
    assert out.dtype == kind
    assert set(np.unique(out)) <= set(np.unique(data))


def test_outside_is_zero():
    far = np.eye(4)
    far[:3, 3] = 100
    data = np.full((4, 4, 4), 7.0)
    assert not resample(data, np.eye(4), Grid((4, 4, 4), far), 1).any()
    assert not resample(data.astype(np.int16), np.eye(4), Grid((4, 4, 4), far), 0).any()


@relaxed
@given(grids(low=0.3, high=1.0, max_shape=14), st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_coarse_labels_are_what_most_of_a_voxel_is(drawn, seed, kinds):
    grid, _ = drawn
    labels = np.random.default_rng(seed).integers(0, kinds, grid.shape)
    target = isotropic_grid(grid, 2.0)
    found = coarse_labels(labels, grid.affine, target)
    names = np.unique(labels)
    shares = np.stack([coarsen(labels == name, grid.affine, target) for name in names])
    taken = np.take_along_axis(shares, np.searchsorted(names, found)[None], axis=0)[0]
    np.testing.assert_allclose(taken, shares.max(axis=0), atol=1e-5)


@given(grids(), st.data())
def test_a_part_goes_back_to_its_place(drawn, data):
    grid, _ = drawn
    starts = [data.draw(st.integers(0, n - 1)) for n in grid.shape]
    box = tuple(
        slice(a, data.draw(st.integers(a + 1, n))) for a, n in zip(starts, grid.shape, strict=True)
    )
    part = part_of(grid, box)
    # As headers keep it.
    stored = Grid(part.shape, part.affine.astype(np.float32).astype(float))
    assert place_in(stored, grid) == box
    values = np.random.default_rng(0).random(part.shape)
    back = uncrop(values, stored.affine, grid)
    assert back.shape == grid.shape
    np.testing.assert_array_equal(back[box], values)
    assert back.sum() == pytest.approx(values.sum())
    assert Grid.from_dict(grid.to_dict()).shape == grid.shape
    np.testing.assert_array_equal(Grid.from_dict(grid.to_dict()).affine, grid.affine)


@given(grids(), st.floats(0.2, 0.8), st.integers(0, 2))
def test_what_lies_between_voxels_or_outside_is_no_part(drawn, shift, axis):
    grid, _ = drawn
    affine = grid.affine.copy()
    affine[:3, 3] += shift * affine[:3, axis]
    with pytest.raises(ValueError, match="no part"):
        place_in(Grid(grid.shape, affine), grid)
    wider = tuple(n + 1 for n in grid.shape)
    with pytest.raises(ValueError, match="no part"):
        place_in(Grid(wider, grid.affine), grid)
