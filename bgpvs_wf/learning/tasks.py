"""What there is to learn: the loss of a batch, and how good a network is on cases held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bgpvs_wf.learning.augmentation import AugmentationConfig
from bgpvs_wf.learning.case import TrainingCase
from bgpvs_wf.learning.classes import BG_CLASSES, LEFT_NUCLEI, RIGHT_NUCLEI
from bgpvs_wf.learning.examples import CoarseExamples, FineExamples
from bgpvs_wf.learning.inference import WINDOWS, apply_network
from bgpvs_wf.learning.inputs import case_input
from bgpvs_wf.learning.losses import class_loss, head_loss, pvs_loss, without_ventricles
from bgpvs_wf.learning.masking import mask_to_bg
from bgpvs_wf.learning.networks import NetworkConfig
from bgpvs_wf.learning.views import FINE_MM

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Batch = Mapping[str, "Tensor"]


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
            given = apply_network(network, self.network, array[:2], WINDOWS["coarse"], fast=True)
            classes = given["coarse"].argmax(0)
            found += [
                dice(classes == side, array[2] == side) for side in (LEFT_NUCLEI, RIGHT_NUCLEI)
            ]
        return {"nuclei_dice": float(np.mean(found))} if found else {}


@dataclass
class FineTask:
    """Segment nuclei, PVS, or both in the box at 0.5 mm, by the heads of the network."""

    network: NetworkConfig
    examples: FineExamples
    held_out: Sequence[TrainingCase]

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the sum of the losses of the heads."""
        total = logits.new_zeros(())
        if "anatomy" in self.network.heads:
            anatomy = logits[:, self.network.channels("anatomy")]
            anatomy = without_ventricles(anatomy, batch["ventricles"])
            total = total + class_loss(anatomy, batch["classes"], batch["confidence"])
        if "pvs" in self.network.heads:
            pvs = logits[:, self.network.channels("pvs")][:, 0]
            total = total + pvs_loss(pvs, batch["pvs"], batch["classes"], batch["confidence"])
        return total

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return the mean Dice of the basal ganglia and the Dice of all PVS voxels as one."""
        nuclei, predicted, true, both = [], 0.0, 0.0, 0.0
        for case in self.held_out:
            array = np.asarray(case.fine(), np.float32)
            classes, pvs, sure = array[2], array[3] > 0, array[4] > 0.5
            images = case_input(array)
            if self.examples.masked:
                images = mask_to_bg(images, classes, (FINE_MM,) * 3)
            given = apply_network(network, self.network, images, WINDOWS["fine"], fast=True)
            bg = np.isin(classes, BG_CLASSES)
            if "anatomy" in given:
                nuclei.append(dice(np.isin(given["anatomy"].argmax(0), BG_CLASSES), bg))
            if "pvs" in given:
                found = (given["pvs"][0] >= 0.5) & (bg | pvs) & sure
                predicted += found.sum()
                true += (pvs & sure).sum()
                both += (found & pvs).sum()
        scores = {}
        if nuclei:
            scores["bg_dice"] = float(np.mean(nuclei))
        if true:
            scores["pvs_dice"] = float(2 * both / (predicted + true))
        return scores


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Dice overlap of two masks; 1 if both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def coarse_task(
    cases: Sequence[TrainingCase],
    held_out: Sequence[TrainingCase],
    seed: int,
    filters: tuple[int, ...],
    augmentation: AugmentationConfig,
) -> CoarseTask:
    """Return the task of the coarse network."""
    examples = CoarseExamples(cases, seed, WINDOWS["coarse"], augmentation)
    network = NetworkConfig(heads=("coarse",), filters=filters)
    return CoarseTask(network, examples, held_out)


def fine_task(
    cases: Sequence[TrainingCase],
    held_out: Sequence[TrainingCase],
    seed: int,
    heads: tuple[str, ...],
    filters: tuple[int, ...],
    patch: tuple[int, int, int],
    augmentation: AugmentationConfig,
) -> FineTask:
    """Return the task of a fine network; one for PVS alone sees the basal ganglia only."""
    examples = FineExamples(cases, seed, patch, augmentation, masked=heads == ("pvs",))
    return FineTask(NetworkConfig(heads=heads, filters=filters), examples, held_out)
