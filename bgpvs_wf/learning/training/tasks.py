"""What there is to learn: the loss of a batch, and how good a network is on cases held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bgpvs_wf.learning.data.augmentation import AugmentationConfig
from bgpvs_wf.learning.data.cascade_input import case_context
from bgpvs_wf.learning.data.case import OWN_CHANNELS, TrainingCase
from bgpvs_wf.learning.data.classes import BG_CLASSES, LEFT_NUCLEI, RIGHT_NUCLEI, SURE
from bgpvs_wf.learning.data.examples import (
    CoarseExamples,
    FineExamples,
    JointExamples,
    PVSExamples,
)
from bgpvs_wf.learning.inference.ensemble import Member, apply_pvs
from bgpvs_wf.learning.nets.architectures import ANATOMY, COARSE, JOINT, NetworkConfig
from bgpvs_wf.learning.nets.losses import (
    brightness_loss,
    class_loss,
    head_loss,
    joint_loss,
    pvs_loss,
    without_ventricles,
)
from bgpvs_wf.learning.nets.sliding_window import WINDOWS, apply_network

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Batch = Mapping[str, "Tensor"]
_BRIGHTNESS = 0.5
"""Weight of the loss of brightness beside that of PVS (chosen)."""
_PVS = 0.5
"""Probability from which on voxels count in validations."""


class Examples(Protocol):
    """Numbered examples."""

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """Return the example of a number."""
        ...


class Task(Protocol):
    """What a network is trained for."""

    network: NetworkConfig

    @property
    def examples(self) -> Examples:
        """What it is trained on."""
        ...

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the loss of a batch, to be made small."""
        ...

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return how good a network is on cases held out; empty if there are none."""
        ...


@dataclass
class CoarseTask:
    """Find nuclei, ventricles and brain in the head at 2 mm."""

    network: NetworkConfig
    examples: CoarseExamples
    held_out: Sequence[TrainingCase]

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return cross entropy and Dice."""
        return head_loss(logits, batch["classes"], batch["ventricles"])

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return the mean Dice of left and right nuclei."""
        found = []
        for case in self.held_out:
            array = np.asarray(case.coarse(), np.float32)
            classes = apply_network(network, self.network, array[:2], fast=True).argmax(0)
            found += [
                dice(classes == side, array[2] == side) for side in (LEFT_NUCLEI, RIGHT_NUCLEI)
            ]
        return {"nuclei_dice": float(np.mean(found))} if found else {}


@dataclass
class FineTask:
    """Segment the nuclei in a box at 1 mm."""

    network: NetworkConfig
    examples: FineExamples
    held_out: Sequence[TrainingCase]

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return cross entropy and Dice."""
        logits = without_ventricles(logits, batch["ventricles"])
        return class_loss(logits, batch["classes"], batch["confidence"])

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return the mean Dice of the basal ganglia."""
        found = []
        for case in self.held_out:
            classes = case.fine_classes()
            seen = np.concatenate([case.boxed().fine, case_context(classes)])
            given = apply_network(network, self.network, seen, fast=True).argmax(0)
            found.append(dice(np.isin(given, BG_CLASSES), np.isin(classes, BG_CLASSES)))
        return {"bg_dice": float(np.mean(found))} if found else {}


@dataclass
class PVSTask:
    """Find PVS on the scan's own grid, in basal ganglia that are roughly known."""

    network: NetworkConfig
    examples: PVSExamples
    held_out: Sequence[TrainingCase]

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the loss of PVS, and of how bright what they hold is."""
        pvs, log_brightness, log_weight = logits.unbind(1)
        loss = pvs_loss(pvs, batch["pvs"], batch["classes"], batch["confidence"])
        return loss + _BRIGHTNESS * brightness_loss(
            pvs, log_brightness, log_weight, batch["asked"], batch["brightness"]
        )

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return the Dice of all PVS voxels as one, the basal ganglia given."""
        counts = np.zeros(3)
        for case in self.held_out:
            array = _own(case)
            bg = np.isin(array["classes"], BG_CLASSES)
            member = Member.of([(self.network, network)])
            given = apply_pvs([member], case.boxed(), bg, fast=True)
            counts += pvs_counts(given.probability, array)
        return pvs_score(counts)


@dataclass
class JointTask:
    """Find nuclei and PVS together on the scan's own grid, by the images alone."""

    network: NetworkConfig
    examples: JointExamples
    held_out: Sequence[TrainingCase]

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return cross entropy and the log of Dice."""
        logits = without_ventricles(logits, batch["ventricles"])
        return joint_loss(logits, batch["classes"], batch["pvs"], batch["confidence"])

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return the mean Dice of the basal ganglia, and that of all PVS voxels as one."""
        found, counts = [], np.zeros(3)
        for case in self.held_out:
            array = _own(case)
            given = apply_network(network, self.network, case.boxed().own, fast=True)
            classes, true = given.argmax(0), np.isin(array["classes"], BG_CLASSES)
            found.append(dice(np.isin(classes, (*BG_CLASSES, len(given) - 1)), true))
            counts += pvs_counts(given[-1], array)
        return {"bg_dice": float(np.mean(found)), **pvs_score(counts)} if found else {}


def _own(case: TrainingCase) -> dict[str, np.ndarray]:
    """Return the channels of a case on the scan's own grid, by name."""
    return dict(zip(OWN_CHANNELS, np.asarray(case.own(), np.float32), strict=True))


def pvs_counts(probability: np.ndarray, labels: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return how many voxels of PVS are found, true and both, where labels are believed.

    Parameters
    ----------
    probability : ndarray, shape (x, y, z)
    labels : mapping of str to ndarray, shape (x, y, z)
        `classes`, `pvs` and `confidence`.
    """
    pvs, sure = labels["pvs"] > 0, labels["confidence"] > SURE
    found = (probability >= _PVS) & (np.isin(labels["classes"], BG_CLASSES) | pvs) & sure
    return np.array([found.sum(), (pvs & sure).sum(), (found & pvs).sum()], float)


def pvs_score(counts: np.ndarray) -> dict[str, float]:
    """Return the Dice of counts of `pvs_counts`; nothing if there are no PVS to be found."""
    found, true, both = counts
    return {"pvs_dice": float(2 * both / (found + true))} if true else {}


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Dice overlap of two masks; 1 if both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def make_task(
    network: NetworkConfig,
    cases: Sequence[TrainingCase],
    held_out: Sequence[TrainingCase],
    *,
    seed: int,
    augmentation: AugmentationConfig,
    patch: tuple[int, int, int] | None = None,
) -> Task:
    """Return the task of a network.

    Parameters
    ----------
    network : NetworkConfig
    cases, held_out : sequence of TrainingCase
    seed : int
        Of the examples.
    augmentation : AugmentationConfig
    patch : tuple of 3 int, optional
        Default: the window that the network has when it is used.
    """
    patch = patch or WINDOWS[network.tells]
    if network.tells == COARSE:
        return CoarseTask(network, CoarseExamples(cases, seed, patch, augmentation), held_out)
    if network.tells == ANATOMY:
        return FineTask(network, FineExamples(cases, seed, patch, augmentation), held_out)
    if network.tells == JOINT:
        return JointTask(network, JointExamples(cases, seed, patch, augmentation), held_out)
    return PVSTask(network, PVSExamples(cases, seed, patch, augmentation), held_out)
