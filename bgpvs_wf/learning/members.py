"""Members of an ensemble: a fine network for nuclei, with PVS or without, and one for PVS alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bgpvs_wf.imaging.geometry import voxel_sizes
from bgpvs_wf.learning.back import to_own_grid
from bgpvs_wf.learning.calibration import sum_of_logits
from bgpvs_wf.learning.classes import BG_CLASSES
from bgpvs_wf.learning.inference import apply_network
from bgpvs_wf.learning.inputs import fine_input
from bgpvs_wf.learning.networks import NetworkConfig
from bgpvs_wf.learning.own_grid import pvs_input
from bgpvs_wf.learning.views import BoxImages
from bgpvs_wf.pseudolabels.region import with_gaps

Member = Sequence[tuple[NetworkConfig, Any]]
"""Networks (modules of torch) in the order in which one needs what the one before it finds."""


def apply_member(
    member: Member,
    images: BoxImages,
    context: np.ndarray,
    *,
    bg: np.ndarray | None = None,
    flips: bool = False,
    fast: bool = False,
) -> dict[str, np.ndarray]:
    """Apply a member to a box; return the probabilities of its heads on the scan's own grid.

    Parameters
    ----------
    member : sequence of (NetworkConfig, Module)
    images : BoxImages
    context : ndarray of float32, shape (len(CONTEXT), x, y, z)
        What the coarse network tells of the fine grid; see `bgpvs_wf.learning.context`.
    bg : ndarray of bool, optional, shape of the own grid
        The basal ganglia where they are known; a network that only finds them is left out then.
    flips, fast : bool
        See `bgpvs_wf.learning.inference.apply_network`.
    """
    return _joined(*_apply(member, images, _seen(images, context), bg, flips, fast))


def pvs_of_networks(
    member: Member, images: BoxImages, context: np.ndarray, *, fast: bool = False
) -> np.ndarray:
    """Return what each network of a member that tells PVS says, shape (networks, *own grid)."""
    return np.concatenate(_apply(member, images, _seen(images, context), None, False, fast)[1])


def _seen(images: BoxImages, context: np.ndarray) -> np.ndarray:
    """Return what fine networks see; all members see the same."""
    return fine_input(images.fine, context, voxel_sizes(images.fine_grid.affine))


def _joined(shares: dict[str, np.ndarray], pvs: list[np.ndarray]) -> dict[str, np.ndarray]:
    return shares | {"pvs": sum_of_logits(pvs)}


def _apply(
    member: Member,
    images: BoxImages,
    fine: np.ndarray,
    bg: np.ndarray | None,
    flips: bool,
    fast: bool,
) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Return the probabilities of the anatomy, and those of PVS of each network."""
    shares: dict[str, np.ndarray] = {}
    pvs: list[np.ndarray] = []
    for config, network in member:
        if config.on_own_grid:
            inside = searched(shares["anatomy"], images.own_grid.affine) if bg is None else bg
            seen = pvs_input(images.own, inside, voxel_sizes(images.own_grid.affine))
            found = apply_network(network, config, seen, flips=flips, fast=fast)
        elif bg is not None and "pvs" not in config.heads:
            continue
        else:
            found = apply_network(network, config, fine, flips=flips, fast=fast)
            found = {
                head: to_own_grid(share, images.fine_grid, images.own_grid)
                for head, share in found.items()
            }
        if "pvs" in found:
            pvs.append(found.pop("pvs"))
        shares |= found
    return shares, pvs


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
    fine = _seen(images, context)
    total: dict[str, np.ndarray] = {}
    for member in members:
        shares = _joined(*_apply(member, images, fine, bg, flips, fast))
        for head, share in shares.items():
            total[head] = total.get(head, 0) + share / np.float32(len(members))
    return total
