"""What the PVS network sees, and that it answers alike wherever it looks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bgpvs_wf.learning.data.pvs_input import pvs_input, rough_mask
from bgpvs_wf.learning.nets.architectures import PVS, NetworkConfig, build_network
from bgpvs_wf.learning.training.tasks import dice

FLUID = np.array([3.0, -2.0])
CONFIG = NetworkConfig(tells=PVS, filters=(4, 4, 4, 4, 4))


def noise(seed, shape=(24, 22, 20)):
    return np.random.default_rng(seed).normal(0, 0.2, (2, *shape)).astype(np.float32)


def middle(shape=(24, 22, 20)):
    bg = np.zeros(shape, bool)
    bg[6:18, 5:17, 5:15] = True
    return bg


@settings(max_examples=15)
@given(
    seed=st.integers(0, 99),
    voxel=st.tuples(*[st.floats(0.4, 1.2)] * 3),
    gain=st.floats(0.2, 5),
    level=st.floats(-2, 2),
)
def test_what_is_seen_is_signal_over_noise(seed, voxel, gain, level):
    """Neither gain nor level of an image matter."""
    images, bg = noise(seed), middle()
    images[0, 12, 10, 5:15] += 1.5
    seen = pvs_input(images, bg, voxel, FLUID)
    assert seen.dtype == np.float32
    assert seen.shape == (len(CONFIG.inputs), *bg.shape)
    spread = [np.median(np.abs(x[bg] - np.median(x[bg]))) * 1.4826 for x in seen[:2]]
    np.testing.assert_allclose(spread, 1, atol=1e-4)
    changed = pvs_input(gain * images + level, bg, voxel, gain * FLUID + level)
    np.testing.assert_allclose(changed[[0, 1, 4]], seen[[0, 1, 4]], atol=2e-3)
    expected = ndimage.gaussian_filter(bg.astype(float), 0.7 / np.array(voxel))
    np.testing.assert_allclose(seen[4], expected, atol=1e-5)
    assert seen[0, 12, 10, 10] > 3


@pytest.mark.parametrize("brightness", [0.25, 0.8])
def test_faint_fluid_looks_like_bright_where_it_is_told(brightness):
    """A tube in an infant whose fluid is so bright, and one as wide full of a ventricle's."""
    tube = ndimage.gaussian_filter(np.eye(24, 22)[..., None] * np.ones(20), 0.6)
    bright, faint = np.stack([tube, -tube]), brightness * np.stack([tube, -tube])
    seen = pvs_input(faint.astype(np.float32), middle(), (0.8,) * 3, FLUID, brightness)
    whole = pvs_input(bright.astype(np.float32), middle(), (0.8,) * 3, FLUID)
    inside = middle()
    for channel in (2, 3):
        # The median of what is around differs a little.
        np.testing.assert_allclose(seen[channel][inside], whole[channel][inside], rtol=0.12)
    assert (seen[5] == np.float32(brightness)).all()
    assert not whole[5].any()


@pytest.mark.parametrize("there", [0, 1])
def test_an_image_that_is_missing_shows_nothing(there):
    images = noise(1)
    images[1 - there] = 0
    fluid = np.where(np.arange(2) == there, FLUID, np.nan)
    seen = pvs_input(images, middle(), (0.8,) * 3, fluid)
    for channel in (there, there + 2):
        assert not seen[2 * (channel // 2) + 1 - there].any()
        both = pvs_input(noise(1), middle(), (0.8,) * 3, FLUID)
        np.testing.assert_array_equal(seen[channel], both[channel])
    assert np.isfinite(pvs_input(images, np.zeros_like(middle()), (0.8,) * 3, fluid)).all()


@settings(max_examples=15)
@given(seed=st.integers(0, 99), gain=st.floats(0.5, 5), level=st.floats(-2, 2))
def test_a_signal_as_far_as_fluid_is_one(seed, gain, level):
    """Neither gain nor level of an image matter, nor whether fluid is bright."""
    images, bg = noise(seed) / 10, middle()
    images[0, 12, 10, 10] += FLUID[0]
    images[1, 12, 10, 10] += FLUID[1]
    seen = pvs_input(gain * images + level, bg, (0.8,) * 3, gain * FLUID + level)
    # What is around counts the voxel itself, a little.
    alone = 1 - ndimage.gaussian_filter(np.eye(41)[20], 3 / 0.8)[20] ** 3
    np.testing.assert_allclose(seen[2:4, 12, 10, 10], alone, atol=0.1)
    assert np.abs(seen[2:4, 6:11]).max() < 0.15


def test_where_fluid_is_hardly_another_signal_nothing_is_told():
    images = noise(1)
    seen = pvs_input(images, middle(), (0.8,) * 3, np.array([0.1, np.nan]))
    assert not seen[2:4].any()


def test_a_rough_mask_is_about_right():
    bg, sizes = middle(), []
    for seed in range(30):
        rough = rough_mask(bg, (0.8,) * 3, np.random.default_rng(seed))
        again = rough_mask(bg, (0.8,) * 3, np.random.default_rng(seed))
        np.testing.assert_array_equal(rough, again)
        assert 0.7 < dice(rough, bg) < 1
        sizes.append(rough.sum() / bg.sum())
    assert min(sizes) < 0.9
    assert max(sizes) > 1.1


def test_the_answer_is_that_of_a_voxel_not_of_a_window():
    torch.manual_seed(0)
    network = build_network(CONFIG).eval()
    image = torch.randn(1, len(CONFIG.inputs), 30, 28, 26)
    with torch.no_grad():
        whole = network(image)
        part = network(image[..., 2:27, 1:26, 3:24])
    # Five convolutions, one with gaps: six voxels to each side.
    inner = (..., slice(6, -6), slice(6, -6), slice(6, -6))
    torch.testing.assert_close(part[inner], whole[..., 8:21, 7:20, 9:18], atol=1e-5, rtol=1e-5)
    assert network.output.weight.shape == (3, 4, 1, 1, 1)
