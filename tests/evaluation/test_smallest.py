from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from bgpvs_wf.evaluation.score_tables import SMALLEST_COLUMNS
from bgpvs_wf.evaluation.smallest import fit_logistic, smallest_detected, smallest_table


def some_tubes(seed: int = 0, count: int = 400, infants: int = 8) -> pd.DataFrame:
    """Return tubes found with p = 1 / (1 + (0.9 / d)^6): half of them at 0.9 mm."""
    rng = np.random.default_rng(seed)
    diameters = rng.uniform(0.4, 2.0, count)
    return pd.DataFrame(
        {
            "subject": rng.integers(infants, size=count).astype(str),
            "session": None,
            "method": "a",
            "voxel_mm": 0.8,
            "diameter_mm": diameters,
            "detected": rng.random(count) < 1 / (1 + (0.9 / diameters) ** 6),
        }
    )


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_curves_are_those_of_statsmodels(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(rng.normal(), rng.uniform(0.1, 3), 40)
    y = rng.random(40) < 1 / (1 + np.exp(-rng.normal() - rng.normal(0, 2) * (x - x.mean())))
    weights = np.vstack([np.ones(40), rng.integers(0, 4, (3, 40))])
    for row, fitted in zip(weights, fit_logistic(x, y, weights), strict=True):
        xs, ys = np.repeat(x, row.astype(int)), np.repeat(y, row.astype(int))
        if ys.all() or not ys.any():
            assert np.isnan(fitted).all()
            continue
        separated = xs[ys].min() >= xs[~ys].max() or xs[ys].max() <= xs[~ys].min()
        assert np.isnan(fitted).all() == separated
        if not separated:
            expected = sm.Logit(ys.astype(float), sm.add_constant(xs)).fit(
                disp=0, maxiter=200, method="newton"
            )
            assert fitted == pytest.approx(expected.params, rel=1e-5, abs=1e-6)


def test_steep_curves_are_found_too():
    x = np.linspace(-1, 1, 2001)
    y = x > 0
    y[[999, 1001]] = True, False  # hardly any overlap
    fitted = fit_logistic(x, y, np.ones((1, len(x))))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = sm.GLM(y.astype(float), sm.add_constant(x), sm.families.Binomial()).fit(
            maxiter=300, tol=1e-13
        )
    assert fitted == pytest.approx(expected.params, rel=1e-4, abs=1e-3)


def test_diameter_is_where_the_true_curve_has_it():
    tubes = some_tubes()
    half = smallest_detected(tubes, 0.5)
    assert half["ci_low_mm"] < 0.9 < half["ci_high_mm"]
    assert half["ci_high_mm"] - half["ci_low_mm"] < 0.2
    ninety = smallest_detected(tubes, 0.9)
    truth = 0.9 * 9 ** (1 / 6)
    assert ninety["ci_low_mm"] < truth < ninety["ci_high_mm"]
    assert ninety["diameter_mm"] > half["diameter_mm"]
    assert half["note"] == ""
    # The width that large-sample theory gives (delta method on statsmodels' covariance).
    fit = sm.Logit(
        tubes["detected"].astype(float), sm.add_constant(np.log(tubes["diameter_mm"]))
    ).fit(disp=0)
    a, b = fit.params
    at = np.exp(-a / b)
    assert half["diameter_mm"] == pytest.approx(at)
    slope = np.array([-1 / b, a / b**2]) * at
    width = 2 * 1.96 * np.sqrt(slope @ fit.cov_params().to_numpy() @ slope)
    few = smallest_detected(tubes.assign(subject="0"), 0.5)  # one infant: tubes are resampled
    assert few["ci_high_mm"] - few["ci_low_mm"] == pytest.approx(width, rel=0.25)


def test_tubes_that_share_their_fate_widen_the_interval():
    tubes = some_tubes()
    shared = pd.concat([tubes] * 4, ignore_index=True)  # every tube four times
    shared["subject"] = np.tile(np.arange(len(tubes)), 4).astype(str)
    by_infant = smallest_detected(shared, 0.5)
    by_tube = smallest_detected(shared.assign(subject="0"), 0.5)
    width = [found["ci_high_mm"] - found["ci_low_mm"] for found in (by_infant, by_tube)]
    assert width[0] / width[1] == pytest.approx(2, rel=0.25)


def test_same_seed_same_interval():
    tubes = some_tubes(count=60)
    assert smallest_detected(tubes, 0.5, seed=3) == smallest_detected(tubes, 0.5, seed=3)
    assert smallest_detected(tubes, 0.5, seed=3) != smallest_detected(tubes, 0.5, seed=4)


GRID = np.linspace(0.5, 2.0, 20)


@pytest.mark.parametrize(
    ("detected", "reason"),
    [
        (GRID > 0, "all detected, from 0.50 mm"),
        (GRID < 0, "none detected, up to 2.00 mm"),
        (GRID > 1.2, "no curve fits"),
        (GRID < 1.2, "does not rise"),
        (np.r_[[True] * 8, [False, True] * 6], "does not rise"),
    ],
)
def test_no_curve_has_a_reason(detected, reason):
    tubes = pd.DataFrame(
        {"subject": "1", "session": None, "diameter_mm": GRID, "detected": detected}
    )
    found = smallest_detected(tubes, 0.5)
    assert np.isnan([found["diameter_mm"], found["ci_low_mm"], found["ci_high_mm"]]).all()
    assert reason in found["note"]


def test_too_few_tubes_or_no_probability():
    assert "too few" in smallest_detected(some_tubes(count=9), 0.5)["note"]
    assert "too few" in smallest_detected(some_tubes(count=0), 0.5)["note"]
    with pytest.raises(ValueError, match="probability"):
        smallest_detected(some_tubes(), 1.0)


def test_what_lies_beyond_the_tubes_is_noted():
    tubes = some_tubes()
    found = smallest_detected(tubes[tubes["diameter_mm"] < 1.0], 0.9)
    assert found["diameter_mm"] > 1.0
    assert "beyond" in found["note"]


def test_resamples_without_a_curve_leave_no_interval():
    d = np.linspace(0.5, 2.0, 12)
    detected = d > 1.2
    detected[[5, 6]] = detected[[6, 5]]  # one swap: many resamples are separated
    tubes = pd.DataFrame({"subject": "1", "session": None, "diameter_mm": d, "detected": detected})
    found = smallest_detected(tubes, 0.5)
    assert 0.5 < found["diameter_mm"] < 2.0
    assert np.isnan(found["ci_low_mm"])
    assert "resamples" in found["note"]


def test_table_has_a_row_per_method_voxel_and_probability():
    tubes = pd.concat([some_tubes(), some_tubes(1).assign(method="b", voxel_mm=0.5)])
    table = smallest_table(tubes, seed=0)
    assert list(table.columns) == list(SMALLEST_COLUMNS)
    assert table[["method", "probability"]].to_numpy().tolist() == [
        ["a", 0.5], ["a", 0.9], ["b", 0.5], ["b", 0.9]]  # fmt: skip
    assert len(smallest_table(tubes.iloc[:0], seed=0)) == 0
