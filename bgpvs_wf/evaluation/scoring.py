"""One prediction of one scan against its reference: arrays in, rows of the tables out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bgpvs_wf.arrays import Affine, Floats, Labels, Mask
from bgpvs_wf.evaluation.clusters import cluster_scores, count_objects
from bgpvs_wf.evaluation.detection import tube_coverage
from bgpvs_wf.evaluation.overlap import NAN, counted, overlap
from bgpvs_wf.evaluation.score_tables import BG, CASE_COLUMNS, PVS, TUBE_COLUMNS
from bgpvs_wf.imaging.geometry import bounding_box, voxel_volume

if TYPE_CHECKING:
    import pandas as pd

Rows = list[dict[str, Any]]
_ARRAYS = ("bg", "pvs", "ignore", "occupancy", "tubes")
_CLUSTER_COLUMNS = ("cluster_recall", "cluster_ppv", "cluster_f1", "predicted_count")


@dataclass(frozen=True, eq=False)
class ReferenceCase:
    """What is true of a scan; all arrays of shape (x, y, z) on one grid."""

    subject: str
    session: str | None
    affine: Affine
    bg: Mask
    """Bool: the nuclei with the PVS inside."""
    pvs: Mask | None = None
    """Bool; None if PVS are not known and not scored."""
    ignore: Mask | None = None
    """Bool: voxels that count for nobody when PVS are scored."""
    occupancy: Floats | None = None
    """Share of each voxel that is PVS, 0 to 1."""
    tubes: Labels | None = None
    """Number of the true tube at each voxel, 0 elsewhere."""
    objects: pd.DataFrame | None = None
    """A row per true tube: `tube`, and `tree`, `diameter_mm`, `length_mm`, `volume_mm3`, `snr`
    where known. Tubes that join have the same `tree`."""


def score_case(
    reference: ReferenceCase,
    method: str,
    bg: Mask | None,
    pvs: Mask | None = None,
    volumes: Floats | None = None,
) -> tuple[Rows, Rows]:
    """Score one prediction.

    Parameters
    ----------
    reference : ReferenceCase
    method : str
        Name of the prediction.
    bg, pvs : ndarray of bool, shape (x, y, z), or None
        The prediction on the grid of the reference; None where there is none: the row then has
        missing scores, which is not the same as a prediction of nothing.
    volumes : ndarray of float, shape (x, y, z), optional
        Voxels of volume that the prediction gives each voxel, of its own measurement.

    Returns
    -------
    cases : list of dict
        Of `CASE_COLUMNS`: a row for the BG, and one for the PVS if the reference knows them.
    tubes : list of dict
        Of `TUBE_COLUMNS`: a row per true tube inside the BG, if they are known and PVS were
        predicted. Tubes whose voxels are all ignored or outside are left out; a tube without
        voxels of its own was not detected.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    for mask in (bg, pvs, volumes):
        if mask is not None and mask.shape != reference.bg.shape:
            raise ValueError(f"prediction of shape {mask.shape} on {reference.bg.shape}")
    reference, bg, pvs, volumes = _crop(reference, bg, pvs, volumes)
    who: dict[str, Any] = {
        "subject": reference.subject,
        "session": reference.session,
        "method": method,
    }
    missing = {**dict.fromkeys(CASE_COLUMNS, NAN), **who}
    row = missing | {"structure": BG, "reference_mm3": _volume(reference, reference.bg)}
    cases = [row if bg is None else row | overlap(bg, reference.bg, reference.affine)]
    if reference.pvs is None:
        return cases, []
    objects = _counted_tubes(reference)
    row = missing | {
        "structure": PVS,
        "reference_mm3": _volume(reference, counted(reference.pvs, reference.ignore)),
        "reference_count": _true_count(reference, objects),
    }
    if reference.occupancy is not None:
        inside = counted(reference.bg, reference.ignore)
        row["true_mm3"] = _volume(reference, reference.occupancy[inside])
    if pvs is None:
        return [*cases, row], []
    ignore = reference.ignore
    clusters = cluster_scores(pvs, reference.pvs, ignore)
    row |= overlap(pvs, reference.pvs, reference.affine, ignore)
    row |= {name: clusters[name] for name in _CLUSTER_COLUMNS}
    if volumes is not None:
        kept = volumes if ignore is None else volumes[~ignore]
        row["predicted_tube_mm3"] = _volume(reference, kept)
    return [*cases, row], [] if objects is None else _tube_rows(reference, objects, pvs, who)


def _crop(reference: ReferenceCase, *predicted: NDArray[Any] | None) -> tuple[Any, ...]:
    """Cut everything to the box that holds something, a small part of a head."""
    masks = [*predicted, *(getattr(reference, name) for name in _ARRAYS)]
    anything = np.logical_or.reduce([mask != 0 for mask in masks if mask is not None])
    if not anything.any():
        return reference, *predicted
    box = bounding_box(anything, reference.affine)
    kept = {name: getattr(reference, name) for name in _ARRAYS}
    cropped = {name: array[box] for name, array in kept.items() if array is not None}
    return (
        # Nothing looks at where the box is: the affine gives sizes of voxels only.
        dataclasses.replace(reference, **cropped),
        *(None if array is None else array[box] for array in predicted),
    )


def _volume(reference: ReferenceCase, shares: NDArray[Any]) -> float:
    """Return the volume of voxels, or of shares of them, mm3."""
    return float(shares.sum(dtype=float)) * voxel_volume(reference.affine)


def _counted_tubes(reference: ReferenceCase) -> pd.DataFrame | None:
    """Return the table of tubes without those that are all ignored or outside the BG."""
    import pandas as pd

    objects, tubes = reference.objects, reference.tubes
    if tubes is None:
        return objects
    labelled = np.unique(tubes[tubes > 0])
    if objects is None:
        objects = pd.DataFrame({"tube": labelled.astype(int)})
    within = np.unique(tubes[counted(reference.bg, reference.ignore)])
    out = np.setdiff1d(labelled, within)
    return objects[~objects["tube"].isin(out)]


def _true_count(reference: ReferenceCase, objects: pd.DataFrame | None) -> int:
    """Return the number of true PVS: of trees where they are known, else of objects."""
    if objects is not None and "tree" in objects:
        return int(objects["tree"].nunique())
    assert reference.pvs is not None
    return count_objects(reference.pvs, reference.ignore)


def _tube_rows(
    reference: ReferenceCase, objects: pd.DataFrame, pvs: Mask, who: dict[str, Any]
) -> Rows:
    if reference.tubes is None:
        return []
    inside = counted(reference.bg, reference.ignore)
    found = tube_coverage(np.where(inside, reference.tubes, 0), pvs)
    table = objects.merge(found, on="tube", how="left").assign(**who)
    table["voxel_mm"] = voxel_volume(reference.affine) ** (1 / 3)
    # Too thin or too faint to be given a voxel: there, and not found.
    table["detected"] = table["detected"].eq(True)
    rows = table.reindex(columns=list(TUBE_COLUMNS)).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
