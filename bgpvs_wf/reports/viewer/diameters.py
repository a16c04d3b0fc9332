"""Diameters as colours that any colour vision can put in order."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.arrays import Floats, Ints

RANGE_MM = (0.5, 2.0)
"""Diameters of the first and the last colour (chosen): the same on every page, so that infants can
be compared. What is beyond has the colour of the end."""
TICKS_MM = (0.5, 1.0, 1.5, 2.0)
UNKNOWN = (255, 255, 255)
"""Colour of what has no diameter."""
_DARKEST = 0.25
"""Share of the colour map left out (chosen): its dark end is lost on black."""
_STOPS = 12


def diameter_colours(diameters_mm: Floats) -> Ints:
    """Return the colours of diameters: viridis without its dark end.

    Parameters
    ----------
    diameters_mm : ndarray, shape (n,)
        NaN where it is not known.

    Returns
    -------
    ndarray of uint8, shape (n, 3)
    """
    from matplotlib import colormaps

    values = np.asarray(diameters_mm, float)
    low, high = RANGE_MM
    share = np.clip((values - low) / (high - low), 0, 1)
    rgb = colormaps["viridis"](_DARKEST + (1 - _DARKEST) * np.nan_to_num(share), bytes=True)
    known = np.isfinite(values)[:, None]
    return np.where(known, rgb[:, :3], UNKNOWN).astype(np.uint8)


def colour_bar() -> str:
    """Return the colours from the smallest to the largest diameter as stops of a CSS gradient."""
    return ", ".join(hex_colour(rgb) for rgb in diameter_colours(np.linspace(*RANGE_MM, _STOPS)))


def ticks() -> list[tuple[str, float]]:
    """Return the marks of the colour bar: what is written, and how far along it is, percent.

    Examples
    --------
    >>> ticks()[0], ticks()[-1]
    (('≤ 0.5', 0.0), ('≥ 2.0', 100.0))
    """
    low, high = RANGE_MM
    ends = {low: "≤ ", high: "≥ "}
    return [
        (f"{ends.get(tick, '')}{tick:.1f}", 100 * (tick - low) / (high - low)) for tick in TICKS_MM
    ]


def hex_colour(rgb: Ints) -> str:
    """Return a colour as CSS writes it."""
    return "#" + "".join(f"{int(part):02x}" for part in rgb)
