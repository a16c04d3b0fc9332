"""How bright tubes are: how far their signal goes from the tissue's to fluid.

A perivascular space holds a vessel, too, and its fluid moves. Real ones are seen to be between a
third of the way and all of it, and within an infant much alike (docs/explanation/real-pvs.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FILL = (0.75, 1.0)
"""Least and largest, unless others are asked for (chosen)."""
_ALIKE = 1 / 7
"""The tubes of an infant are this share darker or brighter than its middle at most (chosen)."""


def fill_of_infant(fill: tuple[float, float], rng: np.random.Generator) -> tuple[float, float]:
    """Draw the least and the largest of an infant within those of many.

    Examples
    --------
    >>> import numpy as np
    >>> fill_of_infant((0.75, 1.0), np.random.default_rng(1))
    (0.75, 1.0)
    >>> [round(x, 2) for x in fill_of_infant((0.3, 1.0), np.random.default_rng(1))]
    [0.53, 0.71]
    """
    least, largest = fill[0] / (1 - _ALIKE), fill[1] / (1 + _ALIKE)
    if largest <= least:
        return fill
    return fill_around(float(rng.uniform(least, largest)))


def fill_around(middle: float) -> tuple[float, float]:
    """Return the least and the largest of an infant whose tubes are so bright on average."""
    return middle * (1 - _ALIKE), middle * (1 + _ALIKE)
