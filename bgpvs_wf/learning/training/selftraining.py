"""Self-training: pseudo-labels replaced by what a network that learnt from them finds.

A network smooths over what is haphazard in its labels; learning again from its own answers, each
as sure as it is, takes that further (noisy student, Xie et al., CVPR 2020,
doi 10.1109/CVPR42600.2020.01070).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bgpvs_wf.imaging.geometry import coarse_labels, coarsen
from bgpvs_wf.learning.data.cascade_input import case_context
from bgpvs_wf.learning.data.case import FINE_CHANNELS, OWN_CHANNELS, TrainingCase, write_case
from bgpvs_wf.learning.data.classes import BG_CLASSES, VENTRICLE_CLASS
from bgpvs_wf.learning.inference.ensemble import Member, apply_anatomy, apply_pvs
from bgpvs_wf.learning.training.assessment import LEARNT_CASES, assess_model, evenly
from bgpvs_wf.pseudolabels.region import with_gaps, with_tubes

_LEAST = 0.05
"""Confidence of a label that the network is undecided about (chosen)."""


def relabel_all(cases: Sequence[TrainingCase], member: Member, folder: Path) -> list[TrainingCase]:
    """Give cases the labels of a member that learnt from them; given labels stay.

    Parameters
    ----------
    cases : sequence of TrainingCase
    member : Member
        Calibrated on some of the cases, in place; the threshold of PVS is chosen on them, too.
    folder : Path
        Where the new cases go, by their numbers.
    """
    some = evenly(cases, LEARNT_CASES)
    threshold = assess_model([member], some).pvs_threshold
    return [
        case if case.by_hand else relabel(case, [member], folder / f"{number:05d}", threshold)
        for number, case in enumerate(cases)
    ]


def relabel(
    case: TrainingCase, members: Sequence[Member], folder: Path, threshold: float = 0.5
) -> TrainingCase:
    """Write a case anew, with the labels that a model gives and how sure it is of them.

    Parameters
    ----------
    case : TrainingCase
    members : sequence of members
        See `bgpvs_wf.learning.inference.ensemble`.
    folder : Path
        Of the new case.
    threshold : float
        Probability from which on a voxel in the basal ganglia is PVS.

    Returns
    -------
    TrainingCase
        The confidence is how far the least sure of class and PVS is from undecided, 0 to 1.
    """
    images = case.boxed()
    context = case_context(case.fine_classes())
    anatomy = apply_anatomy(members, images, context, flips=True, fast=True)
    if not case.ventricles:
        # Where labels do not know ventricles, the class is not learnt; see `without_ventricles`.
        anatomy[VENTRICLE_CLASS] = 0
        anatomy /= np.maximum(anatomy.sum(axis=0), 1e-6)
    classes = anatomy.argmax(axis=0)
    ordered = np.sort(anatomy, axis=0)
    sure = ordered[-1] - ordered[-2]
    nuclei = np.where(np.isin(classes, BG_CLASSES), classes, 0)
    affine = images.own_grid.affine
    # As in a prediction: a tube may have been taken for fluid.
    inside = with_gaps(nuclei > 0, nuclei, affine)
    pvs = apply_pvs(members, images, inside, flips=True, fast=True).probability
    # As if the network were undecided at the threshold.
    pvs = pvs * (1 - threshold) / (pvs * (1 - threshold) + (1 - pvs) * threshold)
    sure_of_pvs = np.abs(2 * pvs - 1)
    sure = np.where(inside, np.minimum(sure, sure_of_pvs), sure)
    tubes = (pvs >= 0.5) & inside
    sure = np.where(tubes & (nuclei == 0), sure_of_pvs, sure)
    labels = {
        "classes": with_tubes(classes, nuclei, tubes, affine),
        "pvs": tubes,
        "confidence": np.maximum(sure, _LEAST),
    }
    fine, own = np.array(case.fine()), np.array(case.own())
    for name, label in labels.items():
        own[OWN_CHANNELS.index(name)] = label
    grid = images.fine_grid
    fine[FINE_CHANNELS.index("classes")] = coarse_labels(labels["classes"], affine, grid)
    for name, share in (("confidence", labels["confidence"]), ("fluid", tubes)):
        fine[FINE_CHANNELS.index(name)] = coarsen(share, affine, grid)
    facts = dataclasses.asdict(case)
    for name in ("folder", "pvs_voxels", "digest"):
        del facts[name]
    return write_case(folder, {"fine": fine, "own": own, "coarse": case.coarse()}, facts)
