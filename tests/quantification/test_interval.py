"""The interval of the volume of PVS: against the order of scores, and on scans of known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpvs_wf.quantification.interval import volume_interval, volume_margin


def scans(seed, count):
    """Return volumes as measured, with errors that grow with them, and true ones."""
    rng = np.random.default_rng(seed)
    true = rng.gamma(1.5, 20, count) * (rng.random(count) > 0.1)
    measured = np.maximum(true * rng.lognormal(0.1, 0.35, count) + rng.normal(0, 3, count), 0)
    return list(zip(measured.tolist(), true.tolist(), strict=True))


def covered(scan, margin):
    low, high = volume_interval(scan[0], margin)
    return low - 1e-9 <= scan[1] <= high + 1e-9


@given(st.integers(0, 999), st.integers(9, 60))
def test_the_margin_is_the_quantile_of_the_scores(seed, count):
    cases = scans(seed, count)
    measured, true = np.array(cases).T
    scores = np.abs(np.log((measured + 10) / (true + 10)))
    share = np.ceil(0.9 * (count + 1)) / count
    expected = np.quantile(scores, share, method="inverted_cdf")
    assert volume_margin(cases) == pytest.approx(expected)


@given(st.integers(0, 999), st.integers(9, 60))
def test_the_margin_is_the_least_that_covers_enough_scans(seed, count):
    cases = scans(seed, count)
    margin = volume_margin(cases)
    wanted = np.ceil((count + 1) * 0.9)
    assert sum(covered(case, margin) for case in cases) >= wanted
    assert sum(covered(case, margin - 1e-6) for case in cases) < wanted


@pytest.mark.parametrize("count", [9, 19, 40])
def test_new_scans_are_covered_as_often_as_promised(count):
    shares = []
    for seed in range(150):
        margin = volume_margin(scans(seed, count))
        shares += [covered(scan, margin) for scan in scans(10_000 + seed, 40)]
    assert 0.88 < np.mean(shares) < 0.95


@given(st.floats(0, 500), st.floats(0, 3))
def test_the_interval_holds_the_volume_and_nothing_below_none(volume, margin):
    low, high = volume_interval(volume, margin)
    assert 0 <= low <= volume + 1e-9
    assert high >= volume - 1e-9
    assert np.log((high + 10) / (volume + 10)) == pytest.approx(margin, abs=1e-9)


def test_of_few_scans_nothing_is_promised():
    assert volume_margin(scans(1, 8)) is None
    assert volume_margin([]) is None
    # Who has no measured volume does not count.
    assert volume_margin([*scans(1, 8), (float("nan"), 20.0)]) is None
    assert volume_margin([*scans(1, 9), (float("nan"), 20.0)]) == volume_margin(scans(1, 9))


def test_what_is_not_known_has_no_ends():
    assert np.isnan(volume_interval(30.0, None)).all()
    assert np.isnan(volume_interval(float("nan"), 0.5)).all()
