"""Patches against SciPy's interpolation, modalities taken away, contrasts painted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bgpvs_wf.anatomy.labels import REGIONS
from bgpvs_wf.learning.data.augmentation import AugmentationConfig, drop_modality, sample_patch
from bgpvs_wf.learning.data.contrasts import random_contrast
from bgpvs_wf.learning.data.examples import alter
from bgpvs_wf.learning.data.tissues import TISSUES

CHANNELS = ("T2w", "T1w", "classes", "pvs", "confidence", "fluid", "tissue")
STILL = AugmentationConfig(rotation_deg=0, scaling=0, bending=0)
QUIET = AugmentationConfig(
    intensity=0, pvs_intensity=0, motion=0, contrast=0, t2w_only=0, t1w_only=0
)
_MODES = {
    "T2w": (1, "nearest"),
    "T1w": (1, "nearest"),
    "confidence": (1, "grid-constant"),
    "fluid": (1, "grid-constant"),
    "classes": (0, "grid-constant"),
    "pvs": (0, "grid-constant"),
    "tissue": (0, "grid-constant"),
}


def fine_array(shape=(15, 13, 14), seed=0):
    rng = np.random.default_rng(seed)
    array = np.stack(
        [
            *rng.normal(0, 1, (2, *shape)),
            rng.integers(1, 7, shape),
            rng.integers(1, 2, shape),
            *rng.uniform(0.5, 1, (2, *shape)),
            rng.integers(1, 30, shape),
        ]
    )
    return array.astype(np.float16)


def drawn_change(rng, config, size, flip):
    """Return the matrix from offsets in a patch to offsets in the array, and a displacement."""
    assert rng.random() < config.turned
    angles = rng.uniform(-1, 1, 3) * config.rotation_deg
    whole = rng.uniform(-1, 1) * config.scaling
    scales = np.exp(whole + rng.uniform(-0.3, 0.3, 3) * config.scaling)
    knots = rng.uniform() * config.bending * np.mean(size) / 3 * rng.standard_normal((3, 4, 4, 4))
    mirror = -1 if flip and rng.random() < 0.5 else 1
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    along = np.meshgrid(*(np.linspace(0, 3, n) for n in size), indexing="ij")
    bent = np.stack([ndimage.map_coordinates(knot, along, order=1) for knot in knots])
    return turn @ np.diag(scales) @ np.diag([mirror, 1, 1]), bent


@given(
    seed=st.integers(0, 10_000),
    centre=st.tuples(*[st.floats(-4, 18)] * 3),
    size=st.tuples(*[st.integers(3, 8)] * 3),
    flip=st.booleans(),
)
def test_a_patch_is_what_scipy_cuts(seed, centre, size, flip):
    array, config = (
        fine_array(),
        AugmentationConfig(turned=1, rotation_deg=40, scaling=0.4, bending=0.9),
    )
    patch = sample_patch(
        array,
        CHANNELS,
        np.array(centre),
        size,
        np.random.default_rng(seed),
        config,
        flip=flip,
    )
    matrix, bent = drawn_change(np.random.default_rng(seed), config, size, flip)
    index = np.indices(size) - (np.array(size).reshape(3, 1, 1, 1) - 1) / 2
    where = np.einsum("ij,j...->i...", matrix, index) + np.array(centre).reshape(3, 1, 1, 1) + bent
    # At the same distance from two voxels either is the nearest.
    clear = (np.abs(where % 1 - 0.5) > 1e-4).all(axis=0)
    assert set(patch) == {"place", *CHANNELS}
    np.testing.assert_allclose(np.moveaxis(patch["place"].numpy(), -1, 0), where, atol=1e-4)
    for name, channel in zip(CHANNELS, array, strict=True):
        order, mode = _MODES[name]
        expected = ndimage.map_coordinates(channel.astype(float), where, order=order, mode=mode)
        got = patch[name].numpy()
        assert got.dtype == np.float32
        assert got.shape == size
        np.testing.assert_allclose(got[clear], expected[clear], atol=1e-4)
        if order == 0:
            assert set(np.unique(got)) <= {0, *np.unique(channel)}


@pytest.mark.parametrize("size", [(5, 5, 5), (4, 6, 8)])
def test_without_change_a_patch_is_a_crop(size):
    array = fine_array()
    low = np.array((3, 2, 4))
    centre = low + (np.array(size) - 1) / 2
    rng = np.random.default_rng(0)
    patch = sample_patch(array, CHANNELS, centre, size, rng, STILL, flip=False)
    crop = array[:, *(slice(a, a + n) for a, n in zip(low, size, strict=True))]
    for name, expected in zip(CHANNELS, crop.astype(np.float32), strict=True):
        np.testing.assert_allclose(patch[name], expected, atol=1e-4)


@pytest.mark.parametrize("size", [(5, 5, 5), (4, 6, 8)])
def test_a_patch_that_is_not_turned_is_as_sharp_as_the_array(size):
    array, config = fine_array(), AugmentationConfig(turned=0, rotation_deg=40, scaling=0.4)
    centre, rng = np.array((6.3, 6.8, 7.1)), np.random.default_rng(0)
    patch = sample_patch(array, CHANNELS, centre, size, rng, config, flip=False)
    low = np.floor(centre - (np.array(size) - 1) / 2).astype(int)
    crop = array[:, *(slice(a, a + n) for a, n in zip(low, size, strict=True))]
    for name, expected in zip(CHANNELS, crop.astype(np.float32), strict=True):
        np.testing.assert_allclose(patch[name], expected, atol=1e-4)


def test_left_and_right_change_places_half_the_time():
    array = fine_array()
    crop = array[0, 4:9, 4:9, 4:9].astype(np.float32)
    rng = np.random.default_rng(3)
    seen = []
    for _ in range(200):
        patch = sample_patch(array, ("T2w",), np.full(3, 6.0), (5, 5, 5), rng, STILL, flip=True)
        straight = np.allclose(patch["T2w"], crop, atol=1e-4)
        assert straight or np.allclose(patch["T2w"], crop[::-1], atol=1e-4)
        seen.append(straight)
    assert 70 < sum(seen) < 130


@pytest.mark.parametrize("centre", [(-40.0, 6, 6), (6, 60.0, 6), (6, 6, -9.0)])
def test_far_outside_nothing_is_labelled(centre):
    rng = np.random.default_rng(1)
    array = fine_array()
    patch = sample_patch(array, CHANNELS, np.array(centre), (6, 6, 6), rng, STILL, flip=True)
    for name in ("classes", "pvs", "tissue", "confidence", "fluid"):
        assert not patch[name].any(), name
    assert patch["T2w"].abs().max() > 0  # goes on as at the edge


def test_an_array_of_one_slice():
    rng = np.random.default_rng(1)
    array = fine_array((1, 9, 9))
    patch = sample_patch(array, CHANNELS, np.array((0, 4, 4)), (3, 3, 3), rng, STILL, flip=0)
    np.testing.assert_allclose(patch["classes"][1], array[2, 0, 3:6, 3:6])
    assert not patch["classes"][[0, 2]].any()


def test_modalities_are_taken_away_as_often_as_asked():
    config = AugmentationConfig(t2w_only=0.3, t1w_only=0.2)
    rng = np.random.default_rng(5)
    seen = {"both": 0, "T2w": 0, "T1w": 0}
    count = 3000
    for _ in range(count):
        image = drop_modality(torch.ones((2, 1, 1, 1)), (True, True), rng, config)
        there = tuple(image.flatten().tolist())
        seen[{(1, 1): "both", (1, 0): "T2w", (0, 1): "T1w"}[there]] += 1
    for name, share in (("both", 0.5), ("T2w", 0.3), ("T1w", 0.2)):
        assert abs(seen[name] / count - share) < 4 * np.sqrt(share * (1 - share) / count)


@pytest.mark.parametrize("present", [(True, False), (False, True)])
def test_the_last_modality_stays(present):
    rng = np.random.default_rng(5)
    config = AugmentationConfig(t2w_only=0.5, t1w_only=0.5)
    for _ in range(20):
        image = drop_modality(torch.ones((2, 2, 2, 2)), present, rng, config)
        assert [bool(channel.any()) for channel in image] == list(present)


def test_alterations_are_those_of_their_seed_and_can_be_turned_off():
    image = torch.from_numpy(fine_array((12, 12, 12))[:2].astype(np.float32))
    both = (True, True)
    loud = AugmentationConfig(intensity=1, motion=1, t2w_only=0, t1w_only=0)
    first, again, other = (
        alter(image.clone(), both, np.random.default_rng(seed), loud, 0.5) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.dtype == torch.float32
    assert torch.isfinite(first).all()
    quiet = alter(image.clone(), both, np.random.default_rng(1), QUIET, 0.5)
    assert torch.equal(quiet, image)


@given(seed=st.integers(0, 10_000))
def test_fluid_stands_out_in_every_painted_contrast(seed):
    numbers = np.array(sorted({0, *TISSUES.values()}))
    tissue = np.repeat(np.repeat(np.repeat(numbers, 6)[:, None], 8, 1)[:, :, None], 8, 2)
    fluid = np.zeros(tissue.shape)
    images = random_contrast(tissue, fluid, np.random.default_rng(seed))
    assert images.dtype == np.float32
    region = {number: REGIONS[label] for label, number in TISSUES.items()}
    inside = np.arange(tissue.shape[0]) % 6
    core = (inside > 1) & (inside < 4)  # voxels that blur leaves alone
    means = [{n: image[core][tissue[core] == n].mean() for n in numbers if n} for image in images]
    wet = {n for n in region if region[n].tissue in ("CSF", "ventricle")}
    t2w, t1w = means
    assert min(t2w[n] for n in wet) > max(t2w[n] for n in region if n not in wet)
    assert max(t1w[n] for n in wet) < min(t1w[n] for n in region if n not in wet)
    # Both sides are of one tissue.
    for label, number in TISSUES.items():
        mirror = TISSUES[REGIONS[label].mirror]
        assert abs(t2w[number] - t2w[mirror]) < 0.5


def test_painted_tubes_look_like_fluid_and_the_seed_says_all():
    tissue = np.full((20, 12, 12), TISSUES[51])
    tissue[10:] = TISSUES[43]
    tissue[:, :2] = 0
    fluid = np.zeros(tissue.shape)
    fluid[3:7, 5:9, 5:9] = 1
    for seed in range(20):
        t2w, t1w = random_contrast(tissue, fluid, np.random.default_rng(seed))
        tube = (slice(4, 6), slice(6, 8), slice(6, 8))
        plain = (slice(0, 2), slice(4, 10), slice(4, 10))
        assert t2w[tube].mean() > t2w[plain].mean()
        assert t1w[tube].mean() < t1w[plain].mean()
        again = random_contrast(tissue, fluid, np.random.default_rng(seed))
        np.testing.assert_array_equal(again[0], t2w)
        # What no label knows is background.
        assert len(np.unique(t2w[:, :2])) == 1
