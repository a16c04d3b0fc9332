"""Fits against numbers that others published, and against formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from sleep_study import REACTION

from bgpvs_wf.cohort.association.counts import count_model, grouped_counts
from bgpvs_wf.cohort.association.linear import least_squares, random_intercept
from bgpvs_wf.cohort.association.telling.table import benjamini_hochberg
from bgpvs_wf.errors import BGPVSError

BREAKS = """
26 30 54 25 70 52 51 26 67 18 21 29 17 12 18 35 30 36 36 21 24 18 10 43 28 15 26
27 14 29 19 29 31 41 20 44 42 26 19 16 39 28 21 39 29 20 21 24 17 13 15 15 16 28
"""
"""R's warpbreaks: wool A and B, in each tension L, M and H, nine times (Tippett 1950)."""


def with_constant(exog):
    return np.column_stack([np.ones(len(exog)), np.asarray(exog, float)])


def test_longley_has_the_certified_estimates():
    # NIST Statistical Reference Datasets, Longley.
    known = [
        *(-3482258.63459582, 15.0618722713733, -0.358191792925910e-01, -2.02022980381683),
        *(-1.03322686717359, -0.511041056535807e-01, 1829.15146461355),
    ]
    data = sm.datasets.longley.load_pandas()
    fit = least_squares(data.endog.to_numpy(float), with_constant(data.exog))
    assert fit.estimates == pytest.approx(known, rel=1e-6)
    assert fit.details["r_squared"] == pytest.approx(0.995479004577296, rel=1e-9)
    assert fit.details["residual_sd"] == pytest.approx(304.854073561965, rel=1e-7)


def test_hc3_and_cook_are_what_their_formulas_say():
    data = sm.datasets.stackloss.load_pandas()
    x, y = with_constant(data.exog), data.endog.to_numpy(float)
    fit = least_squares(y, x)
    # Published with the data (Brownlee 1965; R's help of stackloss).
    assert fit.estimates == pytest.approx([-39.9197, 0.7156, 1.2953, -0.1521], abs=5e-5)
    bread = np.linalg.inv(x.T @ x)
    away = y - x @ (bread @ x.T @ y)
    h = np.einsum("ij,jk,ik->i", x, bread, x)
    meat = (x * ((away / (1 - h)) ** 2)[:, None]).T @ x
    assert fit.covariance == pytest.approx(bread @ meat @ bread, rel=1e-8)
    variance = away @ away / 17
    assert fit.cooks == pytest.approx(away**2 / (4 * variance) * h / (1 - h) ** 2, rel=1e-8)


def test_the_sleep_study_is_that_of_lme4():
    # lmer(Reaction ~ Days + (1 | Subject)): published with lme4, many times over.
    y = np.array(REACTION.split(), float)
    days, subject = np.tile(np.arange(10.0), 18), np.repeat(np.arange(18), 10)
    fit = random_intercept(y, with_constant(days[:, None]), subject)
    assert fit.estimates == pytest.approx([251.4051, 10.4673], abs=1e-4)
    assert fit.errors == pytest.approx([9.7467, 0.8042], abs=2e-4)
    assert fit.details["group_sd"] == pytest.approx(37.12, abs=0.01)
    assert fit.details["residual_sd"] == pytest.approx(30.99, abs=0.01)
    assert fit.df[1] == 161


def test_without_differences_between_groups_a_mixed_model_is_least_squares():
    rng = np.random.default_rng(0)
    x, groups = with_constant(rng.normal(size=(40, 1))), np.repeat(np.arange(10), 4)
    y = x @ [1.0, 2.0] + rng.normal(size=40)
    for one in range(10):
        y[groups == one] -= y[groups == one].mean() - (x[groups == one] @ [1.0, 2.0]).mean()
    fit = random_intercept(y, x, groups)
    assert fit.estimates == pytest.approx(np.linalg.lstsq(x, y, rcond=None)[0], abs=1e-4)
    assert "do not differ" in fit.notes[0]


def test_negative_binomial_is_where_the_likelihood_is_largest():
    from scipy.optimize import minimize
    from scipy.stats import nbinom

    y = np.array(BREAKS.split(), float)
    wool, tension = np.repeat([0, 1], 27), np.tile(np.repeat([0, 1, 2], 9), 2)
    x = with_constant(np.column_stack([wool, tension == 1, tension == 2]))

    def unlikely(values):
        size, mean = np.exp(-values[-1]), np.exp(x @ values[:-1])
        return -nbinom.logpmf(y, size, size / (size + mean)).sum()

    best = minimize(unlikely, [3.0, 0, 0, 0, -1], method="Nelder-Mead", options={"maxiter": 9999})
    best = minimize(unlikely, best.x, method="BFGS")
    fit = count_model(y, x)
    assert fit.kind == "negative binomial"
    assert fit.estimates == pytest.approx(best.x[:-1], abs=1e-3)
    assert 1 / fit.details["dispersion"] == pytest.approx(9.944, abs=0.01)  # of MASS::glm.nb
    curvature = sm.tools.numdiff.approx_hess(best.x, unlikely)
    assert fit.errors == pytest.approx(np.sqrt(np.diag(np.linalg.inv(curvature)))[:-1], rel=0.01)


def test_counts_that_spread_less_than_poisson_are_poisson_and_it_is_said():
    rng = np.random.default_rng(1)
    x = with_constant(rng.normal(size=(50, 1)))
    y = np.round(np.exp(2 + 0.3 * x[:, 1]))
    fit = count_model(y, x)
    assert fit.kind == "Poisson"
    assert "takes its place" in fit.notes[0]
    assert fit.estimates == pytest.approx([2, 0.3], abs=0.03)


def test_counts_in_few_groups_are_refused():
    rng = np.random.default_rng(1)
    x, y = with_constant(rng.normal(size=(40, 1))), rng.poisson(5, 40).astype(float)
    with pytest.raises(BGPVSError, match="C\\(site\\)"):
        grouped_counts(y, x, np.repeat(np.arange(4), 10))
    fit = grouped_counts(y, x, np.repeat(np.arange(20), 2))
    assert fit.kind == "GEE"
    assert np.isfinite(fit.p).all()


def test_false_discovery_rate_is_that_of_its_definition():
    p = np.array([0.001, 0.2, 0.013, 0.04, 0.9])
    order = np.argsort(p)
    raw = p[order] * 5 / np.arange(1, 6)
    known = np.empty(5)
    known[order] = np.minimum.accumulate(raw[::-1])[::-1]
    assert benjamini_hochberg(p) == pytest.approx(known)
