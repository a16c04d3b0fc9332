"""Object-wise scores: which true PVS were found, which predicted ones are real."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.arrays import Mask
from bgpvs_wf.evaluation.overlap import NAN
from bgpvs_wf.quantification.instances import label_instances

IGNORED_SHARE = 0.5
"""An object with at least this share of its voxels ignored counts for nobody (chosen)."""


def cluster_scores(
    prediction: Mask,
    reference: Mask,
    ignore: Mask | None = None,
    *,
    least_overlap: float = 0.0,
) -> dict[str, float]:
    """Score the connected objects of a mask against those of a reference.

    A reference object is found if the prediction holds one of its voxels; a predicted object
    is right if the reference holds one of its voxels. Voxels that share a face, an edge or a
    corner belong together (26-connectivity).

    Parameters
    ----------
    prediction, reference : ndarray of bool, shape (x, y, z)
    ignore : ndarray of bool, shape (x, y, z), optional
        Voxels that count for nobody. Objects of which they are half or more (`IGNORED_SHARE`)
        are left out; others are judged on the rest of their voxels, and stay in one piece.
    least_overlap : float
        Share of an object's voxels, 0 to 1, that has to overlap; 0 asks for one voxel.

    Returns
    -------
    dict of str to float
        ``cluster_recall`` (found / reference objects), ``cluster_ppv`` (right / predicted
        objects), ``cluster_f1`` (their harmonic mean, 0 if both are), ``reference_count``,
        ``predicted_count``, ``found_count``, ``right_count``.

        As for voxels: no objects on either side are an F1 of 1, on one side an F1 of 0; the
        recall without reference objects and the PPV without predicted ones are NaN.

    Raises
    ------
    ValueError
        If the share is not between 0 and 1.

    Examples
    --------
    >>> reference = np.array([1, 1, 0, 1, 0, 1, 1]).reshape(7, 1, 1) > 0
    >>> prediction = np.array([0, 1, 0, 0, 0, 0, 1]).reshape(7, 1, 1) > 0
    >>> scores = cluster_scores(prediction, reference)
    >>> round(scores["cluster_recall"], 2), scores["cluster_ppv"], scores["cluster_f1"]
    (0.67, 1.0, 0.8)
    """
    if not 0 <= least_overlap <= 1:
        raise ValueError(f"an overlap of {least_overlap} is no share between 0 and 1")
    ignore = np.zeros(np.shape(reference), bool) if ignore is None else np.asarray(ignore, bool)
    there, found = _touched(reference, prediction, ignore, least_overlap)
    predicted, right = _touched(prediction, reference, ignore, least_overlap)
    recall = found / there if there else NAN
    ppv = right / predicted if predicted else NAN
    if there and predicted:
        f1 = 2 * recall * ppv / (recall + ppv) if recall + ppv else 0.0
    else:
        f1 = 0.0 if there or predicted else 1.0
    return {
        "cluster_recall": recall,
        "cluster_ppv": ppv,
        "cluster_f1": f1,
        "reference_count": float(there),
        "predicted_count": float(predicted),
        "found_count": float(found),
        "right_count": float(right),
    }


def count_objects(mask: Mask, ignore: Mask | None = None) -> int:
    """Return the number of connected objects of a mask that count; see `cluster_scores`."""
    ignore = np.zeros(np.shape(mask), bool) if ignore is None else np.asarray(ignore, bool)
    return _touched(mask, mask, ignore, 0.0)[0]


def _touched(objects: Mask, other: Mask, ignore: Mask, least: float) -> tuple[int, int]:
    """Return how many objects count, and how many of them the other mask touches enough."""
    instances = label_instances(objects)
    whole = np.bincount(instances.ravel())[1:]
    if not len(whole):
        return 0, 0
    judged = np.bincount(instances[~ignore], minlength=len(whole) + 1)[1:]
    shared = np.bincount(instances[~ignore & np.asarray(other, bool)], minlength=len(whole) + 1)[1:]
    counts = whole - judged < IGNORED_SHARE * whole
    touched = counts & (shared >= 1) & (shared >= least * judged)
    return int(counts.sum()), int(touched.sum())
