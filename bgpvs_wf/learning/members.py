"""Members of an ensemble: a network for the nuclei, and one for the PVS in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bgpvs_wf.imaging.geometry import voxel_sizes
from bgpvs_wf.learning.back import to_own_grid
from bgpvs_wf.learning.inference import apply_network
from bgpvs_wf.learning.networks import NetworkConfig
from bgpvs_wf.learning.own_grid import pvs_input
from bgpvs_wf.learning.views import BoxImages

Network = tuple[NetworkConfig, Any]
"""A network, and the module of torch that it is."""


class Member(NamedTuple):
    """The networks of a member."""

    anatomy: Network
    pvs: Network


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
        What the coarse network tells of the fine grid; see `bgpvs_wf.learning.context`.
    flips, fast : bool
        See `bgpvs_wf.learning.inference.apply_network`.

    Returns
    -------
    ndarray of float32, shape (len(FINE_CLASSES), x, y, z)
        On the scan's own grid.
    """
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
    seen = pvs_input(images.own, bg, voxel_sizes(images.own_grid.affine))
    return np.asarray(_mean([member.pvs for member in members], seen, flips, fast)[0])


def _mean(networks: Sequence[Network], seen: np.ndarray, flips: bool, fast: bool) -> np.ndarray:
    found = [
        apply_network(network, config, seen, flips=flips, fast=fast) for config, network in networks
    ]
    return np.asarray(np.mean(found, axis=0))
