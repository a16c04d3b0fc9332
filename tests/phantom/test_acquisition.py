from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.phantom.acquisition import (
    acquire,
    add_rician_noise,
    bias_field,
    filtered,
    move,
    transfer_function,
)
from bgpvs_wf.phantom.protocol import AcquisitionConfig

SHAPE = (48, 50, 44)
GRID = Grid(SHAPE, np.diag([0.5, 0.5, 0.5, 1.0]))


def scan(**settings):
    return AcquisitionConfig(voxel_mm=(0.5, 0.5, 0.5), **settings)


def transfer(config, shape=SHAPE):
    return [transfer_function(n, 0.5, config, axis) for axis, n in enumerate(shape)]


def test_nothing_is_lost_where_the_voxel_is_as_fine_as_the_scan():
    assert transfer(scan()) == [None, None, None]
    image = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    assert filtered(image, transfer(scan())) is not None
    assert np.array_equal(filtered(image, transfer(scan())), image)


def test_end_of_k_space_agrees_with_a_plain_transform():
    config = scan(resolution_mm=(0.8, 0.5, 1.2))
    image = np.random.default_rng(1).random(SHAPE).astype(np.float32)
    spectrum = np.fft.fftn(image.astype(float))
    for axis, limit in ((0, 0.8), (2, 1.2)):
        outside = np.abs(np.fft.fftfreq(SHAPE[axis], 0.5)) > 0.5 / limit
        shape = [1, 1, 1]
        shape[axis] = -1
        spectrum = spectrum * ~outside.reshape(shape)
    expected = np.fft.ifftn(spectrum).real
    assert np.allclose(filtered(image, transfer(config)), expected, atol=1e-5)


def test_an_edge_rings_and_apodization_calms_it():
    image = np.zeros(SHAPE, np.float32)
    image[10:38] = 1.0
    hard = filtered(image, transfer(scan(resolution_mm=(0.9, 0.5, 0.5))))
    soft = filtered(image, transfer(scan(resolution_mm=(0.9, 0.5, 0.5), apodization=0.9)))
    # Gibbs: about 9 % beyond an edge, whatever the resolution.
    assert 0.05 < hard.max() - 1 < 0.15
    assert soft.max() - 1 < 0.5 * (hard.max() - 1)
    assert hard.sum() == pytest.approx(image.sum(), rel=1e-4)


def test_slice_profile_has_its_width():
    image = np.zeros(SHAPE, np.float32)
    image[:, :, 22] = 1.0
    profile = filtered(image, transfer(scan(slice_mm=2.0)))[5, 5]
    expected = ndimage.gaussian_filter1d(image[5, 5], 2.0 / 2.3548 / 0.5, mode="wrap")
    assert np.allclose(profile, expected, atol=5e-3)


@pytest.mark.parametrize("resolution", [(), (0.9, 0.8, 1.0)])
def test_noise_is_rician_and_has_its_strength(resolution):
    config = scan(resolution_mm=resolution, apodization=0.3)
    rng = np.random.default_rng(2)
    strong = add_rician_noise(np.full(SHAPE, 100.0, np.float32), rng, 2.0, transfer(config))
    assert strong.std() == pytest.approx(2.0, rel=0.05)
    nothing = add_rician_noise(np.zeros(SHAPE, np.float32), rng, 2.0, transfer(config))
    # Rayleigh distribution where there is no signal (Gudbjartsson and Patz 1995).
    assert nothing.mean() == pytest.approx(2.0 * np.sqrt(np.pi / 2), rel=0.03)


def test_movement_ripples_but_does_not_displace():
    shape = (6, 240, 8)
    z = np.arange(shape[1]) * 0.5
    for seed in range(8):
        # A tube as wide as a scan of 0.8 mm shows it, across the direction of movement.
        line = np.exp(-((z - 60.2) ** 2) / (2 * 0.45**2)).astype(np.float32)
        tube = np.broadcast_to(line[None, :, None], shape).copy()
        moved = move(tube, np.random.default_rng(seed), 0.25, 0.5)
        middle = [(values**4 * z).sum() / (values**4).sum() for values in (moved[2, :, 3], line)]
        assert middle[0] == pytest.approx(middle[1], abs=0.15)
    assert np.abs(moved - tube).max() > 0.01
    still = move(tube, np.random.default_rng(0), 0.0, 0.5)
    assert np.allclose(still, tube, atol=1e-5)


def test_bias_field_is_smooth_and_about_one():
    field = bias_field(GRID, np.random.default_rng(3), 0.2)
    assert np.log(field).std() == pytest.approx(0.2, rel=0.15)
    assert np.abs(np.diff(field, axis=0)).max() < 0.1


def test_extracted_scans_are_empty_outside_and_others_noisy():
    signal = np.zeros(SHAPE, np.float32)
    signal[10:30, 10:30, 10:30] = 0.7
    rng = np.random.default_rng(4)
    config = scan(resolution_mm=(0.8, 0.8, 0.8), snr=20.0, motion_mm=0.3)
    inside = acquire(signal, GRID, rng, config, 0.7)
    assert not inside[signal == 0].any()
    assert inside[signal > 0].mean() == pytest.approx(700, rel=0.1)
    everywhere = acquire(signal, GRID, rng, config, 0.7, extracted=False)
    assert (everywhere[signal == 0] > 0).mean() > 0.99
