"""`predict`: nuclei and perivascular spaces of a scan by a trained model."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from bgpvs_wf.anatomy.labels import BG_LABELS, NUCLEI
from bgpvs_wf.anatomy.starts import turn_degrees
from bgpvs_wf.errors import BadImageError, BadLabelsError
from bgpvs_wf.imaging.geometry import Box, part_of, voxel_sizes, voxel_volume
from bgpvs_wf.learning.data.scan import (
    MODALITIES,
    BoxImages,
    Scan,
    canonical,
    grid_around,
    to_home,
)
from bgpvs_wf.learning.heads.lie import Lie
from bgpvs_wf.learning.inference.border_refinement import follow_borders
from bgpvs_wf.learning.inference.ensemble import FoundPVS, Member, apply_anatomy, apply_pvs
from bgpvs_wf.learning.inference.faint import too_faint
from bgpvs_wf.learning.inference.localisation import HeadNuclei, find_head
from bgpvs_wf.learning.inference.repeatability import found_again
from bgpvs_wf.learning.models.bundle import Model, load_network
from bgpvs_wf.learning.nets.sliding_window import choose_device
from bgpvs_wf.pseudolabels.region import bg_mask, nuclei_mask, with_gaps, with_tubes

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)

_LARGEST_MM = 700.0
"""No scanner sees farther (chosen: their fields of view are 500 mm and less)."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of one subject, on the grid of its image, each shape (x, y, z)."""

    anatomy: np.ndarray
    """int16: harmonised labels of nuclei and ventricles, or those that were given."""
    dseg: np.ndarray
    """uint8: 0 rest, 1 basal ganglia, 2 perivascular spaces in them."""
    pvs_probability: np.ndarray
    """float32: 0 outside of the basal ganglia."""
    bg_probability: np.ndarray
    """float32: of the nuclei that count as basal ganglia; 0 or 1 where nuclei were given."""
    uncertainty: np.ndarray
    """float32: entropy of rest, basal ganglia and PVS as a share of the largest possible one."""
    record: dict[str, Any]
    """What was done and found; fit for JSON."""
    doubts: tuple[str, ...]
    """How the anatomy contradicts the header, or the names of the images."""


def predict(
    model: Model,
    *,
    t2w: np.ndarray | None,
    t1w: np.ndarray | None,
    affine: np.ndarray,
    anatomy: np.ndarray | None = None,
    brain: np.ndarray | None = None,
    lie: Lie | None = None,
    include_thalamus: bool = False,
    bg_region: str = "nuclei",
    device: str = "auto",
    flips: bool = False,
) -> Prediction:
    """Segment the basal ganglia and their perivascular spaces with a trained model.

    Parameters
    ----------
    model : Model
    t2w, t1w : ndarray or None, shape (x, y, z)
        Preprocessed images on one grid; one of them may be missing.
    affine : ndarray, shape (4, 4)
        Voxel index to mm (RAS+).
    anatomy : ndarray of int, optional, shape (x, y, z)
        Harmonised labels. Where they are given, the model is asked for PVS only.
    brain : ndarray of bool, optional, shape (x, y, z)
        What of the images is brain, where there is more.
    lie : Lie, optional
        How the head lies, where that was found (`bgpvs_wf.learning.heads.finding.find_brain`);
        default: as the header says, or turned by 180 degrees about an axis, if it is surer seen so.
    include_thalamus : bool
        Whether the thalamus counts as basal ganglia.
    bg_region : {'nuclei', 'closed'}
        The nuclei, or the nuclei closed by about 2 mm.
    device : {'auto', 'cpu', 'cuda'}
    flips : bool
        Average with what the mirror image gives.

    Raises
    ------
    BadImageError
        If there is no image, or no nuclei are found in it.
    BadLabelsError
        If the given anatomy has no basal ganglia or another shape.
    ModelError
        If the model's weights cannot be used.
    UsageError
        If the device is not there.
    """
    scan = _scan(t2w, t1w, affine, anatomy, brain)
    chosen = choose_device(device)
    start = time.perf_counter()
    doubts: tuple[str, ...] = ()
    if anatomy is None:
        lies = () if lie is None else (lie, *lie.others)
        axes = [one.axes for one in lies]
        scan, head, doubts = find_head(scan, model, chosen, axes, flips)
        box = scan.box_around(head.mask, head.grid)
        _log.info("Nuclei found in %.1f s", time.perf_counter() - start)
        part, record = _unaided(model, scan, box, head, include_thalamus, chosen, flips)
        record |= _seen_before(scan, head, affine, lies)
    else:
        labels = canonical(anatomy, affine)[0].astype(np.int16)
        nuclei = nuclei_mask(labels, include_thalamus)
        box = scan.box_around(np.isin(labels, list(NUCLEI)), scan.grid)
        part, record = _guided(model, scan, box, labels[box], nuclei[box], chosen, flips)
    _log.info("All networks on %s: %.1f s", chosen, time.perf_counter() - start)
    found = _finished(model, scan, box, part, bg_region, record, doubts, flips)
    # It was settled on the nuclei alone.
    if model.tube_volume_margin is not None and bg_region == "nuclei" and not include_thalamus:
        found.record["pvs_volume_margin"] = model.tube_volume_margin
    if anatomy is None and brain is not None and brain.any():
        share = np.isin(found.anatomy, BG_LABELS).sum() / brain.sum()
        found.record["bg_share_of_brain"] = round(float(share), 4)
    return found


@dataclass(frozen=True)
class _Part:
    """What is known of the box before perivascular spaces are cut out, on the scan's own grid."""

    labels: np.ndarray
    nuclei: np.ndarray
    """Labels of the nuclei that count as basal ganglia, 0 elsewhere."""
    searched: np.ndarray
    """The nuclei, and narrow gaps in them."""
    bg_share: np.ndarray
    images: BoxImages
    members: list[Member]
    pvs: FoundPVS


def _scan(
    t2w: np.ndarray | None,
    t1w: np.ndarray | None,
    affine: np.ndarray,
    anatomy: np.ndarray | None,
    brain: np.ndarray | None,
) -> Scan:
    given = {n: i for n, i in zip(MODALITIES, (t2w, t1w), strict=True) if i is not None}
    if not given:
        raise BadImageError("A prediction needs a T2w or a T1w image; there is neither.")
    largest = float((voxel_sizes(affine) * next(iter(given.values())).shape).max())
    if largest > _LARGEST_MM:
        raise BadImageError(
            f"The image is {largest:.0f} mm long, which no head is; check the size of its voxels."
        )
    for name, image in given.items():
        if not np.isfinite(image).all() or np.ptp(image) == 0:
            raise BadImageError(f"The {name} has no usable signal; look at it.")
        if anatomy is not None and image.shape != anatomy.shape:
            raise BadLabelsError(
                f"The anatomy has shape {anatomy.shape} but the {name} has {image.shape}; "
                "resample it to the image's grid."
            )
    return Scan.from_arrays(t2w, t1w, affine, brain)


def _unaided(
    model: Model,
    scan: Scan,
    box: Box,
    head: HeadNuclei,
    include_thalamus: bool,
    device: torch.device,
    flips: bool,
) -> tuple[_Part, dict[str, Any]]:
    """Let the fine networks tell nuclei and perivascular spaces."""
    upright = None if scan.pose is None else grid_around(head.mask, head.grid)
    images, members = scan.boxed(box, upright), _members(model, device)
    if not any(np.ptp(image) for image in images.own):
        raise BadImageError(
            "The image is flat where the model sees nuclei; check that it shows an infant's head."
        )
    context = head.context(images.fine_grid)
    shares = apply_anatomy(members, images, context, flips=flips)
    right = head.right(images.own_grid)
    labels, bg_share = follow_borders(shares, images, right, include_thalamus)
    try:
        mask = nuclei_mask(labels, include_thalamus)
    except BadLabelsError as error:
        raise BadImageError(
            "The model finds no basal ganglia in the image; look at it, or give the nuclei with "
            "--anatomy derivatives or --anatomy atlas."
        ) from error
    nuclei = np.where(mask, labels, 0)
    searched = with_gaps(mask, nuclei, images.own_grid.affine)
    found = apply_pvs(members, images, searched, flips=flips)
    part = _Part(labels, nuclei, searched, bg_share, images, members, found)
    outside, filled = head.agreement(np.isin(labels, list(NUCLEI)), images.own_grid)
    return part, {
        "nuclei": "found by the model",
        "sides_against_header": head.sides_against_header,
        **({} if scan.pose is None else {"head_turned_degrees": round(turn_degrees(scan.pose))}),
        "nuclei_sureness": round(head.sureness, 3),
        "nuclei_outside_of_hull": round(outside, 3),
        "hull_filled_by_nuclei": round(filled, 3),
        "bg_mean_probability": round(float(bg_share[mask].mean()), 3),
    }


def _seen_before(
    scan: Scan, head: HeadNuclei, affine: np.ndarray, lies: Sequence[Lie]
) -> dict[str, float]:
    """Return how what the coarse network finds agrees with what was seen in the whole head.

    Parameters
    ----------
    scan : Scan
        As the anatomy says it lies.
    head : HeadNuclei
    affine : ndarray, shape (4, 4)
        Of the image, as its header has it.
    lies : sequence of Lie
        How it may lie; that counts whose nuclei are the nearest.
    """
    if not lies:
        return {}
    middle = nib.affines.apply_affine(head.grid.affine, np.argwhere(head.mask).mean(axis=0))
    told = nib.affines.apply_affine(affine @ np.linalg.inv(scan.home.affine), middle)
    volume = float(head.mask.sum()) * voxel_volume(head.grid.affine) / 1000
    apart = [float(np.linalg.norm(told - one.middle)) for one in lies]
    lie = lies[int(np.argmin(apart))]
    return {
        "head_sureness": round(lie.sureness, 3),
        "hulls_apart_mm": round(min(apart), 1),
        "hulls_volume_ratio": round(volume / lie.volume_ml, 2),
    }


def _guided(
    model: Model,
    scan: Scan,
    box: Box,
    labels: np.ndarray,
    mask: np.ndarray,
    device: torch.device,
    flips: bool,
) -> tuple[_Part, dict[str, Any]]:
    """Let the PVS networks tell perivascular spaces in given nuclei."""
    images, members = scan.boxed(box), _members(model, device)
    found = apply_pvs(members, images, mask, flips=flips)
    nuclei = np.where(mask, labels, 0)
    searched = with_gaps(mask, nuclei, images.own_grid.affine)
    part = _Part(labels, nuclei, searched, mask.astype(np.float32), images, members, found)
    return part, {"nuclei": "given"}


def _members(model: Model, device: torch.device) -> list[Member]:
    return [
        Member.of([(file.network, load_network(model, file, device)) for file in member])
        for member in model.fine
    ]


def _finished(
    model: Model,
    scan: Scan,
    box: Box,
    part: _Part,
    bg_region: str,
    record: dict[str, Any],
    doubts: tuple[str, ...],
    flips: bool,
) -> Prediction:
    """Cut out the perivascular spaces, and bring all back to where the images came from."""
    affine = part_of(scan.grid, box).affine
    bg = bg_mask(part.nuclei > 0, affine, bg_region)
    pvs_share = np.where(bg | part.searched, part.pvs.probability, 0).astype(np.float32)
    pvs = pvs_share >= model.pvs_threshold
    leading = scan.images[0 if scan.present[0] else 1][box]
    faint = too_faint(pvs, leading, part.labels, part.nuclei, affine)
    pvs &= ~faint
    again = found_again(
        part.members,
        part.images,
        part.searched,
        pvs,
        model.pvs_threshold,
        brightness=part.pvs.told,
        flips=flips,
    )
    labels = part.labels
    if record["nuclei"] != "given" and bg_region == "nuclei":
        labels = with_tubes(labels, part.nuclei, pvs, affine)
    volume = voxel_volume(affine)

    def home(data: np.ndarray) -> np.ndarray:
        whole = np.zeros(scan.grid.shape, data.dtype)
        whole[box] = data
        return to_home(whole, scan.home)

    unsure = uncertainty(part.bg_share, pvs_share)
    return Prediction(
        anatomy=home(labels),
        dseg=home((bg | pvs).astype(np.uint8) + pvs),
        pvs_probability=home(pvs_share),
        bg_probability=home(part.bg_share),
        uncertainty=home(unsure),
        record={
            "strategy": model.strategy,
            "model": model.name,
            "checksum": model.checksum,
            "members": len(model.fine),
            "modalities": list(itertools.compress(MODALITIES, scan.present)),
            "pvs_threshold": model.pvs_threshold,
            **record,
            "bg_mean_uncertainty": round(float(unsure[bg | pvs].mean()), 3),
            "bg_volume_mm3": round(float((bg | pvs).sum() * volume), 3),
            "pvs_too_faint_mm3": round(float(faint.sum() * volume), 3),
            **({"pvs_brightness": round(part.pvs.told, 4)} if part.pvs.told else {}),
            **({} if math.isnan(again) else {"pvs_found_again": round(again, 3)}),
            "pvs_volume_mm3": round(float(pvs.sum() * volume), 3),
        },
        doubts=doubts,
    )


def uncertainty(bg: np.ndarray, pvs: np.ndarray) -> np.ndarray:
    """Return the entropy of rest, basal ganglia and PVS, divided by its largest value, float32.

    Parameters
    ----------
    bg, pvs : ndarray
        Probabilities; what is no PVS is basal ganglia with the probability `bg`, else rest.

    Examples
    --------
    >>> uncertainty(np.array([1.0, 0.5, 0.5]), np.array([0.0, 0.0, 1 / 3])).round(2)
    array([0.  , 0.63, 1.  ], dtype=float32)
    """
    entropy = np.zeros(bg.shape, np.float32)
    for share in (pvs, (1 - pvs) * bg, (1 - pvs) * (1 - bg)):
        share = np.clip(share, 1e-12, 1)
        entropy -= (share * np.log(share) / math.log(3)).astype(np.float32)
    return np.clip(entropy, 0, 1)
