"""The U-Net: that of MONAI, weight by weight, without the seconds and memory that MONAI loads with.

A run loads its networks in each of its processes, and MONAI takes twice as long to load as torch
(docs/decisions/cost-of-a-run.md). What is computed, and the names of the weights, are those of
`monai.networks.nets.DynUNet`, which can load them (tests/learning/nets/test_unet.py).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

_LEAK = 0.01


class UNet(nn.Module):
    """A U-Net in 3D: two convolutions of 3 x 3 x 3 voxels a level, the first at full resolution.

    Parameters
    ----------
    in_channels, out_channels : int
    filters : sequence of int
        Channels of each level; each further one is at half the resolution.
    groups : int, optional
        Into how many groups channels are normalised; default: each alone.
    """

    def __init__(
        self, in_channels: int, out_channels: int, filters: Sequence[int], groups: int | None = None
    ) -> None:
        super().__init__()
        before = [in_channels, *filters[:-1]]
        first, *downs, last = (
            _Block(inside, outside, 2 if level else 1, groups)
            for level, (inside, outside) in enumerate(zip(before, filters, strict=True))
        )
        self.input_block, self.downsamples, self.bottleneck = first, nn.ModuleList(downs), last
        deeper = zip(filters[:0:-1], filters[-2::-1], strict=True)
        self.upsamples = nn.ModuleList(_Up(below, here, groups) for below, here in deeper)
        self.output_block = _named(nn.Conv3d(filters[0], out_channels, 1), "conv", "conv")
        inner: nn.Module = last
        for down, up in zip([*downs[::-1], first], self.upsamples, strict=True):
            inner = _Level(down, inner, up)
        # MONAI has its layers under two names each, and so have the weights of trained networks.
        self.skip_layers = inner
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, shape (batch, out_channels, x, y, z); sizes are multiples of 2^levels."""
        logits: Tensor = self.output_block(self.skip_layers(x))
        return logits


class _Block(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int, groups: int | None) -> None:
        super().__init__()
        first = nn.Conv3d(inside, outside, 3, stride, padding=1, bias=False)
        second = nn.Conv3d(outside, outside, 3, padding=1, bias=False)
        self.conv1, self.conv2 = _named(first, "conv"), _named(second, "conv")
        self.norm1, self.norm2 = _norm(outside, groups), _norm(outside, groups)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.leaky_relu(self.norm1(self.conv1(x)), _LEAK, inplace=True)
        return nn.functional.leaky_relu(self.norm2(self.conv2(x)), _LEAK, inplace=True)


class _Up(nn.Module):
    def __init__(self, below: int, here: int, groups: int | None) -> None:
        super().__init__()
        self.transp_conv = _named(nn.ConvTranspose3d(below, here, 2, 2, bias=False), "conv")
        self.conv_block = _Block(2 * here, here, 1, groups)

    def forward(self, x: Tensor, skipped: Tensor) -> Tensor:
        found: Tensor = self.conv_block(torch.cat((self.transp_conv(x), skipped), 1))
        return found


class _Level(nn.Module):
    """A level, and all that is below it."""

    def __init__(self, down: nn.Module, below: nn.Module, up: nn.Module) -> None:
        super().__init__()
        self.downsample, self.next_layer, self.upsample = down, below, up

    def forward(self, x: Tensor) -> Tensor:
        x = self.downsample(x)
        found: Tensor = self.upsample(self.next_layer(x), x)
        return found


def _norm(channels: int, groups: int | None) -> nn.Module:
    if groups is None:
        return nn.InstanceNorm3d(channels, affine=True)
    return nn.GroupNorm(groups, channels)


def _named(layer: nn.Module, *names: str) -> nn.Module:
    """Return a layer under the names that it has in MONAI's network."""
    for name in reversed(names):
        layer = nn.Sequential(OrderedDict({name: layer}))
    return layer


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(layer.weight, a=_LEAK)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
