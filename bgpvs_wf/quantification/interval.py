"""How far the volume of PVS may be off: an interval that holds the true one nine times in ten.

Split conformal prediction (Lei et al., J Am Stat Assoc 2018, doi 10.1080/01621459.2017.1307116):
how far measured volumes are off in scans whose true ones are known, and that nothing was learnt
from, tells how far others may be off that are like them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

COVERAGE = 0.9
"""Share of the scans whose true volume the interval is to hold (chosen)."""
SMALL_MM3 = 10.0
"""Is added to volumes before they are compared (chosen: what two or three tubes take up). Errors
grow with the volume, but relative ones of small volumes are large: without this the few infants
that have hardly any PVS would make the intervals of all others wide."""


def volume_margin(volumes: Iterable[tuple[float, float]]) -> float | None:
    """Return how far apart measured and true volumes are, in the logarithm, in nine of ten scans.

    Of new scans like these, the interval holds the true volume in `COVERAGE` or more, on average.

    Parameters
    ----------
    volumes : iterable of (measured, true)
        In mm3, of scans that were not learnt from; those with no measured volume, NaN, do not
        count.

    Returns
    -------
    float or None
        None if there are too few scans for that coverage: nine are needed.

    Examples
    --------
    >>> round(volume_margin([(10.0 + i, 10.0) for i in range(9)]), 3)
    0.336
    """
    scores = sorted(
        abs(math.log((measured + SMALL_MM3) / (true + SMALL_MM3)))
        for measured, true in volumes
        if not math.isnan(measured)
    )
    rank = math.ceil((len(scores) + 1) * COVERAGE)
    return None if rank > len(scores) else scores[rank - 1]


def volume_interval(volume: float, margin: float | None) -> tuple[float, float]:
    """Return the least and the largest volume that may be the true one, mm3; NaN if not known.

    Parameters
    ----------
    volume : float
        As measured, mm3.
    margin : float or None
        See `volume_margin`.

    Examples
    --------
    >>> [round(end, 1) for end in volume_interval(38.0, 0.4)]
    [22.2, 61.6]
    >>> volume_interval(0.0, 0.4)[0]
    0.0
    """
    if margin is None or math.isnan(volume):
        return math.nan, math.nan
    low, high = ((volume + SMALL_MM3) * math.exp(m) - SMALL_MM3 for m in (-margin, margin))
    return max(low, 0.0), high
