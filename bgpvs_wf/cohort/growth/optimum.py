"""The lowest point of a smooth function whose gradient is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bgpvs_wf.arrays import Floats


def lowest(
    loss: Callable[..., tuple[float, Floats]],
    start: Floats,
    bounds: Sequence[tuple[float | None, float | None]],
    known: tuple[Any, ...],
) -> Floats:
    """Return where a function is lowest.

    Parameters
    ----------
    loss : callable
        Of the place and of what is known; gives the value and the gradient.
    start : ndarray, shape (n,)
    bounds : sequence of (float or None, float or None)
        Of each part of the place.
    known : tuple

    Raises
    ------
    ValueError
        If it is lowest nowhere.
    """
    from scipy.optimize import minimize

    # Steps of the search may be wild. L-BFGS-B takes ten times as long where BLAS has threads.
    with np.errstate(all="ignore"):
        found = minimize(
            loss, start, args=known, jac=True, method="TNC", bounds=bounds,
            options={"maxfun": 1000},
        )  # fmt: skip
    if not np.isfinite(found.fun):
        raise ValueError("no curve fits")
    return np.asarray(found.x, float)
