"""What becomes of a perivascular space as an infant grows: it stays, widens, comes or goes.

How many do so in infants is not known; shares and sizes are chosen so that all of it is seen in a
few infants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COMES, GOES = 0.15, 0.15
"""Shares of trees that are not there from the first session on, or not to the last."""
KEEPS_WIDTH = 0.4
"""Share of trees that are as wide at all ages."""
WIDENS = (0.8, 1.6)
"""Of the others: width at the last session over that at the first, drawn evenly in its logarithm;
by half of that or double, a tube's volume changes by a third to two and a half times."""


@dataclass(frozen=True)
class Life:
    """When a tree is there, and how wide; a value a session."""

    present: tuple[bool, ...]
    width: tuple[float, ...]
    """Over its width at the last session."""


def draw_life(ages_weeks: Sequence[float], rng: np.random.Generator) -> Life:
    """Draw what becomes of a tree over some sessions.

    Parameters
    ----------
    ages_weeks : sequence of float
        Post-menstrual, rising; two or more.
    rng : Generator

    Examples
    --------
    >>> draw_life([44.0, 66.0], np.random.default_rng(1)).present
    (True, True)
    """
    count = len(ages_weeks)
    fate, turn = rng.uniform(), int(rng.integers(1, count))
    keeps, final = rng.uniform() < KEEPS_WIDTH, rng.uniform(*np.log(WIDENS))
    sessions = np.arange(count)
    present = np.ones(count, bool)
    if fate < COMES:
        present = sessions >= turn
    elif fate < COMES + GOES:
        present = sessions < turn
    ages = np.asarray(ages_weeks, float)
    passed = (ages - ages[-1]) / (ages[-1] - ages[0])
    width = np.ones(count) if keeps else np.exp(final * passed)
    return Life(tuple(present.tolist()), tuple(width.tolist()))
