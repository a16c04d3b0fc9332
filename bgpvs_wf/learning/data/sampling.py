"""Where a patch or another grid takes its values from, as torch counts places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def voxel_indices(shape: Sequence[int]) -> torch.Tensor:
    """Return the index of each voxel, float32, shape (*shape, 3)."""
    import torch

    axes = [torch.arange(n, dtype=torch.float32) for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def sampler_grid(places: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Return places in an array as `torch.nn.functional.grid_sample` takes them, unaligned.

    Parameters
    ----------
    places : Tensor, shape (x, y, z, 3)
        Voxels of the array.
    shape : sequence of 3 int
        Of the array.

    Returns
    -------
    Tensor, shape (1, x, y, z, 3)
    """
    import torch

    count = torch.tensor(shape, dtype=torch.float32)
    # The sampler counts axes from the last to the first, from -1 to 1 at the outer faces.
    return ((2 * places + 1) / count - 1).flip(-1)[None]


def smooth_noise(rng: np.random.Generator, channels: int, shape: Sequence[int]) -> torch.Tensor:
    """Return noise of about unit size that changes over a third of an array.

    Returns
    -------
    Tensor of float32, shape (channels, *shape)
    """
    import torch
    from torch.nn import functional

    knots = torch.from_numpy(rng.standard_normal((1, channels, 4, 4, 4)).astype(np.float32))
    return functional.interpolate(knots, tuple(shape), mode="trilinear", align_corners=True)[0]
