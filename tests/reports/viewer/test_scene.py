from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from viewer_toys import affines

from bgpvs_wf.reports.viewer.scene import BOX_MARGIN_MM, upright, viewer_scene
from bgpvs_wf.reports.views import Volume


def at(volume: Volume, mm: np.ndarray) -> float:
    return volume.data[tuple(np.rint(np.linalg.inv(volume.affine) @ [*mm, 1])[:3].astype(int))]


def test_images_are_cut_around_the_nuclei_and_stay_in_place(subject):
    scene = viewer_scene(subject)
    assert list(scene.images) == ["T2w", "T1w"]
    for image in scene.images.values():
        assert image.data.dtype == np.uint8
        ends = image.affine @ np.c_[[-0.5] * 3 + [1], [*(np.array(image.data.shape) - 0.5), 1]]
        # Nuclei reach from -14 to 14, -7 to 13 and -9 to 7 mm.
        assert np.allclose(ends[:3, 0], np.array([-14, -7.5, -9]) - BOX_MARGIN_MM, atol=0.51)
        assert np.allclose(ends[:3, 1], np.array([14, 12.5, 7]) + BOX_MARGIN_MM, atol=0.51)
    assert at(scene.images["T2w"], np.array([-11.5, 0, -2])) == 255  # the PVS
    assert at(scene.images["T1w"], np.array([-11.5, 0, -2])) == 0


def test_surfaces_lie_around_the_voxels_of_their_labels(subject):
    scene = viewer_scene(subject)
    assert [nucleus.name for nucleus in scene.nuclei] == ["Putamen", "Pallidum"]
    putamen = scene.nuclei[0].surface
    assert putamen.volume_mm3 == pytest.approx(2 * 6 * 20 * 8 * 2, rel=0.03)
    assert np.allclose(np.abs(putamen.vertices[:, 0]).max(), 14, atol=0.5)
    assert scene.pvs is not None
    left = scene.pvs.surface.vertices[scene.pvs.owners == 4]
    assert left[:, 0].mean() == pytest.approx(-11.5, abs=0.1)
    assert left[:, 2].min() == pytest.approx(-7, abs=0.6)
    assert left[:, 2].max() == pytest.approx(3, abs=0.6)
    assert list(scene.pvs.places) == [4, 7]
    assert scene.pvs.places[4] in [(-11.5, y, -2.0) for y in (0.0, 1.0)]


def test_what_is_not_there_is_left_out(subject):
    bare = viewer_scene(dataclasses.replace(subject, nuclei=None, pvs=None, t1w=None))
    assert (bare.nuclei, bare.pvs) == ((), None)
    assert list(bare.images) == ["T2w"]
    with pytest.raises(ValueError, match="image"):
        viewer_scene(dataclasses.replace(subject, t2w=None, t1w=None))


@settings(max_examples=25, deadline=None)
@given(affines(), st.integers(0, 2**32 - 1))
def test_upright_images_show_the_same_at_the_same_place(affine, seed):
    # A linear ramp in space is what interpolation keeps.
    slope = np.random.default_rng(seed).normal(size=3)
    shape = (9, 8, 7)
    index = np.indices(shape).reshape(3, -1)
    values = (slope @ (affine[:3, :3] @ index)).reshape(shape)
    found = upright(Volume(values.astype(np.float32), affine))
    assert np.allclose(found.affine[:3, :3], np.diag(np.diag(found.affine)[:3]), atol=0.12)
    assert (np.diag(found.affine)[:3] > 0).all()
    places = affine[:3, :3] @ np.array([4, 4, 3]) + affine[:3, 3]
    near = np.rint(np.linalg.inv(found.affine) @ [*places, 1])[:3].astype(int)
    mm = (found.affine @ [*near, 1])[:3]
    expected = slope @ (mm - affine[:3, 3])
    assert found.data[tuple(near)] == pytest.approx(
        expected, abs=1e-3 * np.abs(values).max() + 1e-4
    )


def test_flipped_images_are_turned_and_not_resampled():
    data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    found = upright(
        Volume(data, np.array([[0, -1, 0, 5], [0, 0, 2.0, 0], [3, 0, 0, 0], [0, 0, 0, 1]]))
    )
    assert found.data.shape == (3, 4, 2)
    assert np.array_equal(found.data, data.transpose(1, 2, 0)[::-1])
    assert np.allclose(found.affine, [[1, 0, 0, 3], [0, 2, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1]])
