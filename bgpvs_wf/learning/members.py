"""Members of an ensemble: a network for the nuclei, and one for the PVS in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bgpvs_wf.imaging.geometry import voxel_sizes
from bgpvs_wf.learning.back import to_own_grid
from bgpvs_wf.learning.classes import BG_CLASSES
from bgpvs_wf.learning.inference import apply_network
from bgpvs_wf.learning.networks import NetworkConfig
from bgpvs_wf.learning.own_grid import pvs_input
from bgpvs_wf.learning.views import BoxImages
from bgpvs_wf.pseudolabels.region import with_gaps

Network = tuple[NetworkConfig, Any]
"""A network, and the module of torch that it is."""


class Member(NamedTuple):
    """The networks of a member."""

    anatomy: Network
    pvs: Network


def apply_member(
    member: Member,
    images: BoxImages,
    context: np.ndarray,
    *,
    bg: np.ndarray | None = None,
    flips: bool = False,
    fast: bool = False,
) -> dict[str, np.ndarray]:
    """Apply a member to a box.

    Parameters
    ----------
    member : Member
    images : BoxImages
    context : ndarray of float32, shape (len(CONTEXT), x, y, z)
        What the coarse network tells of the fine grid; see `bgpvs_wf.learning.context`.
    bg : ndarray of bool, optional, shape of the own grid
        The basal ganglia where they are known; they are not looked for then.
    flips, fast : bool
        See `bgpvs_wf.learning.inference.apply_network`.

    Returns
    -------
    dict of str to ndarray
        Probabilities on the scan's own grid, shape (channels, x, y, z): `anatomy`, unless the
        basal ganglia are known, and `pvs`.
    """
    found: dict[str, np.ndarray] = {}
    if bg is None:
        config, network = member.anatomy
        seen = np.concatenate([images.fine, context])
        shares = apply_network(network, config, seen, flips=flips, fast=fast)
        found["anatomy"] = to_own_grid(shares, images.fine_grid, images.own_grid)
        bg = searched(found["anatomy"], images.own_grid.affine)
    config, network = member.pvs
    seen = pvs_input(images.own, bg, voxel_sizes(images.own_grid.affine))
    found["pvs"] = apply_network(network, config, seen, flips=flips, fast=fast)
    return found


def searched(anatomy: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return where PVS are looked for: the basal ganglia found, tubes taken for fluid filled.

    Parameters
    ----------
    anatomy : ndarray, shape (classes, x, y, z)
        Probabilities of `bgpvs_wf.learning.classes.FINE_CLASSES`.
    affine : ndarray, shape (4, 4)
    """
    classes = anatomy.argmax(axis=0)
    nuclei = np.where(np.isin(classes, BG_CLASSES), classes, 0)
    return with_gaps(nuclei > 0, nuclei, affine)


def apply_ensemble(
    members: Sequence[Member],
    images: BoxImages,
    context: np.ndarray,
    *,
    bg: np.ndarray | None = None,
    flips: bool = False,
    fast: bool = False,
) -> dict[str, np.ndarray]:
    """Return the mean probabilities of all members; see `apply_member`."""
    total: dict[str, np.ndarray] = {}
    for member in members:
        shares = apply_member(member, images, context, bg=bg, flips=flips, fast=fast)
        for name, share in shares.items():
            total[name] = total.get(name, 0) + share / np.float32(len(members))
    return total
