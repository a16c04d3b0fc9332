"""Curves of made-up infants: right for others of their kind, and silent where they know nothing."""

from __future__ import annotations

import numpy as np
import pytest
from growing_infants import counts, draw_ages, gamma, middle

from bgpvs_wf.cohort.growth import fitting
from bgpvs_wf.cohort.growth.curve import LEAST
from bgpvs_wf.cohort.growth.fitting import FEWEST, fit_curve


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(fitting, "RESAMPLES", 12)


def curve_of(draw, number, law="box-cox", seed=1):
    rng = np.random.default_rng(seed)
    ages = draw_ages(number, rng)
    values = draw(ages, rng)
    return fit_curve(values, ages, [f"{i}" for i in range(number)], law, 0)


@pytest.mark.parametrize(("draw", "law"), [(gamma, "box-cox"), (counts, "count")])
def test_new_infants_fall_where_they_should(draw, law):
    curve = curve_of(draw, 300, law, seed=2)
    rng = np.random.default_rng(99)
    ages = draw_ages(2000, rng)
    ages = ages[curve.covers(ages)]
    values = draw(ages, rng)
    told = curve.centiles(values, ages)
    shares = 100 * np.array([np.mean(told <= 5), np.mean(told < 50), np.mean(told < 95)])
    # Counts jump over centiles.
    room = np.array([2, 3, 2]) * (1 if law == "box-cox" else 2)
    assert (np.abs(shares - [5, 50, 95]) <= room).all()
    assert told.mean() == pytest.approx(50, abs=2.5)
    if law == "box-cox":
        for centile, share in zip((5, 50, 95), shares, strict=True):
            line = np.interp(np.log(ages), np.log(curve.ages), curve.lines[centile].values)
            assert 100 * np.mean(values < line) == pytest.approx(share, abs=0.5)


@pytest.mark.parametrize(("draw", "law"), [(gamma, "box-cox"), (counts, "count")])
def test_centiles_never_cross_and_lie_in_their_intervals(draw, law):
    for seed in range(4):
        curve = curve_of(draw, 400, law, seed)
        assert curve.told == (3, 5, 10, 25, 50, 75, 90, 95, 97)
        values = np.array([curve.lines[centile].values for centile in curve.told])
        assert (np.diff(values, axis=0) >= 0).all()
        for line in curve.lines.values():
            assert (np.array(line.low) <= line.values).all()
            assert (np.array(line.values) <= line.high).all()


def test_few_infants_have_few_centiles_or_none():
    assert curve_of(gamma, FEWEST).told == (25, 50, 75)
    assert curve_of(gamma, LEAST[10]).told == (10, 25, 50, 75, 90)
    with pytest.raises(ValueError, match=f"59 infants, where {FEWEST} are needed"):
        curve_of(gamma, FEWEST - 1)


def test_beyond_the_outermost_centile_it_is_told():
    curve = curve_of(gamma, FEWEST)
    assert list(curve.centiles(np.array([1e-3, 1e4]), np.array([60.0, 60.0]))) == [25, 75]
    none = curve.centiles(np.array([np.nan, 9.0, 9.0]), np.array([60.0, np.nan, 30.0]))
    assert np.isnan(none).all()


def test_sessions_of_an_infant_do_not_count_as_infants(monkeypatch):
    monkeypatch.setattr(fitting, "RESAMPLES", 50)
    rng = np.random.default_rng(7)
    ages = np.repeat(draw_ages(80, rng), 4) * np.tile([1, 1.02, 1.04, 1.06], 80)
    own = np.repeat(0.3 * rng.standard_normal(80), 4)  # who has much has it each time
    values = middle(ages) * np.exp(own)
    whose = np.repeat([f"{i}" for i in range(80)], 4)
    curve = fit_curve(values, ages, list(whose), "box-cox", 0)
    assert (curve.subjects, curve.scans) == (80, 320)
    assert curve.told == (25, 50, 75)
    apart = fit_curve(values, ages, [f"{i}" for i in range(320)], "box-cox", 0)
    width = [np.mean(np.subtract(c.lines[50].high, c.lines[50].low)) for c in (curve, apart)]
    assert width[0] > 1.5 * width[1]


def test_gaps_between_ages_are_not_covered():
    rng = np.random.default_rng(8)
    ages = np.concatenate([rng.uniform(38, 42, 40), rng.uniform(90, 100, 40), [60.0]])
    curve = fit_curve(gamma(ages, rng), ages, [f"{i}" for i in range(81)], "box-cox", 0)
    assert list(curve.covers(np.array([40, 60, 95, np.nan]))) == [True, False, True, False]


def test_values_that_no_curve_fits_are_told():
    rng = np.random.default_rng(9)
    ages = draw_ages(400, rng)
    values = np.where(rng.random(400) < 0.2, 10, 100) * np.exp(0.02 * rng.standard_normal(400))
    curve = fit_curve(values, ages, [f"{i}" for i in range(400)], "box-cox", 0)
    assert "% of the infants lie" in curve.misfit
    assert not curve_of(gamma, 400).misfit


@pytest.mark.parametrize(
    ("values", "why"),
    [(np.zeros(80), "more than half"), (np.full(80, 3.0), "the same")],
)
def test_what_has_no_curve_is_said(values, why):
    ages = draw_ages(80, np.random.default_rng(1))
    with pytest.raises(ValueError, match=why):
        fit_curve(values, ages, [f"{i}" for i in range(80)], "box-cox", 0)


def test_the_same_seed_gives_the_same_curve():
    assert curve_of(gamma, 60) == curve_of(gamma, 60)


def test_planned_ages_cover_a_little_around_them():
    ages = np.repeat([44.35, 66.09, 92.18], 60)
    values = gamma(ages, np.random.default_rng(4))
    subjects = [f"{i:03}" for i in range(60)] * 3
    curve = fit_curve(values, ages, subjects, "box-cox", seed=0)
    near = np.array([43.4, 44.35, 45.3, 47.0, 56.0, 65.0, 66.09, 92.18, 94.0, 96.0])
    assert curve.covers(near).tolist() == [True] * 3 + [False] * 2 + [True] * 4 + [False]
    assert curve.ages[0] <= 43.4
    assert curve.ages[-1] >= 94.0
