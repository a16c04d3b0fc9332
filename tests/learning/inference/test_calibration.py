"""Calibration against scikit-learn, and on networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from bgpvs_wf.learning.inference.calibration import (
    calibration_error,
    fit_line,
    follow_line,
    reliability,
)
from bgpvs_wf.learning.nets.architectures import PVS, NetworkConfig, build_network


def overconfident(seed, slope, offset, count=3000):
    """Return probabilities, and labels that follow a line in their logit."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 2, count)
    truth = rng.random(count) < special.expit(slope * logit + offset)
    return special.expit(logit).astype(np.float32), truth


@settings(max_examples=20)
@given(st.integers(0, 999), st.floats(0.2, 2), st.floats(-2, 1))
def test_the_line_is_that_of_a_logistic_regression(seed, slope, offset):
    probability, truth = overconfident(seed, slope, offset)
    found, level = fit_line(probability, truth)
    reference = LogisticRegression(C=1e8, tol=1e-8)
    reference.fit(special.logit(probability.astype(float))[:, None], truth)
    expected = (reference.coef_[0, 0], reference.intercept_[0])
    assert (found, level) == pytest.approx(expected, abs=2e-3)


def test_extremes_do_no_harm():
    probability = np.array([0, 0, 0, 1, 1, 0.5, 0.5])
    slope, offset = fit_line(probability, np.array([0, 0, 1, 1, 0, 1, 0], bool))
    assert np.isfinite([slope, offset]).all()
    assert slope > 0


def test_a_network_follows_the_line():
    torch.manual_seed(0)
    config = NetworkConfig(tells=PVS, filters=(4, 4))
    network = build_network(config).eval()
    image = torch.randn(1, len(config.inputs), 8, 8, 8)
    with torch.no_grad():
        before = network(image)
        follow_line(network, 0.4, -1.5)
        follow_line(network, 2.0, 0.5, channel=1)
        after = network(image)
    torch.testing.assert_close(after[:, 0], 0.4 * before[:, 0] - 1.5)
    torch.testing.assert_close(after[:, 1], 2 * before[:, 1] + 0.5)
    torch.testing.assert_close(after[:, 2], before[:, 2])


def test_reliability_is_that_of_scikit_learn():
    probability, truth = overconfident(3, 0.5, -1)
    table = reliability(probability, truth)
    share, mean = calibration_curve(truth, probability, n_bins=10)
    np.testing.assert_allclose(table["share"], share)
    np.testing.assert_allclose(table["probability"], mean, rtol=1e-6)
    assert table["voxels"].sum() == len(truth)


def test_voxels_far_from_any_pvs_hide_no_error():
    probability, truth = overconfident(5, 0.4, -1)
    nothing = np.zeros(100_000)
    alone = calibration_error(reliability(probability, truth))
    among = calibration_error(
        reliability(np.append(probability, nothing), np.append(truth, nothing > 0))
    )
    assert among == pytest.approx(alone)
    assert np.isnan(calibration_error(reliability(nothing, nothing > 0)))


def test_the_error_falls_when_a_network_is_calibrated():
    probability, truth = overconfident(5, 0.4, -1, 30_000)
    slope, offset = fit_line(probability, truth)
    line = special.expit(slope * special.logit(probability.astype(float)) + offset)
    before, after = (calibration_error(reliability(p, truth)) for p in (probability, line))
    assert before > 0.05
    assert after < 0.01
    assert calibration_error(reliability(np.array([0.0, 1.0]), np.array([False, True]))) == 0
