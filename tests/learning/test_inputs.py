"""What a fine network sees: images, tubes, context."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpvs_wf.learning.classes import CONTEXT, TUBE_SCALES_MM, TUBES
from bgpvs_wf.learning.inputs import fine_input, tube_channels
from bgpvs_wf.learning.networks import NetworkConfig
from bgpvs_wf.learning.views import CLIP, MODALITIES

SHAPE = (24, 24, 24)


def tube(amplitude, scale_mm, voxel_mm, axis=2):
    """Return a straight tube through the middle, Gaussian across."""
    away = [i for i in range(3) if i != axis]
    index = np.indices(SHAPE)
    squared = sum(((index[i] - 12) * voxel_mm[i] / scale_mm) ** 2 for i in away)
    return (amplitude * np.exp(-squared / 2)).astype(np.float32)


def channel(scale, modality):
    return TUBES.index(f"tubes of {scale} mm on {modality}")


@pytest.mark.parametrize("scale", TUBE_SCALES_MM)
@pytest.mark.parametrize(("modality", "sign"), [("T2w", 1), ("T1w", -1)])
def test_a_channel_is_the_amplitude_of_a_tube_of_fluid(scale, modality, sign):
    voxel_mm = (0.2, 0.25, 0.2)
    images = np.zeros((2, *SHAPE), np.float32)
    images[MODALITIES.index(modality)] = tube(sign * 2.0, scale, voxel_mm)
    found = tube_channels(images, voxel_mm)
    assert found[channel(scale, modality)][12, 12, 12] == pytest.approx(2.0, rel=0.15)
    other = "T1w" if modality == "T2w" else "T2w"
    assert not found[[channel(s, other) for s in TUBE_SCALES_MM]].any()
    # What is no fluid is none.
    images *= -1
    assert tube_channels(images, voxel_mm)[:, 12, 12, 12].max() < 0.05


@given(axis=st.integers(0, 2), voxel=st.floats(0.4, 0.62), seed=st.integers(0, 100))
def test_tubes_go_with_the_image(axis, voxel, seed):
    """Mirrored, or with axes exchanged; and more contrast is more tube."""
    images = np.random.default_rng(seed).normal(0, 0.2, (2, 10, 10, 10)).astype(np.float32)
    found = tube_channels(images, (voxel,) * 3)
    assert found.dtype == np.float32
    assert found.min() >= 0
    flipped = tube_channels(np.flip(images, axis + 1), (voxel,) * 3)
    np.testing.assert_allclose(np.flip(found, axis + 1), flipped, atol=1e-4)
    swapped = tube_channels(np.swapaxes(images, 1, axis + 1), (voxel,) * 3)
    np.testing.assert_allclose(np.swapaxes(found, 1, axis + 1), swapped, atol=1e-4)
    np.testing.assert_allclose(tube_channels(2 * images, (voxel,) * 3), 2 * found, atol=1e-4)


def test_tubes_are_cut_as_images_are():
    images = np.stack([tube(100.0, 0.7, (0.5,) * 3), np.zeros(SHAPE, np.float32)])
    assert tube_channels(images, (0.5,) * 3).max() == CLIP


def test_the_input_is_what_a_network_takes():
    images = np.random.default_rng(0).normal(size=(2, 8, 9, 10)).astype(np.float32)
    context = np.random.default_rng(1).normal(size=(len(CONTEXT), 8, 9, 10)).astype(np.float32)
    seen = fine_input(images, context, (0.5,) * 3)
    names = NetworkConfig(heads=("anatomy", "pvs")).inputs
    assert seen.shape == (len(names), 8, 9, 10)
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen[[names.index("T2w"), names.index("T1w")]], images)
    np.testing.assert_array_equal(seen[names.index(CONTEXT[0]) :], context)
    tubes = [names.index(name) for name in TUBES]
    np.testing.assert_array_equal(seen[tubes], tube_channels(images, (0.5,) * 3))
