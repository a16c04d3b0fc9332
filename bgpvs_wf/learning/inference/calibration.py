"""Probabilities of PVS that mean what they say.

A network trained for overlap is too sure of itself: of the voxels that it gives a probability of
0.9, fewer than nine in ten are PVS. A line in the logit mends that (Platt, Advances in Large Margin
Classifiers, 1999; Guo et al., ICML 2017, doi 10.48550/arXiv.1706.04599). It goes into the weights
of the last layer, so that whoever uses the network has calibrated probabilities.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

if TYPE_CHECKING:
    import pandas as pd

_EXTREME = 1e-6
"""Probabilities nearer to 0 or 1 are taken for this."""
_TOLD = 0.1
_SLOPES = (0.05, 20.0)
_STEEPER = (1.0, 3.0)
"""Slopes of `equal_spread`: networks exaggerate nothing, and what hardly follows tells nothing
(chosen)."""


def fit_line(probability: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return slope and offset of the line in the logit under which labels are the likeliest.

    Parameters
    ----------
    probability : ndarray, shape (n,)
    truth : ndarray of bool, shape (n,)
        With both kinds in it.
    """
    from scipy import optimize

    logit = _logit(probability)
    sign = np.where(truth, 1.0, -1.0)

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (line[0] * logit + line[1])
        pull = -sign * special.expit(-margin) / len(sign)
        return float(-special.log_expit(margin).mean()), np.array([logit @ pull, pull.sum()])

    bounds = [_SLOPES, (None, None)]
    result = optimize.minimize(loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=bounds)
    slope, offset = map(float, result.x)
    return slope, offset


def equal_spread(told: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Return slope and offset of the line that gives what is told the mean and spread of the truth.

    Least squares would draw the extremes to the middle: what is faint would come out too bright.

    Parameters
    ----------
    told, true : ndarray, shape (n,)

    Examples
    --------
    >>> equal_spread(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 4.0]))
    (2.0, -2.0)
    """
    slope = float(np.clip(true.std() / max(told.std(), 1e-9), *_STEEPER))
    return slope, float(true.mean() - slope * told.mean())


def follow_line(network: Any, slope: float, offset: float, channel: int = 0) -> None:
    """Change the last layer of a network so that a channel of its output follows a line."""
    import torch

    with torch.no_grad():
        network.output.weight[channel] *= slope
        network.output.bias[channel] *= slope
        network.output.bias[channel] += offset


def reliability(probability: np.ndarray, truth: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """Return how often voxels are PVS, by the probability they were given.

    Parameters
    ----------
    probability : ndarray, shape (n,)
    truth : ndarray of bool, shape (n,)
    bins : int
        Of equal width from 0 to 1.

    Returns
    -------
    DataFrame
        A row for each bin that is not empty: `voxels`, and the means `probability` and `share`
        (of true ones).
    """
    import pandas as pd

    number = np.minimum((probability * bins).astype(int), bins - 1)
    voxels = np.bincount(number, minlength=bins)
    there = voxels > 0
    means = [
        np.bincount(number, values, bins)[there] / voxels[there]
        for values in (probability, truth.astype(float))
    ]
    return pd.DataFrame({"voxels": voxels[there], "probability": means[0], "share": means[1]})


def calibration_error(table: pd.DataFrame) -> float:
    """Return the expected calibration error of a table of `reliability` (Guo et al., 2017).

    It is that of voxels with a probability of 0.1 or more, NaN if there are none: nearly all others
    are far from any PVS, and beside them no error would be seen.
    """
    told = table[table["probability"] >= _TOLD]
    if told.empty:
        return math.nan
    gap = (told["probability"] - told["share"]).abs()
    return float((gap * told["voxels"]).sum() / told["voxels"].sum())


def _logit(probability: np.ndarray) -> np.ndarray:
    return np.asarray(special.logit(np.clip(probability.astype(float), _EXTREME, 1 - _EXTREME)))
