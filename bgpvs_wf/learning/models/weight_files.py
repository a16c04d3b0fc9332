"""Weights of a network as the bytes of a file, and back."""

from __future__ import annotations

import io
from collections.abc import Mapping

import torch


def pack(weights: Mapping[str, torch.Tensor]) -> bytes:
    """Return the file of some weights: half precision, the same bytes for the same weights."""
    # MONAI's network has its layers under two names each; equal tensors are kept once.
    kept: dict[tuple[tuple[int, ...], bytes], torch.Tensor] = {}
    halved = {}
    for name, value in weights.items():
        half = value.detach().to("cpu", torch.float16).contiguous()
        halved[name] = kept.setdefault((tuple(half.shape), half.numpy().tobytes()), half)
    buffer = io.BytesIO()
    torch.save(halved, buffer)
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, torch.Tensor]:
    """Return the weights in a file, float32, on the processor; no code in it is run."""
    weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return {name: value.float() for name, value in weights.items()}
