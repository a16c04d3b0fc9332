from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from bgpvs_wf.evaluation.detection import detection_table, tube_coverage, wilson_interval
from bgpvs_wf.evaluation.score_tables import DETECTION_COLUMNS


@pytest.mark.parametrize(
    ("found", "count", "low", "high"),
    # Newcombe, Stat Med 1998;17:857-872, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_wilson_is_that_of_newcombe(found, count, low, high):
    assert wilson_interval(found, count) == pytest.approx((low, high), abs=5e-5)


@given(count=st.integers(1, 500), share=st.floats(0, 1))
def test_wilson_is_that_of_statsmodels(count, share):
    found = round(share * count)
    expected = proportion_confint(found, count, method="wilson")
    assert wilson_interval(found, count) == pytest.approx(expected, abs=1e-9)


def test_wilson_without_trials_is_not_known():
    assert all(math.isnan(end) for end in wilson_interval(0, 0))


def test_coverage_is_the_share_of_voxels():
    rng = np.random.default_rng(0)
    tubes = rng.integers(0, 5, (6, 6, 6)) * 3
    prediction = rng.random((6, 6, 6)) > 0.75
    table = tube_coverage(tubes, prediction)
    assert table["tube"].tolist() == [3, 6, 9, 12]
    for row in table.itertuples():
        assert row.voxels == (tubes == row.tube).sum()
        assert row.coverage == pytest.approx(prediction[tubes == row.tube].mean())
        assert row.detected == (row.coverage >= 0.25)
    assert not tube_coverage(tubes, prediction & False, least_coverage=0)["detected"].any()


def test_tolerance_is_in_voxels_diagonals_included():
    tubes, prediction = np.zeros((5, 5, 5), int), np.zeros((5, 5, 5), bool)
    tubes[2, 2, 2] = 1
    prediction[3, 3, 3] = True
    assert tube_coverage(tubes, prediction)["coverage"].tolist() == [0]
    assert tube_coverage(tubes, prediction, tolerance=1)["coverage"].tolist() == [1]


def test_no_tubes_no_rows():
    assert len(tube_coverage(np.zeros((3, 3, 3), int), np.ones((3, 3, 3), bool))) == 0
    empty = pd.DataFrame(columns=["method", "diameter_mm", "voxel_mm", "snr", "detected"])
    assert list(detection_table(empty).columns) == list(DETECTION_COLUMNS)


def test_bins_hold_their_lower_edge_and_every_tube_of_known_diameter():
    tubes = pd.DataFrame(
        {
            "method": ["b"] * 5 + ["a"] * 2,
            "diameter_mm": [0.5, 0.7, 0.75, 9.0, np.nan, 0.6, 0.6],
            "voxel_mm": [0.5, 0.5, 0.5, 0.5, 0.5, 0.8000004, 0.8],
            "snr": [20, 25, np.nan, 20, 20, 10, np.inf],
            "detected": [True, False, True, True, True, True, False],
        }
    )
    table = detection_table(tubes)
    assert list(table.columns) == list(DETECTION_COLUMNS)
    assert table["method"].tolist() == ["b", "b", "b", "a", "a"]
    assert table["tubes"].sum() == 6
    first = table[(table["method"] == "b") & (table["diameter_low_mm"] == 0.5)].iloc[0]
    assert (first["tubes"], first["detected"], first["rate"]) == (2, 1, 0.5)
    assert (first["snr_low"], first["snr_high"]) == (20, 30)
    unknown = table[table["snr_low"].isna()]
    assert unknown["diameter_low_mm"].tolist() == [0.75]
    assert np.isinf(table[table["method"] == "b"]["diameter_high_mm"]).sum() == 1
    assert table[table["method"] == "a"]["voxel_mm"].tolist() == [0.8, 0.8]
    assert table[table["method"] == "a"]["snr_high"].tolist() == [20, np.inf]
