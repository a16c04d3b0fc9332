from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.transform import Rotation

from bgpvs_wf.imaging.geometry import isotropic_grid, resample
from bgpvs_wf.reports.tile_scene import Scene
from bgpvs_wf.reports.views import (
    Volume,
    choose_slices,
    smooth_outline,
    to_display,
    voxel_outline,
    window,
)

masks = hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))
orders = st.permutations([0, 1, 2])
signs = st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3)
sizes = st.tuples(*[st.floats(0.4, 3.0)] * 3)
tilts = st.tuples(*[st.floats(-14, 14)] * 3)


def affine_of(order, sign, size, tilt, offset=(3.0, -40.0, 12.0)):
    affine = np.eye(4)
    axes = np.zeros((3, 3))
    axes[list(order), range(3)] = sign
    affine[:3, :3] = Rotation.from_euler("xyz", tilt, degrees=True).as_matrix() @ axes * size
    affine[:3, 3] = offset
    return affine


@given(order=orders, sign=signs, size=sizes, tilt=tilts, seed=st.integers(0, 99))
def test_display_runs_left_posterior_inferior_for_any_affine(order, sign, size, tilt, seed):
    affine = affine_of(order, sign, size, tilt)
    data = np.random.default_rng(seed).random((4, 5, 6))
    shown = to_display(Volume(data, affine))
    directions = shown.affine[:3, :3] / np.linalg.norm(shown.affine[:3, :3], axis=0)
    assert (np.diag(directions) < -0.7).all()
    # Every voxel is still where it was in space.
    for voxel in [(0, 0, 0), (3, 1, 5), (2, 4, 0)]:
        place = affine @ [*voxel, 1]
        moved = np.rint(np.linalg.solve(shown.affine, place)[:3]).astype(int)
        assert shown.data[tuple(moved)] == data[voxel]


@settings(max_examples=15, deadline=None)
@given(order=orders, sign=signs)
def test_left_putamen_is_at_the_right_of_every_axial_and_coronal_tile(toy, order, sign):
    ras = toy.nuclei.affine
    change = affine_of(order, sign, (1, 1, 1), (0, 0, 0))

    def reindex(volume: Volume) -> Volume:
        data = np.transpose(volume.data, order)
        affine = ras[:, [*order, 3]].copy()
        for axis in range(3):
            if change[order[axis], axis] < 0:
                data = np.flip(data, axis)
                affine[:3, 3] += affine[:3, axis] * (data.shape[axis] - 1)
                affine[:3, axis] *= -1
        return Volume(data, affine)

    moved = Scene({"T2w": reindex(toy.t2w)}, reindex(toy.nuclei), reindex(toy.bgpvs))
    plain = Scene({"T2w": toy.t2w}, toy.nuclei, toy.bgpvs)
    for plane in ("axial", "coronal", "sagittal"):
        assert moved.slices(plane) == plain.slices(plane)
        index = plain.slices(plane)[0]
        ours, theirs = moved.tile("T2w", plane, index), plain.tile("T2w", plane, index)
        np.testing.assert_array_equal(ours.grey, theirs.grey)
        assert ours.caption == theirs.caption
    tile = plain.tile("T2w", "axial", plain.slices("axial")[0])
    pvs = next(outline for outline in tile.outlines if outline.kind == "pvs")
    # Left putamen: right half of the screen.
    assert min(line[:, 0].min() for line in pvs.lines) > tile.size_mm[0] / 2
    assert tile.letters[:2] == ("R", "L")


def test_tiles_are_in_millimetres_for_anisotropic_voxels(toy):
    scene = Scene({"T2w": toy.t2w}, toy.nuclei, toy.bgpvs)
    tile = scene.tile("T2w", "coronal", scene.slices("coronal")[0])
    rows, columns = tile.grey.shape
    assert tile.size_mm == pytest.approx((columns * 1.0, rows * 2.0))
    putamen = next(outline for outline in tile.outlines if outline.name == "Putamen")
    heights = [np.ptp(line[:, 1]) for line in putamen.lines]
    assert heights == pytest.approx([16.0, 16.0])  # 8 voxels of 2 mm


def test_caption_gives_the_place_of_the_slice(toy):
    scene = Scene({"T2w": toy.t2w}, toy.nuclei, toy.bgpvs)
    sagittal = [scene.tile("T2w", "sagittal", i).caption for i in scene.slices("sagittal")]
    assert sagittal[0].startswith("T2w, sagittal x = ")
    assert "−" not in sagittal[0]
    # The left side has its PVS at voxel 18, x = -11.5.
    assert sagittal[1] in ("T2w, sagittal x = −12 mm", "T2w, sagittal x = −11 mm")


def test_image_on_another_grid_is_brought_home(toy):
    fine = isotropic_grid(toy.t1w.grid, 0.7)
    elsewhere = Volume(resample(toy.t1w.data, toy.t1w.affine, fine), fine.affine)
    scene = Scene({"T2w": toy.t2w, "T1w": elsewhere}, toy.nuclei, toy.bgpvs)
    same = Scene({"T2w": toy.t2w, "T1w": toy.t1w}, toy.nuclei, toy.bgpvs)
    inside = same.focus
    there, here = scene.images["T1w"][inside], same.images["T1w"][inside]
    assert np.corrcoef(there, here)[0, 1] > 0.8


@given(masks)
def test_voxel_outline_is_the_exposed_edges(mask):
    padded = np.pad(mask, 1).astype(int)
    exposed = np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()
    lines = voxel_outline(mask)
    assert sum(np.abs(np.diff(line, axis=0)).sum() for line in lines) == exposed
    # Every vertical edge crossed from the left switches between outside and inside.
    drawn = np.zeros((mask.shape[0], mask.shape[1] + 1), int)
    for (x0, y0), (x1, y1) in (line.astype(int) for line in lines):
        if x0 == x1:
            drawn[y0:y1, x0] += 1
    np.testing.assert_array_equal(np.cumsum(drawn, axis=1)[:, :-1] % 2 == 1, mask)


def test_smooth_outline_encloses_what_it_should():
    y, x = np.mgrid[:60, :60]
    disc = (x - 29.5) ** 2 + (y - 24.5) ** 2 < 15**2
    (line,) = smooth_outline(disc)
    area = abs(np.sum(line[:-1, 0] * line[1:, 1] - line[1:, 0] * line[:-1, 1])) / 2
    assert area == pytest.approx(np.pi * 15**2, rel=0.02)
    np.testing.assert_allclose((line.min(0) + line.max(0)) / 2, [30, 25], atol=0.1)


def test_chosen_slices_hold_most_pvs_and_cover_the_region():
    region = np.zeros((9, 9, 40), bool)
    region[2:7, 2:7, 5:35] = True
    pvs = np.zeros_like(region)
    pvs[3, 3:6, 12] = True
    pvs[3, 3, 8] = True
    low, middle, high = choose_slices(region, pvs, axis=2, count=3, spacing=0.8)
    assert low == 12
    assert (middle, high) == (19, 29)


@pytest.mark.parametrize("thickness", [0, 1, 2])
def test_thin_regions_give_the_slices_they_have(thickness):
    region = np.zeros((5, 5, 8), bool)
    region[:, :, 3 : 3 + thickness] = True
    chosen = choose_slices(region, region & False, axis=2, count=3, spacing=1.0)
    assert chosen == list(range(3, 3 + thickness))[: len(chosen)]
    assert len(chosen) == thickness


def test_window_keeps_the_focus_in_the_mid_greys():
    rng = np.random.default_rng(3)
    image = rng.normal(500, 300, (20, 20, 20)).astype(np.float32)
    focus = np.zeros(image.shape, bool)
    focus[5:15, 5:15, 5:15] = True
    image[focus] = rng.normal(100, 5, focus.sum())
    bottom, top = window(image, focus)
    spread = np.percentile(image[focus], 99) - np.percentile(image[focus], 1)
    assert top - bottom == pytest.approx(3 * spread, rel=0.01)
    assert bottom < 80 < 120 < top


def test_window_of_nothing_is_harmless():
    assert window(np.zeros((3, 3, 3))) == (0.0, 1.0)


def test_scene_without_labels_shows_the_whole_image(toy):
    scene = Scene({"T1w": toy.t1w})
    assert len(scene.slices("axial")) == 3
    assert scene.tile("T1w", "axial", scene.slices("axial")[0]).outlines == ()


def test_scene_needs_an_image():
    with pytest.raises(ValueError, match="image"):
        Scene({})
