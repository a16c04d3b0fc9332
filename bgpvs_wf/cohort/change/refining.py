"""Where one session lies in another's space, corrected by the perivascular spaces themselves.

Where most of them are off in the same way, the placing is off, not they. They are matched with a
wider gate, and the turn and shift that bring their lines onto each other are found (iterative
closest points: Besl and McKay, IEEE Trans Pattern Anal Mach Intell 1992, doi 10.1109/34.121791).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from bgpvs_wf.arrays import Affine, Floats, Points
from bgpvs_wf.cohort.change.matching import match_spaces
from bgpvs_wf.cohort.change.spaces import Space, by_affine

_WIDER = 2.0
"""Gate of the first matching over that of the last (chosen)."""
_ROUNDS = 4
_FEWEST = 5
"""Pairs that tell a placing that is off from spaces that are (chosen)."""


def refine_placing(
    first: Sequence[Space], second: Sequence[Space], affine: Affine, gate_mm: float
) -> Affine:
    """Correct the affine between two sessions by a turn and a shift.

    Parameters
    ----------
    first, second : sequence of Space
        Each in the space of its session, mm.
    affine : ndarray, shape (4, 4)
        Takes places of the first session to the second, mm.
    gate_mm : float
        See `bgpvs_wf.cohort.change.matching.gate_of`.

    Returns
    -------
    ndarray, shape (4, 4)
        As it was where fewer than five spaces are matched.
    """
    found = np.asarray(affine, float)
    ones, others = ({one.number: one for one in some} for some in (first, second))
    for _ in range(_ROUNDS):
        forward, backward = by_affine(found), by_affine(np.linalg.inv(found))
        pairs = match_spaces(first, second, forward, backward, _WIDER * gate_mm).pairs
        if len(pairs) < _FEWEST:
            return found
        near = [
            _nearest(forward(ones[pair.first[0]].points), others[pair.second[0]].points)
            for pair in pairs
        ]
        found = _rigid(near) @ found
    return found


def _nearest(moved: Points, line: Points) -> tuple[Points, Points]:
    """Return places of the line that lies along the other, and the nearest ones there; moved first.

    What goes beyond the other says nothing of where it lies.
    """
    away, there = cKDTree(line).query(moved)
    back, here = cKDTree(moved).query(line)
    if away.mean() <= back.mean():
        return moved, line[there]
    return moved[here], line


def _rigid(near: Sequence[tuple[Points, Points]]) -> Affine:
    """Return the turn and shift that bring the first of places onto the second; each pair counts 1.

    The closed form of Kabsch (Acta Crystallogr A 1976, doi 10.1107/S0567739476001873).
    """
    start, end = (np.concatenate([pair[k] for pair in near]) for k in (0, 1))
    weights: Floats = np.concatenate([np.full(len(a), 1 / len(a)) for a, _ in near])
    middle, target = (np.average(points, axis=0, weights=weights) for points in (start, end))
    u, _, v = np.linalg.svd((end - target).T @ ((start - middle) * weights[:, None]))
    turn = u @ np.diag([1.0, 1.0, float(np.sign(np.linalg.det(u @ v)))]) @ v
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = turn, target - turn @ middle
    return motion
