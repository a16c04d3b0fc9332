"""What there is to learn: the loss of a batch, and how good a network is on cases held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bgpvs_wf.imaging.geometry import voxel_sizes
from bgpvs_wf.learning.augmentation import AugmentationConfig
from bgpvs_wf.learning.case import FINE_CHANNELS, OWN_CHANNELS, TrainingCase
from bgpvs_wf.learning.classes import BG_CLASSES, LEFT_NUCLEI, RIGHT_NUCLEI
from bgpvs_wf.learning.context import case_context
from bgpvs_wf.learning.examples import CoarseExamples, FineExamples, PVSExamples
from bgpvs_wf.learning.inference import apply_network, window_of
from bgpvs_wf.learning.inputs import fine_input
from bgpvs_wf.learning.losses import class_loss, head_loss, pvs_loss, without_ventricles
from bgpvs_wf.learning.networks import NetworkConfig
from bgpvs_wf.learning.own_grid import pvs_input

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Batch = Mapping[str, "Tensor"]
_PVS, _SURE = 0.5, 0.5
"""Probability and confidence from which on voxels count in validations."""


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
            given = apply_network(network, self.network, array[:2], fast=True)
            classes = given["coarse"].argmax(0)
            found += [
                dice(classes == side, array[2] == side) for side in (LEFT_NUCLEI, RIGHT_NUCLEI)
            ]
        return {"nuclei_dice": float(np.mean(found))} if found else {}


@dataclass
class FineTask:
    """Segment nuclei, with PVS or without, in the box at 0.5 mm, by the heads of the network."""

    network: NetworkConfig
    examples: FineExamples
    held_out: Sequence[TrainingCase]

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the sum of the losses of the heads."""
        anatomy = logits[:, self.network.channels("anatomy")]
        anatomy = without_ventricles(anatomy, batch["ventricles"])
        total = class_loss(anatomy, batch["classes"], batch["confidence"])
        if "pvs" in self.network.heads:
            pvs = logits[:, self.network.channels("pvs")][:, 0]
            total = total + pvs_loss(pvs, batch["pvs"], batch["classes"], batch["confidence"])
        return total

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return the mean Dice of the basal ganglia and the Dice of all PVS voxels as one."""
        nuclei, counts = [], np.zeros(3)
        for case in self.held_out:
            array = dict(zip(FINE_CHANNELS, case.fine(), strict=True))
            boxed = case.boxed()
            sizes = voxel_sizes(boxed.fine_grid.affine)
            images = fine_input(boxed.fine, case_context(case.fine_classes()), sizes)
            given = apply_network(network, self.network, images, fast=True)
            bg = np.isin(array["classes"], BG_CLASSES)
            nuclei.append(dice(np.isin(given["anatomy"].argmax(0), BG_CLASSES), bg))
            if "pvs" in given:
                counts += pvs_counts(given["pvs"][0], array)
        return ({"bg_dice": float(np.mean(nuclei))} if nuclei else {}) | pvs_score(counts)


@dataclass
class PVSTask:
    """Find PVS on the scan's own grid, in basal ganglia that are roughly known."""

    network: NetworkConfig
    examples: PVSExamples
    held_out: Sequence[TrainingCase]

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the loss of PVS."""
        return pvs_loss(logits[:, 0], batch["pvs"], batch["classes"], batch["confidence"])

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return the Dice of all PVS voxels as one, the basal ganglia given."""
        counts = np.zeros(3)
        for case in self.held_out:
            array = dict(zip(OWN_CHANNELS, np.asarray(case.own(), np.float32), strict=True))
            bg = np.isin(array["classes"], BG_CLASSES)
            images = pvs_input(case.boxed().own, bg, case.voxel_mm)
            given = apply_network(network, self.network, images, fast=True)
            counts += pvs_counts(given["pvs"][0], array)
        return pvs_score(counts)


def pvs_counts(probability: np.ndarray, labels: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return how many voxels of PVS are found, true and both, where labels are believed.

    Parameters
    ----------
    probability : ndarray, shape (x, y, z)
    labels : mapping of str to ndarray, shape (x, y, z)
        `classes`, `pvs` and `confidence`.
    """
    pvs, sure = labels["pvs"] > 0, labels["confidence"] > _SURE
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


def coarse_task(
    cases: Sequence[TrainingCase],
    held_out: Sequence[TrainingCase],
    seed: int,
    filters: tuple[int, ...],
    augmentation: AugmentationConfig,
) -> CoarseTask:
    """Return the task of the coarse network."""
    network = NetworkConfig(heads=("coarse",), filters=filters)
    examples = CoarseExamples(cases, seed, window_of(network), augmentation)
    return CoarseTask(network, examples, held_out)


def fine_task(
    cases: Sequence[TrainingCase],
    held_out: Sequence[TrainingCase],
    seed: int,
    heads: tuple[str, ...],
    filters: tuple[int, ...],
    patch: tuple[int, int, int],
    augmentation: AugmentationConfig,
) -> FineTask | PVSTask:
    """Return the task of a network of the box; one for PVS alone sees the scan's own grid."""
    network = NetworkConfig(heads=heads, filters=filters)
    if network.on_own_grid:
        return PVSTask(network, PVSExamples(cases, seed, patch, augmentation), held_out)
    return FineTask(network, FineExamples(cases, seed, patch, augmentation), held_out)
