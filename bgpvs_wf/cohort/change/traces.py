"""What a session shows, below the threshold, where another session has a perivascular space.

A tube near the limit of what a scan shows is found in one session and missed in the next. Networks
then give it a low probability in the next, where they give none to tissue that has no tube.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.arrays import Affine, Floats, Labels, Points
from bgpvs_wf.cohort.change.spaces import Space, Transform

SHARE = 0.0025
"""A space of n voxels has a trace elsewhere where its probability there is n times this or more. Of
20 growing phantoms with voxels of 0.8 mm, that no figure of docs/how-to/change.md is of, what is
new is told from what was missed with precision 0.87 and recall 0.92, what is gone with 1.0 and
0.9."""
_STEP_MM = 0.4
"""Of the search: half a voxel."""
_BRIGHTEST = 3
"""A third of a line is looked at: where a tube tapers or turns, there may be nothing to see."""


@dataclass(frozen=True)
class Evidence:
    """How probable PVS are in a session, to the networks."""

    probability: Floats
    """Shape (x, y, z)."""
    affine: Affine
    """Shape (4, 4)."""

    @classmethod
    def beside(cls, probability: Floats, affine: Affine, found: Labels) -> Evidence:
        """Return what is left of a probability where the spaces that were found are taken out."""
        return cls(np.where(found > 0, 0, probability).astype(np.float32), affine)


def trace_of(space: Space, there: Evidence, transform: Transform, reach_mm: float) -> float:
    """Return the probability of a space of one session in another, where it is not found.

    Parameters
    ----------
    space : Space
    there : Evidence
        Of the other session.
    transform : callable
        Places of the session of the space to the other.
    reach_mm : float
        How far the line may be moved to where most is to be seen.

    Returns
    -------
    float
        Mean over the most probable third of the line, at its best place.
    """
    moved = transform(space.points)
    inverse = np.linalg.inv(there.affine)
    most = 0.0
    for shift in _shifts(reach_mm):
        places = (moved + shift) @ inverse[:3, :3].T + inverse[:3, 3]
        values = ndimage.map_coordinates(there.probability, places.T, order=1)
        kept = max(1, len(values) // _BRIGHTEST)
        most = max(most, float(np.sort(values)[-kept:].mean()))
    return most


def leaves_trace(space: Space, trace: float) -> bool:
    """Return whether a trace says that a space is there, too, though it is not found.

    The larger a space is, the more would be seen of it.
    """
    return trace >= SHARE * space.voxels


def _shifts(reach_mm: float) -> Points:
    steps = np.arange(0, reach_mm + 1e-6, _STEP_MM)
    axis = np.concatenate([-steps[:0:-1], steps])
    every = np.array(list(itertools.product(axis, repeat=3)))
    return np.asarray(every[np.linalg.norm(every, axis=1) <= reach_mm])
