"""What the networks see: no voxel lost, none at a wrong place."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bgpvs_wf.anatomy.starts import half_turn
from bgpvs_wf.imaging.geometry import Grid, part_of, same_grid, voxel_sizes
from bgpvs_wf.learning.data.scan import (
    CLIP,
    MARGIN_MM,
    Scan,
    canonical,
    fine_grid,
    slices_around,
    standardise,
    to_home,
)

# Below 45 degrees about one axis each voxel axis still has one it is nearest to.
_angles = st.floats(-35, 35)


@st.composite
def affines(draw: st.DrawFn, sizes: tuple[float, ...] = (0.5, 0.8, 1.3)) -> np.ndarray:
    """Draw an oblique affine with axes in any order and direction."""
    turn = Rotation.from_euler(draw(st.sampled_from("xyz")), draw(_angles), degrees=True)
    order = draw(st.permutations(range(3)))
    signs = draw(st.tuples(*[st.sampled_from((-1, 1))] * 3))
    affine = np.eye(4)
    affine[:3, :3] = turn.as_matrix()[:, order] * signs * draw(st.permutations(sizes))
    affine[:3, 3] = draw(st.tuples(*[st.floats(-50, 50)] * 3))
    return affine


def places(grid: Grid) -> np.ndarray:
    """Return where the voxels of a grid are, mm, shape (3, x, y, z)."""
    index = np.indices(grid.shape)
    return np.einsum("ij,j...->i...", grid.affine[:3, :3], index) + grid.affine[:3, 3].reshape(
        3, 1, 1, 1
    )


@given(affine=affines(), shape=st.permutations((5, 6, 7)))
@settings(max_examples=60)
def test_axes_are_brought_into_order_and_back(affine, shape):
    home = Grid(tuple(shape), affine)
    data = np.arange(np.prod(shape)).reshape(shape)
    turned, turned_affine = canonical(data, affine)
    assert nib.aff2axcodes(turned_affine) == ("R", "A", "S")
    assert np.linalg.norm(turned_affine[:3, :3]) == pytest.approx(np.linalg.norm(affine[:3, :3]))
    np.testing.assert_array_equal(to_home(turned, home), data)
    reference = nib.as_closest_canonical(nib.Nifti1Image(data.astype(np.int32), affine))
    np.testing.assert_array_equal(turned, np.asarray(reference.dataobj))
    np.testing.assert_allclose(turned_affine, reference.affine, atol=1e-4)
    # Each voxel is where it was.
    np.testing.assert_allclose(
        np.stack([canonical(axis, affine)[0] for axis in places(home)]),
        places(Grid(turned.shape, turned_affine)),
        atol=1e-6,
    )


@given(affine=affines())
@settings(max_examples=30)
def test_a_scan_turned_is_the_same_scan(affine):
    rng = np.random.default_rng(1)
    t2w, t1w = rng.uniform(1, 2, (2, 5, 6, 7)).astype(np.float32)
    scan = Scan.from_arrays(t2w, t1w, affine)
    other = nib.Nifti1Image(t2w, affine).as_reoriented([[1, 1], [2, -1], [0, -1]])
    t1w_other = nib.Nifti1Image(t1w, affine).as_reoriented([[1, 1], [2, -1], [0, -1]])
    again = Scan.from_arrays(np.asarray(other.dataobj), np.asarray(t1w_other.dataobj), other.affine)
    np.testing.assert_array_equal(again.images, scan.images)
    np.testing.assert_allclose(again.grid.affine, scan.grid.affine, atol=1e-9)
    np.testing.assert_array_equal(to_home(again.images[0], again.home), other.dataobj)


@given(affine=affines(), axis=st.sampled_from(range(3)))
@settings(max_examples=30)
def test_half_a_turn_is_what_another_header_would_say(affine, axis):
    t2w, t1w = np.random.default_rng(1).uniform(1, 2, (2, 5, 6, 7)).astype(np.float32)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_rotvec(np.pi * np.eye(3)[axis]).as_matrix()
    turned = Scan.from_arrays(t2w, t1w, affine).turned(half_turn(axis))
    other = Scan.from_arrays(t2w, t1w, turn @ affine)
    np.testing.assert_array_equal(turned.images, other.images)
    for one, its in ((turned.grid, other.grid), (turned.home, other.home)):
        assert one.shape == its.shape
        np.testing.assert_allclose(one.affine, its.affine, atol=1e-9)
    np.testing.assert_array_equal(to_home(turned.images[1], turned.home), t1w)


@pytest.mark.parametrize("missing", ["t2w", "t1w"])
def test_a_missing_image_is_nothing(missing):
    images = {"t2w": np.full((4, 5, 6), 3.0), "t1w": np.full((4, 5, 6), 5.0), missing: None}
    scan = Scan.from_arrays(**images, affine=np.eye(4))
    assert scan.present == (missing != "t2w", missing != "t1w")
    assert not scan.images[0 if missing == "t2w" else 1].any()
    boxed = scan.boxed((slice(0, 4), slice(0, 5), slice(0, 6)))
    for head in (scan.coarse()[0], boxed.fine, boxed.own):
        assert head.dtype == np.float32
        assert not head[0 if missing == "t2w" else 1].any()


def test_a_scan_needs_images_of_one_shape():
    with pytest.raises(ValueError, match="one shape"):
        Scan.from_arrays(None, None, np.eye(4))
    with pytest.raises(ValueError, match="one shape"):
        Scan.from_arrays(np.ones((3, 3, 3)), np.ones((3, 3, 4)), np.eye(4))


@given(
    affine=affines(),
    other=st.tuples(*[st.floats(0.4, 2.5)] * 3),
    low=st.tuples(*[st.floats(0.5, 4)] * 3),
    margin=st.integers(0, 2),
)
@settings(max_examples=50)
def test_slices_hold_the_other_grid_and_no_more(affine, other, low, margin):
    grid = Grid((20, 22, 24), affine)
    # A grid of parallel axes, its first corner somewhere inside.
    inner = np.array(affine)
    inner[:3, :3] *= np.array(other) / voxel_sizes(affine)
    corner = np.append(np.array(low) - 0.5, 1)
    inner[:3, 3] = (affine @ corner)[:3] + inner[:3, :3].sum(axis=1) / 2
    count = np.maximum((np.array(grid.shape) - 5) * voxel_sizes(affine) / other / 2, 1).astype(int)
    box = slices_around(grid, Grid(tuple(count), inner), margin)
    ends = np.array(low) + count * np.array(other) / voxel_sizes(affine)  # faces, from the first
    for axis, part in enumerate(box):
        assert part.start <= low[axis] + 1e-5
        assert part.stop >= min(ends[axis], grid.shape[axis]) - 1e-5
        assert part.start > low[axis] - 1 - margin - 1e-5 or part.start == 0
        assert part.stop < ends[axis] + 1 + margin + 1e-5


@given(affine=affines((0.8, 0.7, 1.3)))
@settings(max_examples=8)
def test_a_box_at_a_millimetre_is_where_it_was(affine):
    """An image whose brightness says where it is, is as bright after interpolation."""
    shape = tuple(np.ceil(26 / voxel_sizes(affine)).astype(int))
    home = Grid(shape, affine)
    slope = np.array([0.7, -0.4, 0.9])
    ramp = np.einsum("i,i...->...", slope, places(home))
    scan = Scan.from_arrays((ramp - ramp.min() + 1).astype(np.float32), None, affine)
    box = tuple(slice(6, n - 6) for n in scan.grid.shape)
    boxed = scan.boxed(box)
    seen, grid = boxed.fine, boxed.fine_grid
    np.testing.assert_allclose(voxel_sizes(grid.affine), 1)
    centres = [
        nib.affines.apply_affine(g.affine, (np.array(g.shape) - 1) / 2)
        for g in (part_of(scan.grid, box), grid)
    ]
    np.testing.assert_allclose(*centres, atol=1e-6)
    # Nothing is done to it on its own grid but that it is standardised.
    np.testing.assert_array_equal(boxed.own, standardise(scan.images[:, *box]))
    assert same_grid(boxed.own_grid, part_of(scan.grid, box))
    # Standardised it is still a line of the place, but where a blur reaches the end of the scan.
    x = np.einsum("i,i...->...", slope, places(grid))
    inner = (slice(2, -2),) * 3
    fit = np.polyfit(x[inner].ravel(), seen[0][inner].ravel(), 1)
    assert fit[0] > 0
    np.testing.assert_allclose(seen[0][inner], np.polyval(fit, x[inner]), atol=2e-3)
    np.testing.assert_allclose(seen[0], np.polyval(fit, x), atol=0.05)


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ((1.0, 1.0, 1.0), True),
        ((0.9, 0.9, 1.1), True),
        ((0.8, 0.8, 0.8), False),
        ((1.0, 1.0, 2.0), False),
        ((0.5, 1.0, 1.0), False),
    ],
)
def test_voxels_of_about_a_millimetre_are_taken_as_they_are(sizes, kept):
    affine = np.diag([*sizes, 1.0])
    box = Grid((20, 21, 22), affine)
    grid = fine_grid(box)
    assert (grid is box) == kept
    if not kept:
        np.testing.assert_allclose(voxel_sizes(grid.affine), 1)
        fields = [np.array(g.shape) * voxel_sizes(g.affine) for g in (box, grid)]
        np.testing.assert_allclose(*fields, atol=0.51)
    image = np.random.default_rng(0).uniform(1, 2, (20, 21, 22)).astype(np.float32)
    box_slices = (slice(2, 18), slice(3, 18), slice(0, 22))
    boxed = Scan.from_arrays(image, None, affine).boxed(box_slices)
    expected = standardise(image[None, 2:18, 3:18])
    np.testing.assert_array_equal(boxed.own[:1], expected)
    assert (boxed.fine is boxed.own) == kept


@given(affine=affines((0.6, 0.9, 1.2)))
@settings(max_examples=30)
def test_the_box_reaches_a_margin_beyond_the_nuclei(affine):
    shape = tuple(np.ceil(60 / voxel_sizes(affine)).astype(int))
    scan = Scan.from_arrays(np.ones(shape, np.float32), None, affine)
    # The coarse network's grid: other voxels, parallel axes, a part of the field of view.
    _, grid = scan.coarse()
    mask = np.zeros(grid.shape, bool)
    mask[tuple(slice(n // 2 - 2, n // 2 + 2) for n in grid.shape)] = True
    box = scan.box_around(mask, grid)
    # Along the scan's own axes, in mm from its first face.
    sizes = voxel_sizes(scan.grid.affine)
    to_scan = np.linalg.inv(scan.grid.affine) @ grid.affine
    corners = nib.affines.apply_affine(
        to_scan, [[n // 2 - 2.5 for n in grid.shape], [n // 2 + 1.5 for n in grid.shape]]
    )
    first, last = (corners + 0.5) * sizes
    for axis, part in enumerate(box):
        below = first[axis] - part.start * sizes[axis]
        above = part.stop * sizes[axis] - last[axis]
        assert MARGIN_MM - 1e-3 <= below <= MARGIN_MM + 2 + sizes[axis] or part.start == 0
        assert MARGIN_MM - 1e-3 <= above <= MARGIN_MM + 2 + sizes[axis] or (
            part.stop == scan.grid.shape[axis]
        )


def test_no_nuclei_no_box():
    scan = Scan.from_arrays(np.ones((4, 4, 4)), None, np.eye(4))
    with pytest.raises(ValueError, match="empty mask"):
        scan.box_around(np.zeros((4, 4, 4), bool), scan.grid)


@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 1000))
@settings(max_examples=30)
def test_standardised_images_do_not_depend_on_the_scale(seed, scale):
    rng = np.random.default_rng(seed)
    image = rng.gamma(4, 25, (1, 8, 9, 10))
    image[:, :2] = 0
    seen = standardise(image)
    np.testing.assert_allclose(standardise(image * scale), seen, atol=1e-3)
    assert np.abs(seen).max() <= CLIP
    inside = np.sort(seen[0, 2:].ravel())[3:-3]  # all but the two half per cent at the ends
    assert abs(inside.mean()) < 0.05
    assert abs(inside.std() - 1) < 0.1
    assert len(np.unique(seen[0, :2])) == 1


def test_standardising_what_has_no_spread():
    images = np.zeros((2, 3, 3, 3))
    images[0] = 7
    assert not standardise(images).any()
