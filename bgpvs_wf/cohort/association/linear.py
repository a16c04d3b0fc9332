"""Models of what is measured: least squares, and with groups a random intercept."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.arrays import Floats, Ints
from bgpvs_wf.cohort.association.fit import Fit, leverage_of, orthonormal, quiet
from bgpvs_wf.errors import BGPVSError

_METHODS = ("lbfgs", "bfgs", "powell")


def least_squares(outcome: Floats, matrix: Floats) -> Fit:
    """Fit by least squares, with errors that hold where the spread is not the same everywhere.

    Standard errors are HC3 (MacKinnon and White, J Econom 1985, doi 10.1016/0304-4076(85)90158-7;
    advised for small samples by Long and Ervin, Am Stat 2000, doi 10.1080/00031305.2000.10474549),
    intervals by Student's t of n - k degrees of freedom.

    Parameters
    ----------
    outcome : ndarray, shape (n,)
    matrix : ndarray, shape (n, k)
        Of full rank; no row is the only one to tell a coefficient.
    """
    from statsmodels.regression.linear_model import OLS

    n, k = matrix.shape
    with quiet():
        found = OLS(outcome, matrix).fit(cov_type="HC3", use_t=True)
    leverage = leverage_of(matrix)
    spread = float(np.sqrt(found.ssr / (n - k)))
    residuals = np.asarray(found.resid) / spread if spread else np.zeros(n)
    return Fit(
        "least squares",
        np.asarray(found.params),
        np.asarray(found.cov_params()),
        np.full(k, float(n - k)),
        np.asarray(found.fittedvalues),
        residuals,
        leverage,
        {"residual_sd": spread, "r_squared": float(found.rsquared)},
    )


def random_intercept(outcome: Floats, matrix: Floats, groups: Ints) -> Fit:
    """Fit a mixed model, in which each group has a level of its own, by REML.

    Laird and Ware, Biometrics 1982, doi 10.2307/2529876. Degrees of freedom of Student's t are
    those of Pinheiro and Bates (Mixed-Effects Models in S and S-PLUS, 2000, p. 91): observations
    less groups for what differs within groups, groups for what does not, less coefficients.

    Parameters
    ----------
    outcome : ndarray, shape (n,)
    matrix : ndarray, shape (n, k)
    groups : ndarray of int, shape (n,)

    Raises
    ------
    BGPVSError
        If it does not converge.
    """
    columns, back = orthonormal(matrix)
    spread = float(outcome.std()) or 1.0
    ratio = _variance_ratio(outcome / spread, columns, groups)
    whitened, white_outcome = _whiten(columns, groups, ratio), _whiten(outcome, groups, ratio)
    inverse = np.linalg.inv(whitened.T @ whitened)
    inner = inverse @ whitened.T @ white_outcome
    n, k = matrix.shape
    away = white_outcome - whitened @ inner
    variance = float(away @ away) / (n - k)
    group_variance = ratio * variance
    return Fit(
        "mixed",
        back @ inner,
        back @ (inverse * variance) @ back.T,
        degrees_of_freedom(matrix, groups),
        columns @ inner,
        away / np.sqrt(variance),
        leverage_of(whitened),
        {
            "residual_sd": float(np.sqrt(variance)),
            "group_sd": float(np.sqrt(group_variance)),
            "icc": group_variance / (group_variance + variance),
        },
        ("The groups do not differ by more than chance; their variance came out as none.",)
        if ratio < 1e-6
        else (),
    )


def degrees_of_freedom(matrix: Floats, groups: Ints) -> Floats:
    """Return those of each coefficient of a model with a random intercept; one at least."""
    within = np.array([_differs_within(column, groups) for column in matrix.T])
    count = len(np.unique(groups))
    inner = len(matrix) - count - within.sum()
    outer = count - (~within).sum()
    return np.maximum(np.where(within, inner, outer), 1).astype(float)


def _differs_within(column: Floats, groups: Ints) -> bool:
    size = float(np.abs(column).max()) or 1.0
    return any(np.ptp(column[groups == one]) > 1e-9 * size for one in np.unique(groups))


def _variance_ratio(outcome: Floats, columns: Floats, groups: Ints) -> float:
    """Return the variance of groups over that of residuals."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    for method in _METHODS:
        with quiet():
            try:
                found = MixedLM(outcome, columns, groups).fit(reml=True, method=[method])
                ratio = float(np.asarray(found.cov_re)[0, 0]) / float(found.scale)
            except (np.linalg.LinAlgError, ValueError):
                continue
            if np.isfinite(ratio) and (found.converged or ratio < 1e-6):
                return max(ratio, 0.0)
    raise BGPVSError("The mixed model does not converge; take terms out, or add infants.")


def _whiten(values: Floats, groups: Ints, ratio: float) -> Floats:
    """Take from each group the share of its mean that makes observations independent.

    Of m observations of a group with the covariance I + ratio J the inverse square root is
    I - (1 - 1 / √(1 + m ratio)) J / m.
    """
    made = np.array(values, float)
    for one in np.unique(groups):
        there = groups == one
        share = 1 - 1 / np.sqrt(1 + there.sum() * ratio)
        made[there] -= share * made[there].mean(axis=0)
    return made
