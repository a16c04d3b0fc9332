"""The nuclei in the whole head: where they are and on which side, by the coarse network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import NUCLEI
from bgpvs_wf.anatomy.starts import (
    CREDIBLE_DEGREES,
    TURNS,
    half_turn,
    header_note,
    turn_degrees,
)
from bgpvs_wf.errors import BadImageError
from bgpvs_wf.imaging.geometry import Grid, axes_in_space, resample, voxel_volume
from bgpvs_wf.imaging.morphology import large_parts, nearest_label
from bgpvs_wf.learning.data.cascade_input import frame_of, whole_context
from bgpvs_wf.learning.data.classes import LEFT_NUCLEI, RIGHT_NUCLEI, VENTRICLE
from bgpvs_wf.learning.data.scan import MODALITIES, Scan
from bgpvs_wf.learning.models.bundle import Model, load_network
from bgpvs_wf.learning.nets.sliding_window import apply_network

if TYPE_CHECKING:
    import torch

KEPT_SHARE = 0.1
"""Parts of a nucleus that have less than this share of its largest one are dropped (chosen)."""
_SURE = 0.1
"""Less probability of nuclei on either side than this does not tell the side (chosen)."""
_BELIEVED_MM3 = 2000.0
"""Least volume of either side's nuclei that is believed (chosen: at 31 weeks the hull has 7000)."""
_SURER = 0.003
"""By how much more the mean probability of nuclei must be to contradict a header (chosen: of
fifteen heads, three of them real, each was surer the right way up, by 0.011 and more)."""
_SURE_EXCHANGED = 0.01
"""The same to say that a T2w looks like a T1w, or the other way round (chosen: with the right names
0.008 was the most, of 198 scans in a benchmark; exchanged, 0.015 the least of 21 whole heads)."""
_ROUGHLY = 0.01
"""By how much a rough look may differ from a precise one (chosen: of 210, by 0.006 at most)."""
_ADVICE = (
    "check that it shows an infant's head and its header the right sides, or give the nuclei "
    "with --anatomy derivatives or --anatomy atlas."
)


@dataclass(frozen=True)
class HeadNuclei:
    """Nuclei in the head at 2 mm: their hulls.

    See `bgpvs_wf.learning.data.classes.coarse_classes`.
    """

    mask: np.ndarray
    """bool, both sides."""
    nuclei: np.ndarray
    """float32: probability of either side."""
    sidedness: np.ndarray
    """float32: probability of the right minus that of the left; continued beyond the nuclei."""
    ventricle: np.ndarray
    """float32: probability."""
    grid: Grid
    sureness: float
    """Mean probability of nuclei where they are found; 0 if a side has too few."""
    sides_against_header: bool = False
    """Whether left and right are the other way round than the header says."""

    def context(self, grid: Grid) -> np.ndarray:
        """Return what a fine network on another grid is told; see `CONTEXT`."""
        shares = [
            resample(share, self.grid.affine, grid) for share in (self.nuclei, self.ventricle)
        ]
        to_own = np.linalg.inv(self.grid.affine) @ grid.affine
        places = nib.affines.apply_affine(to_own, np.moveaxis(np.indices(grid.shape), 0, -1))
        return whole_context(np.stack(shares), places, frame_of(self.mask))

    def right(self, grid: Grid) -> np.ndarray:
        """Return which voxels of another grid are on the right."""
        return resample(self.sidedness, self.grid.affine, grid) > 0

    def agreement(self, nuclei: np.ndarray, grid: Grid) -> tuple[float, float]:
        """Return how nuclei told apart on another grid agree with these hulls.

        Returns
        -------
        outside : float
            Share of the nuclei outside of the hulls.
        filled : float
            Share of the hulls that the nuclei take; the capsule is the rest.
        """
        hull = resample(self.mask.astype(np.float32), self.grid.affine, grid) > 0.5
        both = float((hull & nuclei).sum())
        return 1 - both / max(int(nuclei.sum()), 1), both / max(int(hull.sum()), 1)


def find_head(
    scan: Scan,
    model: Model,
    device: torch.device,
    axes: Sequence[np.ndarray] = (),
    flips: bool = False,
) -> tuple[Scan, HeadNuclei, tuple[str, ...]]:
    """Find the nuclei in the head, whichever way it lies.

    The coarse network learns that nothing is in heads that are wrong by half a turn. So it looks
    at the head as it was found to lie, as it may lie as well, as the header says, and half a turn
    about each axis from the first and the last of these; where it is surest, that is how the head
    lies: a head that is half turned may be found a sixth of a turn off. It also looks at
    T2w and T1w in each other's place: surer there, names are wrong.

    Parameters
    ----------
    scan : Scan
    model : Model
    device : device
    axes : sequence of ndarray, shape (3, 3)
        How the head was found to lie, see `Scan.upright`, the surest first. Default: as its header
        says.
    flips : bool
        Average with what the mirror image gives, once it is known how the head lies.

    Returns
    -------
    scan : Scan
        As the anatomy says it lies.
    nuclei : HeadNuclei
    doubts : tuple of str
        How the anatomy contradicts the header, or the names of the images.

    Raises
    ------
    BadImageError
        If there are none, or none on a side.
    """
    network = load_network(model, model.coarse, device)

    def look(images: np.ndarray, flips: bool = False, fast: bool = False) -> np.ndarray:
        return apply_network(network, model.coarse.network, images, flips=flips, fast=fast)

    def sureness(images: np.ndarray, grid: Grid, least: float) -> float:
        """Look roughly first, and precisely only where that may be `least` or more."""
        rough = _sureness(look(images, fast=True), grid)
        return rough if rough < least - _ROUGHLY else _sureness(look(images), grid)

    header = np.eye(3)
    found = header if not axes or scan.upright(axes[0]) is scan else axes[0]
    first = _Look.at(scan, found, look)
    as_told = first if found is header else _Look.at(scan, header, look)
    looks = [first, as_told, *(_Look.at(scan, way, look) for way in axes[1:])]
    surer = first.sureness + _SURER
    for one in (first,) if as_told is first else (first, as_told):
        # A half-turned head is flipped along both other axes.
        flipped = [np.flip(one.images, [1 + o for o in range(3) if o != a]) for a in range(3)]
        halves = [sureness(images, one.grid, surer) for images in flipped]
        way = int(np.argmax(halves))
        if halves[way] >= surer:
            looks.append(_Look.at(scan, one.axes @ half_turn(way)[:3, :3], look))
    best = max(looks, key=lambda one: one.sureness)
    if best.sureness < surer:
        # In doubt, how a head was found to lie is believed more than all else.
        best = first
    doubts = _header_doubts(scan, as_told, best)
    certain = best.sureness + _SURE_EXCHANGED
    exchanged = sureness(best.images[::-1], best.grid, certain)
    if exchanged >= certain:
        doubts.append(_exchanged_note(scan.present, exchanged, best.sureness))
    shares = look(best.images, flips) if flips else best.shares
    head = _head_nuclei(shares, best.grid, best.sureness, " ".join(doubts))
    against = _in_header(scan, best.axes)[0, 0] < 0
    return best.scan, dataclasses.replace(head, sides_against_header=bool(against)), tuple(doubts)


@dataclass(frozen=True)
class _Look:
    """What the coarse network sees of a head along some axes."""

    axes: np.ndarray
    scan: Scan
    images: np.ndarray
    grid: Grid
    shares: np.ndarray
    sureness: float

    @classmethod
    def at(cls, scan: Scan, axes: np.ndarray, look: Callable[[np.ndarray], np.ndarray]) -> _Look:
        scan = scan.upright(axes)
        images, grid = scan.coarse()
        shares = look(images)
        return cls(axes, scan, images, grid, shares, _sureness(shares, grid))


def _in_header(scan: Scan, axes: np.ndarray) -> np.ndarray:
    """Return axes of a head, told along those of the grid, as the header says they are."""
    return axes_in_space(scan.grid.affine) @ axes


def _header_doubts(scan: Scan, first: _Look, best: _Look) -> list[str]:
    """Tell where a head lies otherwise than its header says, by more than heads are turned."""
    turned = turn_degrees(_in_header(scan, best.axes))
    if best is first or turned < CREDIBLE_DEGREES:
        return []
    half = [axis for axis in range(3) if turn_degrees(half_turn(axis)[:3, :3].T @ best.axes) < 45]
    how = f"{TURNS[half[0] + 1]} by 180" if half else f"turned by {turned:.0f}"
    return [
        header_note(
            f"the nuclei are found with a probability of {best.sureness:.3f} when the head is "
            f"{how} degrees, and of {first.sureness:.3f} as it is"
        )
    ]


def _exchanged_note(present: tuple[bool, bool], exchanged: float, named: float) -> str:
    """Return what to tell the user where one modality looks like the other."""
    one, other = MODALITIES if present[0] else MODALITIES[::-1]
    what = (
        f"{one} and {other} look exchanged" if all(present) else f"The {one} looks like a {other}"
    )
    return (
        f"{what}: the nuclei are found with a probability of {exchanged:.3f} if so, and of "
        f"{named:.3f} as named. Results are of the images as named: check which file is which, "
        "and that bright and dark are not inverted."
    )


def _sureness(shares: np.ndarray, grid: Grid) -> float:
    """Return the mean probability of nuclei where they are found; 0 if a side has too few."""
    classes = shares.argmax(axis=0)
    sides = [classes == number for number in (LEFT_NUCLEI, RIGHT_NUCLEI)]
    least = min(int(side.sum()) for side in sides) * voxel_volume(grid.affine)
    if least < _BELIEVED_MM3:
        return 0.0
    found = sides[0] | sides[1]
    return float((shares[LEFT_NUCLEI] + shares[RIGHT_NUCLEI])[found].mean())


def _head_nuclei(shares: np.ndarray, grid: Grid, sureness: float, note: str) -> HeadNuclei:
    classes = shares.argmax(axis=0)
    sides = np.zeros(classes.shape, np.uint8)
    for number in (LEFT_NUCLEI, RIGHT_NUCLEI):
        sides[large_parts(classes == number, KEPT_SHARE, corners=True)] = number
    found = [name for name, n in (("left", LEFT_NUCLEI), ("right", RIGHT_NUCLEI)) if n in sides]
    if len(found) < 2:
        what = f"nuclei on the {found[0]} only" if found else "no nuclei in the image"
        raise BadImageError(f"The model finds {what}; {_ADVICE} {note}".rstrip())
    left, right = shares[LEFT_NUCLEI], shares[RIGHT_NUCLEI]
    nearest = np.where(nearest_label(sides, grid.affine) == RIGHT_NUCLEI, _SURE, -_SURE)
    sidedness = np.where(left + right > _SURE, right - left, nearest).astype(np.float32)
    return HeadNuclei(sides > 0, left + right, sidedness, shares[VENTRICLE], grid, sureness)


def tidy_nuclei(dseg: np.ndarray) -> np.ndarray:
    """Return labels whose nuclei have no small islands.

    An island that touches what is kept of another nucleus goes to it, another one is no nucleus.

    Parameters
    ----------
    dseg : ndarray of int16, shape (x, y, z)
        Harmonised labels.

    Returns
    -------
    ndarray of int16, shape (x, y, z)
    """
    kept = dseg.copy()
    islands = np.zeros(dseg.shape, bool)
    for label, box in enumerate(ndimage.find_objects(dseg), start=1):
        if box is not None and label in NUCLEI:
            mask = dseg[box] == label
            islands[box] |= mask & ~large_parts(mask, KEPT_SHARE, corners=True)
    if not islands.any():
        return kept
    kept[islands] = 0
    nuclei = np.where(np.isin(kept, list(NUCLEI)), kept, 0)
    attached = islands & ndimage.binary_propagation(
        nuclei > 0, np.ones((3, 3, 3)), (nuclei > 0) | islands
    )
    if attached.any():
        kept[attached] = nearest_label(nuclei, np.eye(4))[attached]
    return kept
