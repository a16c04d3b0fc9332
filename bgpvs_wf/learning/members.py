"""Members of an ensemble: one fine network for nuclei and PVS, or one for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bgpvs_wf.learning.classes import BG_CLASSES
from bgpvs_wf.learning.inference import WINDOWS, apply_network
from bgpvs_wf.learning.masking import mask_to_bg
from bgpvs_wf.learning.networks import NetworkConfig

Member = Sequence[tuple[NetworkConfig, Any]]
"""Networks (modules of torch) whose heads together are `anatomy` and `pvs`, in this order."""


def apply_member(
    member: Member,
    images: np.ndarray,
    voxel_mm: np.ndarray,
    *,
    bg: np.ndarray | None = None,
    flips: bool = False,
    fast: bool = False,
) -> dict[str, np.ndarray]:
    """Apply a member to a standardised box; return the probabilities of its heads.

    Parameters
    ----------
    member : sequence of (NetworkConfig, Module)
    images : ndarray of float32, shape (channels, x, y, z)
        The channels are `NetworkConfig.inputs`.
    voxel_mm : ndarray, shape (3,)
    bg : ndarray of bool, optional, shape (x, y, z)
        The basal ganglia where they are known; a network that only finds them is left out then.
    flips, fast : bool
        See `bgpvs_wf.learning.inference.apply_network`.
    """
    shares: dict[str, np.ndarray] = {}
    for config, network in member:
        seen = images
        if config.heads == ("pvs",):
            classes = (
                shares["anatomy"].argmax(axis=0) if bg is None else np.where(bg, BG_CLASSES[0], 0)
            )
            seen = mask_to_bg(images, classes, voxel_mm)
        elif bg is not None and "pvs" not in config.heads:
            continue
        shares |= apply_network(network, config, seen, WINDOWS["fine"], flips=flips, fast=fast)
    return shares


def apply_ensemble(
    members: Sequence[Member],
    images: np.ndarray,
    voxel_mm: np.ndarray,
    *,
    bg: np.ndarray | None = None,
    flips: bool = False,
    fast: bool = False,
) -> dict[str, np.ndarray]:
    """Return the mean probabilities of all members; see `apply_member`."""
    total: dict[str, np.ndarray] = {}
    for member in members:
        shares = apply_member(member, images, voxel_mm, bg=bg, flips=flips, fast=fast)
        for head, share in shares.items():
            total[head] = total.get(head, 0) + share / np.float32(len(members))
    return total
