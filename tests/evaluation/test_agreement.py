from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bgpvs_wf.evaluation.agreement import agreement, bland_altman, pearson
from bgpvs_wf.evaluation.icc import intraclass_correlations
from bgpvs_wf.evaluation.score_tables import AGREEMENT_COLUMNS

# Shrout and Fleiss 1979, table 2: six targets, four judges.
JUDGES = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)
# Bland and Altman 1986: peak expiratory flow, l/min, first readings of 17 subjects.
WRIGHT = np.array(
    [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
)
MINI = np.array(
    [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
)


def test_icc_is_that_of_shrout_and_fleiss():
    icc2, icc3 = intraclass_correlations(JUDGES)
    assert (round(icc2.value, 2), round(icc3.value, 2)) == (0.29, 0.71)
    # Their intervals as McGraw and Wong's programs and R's psych::ICC print them.
    assert icc2[1:] == pytest.approx((0.019, 0.761), abs=6e-4)
    assert icc3[1:] == pytest.approx((0.342, 0.946), abs=6e-4)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(3, 30), k=st.integers(2, 4))
def test_icc_is_that_of_pingouin(seed, n, k):
    rng = np.random.default_rng(seed)
    ratings = rng.normal(0, rng.uniform(0, 3), (n, 1)) + rng.normal(0, 1, (n, k)) + rng.normal(k)
    long = pd.DataFrame(ratings).melt(ignore_index=False).reset_index()
    table = pingouin.intraclass_corr(long, "index", "variable", "value").set_index("Type")
    found = intraclass_correlations(ratings)
    for name, icc in zip(("ICC(A,1)", "ICC(C,1)"), found, strict=True):
        assert icc.value == pytest.approx(table.loc[name, "ICC"], abs=1e-9)
        assert icc[1:] == pytest.approx(table.loc[name, "CI95"], abs=5.1e-3)  # rounded there


def test_icc_of_a_constant_shift():
    truth = np.arange(1.0, 9)
    icc2, icc3 = intraclass_correlations(np.column_stack([truth, truth + 2]))
    assert icc3 == pytest.approx((1, 1, 1))
    # Mean squares by hand: targets 12, raters 16, error 0; 12 / (12 + 2 * 16 / 8).
    assert icc2.value == pytest.approx(0.75)
    assert icc2.low < 0.75 < icc2.high


def test_limits_of_agreement_are_those_of_bland_and_altman_1986():
    found = agreement(MINI, WRIGHT)
    assert found["n"] == 17
    assert round(found["pearson_r"], 2) == 0.94
    assert round(found["bias"], 1) == -2.1
    assert round(found["sd_of_differences"], 1) == 38.8
    # They print bias +- 2 SD, with the rounded values.
    assert round(-2.1 - 2 * 38.8, 1) == -79.7
    assert found["loa_low"] == pytest.approx(-79.7, abs=0.05 * 38.8)
    assert found["loa_low"] == pytest.approx(found["bias"] - 1.96 * found["sd_of_differences"])
    assert (found["bias_low"], found["bias_high"]) == pytest.approx((-22.0, 17.8), abs=0.1)


def test_intervals_of_limits_are_those_of_bland_and_altman_1999():
    # Section 2: blood pressure of 85 subjects, mean difference -16.29, SD 19.61 mmHg; limits
    # -54.7 and 22.1; intervals -61.9 to -47.5 and 14.9 to 29.3.
    spread = np.random.default_rng(0).normal(size=85)
    differences = -16.29 + 19.61 * (spread - spread.mean()) / spread.std(ddof=1)
    found = bland_altman(differences)
    assert found["loa_low"] == pytest.approx(-54.7, abs=0.06)
    assert found["loa_high"] == pytest.approx(22.1, abs=0.06)
    low = (found["loa_low_ci_low"], found["loa_low_ci_high"])
    high = (found["loa_high_ci_low"], found["loa_high_ci_high"])
    # They add half a width of 7.2 to rounded limits.
    assert low == pytest.approx((-61.9, -47.5), abs=0.11)
    assert high == pytest.approx((14.9, 29.3), abs=0.11)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(4, 40))
def test_correlation_is_that_of_scipy(seed, n):
    x, y = np.random.default_rng(seed).normal(size=(2, n))
    y += 0.5 * x
    expected = stats.pearsonr(x, y)
    r, low, high = pearson(x, y)
    assert r == pytest.approx(expected.statistic)
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval(0.95)), abs=1e-4)


def test_pairs_with_a_gap_are_left_out():
    a, b = np.arange(6.0), np.array([1.0, np.nan, 2, 3, 5, 5])
    gappy = agreement(a, b)
    keep = [0, 2, 3, 4, 5]
    assert gappy == agreement(a[keep], b[keep])
    assert gappy["n"] == 5
    assert gappy["mae"] == pytest.approx(np.mean([1, 0, 0, 1, 0]))


@pytest.mark.parametrize(
    ("reference", "measured", "known"),
    [
        ([], [], {"n": 0}),
        ([5], [7], {"n": 1, "mae": 2, "bias": 2}),
        ([5, 6], [7, 7], {"n": 2, "mae": 1.5, "bias": 1.5, "sd_of_differences": 0.5**0.5}),
        ([4, 4, 4, 4], [4, 4, 4, 4], {"n": 4, "mae": 0, "loa_low": 0, "loa_high_ci_high": 0}),
        ([4, 4, 4, 4], [5, 5, 5, 5], {"n": 4, "mae": 1, "bias": 1, "loa_high": 1}),
        ([4, 4, 4, 4], [3, 5, 3, 5], {"n": 4, "mae": 1, "bias": 0}),
        ([1, 2, 3, 5], [1, 2, 3, 5], {"pearson_r": 1, "pearson_r_low": 1, "icc2_1": 1,
                                      "icc3_1_low": 1, "icc2_1_high": 1, "mae": 0}),
        ([1, 2, 4], [2, 1, 5], {"n": 3, "mae": 1}),
    ],
)  # fmt: skip
def test_degenerate_cases_are_defined(reference, measured, known):
    with np.errstate(all="raise"):
        found = agreement(np.array(reference, float), np.array(measured, float))
    assert list(found) == list(AGREEMENT_COLUMNS)[2:]
    for name, value in known.items():
        assert found[name] == pytest.approx(value), name
    n = len(reference)
    constant = n and (len(set(reference)) == 1 or len(set(measured)) == 1)
    assert np.isnan(found["pearson_r"]) == (n < 3 or constant)
    assert np.isnan(found["icc2_1"]) == (n < 3 or (len(set(reference)) == len(set(measured)) == 1))
    assert np.isnan(found["pearson_r_low"]) == (n < 4 or constant)
    assert np.isnan(found["loa_low"]) == (n < 2)
    assert np.isnan(found["bias"]) == (n < 1)


def test_unpaired_values_are_refused():
    with pytest.raises(ValueError, match="pairs"):
        agreement(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="raters"):
        intraclass_correlations(np.ones((5, 1)))
