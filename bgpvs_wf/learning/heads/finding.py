"""The brain in a head as it was scanned, with skull and neck or without, and how the head lies."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.starts import turn_degrees
from bgpvs_wf.imaging.geometry import (
    Grid,
    coarsen,
    isotropic_grid,
    resample,
    voxel_sizes,
    voxel_volume,
)
from bgpvs_wf.imaging.intensity import foreground
from bgpvs_wf.imaging.morphology import largest_part
from bgpvs_wf.learning.data.scan import HEAD_MM, MASK_MM, MODALITIES, canonical, orders, to_home
from bgpvs_wf.learning.heads.acquisition import standardise_head
from bgpvs_wf.learning.heads.lie import Lie, lying
from bgpvs_wf.learning.heads.masking import mask_of
from bgpvs_wf.learning.heads.seeing import HeadNetworks, See, seeing
from bgpvs_wf.learning.nets.architectures import HEAD, MASK
from bgpvs_wf.learning.nets.sliding_window import WINDOWS

if TYPE_CHECKING:
    from torch import nn

_BASE_MM, _SMOOTH = 2.0, 0.6
"""Voxels of what views are taken from, and standard deviation, in these, of a blur before."""
_LEAST_ML, _MOST_ML = 60.0, 2000.0
"""Of a brain that is believed (chosen: at 30 weeks it has 200); less than the least is no head."""
_BELIEVED_MM3 = 2000.0
"""Least volume of either side's nuclei that is believed."""
_BELIEVED, _AS_WELL = 0.6, 0.015
"""Mean probability of nuclei: least that is believed; by which looks differ that see as well."""
_CLOSE_DEGREES, _LOOKS_AGAIN, _TRIED = 5.0, 4, 3
_NEARLY, _OTHER_DEGREES = 0.02, 30.0
"""A head may also lie as a look says that is less sure by this, if it differs by this angle."""


@dataclass(frozen=True)
class Brain:
    """What is found of a brain in a scan."""

    mask: np.ndarray
    """bool, on the grid of the scan."""
    lie: Lie | None
    """None if it is not known."""
    doubts: tuple[str, ...]
    seen: bool = False
    """Whether the mask was seen by a network: it was not given, and the brain not extracted."""


def find_brain(
    networks: HeadNetworks,
    data: np.ndarray,
    affine: np.ndarray,
    *,
    modality: str,
    given: np.ndarray | None = None,
) -> Brain:
    """Find the brain in a scan of one modality, and how the head lies.

    Parameters
    ----------
    networks : HeadNetworks
    data : ndarray, shape (x, y, z)
        From zero on.
    affine : ndarray, shape (4, 4)
    modality : {'T2w', 'T1w'}
    given : ndarray of bool, optional, shape (x, y, z)
        The mask of the brain; then only how it lies is looked for.
    """
    home = Grid(data.shape, np.asarray(affine, float))
    image, turned = canonical(data if given is None else data * given, affine)
    grid = Grid(image.shape, turned)
    inside = foreground(image)
    everything = to_home(inside, home) if given is None else given
    if inside.sum() * voxel_volume(turned) / 1000 < _LEAST_ML:
        return Brain(everything, None, ())
    channel = MODALITIES.index(modality)
    see, view = seeing(networks.head, channel), _View.of(image, grid)
    best, *others = _surest(view, see)
    # Heads with a neck do not fit into one view: the brain is to be in the middle.
    best = _Look.along(dataclasses.replace(view, middle=best.middle), best.way, see)
    volume = float((best.brain > 0.5).sum()) * voxel_volume(best.grid.affine) / 1000
    if not _LEAST_ML < volume < _MOST_ML:
        why = "no brain is seen in it, so that all with a signal is taken for brain."
        return Brain(everything, None, (why,))
    found = None
    if given is None:
        finer = functools.partial(_seen_finer, networks.mask, channel, view, best)
        found = mask_of(best.brain, best.grid, inside, grid, finer)
    mask = everything if found is None else to_home(found, home)
    if best.sureness < _BELIEVED:
        why = "how the head lies is not seen, so that it is taken to lie as its header says."
        # In a brain alone the coarse network sees enough.
        return Brain(mask, None, () if found is None else (why,), seen=found is not None)
    return Brain(mask, best.lie(others), (), seen=found is not None)


@dataclass(frozen=True)
class _View:
    """A scan at `_BASE_MM`, from which views along any axes are taken."""

    base: np.ndarray
    grid: Grid
    middle: np.ndarray
    """mm: of the head first, then of its brain."""

    @classmethod
    def of(cls, image: np.ndarray, grid: Grid) -> _View:
        base = isotropic_grid(grid, _BASE_MM)
        data = ndimage.gaussian_filter(coarsen(image, grid.affine, base), _SMOOTH)
        # Noise in the air is no head.
        head = largest_part(foreground(data))
        return cls(data, base, _middle(head, base))

    def along(
        self,
        way: np.ndarray,
        size: tuple[int, int, int] = WINDOWS[HEAD],
        voxel_mm: float = HEAD_MM,
    ) -> tuple[np.ndarray, Grid]:
        """Return the head on cubic voxels around its middle, standardised, along other axes."""
        affine = np.eye(4)
        affine[:3, :3] = self.grid.affine[:3, :3] / voxel_sizes(self.grid.affine) @ way * voxel_mm
        affine[:3, 3] = self.middle - affine[:3, :3] @ ((np.array(size) - 1) / 2)
        box = Grid(size, affine)
        return standardise_head(resample(self.base, self.grid.affine, box)), box


def _middle(mask: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the middle of the box around a mask, mm."""
    places = np.argwhere(mask)
    middle = (places.min(axis=0) + places.max(axis=0)) / 2 if len(places) else np.zeros(3)
    return np.asarray(nib.affines.apply_affine(grid.affine, middle))


@dataclass(frozen=True)
class _Look:
    """What the network sees of a head along some axes."""

    way: np.ndarray
    image: np.ndarray
    grid: Grid
    brain: np.ndarray
    left: np.ndarray
    right: np.ndarray
    sureness: float

    @classmethod
    def along(cls, view: _View, way: np.ndarray, see: See) -> _Look:
        return cls.at(way, *view.along(way), see)

    @classmethod
    def at(
        cls,
        way: np.ndarray,
        image: np.ndarray,
        grid: Grid,
        see: See,
    ) -> _Look:
        shares = see(image)
        classes = shares.argmax(axis=0)
        left, right = classes == 2, classes == 3
        least = min(int(left.sum()), int(right.sum())) * voxel_volume(grid.affine)
        found = left | right
        seen = least > _BELIEVED_MM3 and lying(left, right) is not None
        sureness = float((shares[2] + shares[3])[found].mean()) if seen else 0.0
        return cls(way, image, grid, 1 - shares[0], left, right, sureness)

    def turned(self, order: np.ndarray, see: See) -> _Look:
        """Look along another order of the same axes: nothing is interpolated."""
        turn = np.eye(4)
        turn[:3, :3] = order.T
        image, there = canonical(self.image, turn)
        grid = Grid(image.shape, self.grid.affine @ turn.T @ there)
        return _Look.at(self.way @ order, image, grid, see)

    @property
    def middle(self) -> np.ndarray:
        """Of the brain, mm."""
        return _middle(largest_part(self.brain > 0.5), self.grid)

    def lie(self, others: Sequence[_Look] = ()) -> Lie:
        """Return how the head lies, and how else it may."""
        nuclei = np.argwhere(self.left | self.right)
        middle = nib.affines.apply_affine(self.grid.affine, nuclei.mean(axis=0))
        volume = len(nuclei) * voxel_volume(self.grid.affine) / 1000
        return Lie(self.way, self.sureness, middle, volume, tuple(one.lie() for one in others))

    def upright(self, view: _View, see: See) -> _Look:
        """Look again along the axes of the head, until they stay; if not, the surest look is it.

        What the hulls tell of the nod is believed even if the head is seen a little less surely
        then: networks see nodding heads well.
        """
        looks, stays = [self], False
        while not stays and len(looks) <= _LOOKS_AGAIN:
            turn = lying(looks[-1].left, looks[-1].right)
            if turn is None:
                break
            stays = turn_degrees(turn) < _CLOSE_DEGREES
            if not stays:
                looks.append(_Look.along(view, looks[-1].way @ turn, see))
        surest = max(looks, key=lambda one: one.sureness)
        as_well = looks[-1].sureness >= surest.sureness - _AS_WELL
        return looks[-1] if stays and as_well else surest


def _surest(view: _View, see: See) -> list[_Look]:
    """Look at a head along orders of axes; return the surest look, then those nearly as sure.

    The network learns that nothing is to be found in heads that lie otherwise than upright by a
    quarter turn and more. Of heads between it finds something; once upright, they tell.
    """
    rough = functools.partial(see, fast=True)
    told = _Look.along(view, np.eye(3), rough)
    looks = [told, *(told.turned(order, rough) for order in orders() if _about_an_axis(order))]
    if max(look.sureness for look in looks) < _BELIEVED:
        looks = [told, *(told.turned(order, rough) for order in orders()[1:])]
    looks = sorted(looks, key=lambda one: one.sureness)[-_TRIED:]
    pairs = [(one.upright(view, rough), one) for one in looks]
    (found, best), *rest = sorted(pairs, key=lambda pair: -pair[0].sureness)
    others = [
        one
        for one, _ in rest
        if one.sureness > max(found.sureness - _NEARLY, _BELIEVED)
        and turn_degrees(found.way.T @ one.way) > _OTHER_DEGREES
    ]
    # What is measured is seen precisely, on whichever processor.
    return [_Look.at(best.way, best.image, best.grid, see).upright(view, see), *others]


def _about_an_axis(order: np.ndarray) -> bool:
    """Tell whether an order is a quarter turn or a half turn about an axis."""
    return bool(np.trace(order) == 1 or (np.trace(order) == -1 and order.diagonal().all()))


def _seen_finer(
    network: nn.Module,
    channel: int,
    view: _View,
    look: _Look,
) -> tuple[np.ndarray, Grid]:
    """Return the probability of a brain that was found roughly, at `MASK_MM`, and its grid."""
    around = dataclasses.replace(view, middle=look.middle)
    image, box = around.along(look.way, WINDOWS[MASK], MASK_MM)
    return seeing(network, channel)(image)[1], box
