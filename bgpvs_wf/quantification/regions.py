"""The table of regions: a row per nucleus and side, and their sums."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.anatomy.labels import CSF_LABELS, THALAMUS_LABELS
from bgpvs_wf.arrays import Floats
from bgpvs_wf.quantification.boundary import border_gain
from bgpvs_wf.quantification.columns import INTERVAL_COLUMNS, REGION_COLUMNS
from bgpvs_wf.quantification.interval import volume_interval
from bgpvs_wf.quantification.parcels import RegionRow, region_rows
from bgpvs_wf.quantification.scene import Scene

if TYPE_CHECKING:
    import pandas as pd

_TEXT = ("name", "region", "side")
_WHOLE = ("index", "pvs_count")


@dataclass(frozen=True)
class _Volumes:
    """Volumes of one or several parcels, mm3; those that the signal tells may be NaN."""

    volume_mm3: float = 0.0
    volume_pv_mm3: float = 0.0
    pvs_volume_mm3: float = 0.0
    pvs_volume_tube_mm3: float = 0.0
    pvs_volume_fluid_mm3: float = 0.0

    def __add__(self, other: _Volumes) -> _Volumes:
        names = [f.name for f in fields(self)]
        return _Volumes(*(getattr(self, n) + getattr(other, n) for n in names))


def region_table(
    scene: Scene,
    objects: list[dict[str, Any]],
    labels: set[int],
    include_thalamus: bool,
    bg_region: str,
    margin: float | None,
) -> pd.DataFrame:
    """Sum up parcels and objects; see `REGION_COLUMNS`.

    Parameters
    ----------
    scene : Scene
    objects : list of dict
        From `object_rows`.
    labels : set of int
        Labels of the anatomy.
    include_thalamus, bg_region, margin
        See `measure`.
    """
    import pandas as pd

    volumes = _volumes(scene)
    unknown = float("nan") if not scene.occupancy.known else 0.0
    rows = []
    for row in region_rows(labels, include_thalamus, bg_region):
        total = _Volumes(0.0, unknown, 0.0, unknown, unknown)
        for parcel in row.parcels:
            total += volumes.get(parcel, _Volumes())
        mine = [o for o in objects if o["parcel"] in row.parcels]
        values = _row(row, total, mine, _examined(scene, row))
        if (row.region, row.side) == ("BG", "both"):
            ends = volume_interval(total.pvs_volume_tube_mm3, margin)
            values.update(zip(INTERVAL_COLUMNS, ends, strict=True))
        rows.append(values)
    frame = pd.DataFrame(rows, columns=list(REGION_COLUMNS))
    floats = {n: "float64" for n in frame if n not in _TEXT + _WHOLE}
    return frame.astype({**floats, **dict.fromkeys(_WHOLE, "Int64")})


def _volumes(scene: Scene) -> dict[int, _Volumes]:
    """Return the volumes of every parcel that has a voxel."""
    gain: dict[int, float] = {}
    share = np.zeros(scene.parcels.shape)
    if scene.image is not None and scene.occupancy.known:
        fluid = np.isin(scene.anatomy, CSF_LABELS) & (scene.parcels == 0)
        gain = border_gain(scene.image, scene.parcels, fluid, scene.occupancy, scene.near_pvs)
        share = np.where(scene.rim > 0, np.nan_to_num(scene.occupancy.share), 0.0)
    volumes = {}
    for parcel in map(int, np.unique(scene.parcels[scene.parcels != 0])):
        here = scene.parcels == parcel
        count = float(here.sum())
        fluid = max(float(share[here].sum()), 0.0) * scene.voxel_mm3
        volumes[parcel] = _Volumes(
            count * scene.voxel_mm3,
            max(count + gain.get(parcel, 0.0), 0.0) * scene.voxel_mm3,
            float((scene.instances[here] > 0).sum()) * scene.voxel_mm3,
            fluid / scene.brightness,
            fluid,
        )
    return volumes


def _examined(scene: Scene, row: RegionRow) -> bool:
    """Tell whether PVS were looked for: not in a thalamus that the segmentation left out."""
    if not set(row.parcels) <= set(THALAMUS_LABELS):
        return True
    here = np.isin(scene.parcels, row.parcels)
    return bool(not here.any() or (here & scene.examined).any())


def _row(
    row: RegionRow, total: _Volumes, objects: list[dict[str, Any]], examined: bool
) -> dict[str, Any]:
    values: dict[str, Any] = {**vars(row), **vars(total)}
    values["pvs_count"] = len(objects)
    values["pvs_fraction"] = _ratio(total.pvs_volume_mm3, total.volume_mm3)
    values["pvs_fraction_tube"] = _ratio(total.pvs_volume_tube_mm3, total.volume_pv_mm3)
    lengths = np.array([o["total_length_mm"] for o in objects])
    values["pvs_length_mm"] = float(lengths.sum())
    for mean, name in (
        ("pvs_mean_diameter_mm", "mean_diameter_mm"),
        ("pvs_mean_tortuosity", "tortuosity"),
    ):
        values[mean] = _weighted(np.array([o[name] for o in objects]), lengths)
    values["pvs_max_diameter_mm"] = max(
        (o["max_diameter_mm"] for o in objects), default=float("nan")
    )
    if not examined:
        values.update({k: None for k in values if k.startswith("pvs_")})
    return values


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def _weighted(values: Floats, weights: Floats) -> float:
    known = np.isfinite(values)
    return float(np.average(values[known], weights=weights[known])) if known.any() else float("nan")
