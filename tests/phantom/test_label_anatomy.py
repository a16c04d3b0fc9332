from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_map import VOLUME_MM3, straight_grid, toy_labels, turned_grid

from bgpvs_wf.anatomy.contrast import tissue_contrast
from bgpvs_wf.anatomy.harmonisation import harmonise
from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.errors import BadLabelsError
from bgpvs_wf.imaging.geometry import Grid, voxel_volume
from bgpvs_wf.phantom.label_anatomy import LabelAnatomy
from bgpvs_wf.phantom.label_shapes import SignedDistance

CONTRAST = {name: tissue_contrast(48, name) for name in ("T1w", "T2w")}
LENTIFORM = ("putamen", "pallidum")


def anatomy(grid: Grid, variation: float = 0.0, **settings: bool) -> LabelAnatomy:
    labels = toy_labels(grid, **settings)
    return LabelAnatomy.from_labels(
        labels, grid.affine, np.random.default_rng(4), variation=variation
    )


@pytest.fixture(scope="module")
def plain() -> LabelAnatomy:
    return anatomy(straight_grid(1.0))


@pytest.fixture(scope="module")
def varied() -> LabelAnatomy:
    return anatomy(straight_grid(1.0), variation=1.0)


@settings(max_examples=5)
@given(st.integers(0, 1000), st.tuples(*[st.sampled_from((0.8, 1.0, 1.5))] * 3))
def test_painted_volumes_are_those_of_the_map_on_any_grids(seed, voxel):
    source, target = turned_grid(seed, voxel), turned_grid(seed + 1, (1.2, 0.9, 1.0))
    canvas = anatomy(source).paint(target, {})
    for label in (51, 12):
        painted = np.count_nonzero(canvas.dseg == label) * voxel_volume(target.affine)
        true = np.count_nonzero(toy_labels(source) == label) * voxel_volume(source.affine)
        assert painted == pytest.approx(true, rel=0.04)
    overlap = (canvas.dseg == 50) & (toy_labels(target) == 50)
    assert overlap.sum() > 0.85 * np.count_nonzero(canvas.dseg == 50)


def test_signals_are_those_of_the_tissues_and_mix_at_their_borders(plain):
    grid = straight_grid(1.0)
    canvas = plain.paint(grid, CONTRAST)
    at = {51: (24, 0, 0), 43: (5, 8, 14), 50: (13, 8, 11)}
    names = {51: "putamen", 43: "ventricle", 50: "caudate"}
    for label, place in at.items():
        voxel = tuple(np.round(np.linalg.inv(grid.affine) @ (*place, 1)).astype(int)[:3])
        assert canvas.dseg[voxel] == label
        for name, image in canvas.signals.items():
            assert image[voxel] == pytest.approx(CONTRAST[name][names[label]], abs=0.01)
    for name, image in canvas.signals.items():
        assert (image[canvas.dseg == 0] == 0).all()
        assert image.max() <= max(CONTRAST[name].values()) + 1e-5
    # White matter turns to putamen step by step.
    row = canvas.signals["T1w"][60:72, 42, 42]
    assert len(np.unique(row.round(3))) > 3


def test_thick_slices_take_in_more_tissue():
    source = straight_grid(1.0)
    thick = Grid((84, 84, 17), source.affine @ np.diag([1, 1, 5.0, 1]))
    image = anatomy(source).paint(thick, CONTRAST).signals["T2w"]
    fine = anatomy(source).paint(source, CONTRAST).signals["T2w"][:, :, :85:5][:, :, :17]
    edges = [np.abs(np.diff(values, axis=2)).max() for values in (image, fine)]
    assert edges[0] < edges[1]


def test_there_and_back_again(varied):
    points = np.random.default_rng(0).uniform(-30, 30, (50, 3))
    there = np.stack(varied.to_map(tuple(varied.to_scanner(points).T)), axis=1)
    assert np.abs(there - points).max() < 1e-3
    assert np.abs(varied.to_scanner(points) - points).max() > 0.5


def test_a_varied_anatomy_is_another_of_about_that_size(plain, varied):
    grid = straight_grid(1.0)
    one, other = (np.isin(a.paint(grid, {}).dseg, BG_LABELS) for a in (plain, varied))
    assert 0.7 < other.sum() / one.sum() < 1.4
    assert 0.3 < (one & other).sum() / one.sum() < 0.98


def test_same_seed_same_anatomy():
    grid = straight_grid(2.0)
    first, again = (anatomy(grid, 1.0).paint(grid, CONTRAST) for _ in range(2))
    assert (first.dseg == again.dseg).all()
    assert (first.signals["T1w"] == again.signals["T1w"]).all()


def test_extent_holds_all_labels_turned_as_the_grid(varied):
    turn = turned_grid(3, (1.0, 1.0, 1.0)).affine[:3, :3]
    low, high = varied.extent(turn)
    inside = np.argwhere(varied.labels > 0) @ varied.affine[:3, :3].T + varied.affine[:3, 3]
    along = varied.to_scanner(inside) @ turn
    assert (along.min(axis=0) > low + 2).all()
    assert (along.max(axis=0) < high - 2).all()
    assert (along.min(axis=0) < low + 7).all()


def test_signed_distance_of_a_nucleus(plain):
    # Along the short axis of an ellipsoid whose others are long.
    x = np.array([26.0, 27.0, 29.0, 32.0, 300.0])
    points = np.stack([x, 0 * x, 0 * x], axis=1)
    right = plain.inside(("putamen",), 1)(points)
    assert right == pytest.approx([-3, -2, 0, 3, 271], abs=0.6)
    assert plain.inside(("putamen",), -1)(points * [-1, 1, 1]) == pytest.approx(right, abs=0.1)
    assert (plain.inside(("putamen",), -1)(points) > 40).all()


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("edges", [(0.5, 0.5, 2.0), (0.8, 0.8, 1.1), (1.0, 1.0, 1.0)])
def test_signed_distance_from_each_face_of_any_voxels(edges, turned):
    # A block of 12 mm or a little less about the origin, along the axes of the grid.
    size = np.array(edges)
    count = (12 / size).astype(int)
    mask = np.pad(np.ones(count, bool), int(np.ceil(8 / size.min())))
    turn = turned_grid(7, (1.0, 1.0, 1.0)).affine[:3, :3] if turned else np.eye(3)
    affine = np.eye(4)
    affine[:3, :3] = turn * size
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(mask.shape) - 1) / 2)
    distance = SignedDistance(mask, affine)
    depths = np.array([-3.0, -1.0, 0.0, 1.0, 3.0])
    for axis in range(3):
        for sign in (-1, 1):
            away = sign * (count[axis] * size[axis] / 2 + depths)
            assert distance(tuple(turn[:, axis, None] * away)) == pytest.approx(depths, abs=0.06)


def test_what_the_map_lacks_is_far_away():
    bare = anatomy(straight_grid(2.0), nuclei_only=True)
    assert (bare.inside(("ventricle",), 1)(np.zeros((3, 3))) > 100).all()
    canvas = bare.paint(straight_grid(2.0), CONTRAST)
    assert set(np.unique(canvas.dseg)) <= {0, *BG_LABELS}


def test_arteries_enter_below_the_front_of_the_lentiform_nucleus(plain, varied):
    for one in (plain, varied):
        for side in (-1, 1):
            place = one.perforated_substance(side)
            assert 0 < one.inside(LENTIFORM, side)(place[None])[0] < 5
            assert one.inside(LENTIFORM, side)(place[None] + [0, 0, 5])[0] < 0
            assert side * (place[0] - one.shift[0]) > 8
            assert one.inside(("accumbens",), side)(place[None])[0] > 1


def test_a_lentiform_nucleus_in_one_will_do():
    grid = straight_grid(1.0)
    labels = toy_labels(grid)
    for parts, whole in (((12, 13), 9012), ((51, 52), 9051)):
        labels[np.isin(labels, parts)] = whole
    whole = LabelAnatomy.from_labels(labels, grid.affine, np.random.default_rng(0), variation=0)
    split = anatomy(grid)
    points = np.random.default_rng(1).uniform(-30, 30, (200, 3))
    for side in (-1, 1):
        assert np.allclose(
            whole.inside(LENTIFORM, side)(points), split.inside(LENTIFORM, side)(points)
        )
        assert np.allclose(whole.perforated_substance(side), split.perforated_substance(side))
    canvas = whole.paint(grid, CONTRAST)
    assert canvas.signals["T2w"][canvas.dseg == 9012].min() > 0.5
    assert whole.region_of(np.array([[24.0, 0, 0]])) == 9051


def test_region_of_points_is_where_most_are_or_the_nearest(plain):
    assert plain.region_of(np.array([[24.0, 0, 0], [24, 2, 0], [13, 8, 11]])) == 51
    assert plain.region_of(np.array([[-40.0, 0, 0]])) == 12


def test_a_map_without_nuclei_is_refused():
    with pytest.raises(BadLabelsError, match="no labels of the basal ganglia"):
        LabelAnatomy.from_labels(np.full((4, 4, 4), 2), np.eye(4), np.random.default_rng(0))


def test_tubes_grow_in_it(varied):
    from bgpvs_wf.phantom.trees import draw_pvs

    tubes = draw_pvs(varied, np.random.default_rng(2), 8)
    assert len(tubes) >= 5
    for tube in tubes:
        side = 1 if tube.points[0, 0] > varied.shift[0] else -1
        for names in (LENTIFORM, ("caudate",)):
            if varied.inside(names, side)(tube.points).max() < 0:
                break
        else:
            pytest.fail("a tube leaves its nucleus")


def test_ellipsoids_of_the_map_are_what_they_should_be():
    grid = straight_grid(1.0)
    labels = toy_labels(grid)
    assert np.count_nonzero(labels == 58) == pytest.approx(VOLUME_MM3[58], rel=0.05)


def test_a_real_atlas(real_data):
    image = nib.load(real_data / "mcrib" / "M-CRIB_hardseg_0.1.nii.gz")
    labels = harmonise(np.asarray(image.dataobj), "mcrib", affine=image.affine)
    real = LabelAnatomy.from_labels(labels, image.affine, np.random.default_rng(1), variation=0)
    low, high = real.extent(np.eye(3))
    shape = np.ceil((high - low) / 1.5).astype(int)
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    affine[:3, 3] = low
    canvas = real.paint(Grid(tuple(shape.tolist()), affine), CONTRAST)
    for label in (11, 12, 13, 50, 51, 52):
        true = np.count_nonzero(labels == label) * voxel_volume(image.affine)
        assert np.count_nonzero(canvas.dseg == label) * 1.5**3 == pytest.approx(true, rel=0.08)
    newborn = canvas.signals["T2w"]
    assert newborn[canvas.dseg == 4].mean() > newborn[canvas.dseg == 2].mean()
