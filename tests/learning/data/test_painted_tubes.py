"""Tubes painted into what a network learns from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage
from toy_cases import rewritten

from bgpvs_wf.learning.data.augmentation import AugmentationConfig
from bgpvs_wf.learning.data.case import FINE_CHANNELS, OWN_CHANNELS, read_case, write_case
from bgpvs_wf.learning.data.examples import PVSExamples, _carried
from bgpvs_wf.learning.data.painted_case import with_tubes
from bgpvs_wf.learning.data.painted_tubes import labelled, paint_tubes, scan_signals

SHAPE, VOXEL_MM = (48, 40, 36), 0.8
AFFINE = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
TISSUE, FLUID = (0.3, 0.5), (3.0, -2.0)


def scene(noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return T2w and T1w of a nucleus beside a ventricle, and classes."""
    classes = np.zeros(SHAPE, np.float32)
    classes[6:28, 6:34, 6:30] = 2
    classes[34:44, 6:34, 6:30] = 6
    images = np.empty((2, *SHAPE), np.float32)
    for image, tissue, fluid in zip(images, TISSUE, FLUID, strict=True):
        image[...] = np.where(classes == 6, fluid, tissue)
    images[:, :2] = -4.0  # background
    return images + np.random.default_rng(0).normal(0, noise, images.shape), classes


def test_signals_of_a_scan():
    images, classes = scene(noise=0.1)
    images = ndimage.gaussian_filter(images, (0, 0.5, 0.5, 0.5)).astype(np.float32)
    signals = scan_signals(images, classes == 2, AFFINE)
    assert signals.fluid == pytest.approx(FLUID, abs=0.05)
    assert signals.blur == pytest.approx(np.full((2, 3), 0.5), abs=0.08)
    alone = scan_signals(images * np.array([0, 1])[:, None, None, None], classes == 2, AFFINE)
    assert np.isnan(alone.fluid[0])
    assert alone.fluid[1] == pytest.approx(FLUID[1], abs=0.05)


@pytest.mark.parametrize("seed", range(6))
def test_tubes_lie_in_nuclei_and_look_like_fluid(seed):
    images, classes = scene()
    barred = np.zeros(SHAPE, bool)
    barred[10:20] = True
    signals = scan_signals(images, classes == 2, AFFINE)
    rng = np.random.default_rng(seed)
    done = paint_tubes(images, classes, barred, AFFINE, signals, rng, 6)
    painted, share = done.images, done.share
    assert 0 < share.max() <= 1
    assert not share[(classes != 2) | barred].any()
    assert 0 < labelled(share).sum() < (share > 0).sum()
    added = painted - images
    for change, tissue, fluid in zip(added, TISSUE, FLUID, strict=True):
        way = change / (fluid - tissue)
        assert way.min() > -1e-3
        assert 0.05 < way.max() <= 1.001
        # What is far from all tubes stays as it is.
        away = ~ndimage.binary_dilation(share > 0, np.ones((3, 3, 3)), iterations=6)
        assert np.abs(change[away]).max() < 1e-3
        # A blur takes no signal away.
        assert way.sum() == pytest.approx(done.brightness * share.sum(), rel=0.06)
    # T2w and T1w show the same tubes.
    ways = [c / (f - t) for c, t, f in zip(added, TISSUE, FLUID, strict=True)]
    assert ways[0].sum() == pytest.approx(ways[1].sum(), rel=0.05)


def test_where_nothing_can_be_painted():
    images, classes = scene()
    nowhere = np.ones(SHAPE, bool)
    signals = scan_signals(images, classes == 2, AFFINE)
    unknown = dataclasses.replace(signals, fluid=np.array([np.nan, -2.0]))
    for barred, known in ((nowhere, signals), (~nowhere, unknown)):
        rng = np.random.default_rng(0)
        done = paint_tubes(images, classes, barred, AFFINE, known, rng, 3)
        assert done.images is images
        assert not done.share.any()
        assert np.isnan(done.brightness)
    images[0] = 0
    alone = scan_signals(images, classes == 2, AFFINE)
    rng = np.random.default_rng(0)
    done = paint_tubes(images, classes, ~nowhere, AFFINE, alone, rng, 3)
    assert done.share.any()
    assert not done.images[0].any()


DERIVED = ("folder", "pvs_voxels", "digest")


@pytest.fixture
def case(tmp_path):
    """Return a case of the scene, without PVS of its own."""
    images, classes = scene(noise=0.1)
    own = np.stack([*images, classes, np.zeros(SHAPE), np.ones(SHAPE)])
    arrays = {"own": own, "fine": np.zeros((6, 4, 4, 4)), "coarse": np.zeros((4, 4, 4, 4))}
    facts = {
        "subject": "sub-1", "present": (True, True), "ventricles": True, "by_hand": True,
        "voxel_mm": (VOXEL_MM,) * 3, "own_to_fine": np.eye(4).tolist(),
    }  # fmt: skip
    return write_case(tmp_path, arrays, facts)


def test_a_case_gets_the_same_tubes_each_time(case):
    one, other = with_tubes(case).own(), with_tubes(case).own()
    np.testing.assert_array_equal(one, other)
    pvs = one[OWN_CHANNELS.index("pvs")] > 0
    assert pvs.sum() > 20
    assert one[0][pvs].mean() > case.own()[0][pvs].mean() + 0.3
    for channel in ("classes", "confidence"):
        number = OWN_CHANNELS.index(channel)
        np.testing.assert_array_equal(one[number], case.own()[number])
    np.testing.assert_array_equal(with_tubes(case).boxed().own, one[:2])
    tubes, brightness = with_tubes(case).tubes()
    np.testing.assert_array_equal(tubes, pvs)
    assert 0.15 < brightness <= 1


@pytest.mark.parametrize("voxels", [0, 200])
def test_the_volume_of_painted_tubes_is_what_they_add_to_the_signal(case, voxels):
    fine = np.array(case.fine())
    fine[FINE_CHANNELS.index("confidence")] = 1
    fine[FINE_CHANNELS.index("fluid"), 1, 1, 1:3] = voxels / 2
    case = rewritten(case, fine=fine)
    painted = with_tubes(case)
    added = float((painted.own()[0] - np.asarray(case.own()[0], np.float32)).sum())
    share = added / (painted.tubes()[1] * (case.signals().fluid[0] - TISSUE[0]))
    assert share > 20
    assert painted.pvs_volume_mm3() == pytest.approx((share + voxels) * VOXEL_MM**3, rel=0.03)


def test_examples_of_a_case_without_pvs_have_some(case):
    quiet = {"turned": 0, "intensity": 0, "pvs_intensity": 0, "motion": 0, "t1w_only": 0}
    for tubes, expected in ((1.0, True), (0.0, False)):
        config = AugmentationConfig(tubes=tubes, t2w_only=0, **quiet)
        examples = PVSExamples([case], 1, (20, 20, 20), config)
        found = [float(examples[number]["pvs"].sum()) > 0 for number in range(8)]
        assert any(found) == expected


def test_examples_tell_how_bright_their_tubes_are(case):
    quiet = {"turned": 0, "intensity": 0, "pvs_intensity": 0, "motion": 0, "t1w_only": 0}
    config = AugmentationConfig(tubes=1.0, t2w_only=0, **quiet)
    examples = PVSExamples([case], 1, (20, 20, 20), config)
    found = [examples[number] for number in range(24)]
    asked = [one for one in found if one["asked"].any()]
    assert len({float(one["brightness"]) for one in asked}) == len(asked) > 3
    for one in asked:
        assert one["brightness"] > 0
        # Of what is labelled nothing is more than a rim away from what was painted.
        near = ndimage.binary_dilation(one["asked"].numpy() > 0)
        assert not (one["pvs"].numpy() > 0)[~near].any()


def test_some_examples_tell_the_network_how_bright_tubes_are(case):
    quiet = {"turned": 0, "intensity": 0, "pvs_intensity": 0, "motion": 0, "t1w_only": 0}
    config = AugmentationConfig(tubes=1.0, t2w_only=0, **quiet)
    examples = PVSExamples([case], 1, (20, 20, 20), config)
    found = [one for number in range(40) if (one := examples[number])["brightness"] > 0]
    errors = []
    for one in found:
        told = one["image"][-1]
        assert (told == told[0, 0, 0]).all()
        # It is told how bright they are, or is to tell it.
        assert bool(told[0, 0, 0] > 0) != bool(one["asked"].any())
        if told[0, 0, 0] > 0:
            errors.append(float((told[0, 0, 0] / one["brightness"]).log()))
    assert 10 < len(errors) < len(found)
    assert 0.05 < np.std(errors) < 0.25


def test_tubes_beside_those_of_a_case_are_as_bright(case, tmp_path):
    arrays = {"fine": case.fine(), "own": with_tubes(case).own(), "coarse": case.coarse()}
    facts = {name: value for name, value in vars(case).items() if name not in DERIVED}
    quiet = {"turned": 0, "intensity": 0, "pvs_intensity": 0, "motion": 0, "t1w_only": 0}
    config = AugmentationConfig(tubes=1.0, t2w_only=0, **quiet)
    for brightness in (0.3, 0.9):
        made = write_case(tmp_path / str(brightness), arrays, {**facts, "brightness": brightness})
        assert read_case(made.folder / "case.json") == made
        examples = PVSExamples([made], 2, (48, 40, 36), config)
        for number in range(4):
            one = examples[number]
            assert float(one["brightness"]) == pytest.approx(brightness)
            where = one["pvs"] > 0
            assert where.any()
            if one["asked"].any():
                assert (one["asked"][where] > 0).all()


def test_fluid_is_told_as_bright_as_contrast_makes_it(case):
    """What was said to be the signal of fluid follows an image that was changed."""
    config = AugmentationConfig(tubes=0.0, turned=0, motion=0, t1w_only=0, t2w_only=0)
    examples = PVSExamples([case], 1, (48, 40, 36), config)
    for number in range(6):
        _, _, part = examples._patch(number, ())
        known = examples._signals_of(case).fluid
        fluid = _carried(known, part["before"].numpy(), part["image"].numpy())
        for image, signal in zip(part["image"], fluid, strict=True):
            ventricle = part["classes"] == 6
            assert float(signal) == pytest.approx(float(image[ventricle].median()), abs=0.5)
