"""The networks: MONAI's dynamic U-Net, whose first block keeps the full resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bgpvs_wf.learning.classes import COARSE_CLASSES, CONTEXT, FINE_CLASSES, TUBES
from bgpvs_wf.learning.views import MODALITIES

if TYPE_CHECKING:
    from torch import nn

HEADS = {"coarse": len(COARSE_CLASSES), "anatomy": len(FINE_CLASSES), "pvs": 1}
"""Name of a head to its channels."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """A network; with these numbers and its weights it can be built again."""

    heads: tuple[str, ...]
    """`coarse`, or `anatomy`, `pvs` or both: the channels of the output, in this order."""
    filters: tuple[int, ...] = (16, 32, 64, 128)
    """Channels of each level; the first is at full resolution, each further one at half of it."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the channels of the input: a fine network knows what the coarse one found."""
        return MODALITIES if "coarse" in self.heads else (*MODALITIES, *TUBES, *CONTEXT)

    def channels(self, head: str) -> slice:
        """Return where the channels of a head are in the output.

        Examples
        --------
        >>> NetworkConfig(heads=("anatomy", "pvs")).channels("pvs")
        slice(7, 8, None)
        """
        start = sum(HEADS[name] for name in self.heads[: self.heads.index(head)])
        return slice(start, start + HEADS[head])


def build_network(config: NetworkConfig) -> nn.Module:
    """Build a network with random weights; its output has a channel for each class."""
    from monai.networks.nets import DynUNet

    return DynUNet(**network_arguments(config))


def network_arguments(config: NetworkConfig) -> dict[str, Any]:
    """Return the arguments of MONAI's `DynUNet`."""
    levels = len(config.filters)
    return {
        "spatial_dims": 3,
        "in_channels": len(config.inputs),
        "out_channels": sum(HEADS[head] for head in config.heads),
        "kernel_size": [3] * levels,
        "strides": [1] + [2] * (levels - 1),
        "upsample_kernel_size": [2] * (levels - 1),
        "filters": list(config.filters),
    }
