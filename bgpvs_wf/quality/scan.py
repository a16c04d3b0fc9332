"""All measures of quality of a subject and session."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import BG_LABELS, NUCLEI, VENTRICLE_LABELS
from bgpvs_wf.arrays import Affine, Floats, Image, Labels, Mask
from bgpvs_wf.imaging.geometry import Box, bounding_box, crop_affine, voxel_sizes, voxel_volume
from bgpvs_wf.quality.findings import (
    asymmetries_percent,
    rim_share,
    single_share,
    volume_for_age,
)
from bgpvs_wf.quality.framing import margin_mm, turn_deg
from bgpvs_wf.quality.measures import measures
from bgpvs_wf.quality.pair import mirror_ratio
from bgpvs_wf.quality.ripples import ripple_percent
from bgpvs_wf.quality.sharpness import smoothness_mm
from bgpvs_wf.quality.signal import (
    contrast_percent,
    contrast_to_noise,
    noise_level,
    signal_to_noise,
)

if TYPE_CHECKING:
    import pandas as pd

_NEAR_MM = 12.0
"""So far around the nuclei scans are judged: where PVS are, away from cortex and skull (chosen)."""
_RING_MM = (1.5, 5.0)
"""From where to where around the nuclei white matter is taken to be (chosen)."""
_LEAST_SIGNAL = 5.0
"""Less, percent of the basal ganglia's, was not scanned, or was taken away (chosen)."""
_RECORDED = {
    "nuclei_sureness": "nuclei_sureness",
    "bg_probability": "bg_mean_probability",
    "bg_uncertainty": "bg_mean_uncertainty",
    "pvs_found_again": "pvs_found_again",
}
"""Measure to the entry of the record that it is."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What is judged; all arrays have one shape (x, y, z), the home grid."""

    images: Mapping[str, Image]
    """`T2w`, `T1w` or both, preprocessed, the home image first."""
    anatomy: Labels
    """Harmonised labels."""
    bgpvs: Labels
    """0 rest, 1 BG, 2 BG-PVS."""
    instances: Labels
    """Number of the PVS; 0 is none."""
    affine: Affine
    age_weeks: float | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    """What the segmentation says of itself."""
    bias_percent: Mapping[str, float] = field(default_factory=dict)
    """By image: range of the field that it was divided by."""
    stretch_percent: float = math.nan
    """By how much the T1w has to be stretched to fit the T2w best."""


def measure_quality(scan: Scan) -> dict[str, float]:
    """Measure how good a scan is, and how sure its result.

    Parameters
    ----------
    scan : Scan

    Returns
    -------
    dict of str to float
        By the names of `bgpvs_wf.quality.measures.MEASURES`, in their order; what cannot be told
        is NaN.
    """
    nuclei = np.isin(scan.anatomy, list(NUCLEI))
    found = {
        "voxel_mm3": round(voxel_volume(scan.affine), 4),
        "turn_deg": turn_deg(scan.anatomy, scan.affine),
    }
    if nuclei.any():
        home = next(iter(scan.images.values()))
        found["margin_mm"] = margin_mm(nuclei, home > 0, scan.affine)
        scan = _near(scan, bounding_box(nuclei, scan.affine, _NEAR_MM))
        found["turn_deg"] = turn_deg(scan.anatomy, scan.affine)
        found |= dict(_of_images(scan))
    found["pair_stretch_percent"] = scan.stretch_percent
    found["pair_mirror_ratio"] = _mirrored(scan)
    found |= {
        measure: float(scan.record.get(entry, math.nan)) for measure, entry in _RECORDED.items()
    }
    found["bg_volume_for_age"] = volume_for_age(scan.anatomy, scan.affine, scan.age_weeks)
    for name, percent in asymmetries_percent(scan.anatomy, scan.affine).items():
        found[f"{name}_asymmetry_percent"] = percent
    found["pvs_rim_share"] = rim_share(scan.instances, scan.bgpvs)
    found["pvs_single_share"] = single_share(scan.instances)
    return found


def quality_table(found: Mapping[str, float]) -> pd.DataFrame:
    """Return measures as a table of one row, with a column for each that there is."""
    import pandas as pd

    return pd.DataFrame([{name: found.get(name, math.nan) for name in measures()}])


def _near(scan: Scan, box: Box) -> Scan:
    """Cut a scan to a box."""
    return replace(
        scan,
        images={name: image[box] for name, image in scan.images.items()},
        anatomy=np.ascontiguousarray(scan.anatomy[box]),
        bgpvs=scan.bgpvs[box],
        instances=np.ascontiguousarray(scan.instances[box]),
        affine=crop_affine(scan.affine, box),
    )


def _mirrored(scan: Scan) -> float:
    if not {"T2w", "T1w"} <= set(scan.images):
        return math.nan
    return mirror_ratio(scan.images["T2w"], scan.images["T1w"], scan.anatomy, scan.affine)


def _of_images(scan: Scan) -> Iterator[tuple[str, float]]:
    """Yield what the images tell, near the nuclei."""
    nuclei = np.isin(scan.anatomy, list(NUCLEI))
    away = ndimage.distance_transform_edt(~nuclei, sampling=voxel_sizes(scan.affine))
    fluid = np.isin(scan.anatomy, VENTRICLE_LABELS)
    tissue = np.isin(scan.anatomy, BG_LABELS) & (scan.bgpvs == 1)
    for name, image in scan.images.items():
        part = _scaled(image, tissue)
        near = (away < _NEAR_MM) & (part > _LEAST_SIGNAL)
        ring = near & ~fluid & (away > _RING_MM[0]) & (away < _RING_MM[1])
        for measure, value in _of_image(part, near, tissue, ring, scan.affine):
            yield f"{name.lower()}_{measure}", value
        yield f"{name.lower()}_bias_percent", scan.bias_percent.get(name, math.nan)


def _of_image(
    image: Floats, near: Mask, tissue: Mask, ring: Mask, affine: Affine
) -> Iterator[tuple[str, float]]:
    noise = noise_level(image, near)
    yield "snr", signal_to_noise(image, tissue, noise)
    yield "cnr", contrast_to_noise(image, tissue, ring, noise)
    yield "contrast_percent", contrast_percent(image, tissue, ring)
    yield "fwhm_mm", smoothness_mm(image, near, affine)
    yield "ripple_percent", ripple_percent(image, near, affine)


def _scaled(image: Image, tissue: Mask) -> Floats:
    """Return an image with a median of 100 in a tissue."""
    part = np.asarray(image, np.float32)
    median = float(np.median(part[tissue])) if tissue.any() else 0.0
    return part * np.float32(100 / median) if median > 0 else part
