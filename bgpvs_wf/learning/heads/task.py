"""What is learnt of whole heads: what is brain, and where in it the nuclei of each side are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bgpvs_wf.learning.heads.examples import HeadExamples
from bgpvs_wf.learning.heads.maps import Head
from bgpvs_wf.learning.inference import WINDOWS
from bgpvs_wf.learning.networks import HEAD, NetworkConfig
from bgpvs_wf.learning.views import HEAD_MM

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_TURNED = (0.3, 0.4)
"""Share of heads that lie anyhow, and of those turned far; see `HeadExamples` (chosen)."""


@dataclass
class HeadTask:
    """Find brain and nuclei in a whole head at 4 mm, whichever way it lies."""

    network: NetworkConfig
    examples: HeadExamples
    held_out: HeadExamples | None = None
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
        """Return the Dice of the brain, and the mean of those of the nuclei of both sides."""
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
                nuclei += [_dice(told == side, true == side) for side in (2, 3)]
        return {
            "brain_dice": sum(brains) / len(brains),
            "nuclei_dice": sum(nuclei) / len(nuclei),
        }


def make_head_task(
    network: NetworkConfig, heads: Sequence[Head], held_out: Sequence[Head], *, seed: int
) -> HeadTask:
    """Return the task of a network for whole heads.

    Parameters
    ----------
    network : NetworkConfig
    heads, held_out : sequence of Head
    seed : int
        Of the examples; those of validations have another.
    """

    def examples(of: Sequence[Head], number: int) -> HeadExamples:
        return HeadExamples(of, number, WINDOWS[HEAD], HEAD_MM, turned=_TURNED)

    validated = examples(held_out, seed + 1) if held_out else None
    return HeadTask(network, examples(heads, seed), validated)


def _dice(a: Tensor, b: Tensor) -> float:
    return float((2 * (a & b).sum() + 1e-3) / (a.sum() + b.sum() + 1e-3))
