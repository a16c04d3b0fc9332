"""`synthesise_pseudolabels`: BG and BG-PVS labels from an anatomy and a tube filter."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bgpvs_wf.config import PseudolabelConfig
from bgpvs_wf.errors import BadImageError, BadLabelsError
from bgpvs_wf.imaging.geometry import Grid, resample, voxel_sizes, voxel_volume
from bgpvs_wf.imaging.morphology import distance_mm
from bgpvs_wf.pseudolabels import simple
from bgpvs_wf.pseudolabels.candidates import Candidate, find_candidates
from bgpvs_wf.pseudolabels.chance import Chance, false_discovery, fit_chance, seed_level
from bgpvs_wf.pseudolabels.confidence import label_confidence, region_confidence
from bgpvs_wf.pseudolabels.evidence import (
    FLUID_SIGN,
    Evidence,
    excess_over_tissue,
    gather_evidence,
    scales_for,
)
from bgpvs_wf.pseudolabels.outline import fluid_contrast, outline, to_home
from bgpvs_wf.pseudolabels.region import (
    Region,
    bg_mask,
    box_of,
    find_region,
    nuclei_mask,
    working_grid,
)
from bgpvs_wf.pseudolabels.rules import RULES, refusal

GROW_TAIL = 0.1
"""Voxels join a candidate where evidence is as rare as this share of chance maxima (chosen)."""
REFUSED_SUSPICION = 0.5
"""Chance that a refused candidate above the seed level is a tube after all (chosen)."""


@dataclass(frozen=True)
class PseudoLabels:
    """Pseudo-labels of one subject, on the grid of its image, each shape (x, y, z)."""

    dseg: np.ndarray
    """uint8: 0 rest, 1 basal ganglia, 2 perivascular spaces in them."""
    confidence: np.ndarray
    """float32, 0 to 1: how sure the label is."""
    response: np.ndarray
    """float32: the evidence for a tube, in units of noise (for `filter`, Frangi's measure)."""
    record: dict[str, Any]
    """What was done and found; fit for JSON."""


def synthesise_pseudolabels(
    *,
    t2w: np.ndarray | None,
    t1w: np.ndarray | None,
    affine: np.ndarray,
    anatomy: np.ndarray,
    config: PseudolabelConfig,
    bg_region: str = "nuclei",
    include_thalamus: bool = False,
    nuclei_probability: np.ndarray | None = None,
) -> PseudoLabels:
    """Synthesise labels of the basal ganglia and their perivascular spaces.

    Parameters
    ----------
    t2w, t1w : ndarray or None, shape (x, y, z)
        Images on one grid; one of them may be missing. T2w leads where both exist.
    affine : ndarray, shape (4, 4)
        Voxel index to mm (RAS+).
    anatomy : ndarray of int, shape (x, y, z)
        Harmonised labels (`bgpvs_wf.anatomy.labels`); nuclei are needed, ventricles and CSF help.
    config : PseudolabelConfig
    bg_region : {'nuclei', 'closed'}
        The nuclei, or the nuclei closed by about 2 mm.
    include_thalamus : bool
        Whether the thalamus counts as basal ganglia.
    nuclei_probability : ndarray, optional, shape (x, y, z)
        Probability of the basal ganglia, for the confidence.

    Returns
    -------
    PseudoLabels

    Raises
    ------
    BadImageError
        If there is no image, or one without signal in the nuclei.
    BadLabelsError
        If the anatomy has no basal ganglia or another shape.
    ValueError
        If `bg_region` or the strategy is unknown.
    """
    images = {n: i for n, i in (("T2w", t2w), ("T1w", t1w)) if i is not None}
    nuclei = _checked(images, anatomy, nuclei_probability, include_thalamus)
    slices, box = box_of(nuclei, affine)
    cut = {name: np.asarray(image[slices], np.float32) for name, image in images.items()}
    anatomy, nuclei_here = anatomy[slices], nuclei[slices]
    mask = bg_mask(nuclei_here, box.affine, bg_region)
    if config.strategy == "filter":
        found = _by_filter(cut, mask, box)
    elif config.strategy == "anatomy":
        found = _by_anatomy(cut, anatomy, nuclei_here, mask, box, bg_region, config)
    else:
        raise ValueError(f"strategy is {config.strategy!r}; choose anatomy or filter")
    probability = None if nuclei_probability is None else nuclei_probability[slices]
    return _assemble(found, mask, probability, box, slices, nuclei.shape, config, list(images))


@dataclass(frozen=True)
class _Found:
    """What a strategy finds in the box, on the home grid."""

    tubes: np.ndarray
    response: np.ndarray
    false_share: np.ndarray
    certainty: np.ndarray
    suspect: np.ndarray
    record: dict[str, Any]


def _checked(
    images: dict[str, np.ndarray],
    anatomy: np.ndarray,
    probability: np.ndarray | None,
    include_thalamus: bool,
) -> np.ndarray:
    """Return the nuclei, or say what is wrong with the input."""
    if not images:
        raise BadImageError("Pseudo-labels need a T2w or a T1w image; there is neither.")
    for name, image in images.items():
        if image.shape != anatomy.shape:
            raise BadLabelsError(
                f"The anatomy has shape {anatomy.shape} but the {name} has {image.shape}; "
                "resample it to the image's grid."
            )
    if probability is not None and probability.shape != anatomy.shape:
        raise BadLabelsError(
            f"The nuclei's probability has shape {probability.shape} but the anatomy has "
            f"{anatomy.shape}; resample it to the image's grid."
        )
    nuclei = nuclei_mask(anatomy, include_thalamus)
    for name, image in images.items():
        inside = image[nuclei]
        if not np.isfinite(inside).all() or np.ptp(inside) == 0:
            raise BadImageError(
                f"The {name} has no usable signal in the basal ganglia; "
                "check that image and anatomy belong together."
            )
    return nuclei


def _by_filter(images: dict[str, np.ndarray], mask: np.ndarray, box: Grid) -> _Found:
    name = next(iter(images))
    response, threshold = simple.simple_rule(images[name], mask, FLUID_SIGN[name] > 0)
    tubes = simple.open_tubes(response, threshold, mask)
    beyond = response / max(threshold, 1e-12)
    nothing = np.zeros(box.shape, np.float32)
    return _Found(
        tubes=tubes,
        response=response,
        false_share=np.exp2(-beyond).astype(np.float32),
        certainty=np.ones(box.shape, np.float32),
        suspect=np.where(mask & ~tubes, np.clip(beyond / 2, 0, 0.5), nothing),
        record={"threshold": threshold},
    )


def _by_anatomy(
    images: dict[str, np.ndarray],
    anatomy: np.ndarray,
    nuclei: np.ndarray,
    mask: np.ndarray,
    box: Grid,
    bg_region: str,
    config: PseudolabelConfig,
) -> _Found:
    target = working_grid(box)
    fine = {
        n: i if target is box else resample(i, box.affine, target, 3) for n, i in images.items()
    }
    name = next(iter(images))
    sign = FLUID_SIGN[name]
    region = find_region(anatomy, nuclei, box, target, bg_region, fine[name], sign > 0)
    excesses = {n: excess_over_tissue(FLUID_SIGN[n] * fine[n], region) for n in fine}
    scales = scales_for(config.scales_mm, float(voxel_sizes(box.affine).mean()))
    fluid = fluid_contrast(excesses[name][0], region.csf)
    evidence = gather_evidence(excesses, region, scales)
    chance = fit_chance(evidence.opposite, target.affine, region.interior, region.search)
    grow = chance.level(GROW_TAIL * 2 * chance.count)
    labels, candidates = find_candidates(
        evidence.fluid, excesses[name][0], fluid, region, grow, config.rim_mm
    )
    reasons = [refusal(c, config) for c in candidates]
    peaks = np.array([c.peak for c, r in zip(candidates, reasons, strict=True) if r is None])
    seed = max(seed_level(chance, peaks, config.false_discovery_rate), grow)
    reasons = [
        "too_faint" if r is None and c.peak < seed else r
        for c, r in zip(candidates, reasons, strict=True)
    ]
    kept = [c for c, r in zip(candidates, reasons, strict=True) if r is None]
    found = _outlined(
        images[name] * sign, fluid, evidence, region, labels, candidates, kept,
        chance, peaks, seed, mask, box,
    )  # fmt: skip
    record = {
        "working_voxel_mm": [round(float(v), 4) for v in voxel_sizes(target.affine)],
        "scales_mm": list(scales),
        "chance": asdict(chance),
        "seed_level": seed,
        "grow_level": grow,
        "candidates": len(candidates),
        "kept": len(kept),
        "refused": _counts(reasons),
    }
    return _Found(**{**found, "record": record})


def _counts(reasons: list[str | None]) -> dict[str, int]:
    counts = Counter(r for r in reasons if r is not None)
    names = [rule.__name__ for rule in RULES] + ["too_faint"]
    return {name: counts.get(name, 0) for name in names}


def _outlined(
    image: np.ndarray,
    fluid: float,
    evidence: Evidence,
    region: Region,
    labels: np.ndarray,
    candidates: list[Candidate],
    kept: list[Candidate],
    chance: Chance,
    peaks: np.ndarray,
    seed: float,
    mask: np.ndarray,
    box: Grid,
) -> dict[str, Any]:
    """Carry the kept candidates home; return the arrays of `_Found`."""
    size = len(candidates) + 1
    is_kept = np.zeros(size, bool)
    is_kept[[c.index for c in kept]] = True
    share = np.ones(size, np.float32)
    share[[c.index for c in kept]] = false_discovery(
        chance, peaks, np.array([c.peak for c in kept])
    )
    doubt = np.zeros(size, np.float32)
    for c in candidates:
        if not is_kept[c.index]:
            strength = min(c.peak / seed, 1.0)
            doubt[c.index] = REFUSED_SUSPICION * strength**2
    here = labels > 0
    core_fine = is_kept[labels] & here
    core = to_home(np.ones(labels.shape), core_fine, region.grid, box) > 0
    drawn = outline(image, core, mask | core, fluid, box.affine)
    truth_share = to_home(1 - share[labels] + 1e-6, core_fine, region.grid, box)
    sure = _spread(truth_share)
    everywhere = np.ones(labels.shape, bool)
    return {
        "tubes": drawn.mask,
        "response": to_home(evidence.fluid, everywhere, region.grid, box)
        if region.grid is not box
        else evidence.fluid,
        "false_share": 1 - sure,
        "certainty": drawn.certainty,
        "suspect": to_home(doubt[labels], here & ~core_fine, region.grid, box),
    }


def _spread(values: np.ndarray) -> np.ndarray:
    """Give voxels beside the core the value of the core."""
    from scipy import ndimage

    return np.asarray(ndimage.grey_dilation(values, size=(3, 3, 3)))


def _assemble(
    found: _Found,
    mask: np.ndarray,
    probability: np.ndarray | None,
    box: Grid,
    slices: tuple[slice, slice, slice],
    shape: tuple[int, ...],
    config: PseudolabelConfig,
    modalities: list[str],
) -> PseudoLabels:
    whole = mask | found.tubes
    signed = distance_mm(whole, box.affine) - distance_mm(~whole, box.affine)
    sure = region_confidence(whole, signed, probability)
    confidence = np.ones(shape, np.float32)
    confidence[slices] = label_confidence(
        sure, found.tubes, found.false_share, found.certainty, found.suspect
    )
    dseg = np.zeros(shape, np.uint8)
    dseg[slices] = whole.astype(np.uint8) + found.tubes
    response = np.zeros(shape, np.float32)
    response[slices] = found.response
    volume = voxel_volume(box.affine)
    record = {
        "strategy": config.strategy,
        "modalities": modalities,
        "bg_volume_mm3": round(float(whole.sum() * volume), 3),
        "pvs_volume_mm3": round(float(found.tubes.sum() * volume), 3),
        **found.record,
    }
    return PseudoLabels(dseg, confidence, response, record)
