"""What the voxels of a scan are: where their zero is, and whether PVS can be seen in them."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.arrays import Affine, Floats, Image
from bgpvs_wf.errors import BadImageError
from bgpvs_wf.imaging.geometry import voxel_sizes
from bgpvs_wf.imaging.header import by
from bgpvs_wf.imaging.intensity import TRACE, foreground

PLAIN_SHARE = 0.3
"""Share of the border with exactly one value that makes it the background (chosen)."""
DEEP = 0.25
"""Share of the signal's reach that is far from the background, well above noise (chosen)."""
DEEP_SHARE = 0.01
"""Most of what is far from the background that may lie below it: ringing (chosen)."""
NOISE = 0.1
"""Most that the border of a background varies, as a share of the signal's reach (chosen)."""
OFFSET_SHARE = 0.9
"""If nothing is darker than this share of the background, something was added to it (chosen)."""
FEW_LEVELS = 32
"""Fewer grey levels in the head than this are too few. On two phantoms of 0.8 mm, 32 levels change
the volume of PVS by 1 to 3 %, 16 lose 14 to 18 %, and 8 make up twice as many PVS as there are."""
SATURATED_SHARE = 0.05
"""Share of the head at the largest value from which on it was cut off there. On those phantoms,
5 % change the volume of PVS by 1 to 4 %, 10 % by 5 to 15 %, and 20 % by 12 to 19 %."""
FAINT_MM, BLIND_MM = 1.2, 2.0
"""Longest voxel edge up to which PVS are seen, and up to which some are. On two phantoms with 20
PVS each, wider than most of infants: cubes of 1.2 mm show 11 of them, of 1.6 mm 4, of 2 mm none;
slices of 3.2 mm lose 37 to 52 % of the volume. In real infants at 0.8 mm most PVS are one voxel
wide (docs/explanation/real-pvs.md)."""
_ENOUGH = 2_000_000
"""As many voxels tell what a scan's grey levels are."""


def from_zero(data: Floats, where: str) -> tuple[Floats, str]:
    """Give a scan the zero that magnitudes have: its background.

    Quotients of tissues mean something only from there. An image that was z-scored, or from
    which something was subtracted, is shifted back; small negative values, which interpolation
    makes, become 0.

    Parameters
    ----------
    data : ndarray of float32, shape (x, y, z)
    where : str
        Modality and path, for messages.

    Returns
    -------
    ndarray of float32, shape (x, y, z)
        From 0 on.
    str
        What was done, without its subject; empty where nothing was.

    Raises
    ------
    BadImageError
        If there are negative values but no background to tell the zero by, or the background is
        brighter than the head.
    """
    lowest = float(data.min())
    background, plain, spread = _background(data)
    if lowest >= 0 and background <= TRACE * float(data.max()):
        return data, ""
    some = _some(data)
    away = some - np.float32(background)
    far = np.abs(away[away != 0])
    reach = float(np.percentile(far, 99)) if far.size else 0.0
    deep, high = float((away < -DEEP * reach).mean()), float((away > DEEP * reach).mean())
    if deep > high and background + spread >= np.percentile(some, 95):
        raise BadImageError(
            f"{where} has a background brighter than the head; it looks inverted: export it as "
            "it was scanned."
        )
    below = deep > DEEP_SHARE * (deep + high)
    clear = plain or spread <= NOISE * reach
    offset = plain or (clear and lowest >= OFFSET_SHARE * background)
    if lowest >= 0 and (below or not offset):
        return data, ""  # noise, or a field of view inside of the head
    if abs(background) <= TRACE * reach and not below:
        return np.maximum(data, 0), ""
    if below or not clear:
        raise BadImageError(
            f"{where} has negative values and no background to tell its zero by (z-scored within "
            "a mask?); export it as a magnitude image, without normalisation."
        )
    zero = background if plain else lowest
    text = f"has its background at {zero:.4g}, not 0; it was shifted there before it was measured"
    return np.maximum(data - np.float32(zero), 0), text


def signal_doubts(data: Image) -> tuple[str, ...]:
    """Return what speaks against the grey levels of a scan, without its subject.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
        From 0 on.
    """
    some = _some(data)
    head = some[foreground(some)]
    if not head.size:
        return ()
    doubts = []
    levels = len(np.unique(head))
    if levels < FEW_LEVELS:
        doubts.append(
            f"has only {levels} grey levels in the head; PVS are lost or made up between so few"
        )
    saturated = float((head == head.max()).mean())
    if levels >= FEW_LEVELS and saturated > SATURATED_SHARE:
        doubts.append(
            f"is cut off at its largest value, in {100 * saturated:.2g} % of the head; fluid and "
            "PVS may be brighter than they are here"
        )
    return tuple(doubts)


def sees_pvs(affine: Affine) -> bool:
    """Return whether voxels are small enough that some PVS can be seen."""
    return bool(voxel_sizes(affine).max() <= BLIND_MM * 1.01)


def thickness_doubt(affine: Affine) -> str:
    """Return what speaks against the size of voxels, without its subject; empty if nothing."""
    sizes = voxel_sizes(affine)
    if not sees_pvs(affine):
        return (
            f"has voxels of {by(sizes)} mm, in which hardly any PVS of an infant can be seen: "
            "counts and volumes of PVS are not to be used"
        )
    if sizes.max() > FAINT_MM * 1.01:
        return (
            f"has voxels of {by(sizes)} mm, in which few PVS of an infant can be seen: counts and "
            "volumes of PVS are too small"
        )
    return ""


def stretch_percent(motion: Floats) -> float:
    """Return by how much an affine motion stretches one way more than another, or altogether.

    T1w and T2w of one head fit each other without being stretched.

    Parameters
    ----------
    motion : ndarray, shape (3, 3)
        Its linear part.

    Examples
    --------
    >>> round(stretch_percent(np.diag([1.02, 1.0, 0.9])), 1)
    13.3
    """
    stretches = np.linalg.svd(motion, compute_uv=False)
    size = float(np.prod(stretches) ** (1 / 3))
    return 100 * (max(float(stretches[0] / stretches[-1]), size, 1 / size) - 1)


def _some(data: Image) -> Image:
    """Return as many voxels as tell what the grey levels are, one dimension."""
    return data.ravel(order="K")[:: max(data.size // _ENOUGH, 1)]


def _background(data: Image) -> tuple[float, bool, float]:
    """Return the value of the border, whether it is one for much of it, and its spread."""
    # Not `np.take`, which copies all of an array that Fortran would like before it takes a slice.
    faces = [np.moveaxis(data, axis, 0)[at].ravel() for axis in range(3) for at in (0, -1)]
    border = np.concatenate(faces)
    values, counts = np.unique(border, return_counts=True)
    most = counts.argmax()
    low, middle, high = np.percentile(border, (25, 50, 75))
    if counts[most] >= PLAIN_SHARE * border.size:
        return float(values[most]), True, 0.0
    return float(middle), False, float(high - low)
