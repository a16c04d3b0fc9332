"""Where a patch or another grid takes its values from, as torch counts places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
