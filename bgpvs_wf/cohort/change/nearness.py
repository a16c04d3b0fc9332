"""How near the lines of two sessions lie to each other, measured in both sessions' spaces.

The tissue grows between sessions, so that a distance is longer in one space than in the other. The
mean of both is taken: what is matched does not depend on which session comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from bgpvs_wf.arrays import Floats, Points
from bgpvs_wf.cohort.change.spaces import Space, Transform


@dataclass(frozen=True)
class Nearness:
    """Distances between the spaces of two sessions; n of the first, m of the second."""

    to_second: Floats
    """Mean distance of a first one's points to a second one's line, mm, shape (n, m)."""
    to_first: Floats
    """Mean distance of a second one's points to a first one's line, mm, shape (n, m)."""
    _first: tuple[list[Floats], ...]
    _second: tuple[list[Floats], ...]

    @property
    def along(self) -> Floats:
        """How far the one that lies along the other is from it, mm, shape (n, m)."""
        return np.minimum(self.to_second, self.to_first)

    @property
    def apart(self) -> Floats:
        """The same of the one that goes beyond the other, mm, shape (n, m)."""
        return np.maximum(self.to_second, self.to_first)

    def adds_to_first(self, number: int, taken: int, piece: int, reach_mm: float) -> bool:
        """Tell whether a piece of the second session covers what another leaves of a first one.

        Parameters
        ----------
        number : int
            Place of the space in the first session.
        taken, piece : int
            Places in the second session: of what it is matched with, and of the piece.
        reach_mm : float
            Points within this of a line are covered by it.
        """
        return _adds(self._first, number, taken, piece, reach_mm)

    def adds_to_second(self, number: int, taken: int, piece: int, reach_mm: float) -> bool:
        """Tell the same of a space of the second session, and a piece of the first."""
        return _adds(self._second, number, taken, piece, reach_mm)


def measure_nearness(
    first: Sequence[Space], second: Sequence[Space], forward: Transform, backward: Transform
) -> Nearness:
    """Measure how near the spaces of two sessions lie to each other.

    Parameters
    ----------
    first, second : sequence of Space
        Each in the space of its session, mm.
    forward, backward : callable
        Points of the first session to the second's, and back.
    """
    one, other = [a.points for a in first], [b.points for b in second]
    there = [forward(points) for points in one]
    here = [backward(points) for points in other]
    # In the space of the second session, then in that of the first.
    firsts = (_distances(there, other), _distances(one, here))
    seconds = (_distances(other, there), _distances(here, one))
    shape = (len(first), len(second))
    return Nearness(
        to_second=_means(firsts).reshape(shape),
        to_first=_means(seconds).reshape(shape[::-1]).T,
        _first=firsts,
        _second=seconds,
    )


def _distances(lines: list[Points], others: list[Points]) -> list[Floats]:
    """Return for each line how far its points are from each other line, shape (others, points)."""
    trees = [cKDTree(points) for points in others]
    return [np.array([tree.query(line)[0] for tree in trees]) for line in lines]


def _means(distances: tuple[list[Floats], ...]) -> Floats:
    found = [[row.mean(axis=1) for row in one if row.size] for one in distances]
    return np.asarray(found, float).mean(axis=0)


def _adds(
    distances: tuple[list[Floats], ...], number: int, taken: int, piece: int, reach_mm: float
) -> bool:
    news, alls = 0.0, 0.0
    for one in distances:
        covered = one[number][piece] <= reach_mm
        alls += float(covered.mean())
        news += float((covered & (one[number][taken] > reach_mm)).mean())
    return alls > 0 and news >= alls / 2
