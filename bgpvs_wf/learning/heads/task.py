"""What is learnt of whole heads: what is brain, and where in it the nuclei of each side are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bgpvs_wf.learning.data.scan import HEAD_MM, MASK_MM
from bgpvs_wf.learning.heads.examples import HeadExamples, MaskExamples
from bgpvs_wf.learning.heads.maps import Head
from bgpvs_wf.learning.nets.architectures import HEAD, MASK, NetworkConfig
from bgpvs_wf.learning.nets.sliding_window import WINDOWS

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_TURNED = (0.3, 0.4)
"""Share of heads that lie anyhow, and of those turned far; see `HeadExamples` (chosen)."""


@dataclass
class HeadTask:
    """Find the brain in a whole head, and what else its examples tell."""

    network: NetworkConfig
    examples: HeadExamples | MaskExamples
    held_out: HeadExamples | MaskExamples | None = None
    validations: int = 24
    _kept: list[dict[str, torch.Tensor]] = field(default_factory=list, init=False)

    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Return cross entropy and Dice of shares of voxels."""
        shares = batch["shares"]
        entropy = -(logits.log_softmax(1) * shares).sum(1).mean()
        told, true = logits.softmax(1)[:, 1:], shares[:, 1:]
        axes = (0, 2, 3, 4)
        dice = (2 * (told * true).sum(axes) + 1) / (told.sum(axes) + true.sum(axes) + 1)
        return entropy + 1 - dice.mean()

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return the mean Dice of the brain, and of the nuclei of a side if these are told."""
        import torch

        if self.held_out is None:
            return {}
        if not self._kept:
            self._kept = [self.held_out[i] for i in range(self.validations)]
        network.eval()
        device = next(network.parameters()).device
        brains, nuclei = [], []
        with torch.inference_mode():
            for example in self._kept:
                told = network(example["image"][None].to(device)).cpu()[0].argmax(0)
                true = example["shares"].argmax(0)
                brains.append(_dice(told > 0, true > 0))
                sides = range(2, len(example["shares"]))
                nuclei += [_dice(told == side, true == side) for side in sides]
        found = {"brain_dice": brains, "nuclei_dice": nuclei}
        return {name: sum(values) / len(values) for name, values in found.items() if values}


def make_head_task(
    network: NetworkConfig, heads: Sequence[Head], held_out: Sequence[Head], *, seed: int
) -> HeadTask:
    """Return the task of a network that finds the brain in whole heads, roughly or precisely.

    Parameters
    ----------
    network : NetworkConfig
    heads, held_out : sequence of Head
    seed : int
        Of the examples; those of validations have another.
    """

    def examples(of: Sequence[Head], number: int) -> HeadExamples | MaskExamples:
        if network.tells == MASK:
            return MaskExamples(of, number, WINDOWS[MASK], MASK_MM)
        return HeadExamples(of, number, WINDOWS[HEAD], HEAD_MM, turned=_TURNED)

    validated = examples(held_out, seed + 1) if held_out else None
    return HeadTask(network, examples(heads, seed), validated)


def _dice(a: Tensor, b: Tensor) -> float:
    return float((2 * (a & b).sum() + 1e-3) / (a.sum() + b.sum() + 1e-3))
