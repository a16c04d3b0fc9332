"""Which perivascular space of one session is which of another.

Each of the first is assigned to one of the second so that the sum of their distances is least
(Kuhn, Nav Res Logist Q 1955, doi 10.1002/nav.3800020109). Pairs farther apart than a gate are not
made. What is left over joins a pair where it covers what the other piece leaves: a space that one
session shows in one piece may be two in the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from bgpvs_wf.cohort.change.nearness import Nearness, measure_nearness
from bgpvs_wf.cohort.change.spaces import Space, Transform

REGISTRATION_MM = 0.4
"""SD an axis of the error of registration: on growing phantoms 0.2 to 0.45 mm over the nuclei of an
infant (docs/how-to/change.md)."""
_WITHIN = 3.03
"""A point that errs by 1 SD in each of two directions errs by less than this in 99 of 100 cases:
the root of the 99 % quantile of chi-square with two degrees of freedom. Along the tube errors do
not tell."""
_BEYOND = 0.25
"""What it costs, a mm of mean distance, that one goes beyond the other (chosen: a tube of which
only a third is seen again is still matched)."""


@dataclass(frozen=True)
class Pair:
    """A space in two sessions: its numbers in each; several where it is in pieces."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    distance_mm: float
    """How far the one that lies along the other is from it."""


@dataclass(frozen=True)
class Match:
    """What became of the spaces of a session in another."""

    pairs: tuple[Pair, ...]
    gone: tuple[int, ...]
    """Numbers in the first session that are not in the second."""
    new: tuple[int, ...]
    """Numbers in the second session that are not in the first."""


def gate_of(
    first_voxel_mm: float, second_voxel_mm: float, registration_mm: float = REGISTRATION_MM
) -> float:
    """Return how far lines of one space may lie apart, mm.

    A line is known to within a voxel in each session, an error of voxel / sqrt(12) an axis; the
    registration adds its own.

    Parameters
    ----------
    first_voxel_mm, second_voxel_mm : float
        Longest edges of the voxels.
    registration_mm : float
        SD an axis of the error of registration.

    Examples
    --------
    >>> round(gate_of(0.8, 0.8), 2), round(gate_of(0.5, 0.5), 2)
    (1.56, 1.36)
    """
    variance = (first_voxel_mm**2 + second_voxel_mm**2) / 12 + registration_mm**2
    return float(_WITHIN * np.sqrt(variance))


def match_spaces(
    first: Sequence[Space],
    second: Sequence[Space],
    forward: Transform,
    backward: Transform,
    gate_mm: float,
) -> Match:
    """Match the perivascular spaces of two sessions.

    Parameters
    ----------
    first, second : sequence of Space
        Each in the space of its session, mm.
    forward, backward : callable
        Points of the first session to the second's, and back.
    gate_mm : float
        See `gate_of`.

    Returns
    -------
    Match
        The same, but for its direction, if the sessions are exchanged.
    """
    near = measure_nearness(first, second, forward, backward)
    cost = near.along + _BEYOND * (near.apart - near.along)
    cost = np.minimum(cost, gate_mm)
    chosen = zip(*linear_sum_assignment(cost), strict=True)
    pairs = [(int(i), int(j)) for i, j in chosen if cost[i, j] < gate_mm]
    spare_first = sorted(set(range(len(first))) - {i for i, _ in pairs})
    spare_second = sorted(set(range(len(second))) - {j for _, j in pairs})
    joins_first = {i: _home_of_first(near, pairs, i, gate_mm) for i in spare_first}
    joins_second = {j: _home_of_second(near, pairs, j, gate_mm) for j in spare_second}
    found = [
        Pair(
            _numbers(first, i, (k for k, home in joins_first.items() if home == place)),
            _numbers(second, j, (k for k, home in joins_second.items() if home == place)),
            float(near.along[i, j]),
        )
        for place, (i, j) in enumerate(pairs)
    ]
    return Match(
        tuple(found),
        gone=tuple(first[i].number for i, home in joins_first.items() if home is None),
        new=tuple(second[j].number for j, home in joins_second.items() if home is None),
    )


def _home_of_first(
    near: Nearness, pairs: Sequence[tuple[int, int]], piece: int, gate_mm: float
) -> int | None:
    """Return the place of the pair that a left-over space of the first session is a piece of."""
    fits = [
        (float(near.to_second[piece, j]), place)
        for place, (i, j) in enumerate(pairs)
        if near.to_second[piece, j] < gate_mm and near.adds_to_second(j, i, piece, gate_mm)
    ]
    return min(fits)[1] if fits else None


def _home_of_second(
    near: Nearness, pairs: Sequence[tuple[int, int]], piece: int, gate_mm: float
) -> int | None:
    fits = [
        (float(near.to_first[i, piece]), place)
        for place, (i, j) in enumerate(pairs)
        if near.to_first[i, piece] < gate_mm and near.adds_to_first(i, j, piece, gate_mm)
    ]
    return min(fits)[1] if fits else None


def _numbers(spaces: Sequence[Space], main: int, pieces: Iterable[int]) -> tuple[int, ...]:
    return tuple(spaces[i].number for i in (main, *pieces))
