"""The table of perivascular spaces: a row each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from bgpvs_wf.arrays import Affine, Floats, Labels, Mask
from bgpvs_wf.imaging.geometry import crop_affine
from bgpvs_wf.imaging.skeleton import Centreline, centreline
from bgpvs_wf.quantification.columns import OBJECT_COLUMNS
from bgpvs_wf.quantification.parcels import parcel_name
from bgpvs_wf.quantification.scene import Scene

if TYPE_CHECKING:
    import pandas as pd

_WHOLE = ("index", "branch_count")
_TEXT = ("region", "side")


def object_rows(scene: Scene) -> list[dict[str, Any]]:
    """Measure every PVS; see `OBJECT_COLUMNS`. Also gives the key `parcel`."""
    boxes = ndimage.find_objects(scene.rim)
    return [_row(scene, number, box) for number, box in enumerate(boxes, 1) if box is not None]


def object_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a data frame with the columns and types of `OBJECT_COLUMNS`."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(OBJECT_COLUMNS))
    kinds = {name: "int64" if name in _WHOLE else "float64" for name in frame if name not in _TEXT}
    return frame.astype(kinds)


def _row(scene: Scene, number: int, box: tuple[slice, ...]) -> dict[str, Any]:
    mask, rim = scene.instances[box] == number, scene.rim[box] == number
    affine = crop_affine(scene.affine, box)
    share = None
    fluid = float("nan")
    if scene.occupancy.known:
        share = np.where(rim, np.nan_to_num(scene.occupancy.share[box]), 0.0)
        fluid = max(float(share.sum()) * scene.voxel_mm3, 0.0)
    tube = fluid / scene.brightness
    line = centreline(mask, affine, share)
    parcel = _most_common(scene.parcels[box][mask])
    region, side = parcel_name(parcel)
    return {
        "index": number,
        "parcel": parcel,
        "region": region,
        "side": side,
        "volume_mm3": float(mask.sum()) * scene.voxel_mm3,
        "volume_tube_mm3": tube,
        "volume_fluid_mm3": fluid,
        **_shape(line, tube),
        **_place(mask, affine),
        "mean_contrast_percent": _contrast(scene, box, mask),
        "mean_probability": _mean(scene.probability, box, mask),
    }


def _shape(line: Centreline, volume: float) -> dict[str, float]:
    mean = line.mean_diameter_mm
    if volume > 0:
        mean = 2 * np.sqrt(volume / (np.pi * line.total_length_mm))
    chord = line.chord
    norm = float(np.linalg.norm(chord))
    unit = chord / norm if norm > 0 else np.full(3, np.nan)
    return {
        "length_mm": line.length_mm,
        "total_length_mm": line.total_length_mm,
        "branch_count": len(line.branches),
        "mean_diameter_mm": float(mean),
        "max_diameter_mm": line.max_diameter_mm,
        "tortuosity": line.tortuosity,
        **{f"orientation_{axis}": float(v) for axis, v in zip("xyz", unit, strict=True)},
        "inclination_deg": float(np.degrees(np.arccos(np.clip(unit[2], -1, 1)))),
        "azimuth_deg": float(np.degrees(np.arctan2(unit[1], unit[0]))),
    }


def _place(mask: Mask, affine: Affine) -> dict[str, float]:
    centre = affine[:3, :3] @ np.argwhere(mask).mean(axis=0) + affine[:3, 3]
    return {f"centroid_{axis}_mm": float(v) for axis, v in zip("xyz", centre, strict=True)}


def _contrast(scene: Scene, box: tuple[slice, ...], mask: Mask) -> float:
    """Return the mean excess of the signal over the local background, percent."""
    if scene.image is None:
        return float("nan")
    background = scene.occupancy.background[box][mask].astype(float)
    known = np.isfinite(background) & (background != 0)
    excess = scene.image[box][mask][known].astype(float) / background[known] - 1
    return float(100 * excess.mean()) if known.any() else float("nan")


def _mean(values: Floats | None, box: tuple[slice, ...], mask: Mask) -> float:
    return float("nan") if values is None else float(values[box][mask].astype(float).mean())


def _most_common(parcels: Labels) -> int:
    """Return the parcel of most voxels; of equal ones, that of the lowest index."""
    names, counts = np.unique(parcels, return_counts=True)
    return int(names[counts.argmax()])
