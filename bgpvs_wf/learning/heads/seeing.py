"""What the networks for whole heads see of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.learning.data.scan import MODALITIES
from bgpvs_wf.learning.nets.architectures import HEAD, MASK
from bgpvs_wf.learning.nets.sliding_window import fast_bfloat16

if TYPE_CHECKING:
    import torch
    from torch import nn

    from bgpvs_wf.learning.models.bundle import Model

See = Callable[..., np.ndarray]
"""Of a view to shares of classes; roughly and quickly, if it is told `fast`."""


@dataclass(frozen=True)
class HeadNetworks:
    """What a model has for whole heads."""

    head: nn.Module
    """Sees roughly what is brain, and where its nuclei are, at `HEAD_MM`."""
    mask: nn.Module
    """Sees what is brain at `MASK_MM`, once that is known roughly."""

    @classmethod
    def load(cls, model: Model, device: torch.device | str) -> HeadNetworks:
        """Load those of a model.

        Raises
        ------
        UsageError
            If it has none.
        ModelError
            If the weights are missing, damaged, or not those that the metadata name.
        """
        from bgpvs_wf.learning.models.bundle import head_file, load_network

        files = (head_file(model, tells) for tells in (HEAD, MASK))
        return cls(*(load_network(model, file, device) for file in files))


def seeing(network: nn.Module, channel: int) -> See:
    """Return what looks at an image of one modality."""

    def see(view: np.ndarray, fast: bool = False) -> np.ndarray:
        images = np.zeros((len(MODALITIES), *view.shape), np.float32)
        images[channel] = view
        return _shares(network, images, fast)

    return see


def _shares(network: nn.Module, images: np.ndarray, fast: bool = False) -> np.ndarray:
    """Return the probability of each class, shape (classes, x, y, z)."""
    import torch

    device = next(network.parameters()).device
    batch = torch.from_numpy(images)[None].to(device)
    enabled = fast and fast_bfloat16(device)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=enabled):
        logits = network.eval()(batch)[0].float()
    return np.asarray(logits.softmax(0).cpu().numpy())
