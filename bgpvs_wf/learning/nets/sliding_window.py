"""A network on a whole image: windows, flips, devices."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.errors import ModelError
from bgpvs_wf.learning.data.classes import MIRRORED
from bgpvs_wf.learning.nets.architectures import (
    ANATOMY,
    COARSE,
    HEAD,
    JOINT,
    MASK,
    PVS,
    NetworkConfig,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

_log = logging.getLogger(__name__)

WINDOWS = {
    HEAD: (64, 64, 64),
    MASK: (80, 96, 80),
    COARSE: (80, 96, 80),
    ANATOMY: (64, 64, 48),
    JOINT: (64, 64, 48),
}
"""Voxels of a network's window: the head at 2 mm fits into one, the nuclei at 1 mm do nearly.
Windows are as large as the patches that were learnt from, because the normalisation looks at the
whole window. The PVS network needs none."""
OVERLAP = 0.25
_LEAST_WEIGHT = 1e-3


def choose_device(name: str) -> torch.device:
    """Return a device by name; `auto` is a GPU where there is one.

    Raises
    ------
    UsageError
        If it is not there.
    """
    import torch

    from bgpvs_wf.errors import UsageError

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise UsageError(f"There is no device '{name}'; choose auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("There is no GPU that torch can use here; choose the device auto or cpu.")
    return torch.device(name)


def apply_network(
    network: nn.Module,
    config: NetworkConfig,
    images: np.ndarray,
    *,
    flips: bool = False,
    fast: bool = False,
) -> np.ndarray:
    """Apply a network to a standardised image on the device its weights are on.

    If the GPU runs out of memory, the processor does it; the network is there then.

    Parameters
    ----------
    network : Module
    config : NetworkConfig
    images : ndarray of float32, shape (channels, x, y, z)
        See `NetworkConfig.inputs`.
    flips : bool
        Average with the result on the mirror image (left and right exchanged, and the classes of
        the two sides with them).
    fast : bool
        Compute in bfloat16 where that is quicker. Without it a processor gives the same numbers
        as others of its kind do, to rounding in float32.

    Returns
    -------
    ndarray of float32, shape (channels, x, y, z)
        Probabilities; of a network for PVS the first is one.

    Raises
    ------
    ModelError
        If a finite image gives none.
    """
    import torch

    try:
        found = _apply(network, config, images, flips, fast)
    except torch.cuda.OutOfMemoryError:
        _log.warning("The GPU has too little free memory; going on without it.")
        torch.cuda.empty_cache()
        found = _apply(network.to("cpu"), config, images, flips, fast)
    if not np.isfinite(found).all() and np.isfinite(images).all():
        raise ModelError(
            f"The weights of the network that tells {config.tells} give no numbers (NaN); use "
            "another model, or train this one again, with a lower learning rate."
        )
    return found


def _apply(
    network: nn.Module,
    config: NetworkConfig,
    images: np.ndarray,
    flips: bool,
    fast: bool,
) -> np.ndarray:
    import torch

    device = next(network.parameters()).device
    network.eval()
    batch = torch.from_numpy(np.ascontiguousarray(images, np.float32))[None].to(device)

    def probabilities(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=fast and fast_bfloat16(device)):
            logits = network(x).float()
        if config.tells == PVS:
            return torch.cat([logits[:, :1].sigmoid(), logits[:, 1:]], 1)
        return logits.softmax(1)

    def windows(x: torch.Tensor) -> torch.Tensor:
        if config.tells == PVS:
            return probabilities(x)
        return slide(x, WINDOWS[config.tells], probabilities)

    with torch.inference_mode():
        result = windows(batch)
        if flips:
            mirrored = windows(batch.flip(2)).flip(2)
            if config.tells == COARSE:
                mirrored = mirrored[:, list(MIRRORED)]
            result = (result + mirrored) / 2
    return np.asarray(result[0].cpu().numpy())


def slide(
    image: torch.Tensor,
    window: tuple[int, int, int],
    predict: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Return what a network says of an image that it sees through windows.

    Windows overlap by `OVERLAP`; where several see a voxel, those count more in whose middle it is.
    As `monai.inferers.sliding_window_inference` does it, which takes seconds to load.

    Parameters
    ----------
    image : Tensor, shape (1, channels, x, y, z)
        Smaller ones than a window are continued by their edges.
    window : tuple of int
    predict : callable
        Of a window to channels of the same shape.
    """
    import torch

    sizes = list(image.shape[2:])
    more = [max(least - size, 0) for least, size in zip(window, sizes, strict=True)]
    ends = [end for n in reversed(more) for end in (n // 2, n - n // 2)]
    padded = torch.nn.functional.pad(image, ends, mode="replicate") if any(more) else image
    weight = _window_weight(window, image.device)
    total = torch.zeros(())
    for number, place in enumerate(_window_places(padded.shape[2:], window)):
        at = (slice(None), slice(None), *place)
        found = predict(padded[at])
        if number == 0:
            total = found.new_zeros((1, found.shape[1], *padded.shape[2:]))
            weights = found.new_zeros((1, 1, *padded.shape[2:]))
        total[at] += found * weight
        weights[at] += weight
    kept = [slice(n // 2, n // 2 + size) for n, size in zip(more, sizes, strict=True)]
    whole: torch.Tensor = (total / weights)[:, :, *kept]
    return whole


def _window_places(shape: Sequence[int], window: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Yield the slices of windows: as far apart as their overlap says, the last at the end."""
    starts = []
    for size, width in zip(shape, window, strict=True):
        step = max(int(width * (1 - OVERLAP)), 1)
        count = -(-(size - width) // step) + 1
        starts.append([min(number * step, size - width) for number in range(count)])
    for corner in itertools.product(*starts):
        yield tuple(slice(at, at + width) for at, width in zip(corner, window, strict=True))


def _window_weight(window: Sequence[int], device: torch.device) -> torch.Tensor:
    """Return a Gaussian over a window, its deviation an eighth of the window's width."""
    import torch

    weight = torch.ones((), device=device)
    for size in window:
        x = torch.arange(size, device=device) - (size - 1) / 2
        weight = weight[..., None] * torch.exp(-(x**2) / (2 * (size / 8) ** 2))
    return weight.clamp(min=max(float(weight.min()), _LEAST_WEIGHT))


def fast_bfloat16(device: torch.device) -> bool:
    """Tell whether a device computes faster in bfloat16: recent GPUs and some processors do."""
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
