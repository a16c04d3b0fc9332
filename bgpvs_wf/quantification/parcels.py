"""Which nucleus a voxel of the basal ganglia belongs to, and the rows of the table of regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgpvs_wf.anatomy.labels import (
    BG_LABELS,
    LENTIFORM_LABELS,
    MIRROR,
    NUCLEI,
    PALLIDUM_LABELS,
    PUTAMEN_LABELS,
    SIDES,
    THALAMUS_LABELS,
    side_of,
)
from bgpvs_wf.arrays import Affine, Labels
from bgpvs_wf.imaging.morphology import nearest_label

REST = {"left": -1, "right": -2}
"""Parcels of the closed BG that are in no nucleus: mostly internal capsule."""
REST_NAME = "BG-rest"
_PUTAMEN_PALLIDUM = PUTAMEN_LABELS + PALLIDUM_LABELS


@dataclass(frozen=True)
class RegionRow:
    """A row of the table of regions: which parcels it sums up."""

    index: int | None
    name: str
    region: str
    side: str
    parcels: tuple[int, ...]


def parcellate(bgpvs: Labels, anatomy: Labels, affine: Affine, bg_region: str) -> Labels:
    """Divide the basal ganglia into parcels.

    Parameters
    ----------
    bgpvs : ndarray, shape (x, y, z)
        0 rest, 1 BG, 2 BG-PVS.
    anatomy : ndarray of int, shape (x, y, z)
        Harmonised labels.
    affine : ndarray, shape (4, 4)
    bg_region : str
        `nuclei`: voxels of the BG in no nucleus belong to the nearest one, so that nuclei and
        sides add up to the BG. `closed`: they are a parcel of their own on each side (`REST`).

    Returns
    -------
    ndarray of int32, shape (x, y, z)
        Index of the nucleus, or one of `REST`; 0 outside the BG. The thalamus is whole, in
        the BG or not.
    """
    anatomy = np.asarray(anatomy).astype(np.int32)
    inside = np.asarray(bgpvs) > 0
    thalamus = np.isin(anatomy, THALAMUS_LABELS)
    nuclei = np.where(np.isin(anatomy, BG_LABELS), anatomy, 0)
    parcels = np.where(inside | thalamus, np.where(thalamus, anatomy, nuclei), 0)
    astray = inside & (parcels == 0)
    if astray.any():
        # Without nuclei of the BG there may still be the thalamus to tell the side.
        known = nuclei if nuclei.any() else np.where(thalamus, anatomy, 0)
        nearest = nearest_label(known, affine)[astray]
        if bg_region == "closed":
            nearest = np.where(np.isin(nearest, SIDES["left"]), REST["left"], REST["right"])
        parcels[astray] = nearest
    return np.asarray(parcels)


def parcel_name(parcel: int) -> tuple[str, str]:
    """Return region and side of a parcel.

    Examples
    --------
    >>> parcel_name(51), parcel_name(REST["left"])
    (('Putamen', 'right'), ('BG-rest', 'left'))
    """
    for side, rest in REST.items():
        if parcel == rest:
            return REST_NAME, side
    side = side_of(parcel)
    return NUCLEI[parcel].removeprefix(f"{side.title()}-"), side


def region_rows(
    anatomy_labels: set[int], include_thalamus: bool, bg_region: str
) -> list[RegionRow]:
    """Return the rows of the table: nuclei, nuclei of both sides together, totals.

    Parameters
    ----------
    anatomy_labels : set of int
        Labels that occur. The lentiform nucleus has rows where a source has it, and then
        putamen and pallidum have none unless they occur as well.
    include_thalamus : bool
        Count the thalamus as basal ganglia.
    bg_region : str
        With `closed`, the rest between the nuclei has rows.
    """
    lentiform = bool(anatomy_labels & set(LENTIFORM_LABELS))
    split = bool(anatomy_labels & set(_PUTAMEN_PALLIDUM)) or not lentiform
    left = [
        index
        for index in NUCLEI
        if side_of(index) == "left"
        and (lentiform or index not in LENTIFORM_LABELS)
        and (split or index not in _PUTAMEN_PALLIDUM)
    ]
    parts = [(parcel_name(i)[0], (i, MIRROR[i])) for i in left]
    if bg_region == "closed":
        parts.append((REST_NAME, (REST["left"], REST["right"])))
    sides = ("left", "right")
    rows = [
        RegionRow(
            pair[k] if pair[k] > 0 else None,
            f"{sides[k].title()}-{name}",
            name,
            sides[k],
            (pair[k],),
        )
        for k in (0, 1)
        for name, pair in parts
    ]
    rows += [RegionRow(None, name, name, "both", pair) for name, pair in parts]
    counted = [pair for _, pair in parts if include_thalamus or pair[0] not in THALAMUS_LABELS]
    for k in (0, 1):
        rows.append(
            RegionRow(None, f"{sides[k].title()}-BG", "BG", sides[k], tuple(p[k] for p in counted))
        )
    rows.append(RegionRow(None, "BG", "BG", "both", tuple(i for pair in counted for i in pair)))
    return rows
