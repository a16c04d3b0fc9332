"""The PVS network: a few convolutions at full resolution, each added to what comes in."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

LEAK = 0.1
"""Slope of what is below zero."""


def gap(number: int, count: int) -> int:
    """Return the dilation of a convolution, by its number from 0; that in the middle has gaps."""
    return 2 if number == count // 2 else 1


class ResidualNetwork(nn.Module):
    """Convolutions of 3 x 3 x 3 voxels, the one in the middle with gaps, and no normalisation.

    Each voxel gets the same answer whatever the window; U-Nets, which are normalised by it, found
    fewer of the tubes (docs/decisions/network-for-pvs.md).

    Parameters
    ----------
    in_channels, out_channels : int
    filters : sequence of int
        Channels of each convolution, all the same; five of them see 13 voxels along each axis.
    """

    def __init__(self, in_channels: int, out_channels: int, filters: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for number, count in enumerate(filters):
            wide = gap(number, len(filters))
            before = filters[number - 1] if number else in_channels
            self.layers.append(nn.Conv3d(before, count, 3, padding=wide, dilation=wide))
        self.output = nn.Conv3d(filters[-1], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, shape (batch, out_channels, x, y, z)."""
        for number, layer in enumerate(self.layers):
            found = functional.leaky_relu(layer(x), LEAK)
            x = x + found if number else found
        logits: Tensor = self.output(x)
        return logits
