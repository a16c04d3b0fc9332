from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bgpvs_wf.errors import BadImageError
from bgpvs_wf.imaging.vesselness import tubes, vesselness

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "vesselness.py"
SCALES = (0.3, 0.5, 0.8)


def _reference(*args, **kwargs):
    spec = importlib.util.spec_from_file_location("benchmark_vesselness", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.reference_vesselness(*args, **kwargs)


def _affine(spacing, rotation_vector, flips, order):
    axes = Rotation.from_rotvec(rotation_vector).as_matrix()[:, list(order)] * flips
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = (5.0, -3.0, 11.0)
    return affine


def _coordinates(shape, affine):
    index = np.moveaxis(np.indices(shape), 0, -1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    return world - (affine @ [*((np.array(shape) - 1) / 2), 1])[:3]


def _tube(shape, affine, direction, sigma):
    """Return a tube of Gaussian profile and unit amplitude through the centre of the grid."""
    position = _coordinates(shape, affine)
    along = position @ direction
    distance2 = (position**2).sum(-1) - along**2
    return np.exp(-distance2 / (2 * sigma**2))


affines = st.builds(
    _affine,
    st.tuples(*[st.floats(0.4, 1.2)] * 3),
    st.tuples(*[st.floats(-1.5, 1.5)] * 3),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.permutations([0, 1, 2]),
)


@settings(max_examples=15, deadline=None)
@given(affine=affines, seed=st.integers(0, 99), offset=st.sampled_from([0.0, 1000.0]))
@pytest.mark.parametrize("polarity", ["bright", "dark"])
def test_equals_float64_reference(polarity, affine, seed, offset):
    data = np.random.default_rng(seed).normal(offset, 10.0, (11, 9, 13)).astype(np.float32)
    ours = vesselness(data, affine, SCALES, polarity=polarity)
    reference = _reference(data, affine, SCALES, polarity)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, reference, rtol=1e-5, atol=1e-6 * reference.max())


@settings(max_examples=15, deadline=None)
@given(
    rotation=st.tuples(*[st.floats(-1.5, 1.5)] * 3),
    polar=st.floats(0, np.pi),
    azimuth=st.floats(0, 6.28),
    spacing=st.tuples(*[st.floats(0.25, 0.4)] * 3),
)
def test_well_sampled_tube_gives_the_analytic_response_and_direction(
    rotation, polar, azimuth, spacing
):
    affine = _affine(spacing, rotation, (1, -1, 1), (1, 0, 2))
    direction = np.array(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)]
    )
    image = (100 * _tube((25, 25, 25), affine, direction, sigma=0.8)).astype(np.float32)
    found = tubes(image, affine, [0.4, 0.8, 1.6])
    centre = (12, 12, 12)
    # Amplitude s^2 / (s^2 + t^2) after smoothing, curvature over (s^2 + t^2), times t^2.
    assert found.response[centre] == pytest.approx(25.0, rel=0.08)
    assert found.scale_mm[centre] == pytest.approx(0.8)
    assert abs(found.direction[centre] @ direction) > 0.995
    assert np.linalg.norm(found.direction[centre]) == pytest.approx(1, abs=1e-4)
    np.testing.assert_array_equal(found.response, vesselness(image, affine, [0.4, 0.8, 1.6]))


def test_dark_is_bright_of_the_negative():
    data = np.random.default_rng(3).normal(size=(8, 9, 10))
    affine = np.diag([0.5, 0.7, 0.9, 1])
    np.testing.assert_allclose(
        vesselness(data, affine, SCALES, polarity="dark"),
        vesselness(-data, affine, SCALES),
        rtol=1e-5,
        atol=1e-6,
    )


def test_steps_and_sheets_do_not_answer_and_blobs_answer_less():
    affine = np.diag([0.5, 0.5, 0.5, 1])
    shape = (25, 25, 25)
    normal = np.array([0.6, 0.0, 0.8])
    distance = _coordinates(shape, affine) @ normal
    line = np.array([0.0, 1.0, 0.0])
    tube = vesselness(_tube(shape, affine, line, 0.5), affine, SCALES)[12, 12, 12]
    inner = (slice(4, -4),) * 3  # the edge of the field of view cuts them
    step = vesselness(3 / (1 + np.exp(-distance / 0.2)), affine, SCALES)[inner]
    sheet = vesselness(np.exp(-(distance**2) / 0.5), affine, SCALES)[inner]
    ball = np.exp(-(_coordinates(shape, affine) ** 2).sum(-1) / 0.5)
    blob = vesselness(ball, affine, SCALES)[12, 12, 12]
    assert step.max() < 0.05 * tube  # a step three times as high as the tube
    assert sheet.max() < 0.02 * tube
    assert blob < 0.15 * tube


def test_response_grows_with_contrast_and_ignores_the_level():
    affine = np.diag([0.5, 0.5, 0.8, 1])
    image = _tube((15, 15, 15), affine, np.array([0.0, 0.0, 1.0]), 0.4)
    once = vesselness(image, affine, SCALES)
    np.testing.assert_allclose(
        vesselness(50 * image + 300, affine, SCALES), 50 * once, rtol=2e-3, atol=1e-2
    )


def test_no_tube_no_response():
    found = tubes(np.full((5, 6, 7), 42.0), np.eye(4), SCALES)
    assert not found.response.any()
    assert not found.scale_mm.any()
    assert found.direction.shape == (5, 6, 7, 3)


def test_refuses_what_it_cannot_measure():
    sheared = np.eye(4)
    sheared[0, 1] = 0.3
    data = np.zeros((4, 4, 4))
    with pytest.raises(BadImageError, match="sheared"):
        vesselness(data, sheared, SCALES)
    with pytest.raises(BadImageError, match="not finite"):
        vesselness(np.where(np.eye(4)[..., None] > 0, np.nan, data), np.eye(4), SCALES)
    with pytest.raises(ValueError, match="polarity"):
        vesselness(data, np.eye(4), SCALES, polarity="black")
    with pytest.raises(ValueError, match="scales"):
        vesselness(data, np.eye(4), [0.0, 0.5])
    with pytest.raises(ValueError, match="3D"):
        vesselness(data[0], np.eye(4), SCALES)
