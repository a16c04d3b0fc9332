"""Models of counts: negative binomial, and what takes its place where it cannot be fitted."""

from __future__ import annotations

from typing import Any

import numpy as np

from bgpvs_wf.arrays import Floats, Ints
from bgpvs_wf.cohort.association.fit import Fit, leverage_of, orthonormal, quiet
from bgpvs_wf.errors import BGPVSError

LEAST_GROUPS = 10
"""Errors by groups do not hold for fewer (chosen after Mancl and DeRouen, who looked at 10)."""
_LEAST_DISPERSION = 1e-4
"""Below it the likelihood is flat in the dispersion: the counts are those of Poisson."""


def count_model(outcome: Floats, matrix: Floats) -> Fit:
    """Fit counts by the negative binomial distribution, their logarithm linear in the terms.

    NB2 by maximum likelihood (Lawless, Can J Stat 1987, doi 10.2307/3314912): the variance of a
    mean m is m + dispersion m². Where that does not converge, or the counts spread no more than
    Poisson's, a Poisson model with robust errors takes its place, and a note says so. Intervals are
    by Student's t of n - k degrees of freedom: the normal distribution is too narrow for few.

    Parameters
    ----------
    outcome : ndarray, shape (n,)
        Whole numbers from 0 on.
    matrix : ndarray, shape (n, k)

    Raises
    ------
    BGPVSError
        If neither can be fitted.
    """
    columns, back = orthonormal(matrix)
    found = _negative_binomial(outcome, columns)
    if found is None:
        return _poisson(outcome, matrix, columns, back)
    k = matrix.shape[1]
    inner, dispersion = np.asarray(found.params)[:k], float(found.params[k])
    covariance = np.asarray(found.cov_params())[:k, :k]
    expected = np.exp(columns @ inner)
    return Fit(
        "negative binomial",
        back @ inner,
        back @ covariance @ back.T,
        np.full(k, float(len(outcome) - k)),
        expected,
        (outcome - expected) / np.sqrt(expected + dispersion * expected**2),
        leverage_of(columns * np.sqrt(expected / (1 + dispersion * expected))[:, None]),
        {"dispersion": dispersion},
    )


def grouped_counts(outcome: Floats, matrix: Floats, groups: Ints) -> Fit:
    """Fit counts of which several are of one group, by generalised estimating equations.

    Liang and Zeger, Biometrika 1986, doi 10.1093/biomet/73.1.13: Poisson's variance, one
    correlation within groups, errors robust against both being wrong and corrected for few groups
    (Mancl and DeRouen, Biometrics 2001, doi 10.1111/j.0006-341X.2001.00126.x), Student's t of
    groups less coefficients.

    Raises
    ------
    BGPVSError
        If there are fewer than `LEAST_GROUPS`, or it does not converge.
    """
    from statsmodels.genmod.cov_struct import Exchangeable
    from statsmodels.genmod.families import Poisson
    from statsmodels.genmod.generalized_estimating_equations import GEE

    count, k = len(np.unique(groups)), matrix.shape[1]
    if count < max(LEAST_GROUPS, k + 2):
        raise BGPVSError(
            f"Counts in {count} groups: {max(LEAST_GROUPS, k + 2)} are needed. Put the groups into "
            "the formula instead, as C(site)."
        )
    columns, back = orthonormal(matrix)
    with quiet():
        try:
            model = GEE(
                *(outcome, columns, groups),
                family=Poisson(),
                cov_struct=Exchangeable(),
            )
            found = model.fit(cov_type="bias_reduced", maxiter=200)
        except (np.linalg.LinAlgError, ValueError) as error:
            raise BGPVSError("The model of counts in groups cannot be fitted.") from error
    inner = np.asarray(found.params)
    covariance = np.asarray(found.cov_params())
    if not found.converged or not (
        np.isfinite(covariance).all() and (np.diag(covariance) > 0).all()
    ):
        raise BGPVSError("The model of counts in groups does not converge; take terms out.")
    expected = np.exp(columns @ inner)
    return Fit(
        "GEE",
        back @ inner,
        back @ covariance @ back.T,
        np.full(k, float(count - k)),
        expected,
        (outcome - expected) / np.sqrt(expected * float(found.scale)),
        leverage_of(columns * np.sqrt(expected)[:, None]),
        {"correlation": float(model.cov_struct.dep_params)},
    )


def _negative_binomial(outcome: Floats, columns: Floats) -> Any:
    """Return the fit of statsmodels; None if it is not to be used."""
    from statsmodels.discrete.discrete_model import NegativeBinomial

    for method in ("bfgs", "newton"):
        with quiet():
            try:
                model = NegativeBinomial(outcome, columns, loglike_method="nb2")
                found = model.fit(method=method, maxiter=500, disp=0)
                covariance = np.asarray(found.cov_params())
            except (np.linalg.LinAlgError, ValueError):
                continue
        usable = np.isfinite(covariance).all() and (np.diag(covariance) > 0).all()
        if found.mle_retvals["converged"] and usable and found.params[-1] > _LEAST_DISPERSION:
            return found
    return None


def _poisson(outcome: Floats, matrix: Floats, columns: Floats, back: Floats) -> Fit:
    """Fit by Poisson's distribution, with errors that do not trust its variance (HC1)."""
    from statsmodels.discrete.discrete_model import Poisson

    n, k = matrix.shape
    with quiet():
        try:
            found = Poisson(outcome, columns).fit(
                method="newton", maxiter=200, disp=0, cov_type="HC1"
            )
        except (np.linalg.LinAlgError, ValueError) as error:
            raise BGPVSError("The model of counts cannot be fitted; take terms out.") from error
    inner, covariance = np.asarray(found.params), np.asarray(found.cov_params())
    if not found.mle_retvals["converged"] or not np.isfinite(covariance).all():
        raise BGPVSError("The model of counts does not converge; take terms out.")
    expected = np.exp(columns @ inner)
    away = outcome - expected
    return Fit(
        "Poisson",
        back @ inner,
        back @ covariance @ back.T,
        np.full(k, float(n - k)),
        expected,
        away / np.sqrt(expected),
        leverage_of(columns * np.sqrt(expected)[:, None]),
        {"dispersion": float((away**2 / expected).sum() / (n - k))},
        (
            "The negative binomial model did not converge, or the counts spread no more than "
            "Poisson's: a Poisson model with robust errors takes its place.",
        ),
    )
