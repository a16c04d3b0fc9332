"""The diameter that is detected with a given probability: a logistic curve over tubes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.arrays import Floats, Mask
from bgpvs_wf.evaluation.overlap import NAN
from bgpvs_wf.evaluation.score_tables import SMALLEST_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

PROBABILITIES = (0.5, 0.9)
LEAST_TUBES = 10
"""Fewer give no curve worth the name (chosen)."""
LEAST_INFANTS = 5
"""From here on whole infants are resampled, since the tubes of one share scan and reader; with
fewer infants that interval would rest on a handful of draws, and tubes are resampled (chosen)."""
LOST_RESAMPLES = 0.1
"""With more resamples than this without a curve there is no interval (chosen)."""


def smallest_table(tubes: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Return `smallest_detected` per method, voxel size and probability of `PROBABILITIES`.

    Parameters
    ----------
    tubes : DataFrame
        Columns as in `TUBE_COLUMNS`; tubes of unknown diameter are left out.
    seed : int

    Returns
    -------
    DataFrame
        The columns of `SMALLEST_COLUMNS`.
    """
    import pandas as pd

    known = tubes[np.isfinite(tubes["diameter_mm"].astype(float))]
    voxels = known["voxel_mm"].astype(float).round(2)
    rows = []
    for method in known["method"].unique():
        mine = known["method"] == method
        for voxel in sorted(voxels[mine].unique()):
            group = known[mine & (voxels == voxel)]
            for probability in PROBABILITIES:
                found = smallest_detected(group, probability, seed=seed)
                rows.append({"method": method, "voxel_mm": voxel, **found})
    return pd.DataFrame(rows, columns=list(SMALLEST_COLUMNS))


def smallest_detected(
    tubes: pd.DataFrame, probability: float, *, seed: int = 0, resamples: int = 500
) -> dict[str, Any]:
    """Return the diameter at which tubes are detected with a given probability.

    Logistic regression of detection on the logarithm of the diameter, log(p / (1 - p)) =
    a + b log d (as in Cox, J R Stat Soc B 1958, doi 10.1111/j.2517-6161.1958.tb00292.x), by
    maximum likelihood. The interval is the 95 % percentile interval over resampled infants
    (`LEAST_INFANTS`) or tubes (Efron, Ann Stat 1979, doi 10.1214/aos/1176344552).

    Parameters
    ----------
    tubes : DataFrame
        Columns `diameter_mm` (> 0), `detected`, `subject`, `session`.
    probability : float
        Between 0 and 1, both excluded.
    seed : int
        Of the resampling; the same seed gives the same interval.
    resamples : int

    Returns
    -------
    dict
        `probability`, `diameter_mm`, `ci_low_mm`, `ci_high_mm`, `tubes` (how many), `note`.
        Where no curve exists the diameter is NaN and the note says why: too few tubes; all or
        none detected; a diameter that parts the detected from the others (the likelihood then
        has no maximum: Albert and Anderson, Biometrika 1984, doi 10.1093/biomet/71.1.1); a rate
        that does not rise with the diameter. A diameter beyond the tubes seen is given, and noted.

    Raises
    ------
    ValueError
        If the probability is not between 0 and 1.
    """
    if not 0 < probability < 1:
        raise ValueError(f"{probability} is no probability between 0 and 1")
    diameters = tubes["diameter_mm"].to_numpy(float)
    detected = tubes["detected"].to_numpy(bool)
    found: dict[str, Any] = {
        "probability": probability,
        "diameter_mm": NAN,
        "ci_low_mm": NAN,
        "ci_high_mm": NAN,
        "tubes": len(tubes),
        "note": _why_no_curve(diameters, detected),
    }
    if found["note"]:
        return found
    x = np.log(diameters)
    diameter = _diameters(fit_logistic(x, detected, np.ones((1, len(x)))), probability)[0]
    if np.isnan(diameter):
        return found | {"note": "the rate does not rise with the diameter"}
    weights = _resample(tubes, np.random.default_rng(seed), resamples)
    resampled = _diameters(fit_logistic(x, detected, weights), probability)
    lost = int(np.isnan(resampled).sum())
    notes = []
    if not diameters.min() <= diameter <= diameters.max():
        notes.append(f"beyond the tubes seen ({diameters.min():.2f} to {diameters.max():.2f} mm)")
    if lost > LOST_RESAMPLES * resamples:
        notes.append(f"no interval: {lost} of {resamples} resamples have no curve")
        low = high = NAN
    else:
        low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return found | {
        "diameter_mm": float(diameter),
        "ci_low_mm": float(low),
        "ci_high_mm": float(high),
        "note": "; ".join(notes),
    }


def fit_logistic(x: Floats, y: Mask, weights: Floats) -> Floats:
    """Fit logistic curves to the same points under many sets of weights, by Newton's method.

    Parameters
    ----------
    x : ndarray, shape (points,)
    y : ndarray of bool, shape (points,)
    weights : ndarray, shape (sets, points)
        Not negative; whole numbers are counts of points.

    Returns
    -------
    ndarray, shape (sets, 2)
        Intercept and slope; NaN where the likelihood has no finite maximum.
    """
    out = np.full((len(weights), 2), NAN)
    usable = np.flatnonzero(_overlapping(x, y, weights))
    if not len(usable):
        return out
    w = weights[usable]
    centre, scale = x.mean(), x.std()
    design = np.column_stack([np.ones_like(x), (x - centre) / scale])
    outer = (design[:, :, None] * design[:, None, :]).reshape(len(x), 4)
    coefficients = np.zeros((len(w), 2))
    likelihood = _log_likelihood(coefficients, design, y, w)
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(coefficients @ design.T, -500, 500)))
        gradient = (w * (y - p)) @ design
        # A trace of a ridge, for where every p is 0 or 1 to rounding.
        hessian = ((w * p * (1 - p)) @ outer).reshape(-1, 2, 2) + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        for _ in range(30):  # a full step may overshoot; the likelihood is concave
            tried = _log_likelihood(coefficients + step, design, y, w)
            worse = tried < likelihood - 1e-9
            if not worse.any():
                break
            step[worse] /= 2
        coefficients, likelihood = coefficients + step, tried
        moved = np.abs(step).max(axis=1) / (1 + np.abs(coefficients).max(axis=1))
        if moved.max() < 1e-10:
            break
    slope = coefficients[:, 1] / scale
    fitted = np.column_stack([coefficients[:, 0] - slope * centre, slope])
    settled = moved < 1e-6
    out[usable[settled]] = fitted[settled]
    return out


def _log_likelihood(coefficients: Floats, design: Floats, y: Mask, weights: Floats) -> Floats:
    logits = coefficients @ design.T
    return np.asarray((weights * (y * logits - np.logaddexp(0, logits))).sum(axis=1))


def _diameters(coefficients: Floats, probability: float) -> Floats:
    """Return where the curves reach a probability, mm; NaN for those that do not rise."""
    intercept, slope = coefficients.T
    rising = np.where(slope > 0, slope, NAN)
    return np.asarray(np.exp((np.log(probability / (1 - probability)) - intercept) / rising))


def _overlapping(x: Floats, y: Mask, weights: Floats) -> Mask:
    """Tell for which weights neither outcome lies wholly to one side of the other."""
    there = weights > 0
    yes, no = there & y, there & ~y
    low_yes = np.where(yes, x, np.inf).min(axis=1)
    high_yes = np.where(yes, x, -np.inf).max(axis=1)
    low_no = np.where(no, x, np.inf).min(axis=1)
    high_no = np.where(no, x, -np.inf).max(axis=1)
    return np.asarray((low_yes < high_no) & (low_no < high_yes))


def _why_no_curve(diameters: Floats, detected: Mask) -> str:
    if len(diameters) < LEAST_TUBES:
        return f"too few tubes: {len(diameters)}, {LEAST_TUBES} are needed"
    if detected.all():
        return f"all detected, from {diameters.min():.2f} mm up"
    if not detected.any():
        return f"none detected, up to {diameters.max():.2f} mm"
    low, high = diameters[~detected].max(), diameters[detected].min()
    if low <= high:
        return f"none detected up to {low:.2f} mm, all from {high:.2f} mm up: no curve fits"
    if diameters[detected].max() <= diameters[~detected].min():
        return "the rate does not rise with the diameter"
    return ""


def _resample(tubes: pd.DataFrame, rng: np.random.Generator, count: int) -> Floats:
    """Return how often each tube is drawn in each of the resamples, shape (count, tubes)."""
    infants = tubes.groupby(["subject", "session"], dropna=False).ngroup().to_numpy()
    n_infants = int(infants.max()) + 1
    if n_infants < LEAST_INFANTS:
        infants, n_infants = np.arange(len(tubes)), len(tubes)
    draws = rng.multinomial(n_infants, np.full(n_infants, 1 / n_infants), size=count)
    return np.asarray(draws[:, infants], float)
