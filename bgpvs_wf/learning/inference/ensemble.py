"""Members of an ensemble: a network for nuclei and one for the PVS in them, or one for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bgpvs_wf.imaging.geometry import bounding_box, voxel_sizes
from bgpvs_wf.learning.data.classes import BG_CLASSES
from bgpvs_wf.learning.data.pvs_input import UNTOLD, pvs_input
from bgpvs_wf.learning.data.scan import BoxImages
from bgpvs_wf.learning.inference.resampling import to_own_grid
from bgpvs_wf.learning.nets.architectures import (
    CHANNELS,
    JOINT,
    PVS,
    NetworkConfig,
    build_network,
    reach_voxels,
)
from bgpvs_wf.learning.nets.losses import LARGEST_LOG_WEIGHT
from bgpvs_wf.learning.nets.sliding_window import apply_network
from bgpvs_wf.phantom.scan_facts import signals_of_fluid
from bgpvs_wf.quantification.brightness import LEAST, MOST

Network = tuple[NetworkConfig, Any]
"""A network, and the module of torch that it is."""


_AT_FIRST = 0.3
"""Probability from which on voxels tell at first how bright fluid is (chosen)."""


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


class FoundPVS(NamedTuple):
    """What networks tell of perivascular spaces in a box on the scan's own grid."""

    probability: np.ndarray
    """float32, shape (x, y, z); what is beyond the basal ganglia means nothing."""
    log_brightness: np.ndarray
    """The same; how bright the fluid is there, on its way from tissue to a ventricle's."""
    log_weight: np.ndarray
    """The same; how much that is worth."""
    told: float = UNTOLD
    """Brightness that the probability was told under."""

    def brightness(self, pvs: np.ndarray) -> float:
        """Return how bright the fluid in perivascular spaces is, of all together.

        Parameters
        ----------
        pvs : ndarray of bool, shape (x, y, z)

        Returns
        -------
        float
            0.15 to 1; NaN if there are none, or the networks do not tell.
        """
        if not pvs.any():
            return float("nan")
        limit = LARGEST_LOG_WEIGHT
        weight = self.probability[pvs] * np.exp(np.clip(self.log_weight[pvs], -limit, limit))
        told = np.exp(np.average(self.log_brightness[pvs], weights=weight))
        return float(np.clip(told, LEAST, MOST))


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
    brightness: float | None = None,
    flips: bool = False,
    fast: bool = False,
) -> FoundPVS:
    """Return the members' mean of what they tell of PVS in a box; see `apply_anatomy`.

    They look twice. At first they tell how bright the fluid in PVS is, by all of them together;
    then, told that, how far PVS go: what half fills a voxel is as bright as what is half as bright.

    Parameters
    ----------
    members : sequence of Member
    images : BoxImages
    bg : ndarray of bool, shape (x, y, z)
        The basal ganglia on the scan's own grid.
    brightness : float, optional
        Of fluid in PVS, where that is known: they look once.
    flips, fast : bool
    """
    if members[0].pvs[0].tells == JOINT:
        probability = _mean([one.pvs for one in members], images.own, flips, fast)[-1]
        unknown = np.full(probability.shape, np.nan, np.float32)
        return FoundPVS(probability, unknown, np.zeros_like(unknown))
    networks = [member.pvs for member in members]
    affine = images.own_grid.affine
    fluid = signals_of_fluid(images.own, bg, affine)

    def look(told: float) -> np.ndarray:
        whole = np.zeros((len(CHANNELS[PVS]), *bg.shape), np.float32)
        if bg.any():
            seen = pvs_input(images.own, bg, voxel_sizes(affine), fluid, told)
            # What is farther away than a network sees does not change its answer.
            reach = max(reach_voxels(config) for config, _ in networks)
            box = (slice(None), *bounding_box(bg, np.eye(4), reach))
            whole[box] = _mean(networks, seen[box], flips, fast)
        return whole

    if brightness is not None:
        return FoundPVS(*look(brightness))._replace(told=brightness)
    first = FoundPVS(*look(UNTOLD))
    told = first.brightness(bg & (first.probability >= _AT_FIRST))
    if np.isnan(told):
        return first
    return first._replace(probability=look(told)[0], told=told)


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
