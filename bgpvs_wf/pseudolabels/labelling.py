"""`synthesise_pseudolabels`: BG and BG-PVS labels from an anatomy and a tube filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bgpvs_wf.config import PseudolabelConfig
from bgpvs_wf.errors import BadImageError, BadLabelsError
from bgpvs_wf.imaging.geometry import voxel_volume
from bgpvs_wf.imaging.morphology import distance_mm
from bgpvs_wf.pseudolabels.confidence import label_confidence, region_confidence
from bgpvs_wf.pseudolabels.region import bg_mask, box_of, nuclei_mask
from bgpvs_wf.pseudolabels.strategies import STRATEGIES, Found, Scene


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
        If `bg_region` is unknown.
    """
    images = {n: i for n, i in (("T2w", t2w), ("T1w", t1w)) if i is not None}
    nuclei = _checked(images, anatomy, nuclei_probability, include_thalamus)
    slices, box = box_of(nuclei, affine)
    scene = Scene(
        images={name: np.asarray(image[slices], np.float32) for name, image in images.items()},
        anatomy=anatomy[slices],
        nuclei=nuclei[slices],
        mask=bg_mask(nuclei[slices], box.affine, bg_region),
        bg_region=bg_region,
        box=box,
    )
    found = STRATEGIES[config.strategy](scene, config)
    part = _label(found, scene, None if nuclei_probability is None else nuclei_probability[slices])
    record = {"strategy": config.strategy, "modalities": list(images), **part.record}
    return PseudoLabels(
        _uncropped(part.dseg, slices, nuclei.shape, 0),
        _uncropped(part.confidence, slices, nuclei.shape, 1),
        _uncropped(part.response, slices, nuclei.shape, 0),
        record,
    )


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


def _label(found: Found, scene: Scene, probability: np.ndarray | None) -> PseudoLabels:
    """Turn what a strategy found into labels of the box."""
    affine = scene.box.affine
    region = scene.mask | found.tubes
    signed = distance_mm(region, affine) - distance_mm(~region, affine)
    volume = voxel_volume(affine)
    return PseudoLabels(
        dseg=region.astype(np.uint8) + found.tubes,
        confidence=label_confidence(
            region_confidence(region, signed, probability),
            found.tubes,
            found.false_share,
            found.certainty,
            found.suspect,
        ),
        response=found.response.astype(np.float32),
        record={
            "bg_volume_mm3": round(float(region.sum() * volume), 3),
            "pvs_volume_mm3": round(float(found.tubes.sum() * volume), 3),
            **found.record,
        },
    )


def _uncropped(
    part: np.ndarray, slices: tuple[slice, slice, slice], shape: tuple[int, ...], outside: float
) -> np.ndarray:
    whole = np.full(shape, outside, part.dtype)
    whole[slices] = part
    return whole
