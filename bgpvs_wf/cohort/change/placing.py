"""Where one session's nuclei are in another's space: a similarity, in closed form."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import NUCLEI
from bgpvs_wf.arrays import Affine, Labels, Points
from bgpvs_wf.errors import BadLabelsError

_FEWEST = 3
"""Centres that say how a head lies."""


def place_nuclei(
    first: Labels, first_affine: Affine, second: Labels, second_affine: Affine
) -> Affine:
    """Return the similarity that brings the centres of the nuclei of a session onto another's.

    Centres do not depend on contrasts, and hardly on how large a nucleus is drawn. Least squares
    (Umeyama, IEEE Trans Pattern Anal Mach Intell 1991, doi 10.1109/34.88573).

    Parameters
    ----------
    first, second : ndarray of int, shape (x, y, z)
        Harmonised labels, each of its own shape.
    first_affine, second_affine : ndarray, shape (4, 4)

    Returns
    -------
    ndarray, shape (4, 4)
        Takes places of the first session to the second, mm.

    Raises
    ------
    BadLabelsError
        If fewer than three nuclei are in both.
    """
    one, other = _centres(first, first_affine), _centres(second, second_affine)
    both = sorted(one.keys() & other.keys())
    if len(both) < _FEWEST:
        raise BadLabelsError(
            f"Only {len(both)} nuclei are in both sessions; {_FEWEST} are needed to tell how the "
            "head lies. Look at both segmentations."
        )
    return _similarity(np.array([one[i] for i in both]), np.array([other[i] for i in both]))


def _centres(labels: Labels, affine: Affine) -> dict[int, Points]:
    there = [i for i in NUCLEI if (labels == i).any()]
    voxels = ndimage.center_of_mass(np.ones(labels.shape, np.uint8), labels, there)
    matrix, shift = np.asarray(affine)[:3, :3], np.asarray(affine)[:3, 3]
    return {i: matrix @ centre + shift for i, centre in zip(there, voxels, strict=True)}


def _similarity(points: Points, targets: Points) -> Affine:
    middle, target = points.mean(axis=0), targets.mean(axis=0)
    a, b = points - middle, targets - target
    u, lengths, v = np.linalg.svd(b.T @ a)
    mirror = np.diag([1.0, 1.0, float(np.sign(np.linalg.det(u @ v)))])
    turn = u @ mirror @ v
    scale = float((lengths * np.diag(mirror)).sum() / (a**2).sum())
    found = np.eye(4)
    found[:3, :3] = scale * turn
    found[:3, 3] = target - scale * turn @ middle
    return found
