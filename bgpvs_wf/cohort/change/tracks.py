"""Perivascular spaces followed over all sessions: what is matched, chained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bgpvs_wf.cohort.change.matching import Match


@dataclass(frozen=True)
class Track:
    """One perivascular space over all sessions."""

    number: int
    """From 1, by the first session it is seen in, and there by its number."""
    members: tuple[tuple[int, ...], ...]
    """Of each session the numbers of its pieces; none where it is not seen."""
    distances_mm: tuple[float | None, ...]
    """From each session to the next, how far its lines lie apart; None where it is not in both."""


def chain(
    numbers: Sequence[Sequence[int]], matches: Mapping[tuple[int, int], Match]
) -> list[Track]:
    """Follow spaces through sessions.

    What is one piece in any session is one space in all of them.

    Parameters
    ----------
    numbers : sequence of sequence of int
        Of each session, the numbers of its spaces.
    matches : mapping of (int, int) to Match
        Two sessions, by their places, to what is which in them.

    Examples
    --------
    >>> from bgpvs_wf.cohort.change.matching import Pair
    >>> found = chain([[1, 2], [1]], {(0, 1): Match((Pair((2,), (1,), 0.1),), gone=(1,), new=())})
    >>> [(one.number, one.members) for one in found]
    [(1, ((1,), ())), (2, ((2,), (1,)))]
    """
    parent = {(k, n): (k, n) for k, some in enumerate(numbers) for n in some}

    def root(node: tuple[int, int]) -> tuple[int, int]:
        while parent[node] != node:
            node = parent[node]
        return node

    apart: list[tuple[int, tuple[int, int], float]] = []
    for (k, later), match in matches.items():
        for pair in match.pairs:
            nodes = [*((k, n) for n in pair.first), *((later, n) for n in pair.second)]
            # The first in order leads, so that tracks are numbered by it.
            lead = min(root(node) for node in nodes)
            for node in nodes:
                parent[root(node)] = lead
            if later == k + 1:
                apart.append((k, nodes[0], pair.distance_mm))
    leads = sorted({root(node) for node in parent})
    tracks = []
    for number, lead in enumerate(leads, start=1):
        mine = [node for node in sorted(parent) if root(node) == lead]
        members = tuple(tuple(n for k, n in mine if k == s) for s in range(len(numbers)))
        distances: list[float | None] = [None] * (len(numbers) - 1)
        for k, node, distance in apart:
            if root(node) == lead:
                distances[k] = max(distance, distances[k] or 0.0)
        tracks.append(Track(number, members, tuple(distances)))
    return tracks
