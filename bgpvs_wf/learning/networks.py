"""The networks: MONAI's dynamic U-Net, whose first block keeps the full resolution; a small one."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
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
    """`coarse`; or `anatomy`, with or without `pvs`, at 0.5 mm; or `pvs` on the scan's own grid:
    the channels of the output, in this order."""
    filters: tuple[int, ...] = (16, 32, 64, 128)
    """Channels of each level, the first at full resolution, each further one at half of it; on the
    scan's own grid those of each convolution."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the channels of the input: each network knows what the one before it found."""
        if self.on_own_grid:
            return (*(f"{name} over its noise" for name in MODALITIES), "basal ganglia")
        return MODALITIES if "coarse" in self.heads else (*MODALITIES, *TUBES, *CONTEXT)

    @property
    def on_own_grid(self) -> bool:
        """Whether it sees the scan's own grid, where it looks for PVS."""
        return self.heads == ("pvs",)

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
    module, _, name = network_class(config).rpartition(".")
    network: nn.Module = getattr(import_module(module), name)(**network_arguments(config))
    return network


def network_class(config: NetworkConfig) -> str:
    """Return the class of a network, to be imported."""
    if config.on_own_grid:
        return "bgpvs_wf.learning.residual.ResidualNetwork"
    return "monai.networks.nets.DynUNet"


def last_layer(network: Any, config: NetworkConfig) -> Any:
    """Return the convolution of a network (a module of torch) that gives the logits."""
    return network.output if config.on_own_grid else network.output_block.conv.conv


def network_arguments(config: NetworkConfig) -> dict[str, Any]:
    """Return the arguments of a network's class."""
    if config.on_own_grid:
        return {
            "in_channels": len(config.inputs),
            "out_channels": 1,
            "filters": list(config.filters),
        }
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
