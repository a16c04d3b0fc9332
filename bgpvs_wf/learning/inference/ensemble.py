"""Members of an ensemble: a network for nuclei and one for the PVS in them, or one for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bgpvs_wf.imaging.geometry import voxel_sizes
from bgpvs_wf.learning.data.classes import BG_CLASSES
from bgpvs_wf.learning.data.pvs_input import pvs_input
from bgpvs_wf.learning.data.scan import BoxImages
from bgpvs_wf.learning.inference.resampling import to_own_grid
from bgpvs_wf.learning.nets.architectures import JOINT, NetworkConfig, build_network
from bgpvs_wf.learning.nets.sliding_window import apply_network

Network = tuple[NetworkConfig, Any]
"""A network, and the module of torch that it is."""


class Member(NamedTuple):
    """The networks of a member; both are the same where one tells all."""

    anatomy: Network
    pvs: Network

    @classmethod
    def of(cls, networks: Sequence[Network]) -> Member:
        """Return the member of one network or two."""
        return cls(networks[0], networks[-1])

    @property
    def networks(self) -> tuple[Network, ...]:
        """Of one that tells all, or of two."""
        return self[:1] if self.anatomy[0].tells == JOINT else self[:]


def load_members(weights: Sequence[str], networks: Sequence[NetworkConfig]) -> list[Member]:
    """Build members with their weights.

    Parameters
    ----------
    weights : sequence of str
        Files of all networks, member by member.
    networks : sequence of NetworkConfig
        The networks of a member.
    """
    each = len(networks)
    parts = [weights[i : i + each] for i in range(0, len(weights), each)]
    return [
        Member.of([_loaded(path, config) for path, config in zip(part, networks, strict=True)])
        for part in parts
    ]


def _loaded(path: str, config: NetworkConfig) -> Network:
    import torch

    network = build_network(config)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return config, network.eval()


def apply_anatomy(
    members: Sequence[Member],
    images: BoxImages,
    context: np.ndarray,
    *,
    flips: bool = False,
    fast: bool = False,
) -> np.ndarray:
    """Return the members' mean probabilities of the nuclei in a box.

    Parameters
    ----------
    members : sequence of Member
    images : BoxImages
    context : ndarray of float32, shape (len(CONTEXT), x, y, z)
        What the coarse network tells of the fine grid; see `bgpvs_wf.learning.data.cascade_input`.
    flips, fast : bool
        See `bgpvs_wf.learning.nets.sliding_window.apply_network`.

    Returns
    -------
    ndarray of float32, shape (len(FINE_CLASSES), x, y, z)
        On the scan's own grid.
    """
    if members[0].anatomy[0].tells == JOINT:
        return _without_pvs(_mean([one.anatomy for one in members], images.own, flips, fast))
    seen = np.concatenate([images.fine, context])
    shares = _mean([member.anatomy for member in members], seen, flips, fast)
    return to_own_grid(shares, images.fine_grid, images.own_grid)


def apply_pvs(
    members: Sequence[Member],
    images: BoxImages,
    bg: np.ndarray,
    *,
    flips: bool = False,
    fast: bool = False,
) -> np.ndarray:
    """Return the members' mean probability of PVS in a box; see `apply_anatomy`.

    Parameters
    ----------
    members : sequence of Member
    images : BoxImages
    bg : ndarray of bool, shape (x, y, z)
        The basal ganglia on the scan's own grid.
    flips, fast : bool

    Returns
    -------
    ndarray of float32, shape (x, y, z)
        On the scan's own grid; what is beyond the basal ganglia means nothing.
    """
    if members[0].pvs[0].tells == JOINT:
        return np.asarray(_mean([one.pvs for one in members], images.own, flips, fast)[-1])
    seen = pvs_input(images.own, bg, voxel_sizes(images.own_grid.affine))
    return np.asarray(_mean([member.pvs for member in members], seen, flips, fast)[0])


def _without_pvs(shares: np.ndarray) -> np.ndarray:
    """Return the probabilities of the fine classes; what is PVS belongs to the nucleus around."""
    bg = list(BG_CLASSES)
    known = np.maximum(shares[bg].sum(0), 1e-6)
    classes = shares[:-1].copy()
    classes[bg] += shares[-1] * shares[bg] / known
    return classes


def _mean(networks: Sequence[Network], seen: np.ndarray, flips: bool, fast: bool) -> np.ndarray:
    found = [
        apply_network(network, config, seen, flips=flips, fast=fast) for config, network in networks
    ]
    return np.asarray(np.mean(found, axis=0))
