"""How good a model is on cases held out, how sure it may be, and from where on a voxel is PVS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.learning.data.cascade_input import case_context
from bgpvs_wf.learning.data.case import OWN_CHANNELS, TrainingCase
from bgpvs_wf.learning.data.classes import BG_CLASSES, SURE
from bgpvs_wf.learning.data.painted_case import PaintedCase, with_tubes
from bgpvs_wf.learning.inference.border_refinement import follow_borders
from bgpvs_wf.learning.inference.calibration import (
    calibration_error,
    equal_spread,
    fit_line,
    follow_line,
    reliability,
)
from bgpvs_wf.learning.inference.ensemble import Member, apply_anatomy, apply_pvs
from bgpvs_wf.learning.nets.architectures import JOINT
from bgpvs_wf.learning.training.tasks import dice
from bgpvs_wf.learning.training.tube_volume import tube_volume
from bgpvs_wf.pseudolabels.region import with_gaps
from bgpvs_wf.quantification.interval import volume_margin

if TYPE_CHECKING:
    import pandas as pd

Case = TypeVar("Case")
THRESHOLDS = tuple(round(0.1 + 0.05 * i, 2) for i in range(17))
USUAL_THRESHOLD = 0.5
_PAINTED = 16
"""So many cases are painted at least, some of them several times (chosen)."""
_LEAST_PAINTED = 8
"""Cases that tell how bright fluid is; of fewer, nothing is calibrated (chosen)."""
_LOG_BRIGHTNESS = 1
"""Channel of a network for PVS."""
_ONE_VOXEL = np.ones((3, 3, 3), bool)
LEARNT_CASES = 8
"""Cases that the threshold of PVS is chosen on where none is held out."""


@dataclass(frozen=True)
class Assessment:
    """What came of it."""

    pvs_threshold: float
    """The probability that gives the best mean Dice of the cases that have PVS."""
    cases: pd.DataFrame
    """A row a case: `subject`, `bg_dice`, `pvs_dice`, `pvs_voxels_true`, `pvs_voxels`."""
    calibration_error: float
    """Of the probability of PVS.

    See `bgpvs_wf.learning.inference.calibration.calibration_error`.
    """
    tube_volume_margin: float | None
    """See `bgpvs_wf.quantification.interval.volume_margin`."""


def evenly(cases: Sequence[Case], count: int) -> list[Case]:
    """Return some of many, spread over their order.

    Examples
    --------
    >>> evenly("abcdefgh", 3), evenly("ab", 3)
    (['a', 'd', 'g'], ['a', 'b'])
    """
    step = max(-(-len(cases) // count), 1)
    return list(cases[::step])


def calibrate(member: Member, cases: Sequence[TrainingCase]) -> None:
    """Make what a member tells of PVS mean what it says, on labelled cases, in place.

    Probabilities on all cases, and the brightness of fluid on those with painted tubes. Nothing is
    changed where there are none or few, or one network tells nuclei and PVS together.
    """
    if member.pvs[0].tells == JOINT:
        return
    network = member.pvs[1]
    painted = [case for case in cases if isinstance(case, PaintedCase)]
    pairs = np.array([_brightness(member, case) for case in painted]).reshape(-1, 2)
    pairs = np.log(pairs[np.isfinite(pairs).all(axis=1)])
    if len(pairs) >= _LEAST_PAINTED:
        follow_line(network, *equal_spread(*pairs.T), channel=_LOG_BRIGHTNESS)
    # Probabilities are told under a brightness, which has to be settled before.
    known = [_pvs(member, case) for case in cases]
    if known:
        probability, pvs = (np.concatenate(parts) for parts in zip(*known, strict=True))
        if pvs.any() and not pvs.all():
            follow_line(network, *fit_line(probability, pvs))


def assess(
    members: Sequence[Member],
    cases: Sequence[TrainingCase],
    usual_threshold: float = USUAL_THRESHOLD,
) -> Assessment:
    """Choose the threshold of a model on labelled cases, and score it on them.

    Parameters
    ----------
    members : sequence of members
        See `bgpvs_wf.learning.inference.ensemble`.
    cases : sequence of TrainingCase
        Held out, as a rule.
    usual_threshold : float
        Taken where no case has PVS that are found.
    """
    found = [_apply(members, case) for case in cases]
    # Each scan counts as much as another: fine voxels are more.
    scores = [[one.dice(t) for t in THRESHOLDS] for one in found if one.pvs.any()]
    threshold = usual_threshold
    if np.any(scores):
        threshold = THRESHOLDS[int(np.mean(scores, axis=0).argmax())]
    error = calibration_error(reliability(*_voxels(found)))
    margin = volume_margin(one.volumes(threshold) for one in found)
    return Assessment(threshold, _table(found, threshold), error, margin)


def assess_model(
    members: Sequence[Member],
    cases: Sequence[TrainingCase],
    usual_threshold: float = USUAL_THRESHOLD,
    *,
    held_out: bool = True,
) -> Assessment:
    """Calibrate members in place, and assess them together: on cases, and with tubes painted in.

    Parameters
    ----------
    members, cases, usual_threshold
        See `assess`.
    held_out : bool
        Whether nothing was learnt from the cases. Otherwise they are no measure of accuracy:
        there are no scores and no margin.
    """
    # Labelled tubes are few, and synthetic ones brighter than many real ones.
    times = -(-_PAINTED // max(len(cases), 1))
    seen = [*cases, *(with_tubes(case, number) for number in range(times) for case in cases)]
    for member in members:
        calibrate(member, seen)
    assessment = assess(members, seen, usual_threshold)
    if held_out:
        return replace(assessment, cases=assessment.cases.iloc[: len(cases)])
    return replace(assessment, cases=assessment.cases.iloc[:0], tube_volume_margin=None)


@dataclass(frozen=True)
class _Found:
    """What a model finds in a case; arrays of voxels in the basal ganglia, true or found."""

    case: TrainingCase
    labels: np.ndarray
    """int16, shape (x, y, z): nuclei and ventricles."""
    whole: np.ndarray
    """float32, shape (x, y, z): probability of PVS, 0 where they were not looked for."""
    bg: np.ndarray
    true_bg: np.ndarray
    probability: np.ndarray
    pvs: np.ndarray

    def dice(self, threshold: float) -> float:
        """Return the Dice of PVS."""
        return dice(self.probability >= threshold, self.pvs)

    def volumes(self, threshold: float) -> tuple[float, float]:
        """Return the volume of tubes as it would be measured, and the true one, mm3."""
        measured = tube_volume(self.case, self.labels, self.whole, threshold)
        return measured, self.case.pvs_volume_mm3()


def _apply(members: Sequence[Member], case: TrainingCase) -> _Found:
    images = case.boxed()
    shares = apply_anatomy(members, images, case_context(case.fine_classes()), fast=True)
    # As in a prediction; cases do not know sides.
    labels = follow_borders(shares, images, np.zeros(shares.shape[1:], bool)).labels
    nuclei = np.where(np.isin(labels, BG_LABELS), labels, 0)
    inside = with_gaps(nuclei > 0, nuclei, images.own_grid.affine)
    probability = np.where(inside, apply_pvs(members, images, inside, fast=True).probability, 0)
    true_bg, pvs, sure = _labels(case)
    known = (inside | true_bg) & sure
    return _Found(
        case,
        labels,
        probability,
        nuclei[known] > 0,
        true_bg[known],
        probability[known],
        pvs[known],
    )


def _pvs(member: Member, case: TrainingCase) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of PVS in the true basal ganglia, and which voxels are PVS."""
    true_bg, pvs, sure = _labels(case)
    known = true_bg & sure
    share = apply_pvs([member], case.boxed(), true_bg, fast=True).probability
    return share[known], pvs[known]


def _brightness(member: Member, case: PaintedCase) -> tuple[float, float]:
    """Return how bright painted tubes are found to be, where they are found, and how they are."""
    tubes, brightness = case.tubes()
    found = apply_pvs([member], case.boxed(), _labels(case)[0], fast=True)
    near = ndimage.binary_dilation(tubes, _ONE_VOXEL)
    return found.brightness(near & (found.probability >= USUAL_THRESHOLD)), brightness


def _labels(case: TrainingCase) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return masks of the basal ganglia, of PVS, and of where the labels are believed."""
    array = dict(zip(OWN_CHANNELS, case.own(), strict=True))
    pvs = array["pvs"] > 0
    return np.isin(array["classes"], BG_CLASSES) | pvs, pvs, array["confidence"] > SURE


def _voxels(found: Sequence[_Found]) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of PVS of all cases, and which voxels are PVS."""
    if not found:
        return np.zeros(0, np.float32), np.zeros(0, bool)
    return (
        np.concatenate([one.probability for one in found]),
        np.concatenate([one.pvs for one in found]),
    )


def _table(found: Sequence[_Found], threshold: float) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for one in found:
        rows.append(
            {
                "subject": one.case.subject,
                "bg_dice": dice(one.bg | (one.probability >= threshold), one.true_bg),
                "pvs_dice": one.dice(threshold),
                "pvs_voxels_true": int(one.pvs.sum()),
                "pvs_voxels": int((one.probability >= threshold).sum()),
            }
        )
    columns = ["subject", "bg_dice", "pvs_dice", "pvs_voxels_true", "pvs_voxels"]
    return pd.DataFrame(rows, columns=columns)
