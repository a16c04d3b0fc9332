"""Laws and splines against what is known of them from elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from growing_infants import counts as draw_counts
from growing_infants import draw_ages, gamma, middle
from scipy import stats
from scipy.optimize import approx_fprime

from bgpvs_wf.cohort.growth import box_cox, counts
from bgpvs_wf.cohort.growth.splines import basis_for


def lms(power, median, spread, zero=0.0):
    return {"L": power, "M": median, "S": spread, "zero": zero}


def test_centiles_are_those_of_the_published_worked_example():
    """Weight of a boy of 9 months, from the page "Percentile Data Files with LMS Values".

    The page of the CDC (2000 growth charts; Kuczmarski et al., Vital Health Stat 11(246), 2002)
    takes the row of 9.5 months of the table WTAGEINF, which stands for all of the month: the 5th
    percentile is 7.90 kg; 9.7 kg have the z-score 0.207, the 58th percentile.
    """
    at = lms(-0.1600954, 9.476500305, 0.11218624)
    z = stats.norm.ppf(box_cox.share_below(np.array([9.7]), at))
    assert z[0] == pytest.approx(0.207, abs=5e-4)
    assert round(100 * stats.norm.cdf(z[0])) == 58
    assert box_cox.value_at(0.05, at) == pytest.approx(7.90, abs=5e-3)


@pytest.mark.parametrize("share", [0.03, 0.5, 0.97])
def test_special_powers_are_normal_and_log_normal(share):
    z = stats.norm.ppf(share)
    assert box_cox.value_at(share, lms(1.0, 50.0, 0.1)) == pytest.approx(50 * (1 + 0.1 * z))
    assert box_cox.value_at(share, lms(0.0, 50.0, 0.1)) == pytest.approx(50 * np.exp(0.1 * z))


@pytest.mark.parametrize("power", [-1.0, 0.0, 0.4, 2.0])
def test_values_and_shares_are_inverse_to_each_other(power):
    for share in (0.01, 0.2, 0.5, 0.99):
        at = lms(np.full(1, power), 20.0, np.full(1, 0.6), 0.005)
        value = box_cox.value_at(share, at)
        assert box_cox.share_below(value, at) == pytest.approx(share)


def test_infants_with_none_have_the_middle_of_their_centiles():
    at = lms(np.full(2, 0.5), 20.0, np.full(2, 0.5), np.full(2, 0.3))
    assert box_cox.share_below(np.array([0.0, 1e-9]), at) == pytest.approx([0.15, 0.3], abs=1e-3)
    assert list(box_cox.value_at(0.25, at)) == [0, 0]
    assert (box_cox.value_at(0.35, at) > 0).all()


def test_mid_p_of_counts_is_a_half_in_the_mean():
    at = {"mean": 3.0, "dispersion": 0.4}
    every = np.arange(200)
    chance = stats.nbinom.pmf(every, 2.5, 2.5 / 5.5)
    assert counts.share_below(every, at) @ chance == pytest.approx(0.5)
    assert counts.value_at(0.5, at) == stats.nbinom.ppf(0.5, 2.5, 2.5 / 5.5)


@pytest.mark.parametrize("law", [box_cox, counts])
def test_gradients_are_right(law):
    rng = np.random.default_rng(3)
    ages = draw_ages(80, rng)
    design = basis_for(ages, 80).at(ages)
    values = rng.normal(0, 0.5, 80) if law is box_cox else rng.poisson(5, 80).astype(float)
    for power in (0.7, -0.3):
        found = np.concatenate([rng.normal(0, 0.1, design.shape[1]), [-0.7, 0.1]])
        found = np.append(found, power) if law is box_cox else found
        gradient = law._loss(found, values, design, 2)[1]
        steps = approx_fprime(found, lambda x: law._loss(x, values, design, 2)[0], 1e-7)
        assert gradient == pytest.approx(steps, abs=2e-3)


def test_parameters_come_back_from_many_infants():
    rng = np.random.default_rng(4)
    ages = draw_ages(6000, rng)
    asked = np.array([40.0, 60.0, 120.0])
    z = rng.standard_normal(6000)
    values = middle(ages) * (1 + 0.4 * 0.2 * z) ** (1 / 0.4)
    fit = box_cox.fit(values, ages, basis_for(ages, 6000), asked)
    assert fit["L"] == pytest.approx(0.4, abs=0.15)
    assert fit["M"] == pytest.approx(middle(asked), rel=0.02)
    assert fit["S"] == pytest.approx(0.2, rel=0.05)
    assert not fit["zero"].any()
    many = counts.fit(draw_counts(ages, rng), ages, basis_for(ages, 6000), asked)
    assert many["mean"] == pytest.approx(middle(asked) / 4, rel=0.08)
    assert many["dispersion"] == pytest.approx(0.5, rel=0.12)


def test_share_of_infants_with_none_follows_the_age():
    rng = np.random.default_rng(5)
    ages = draw_ages(3000, rng)
    values = np.where(rng.random(3000) < np.where(ages < 60, 0.4, 0.1), 0, gamma(ages, rng))
    zero = box_cox.fit(values, ages, basis_for(ages, 3000), np.array([40.0, 130.0]))["zero"]
    assert zero[0] > 0.35
    assert zero[1] < 0.12


def test_curves_are_straight_beyond_the_ends_and_independent_inside():
    ages = draw_ages(200, np.random.default_rng(6))
    basis = basis_for(ages, 200)
    assert basis.size == 5
    columns = basis.at(ages)
    assert columns.T @ columns / 200 == pytest.approx(np.eye(5), abs=1e-8)
    outside = basis.at(np.exp([2.0, 2.5, 3.0]))
    assert np.diff(outside, 2, axis=0) == pytest.approx(np.zeros((1, 5)), abs=1e-8)


@pytest.mark.parametrize(("ages", "size"), [([40.0] * 70, 1), ([40.0, 53.0] * 40, 2)])
def test_few_ages_have_plain_curves(ages, size):
    assert basis_for(np.array(ages), len(ages)).size == size
