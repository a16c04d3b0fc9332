"""The networks: a U-Net whose first block keeps the full resolution; a small one for PVS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bgpvs_wf.learning.data.classes import COARSE_CLASSES, CONTEXT, FINE_CLASSES
from bgpvs_wf.learning.data.scan import MODALITIES

if TYPE_CHECKING:
    from torch import nn

HEAD, MASK = "head", "mask"
COARSE, ANATOMY, PVS, JOINT = "coarse", "anatomy", "pvs", "joint"
"""What a network tells: what is brain in a head, and where its nuclei are, at 4 mm; what is brain
more precisely, at 2 mm; the nuclei in it, at 2 mm; the nuclei, in a box at 1 mm; the perivascular
spaces, on the scan's own grid; or both together there, as was published."""
CHANNELS = {
    HEAD: ("background", "brain", "left nuclei", "right nuclei"),
    MASK: ("background", "brain"),
    COARSE: COARSE_CLASSES,
    ANATOMY: FINE_CLASSES,
    PVS: ("perivascular space", "log of the brightness of its fluid", "log weight of that"),
    JOINT: (*FINE_CLASSES, "perivascular space"),
}
"""Names of the channels of an output."""


GROUPS = 4
"""Channels of a network for both are normalised in as many groups."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """A network; with this and its weights it can be built again."""

    tells: str
    """`HEAD`, `MASK`, `COARSE`, `ANATOMY`, `PVS` or `JOINT`."""
    filters: tuple[int, ...] = (16, 32, 64, 128)
    """Channels of each level, the first at full resolution, each further one at half of it; of each
    convolution in a network for PVS."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the channels of the input: each network knows what the one before it found."""
        if self.tells == PVS:
            over = [f"{name} over its {what}" for what in ("noise", "fluid") for name in MODALITIES]
            return (*over, "basal ganglia", "brightness of fluid in perivascular spaces")
        return MODALITIES if self.tells in (HEAD, MASK, COARSE, JOINT) else (*MODALITIES, *CONTEXT)


def build_network(config: NetworkConfig) -> nn.Module:
    """Build a network with random weights; its output has a channel for each class."""
    from bgpvs_wf.learning.nets.residual import ResidualNetwork
    from bgpvs_wf.learning.nets.unet import UNet

    channels = (len(config.inputs), len(CHANNELS[config.tells]), config.filters)
    if config.tells == PVS:
        return ResidualNetwork(*channels)
    return UNet(*channels, groups=GROUPS if config.tells == JOINT else None)


def reach_voxels(config: NetworkConfig) -> int:
    """Return how far a network for PVS sees, voxels along each axis: its middle has a gap."""
    return len(config.filters) + 1


def network_arguments(config: NetworkConfig) -> dict[str, Any]:
    """Return the arguments of MONAI's DynUNet that make the same network as a U-Net of ours."""
    levels = len(config.filters)
    return {
        "spatial_dims": 3,
        "in_channels": len(config.inputs),
        "out_channels": len(CHANNELS[config.tells]),
        "filters": list(config.filters),
        **({"norm_name": ["group", {"num_groups": GROUPS}]} if config.tells == JOINT else {}),
        "kernel_size": [3] * levels,
        "strides": [1] + [2] * (levels - 1),
        "upsample_kernel_size": [2] * (levels - 1),
    }
