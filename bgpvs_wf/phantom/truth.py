"""The truth of a synthetic or hybrid infant: labels, and the files they are written to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.imaging.tubes import Tube, tube_occupancy

if TYPE_CHECKING:
    import pandas as pd

TRUTH = Path("derivatives", "truth")
"""Where the truth is, below the dataset."""
PVS_SHARE = 0.4
"""A voxel is labelled PVS where tubes fill at least this much of it. Chosen: for straight tubes one
to three voxels wide, of random direction, it keeps the voxelised volume within 10 % of the true one
(a third gives 15 to 20 % too much, a half 5 to 40 % too little)."""
COLUMNS = {
    "tube": "Number of the tube, as in desc-pvs_dseg",
    "tree": "Number of the perivascular space: a tube with its branches",
    "region_index": "Label of the nucleus that most of it lies in (see the anatomy dseg)",
    "length_mm": "Length of the centre line",
    "diameter_mm": "Mean diameter",
    "volume_mm3": "Volume with its round ends",
    "fill": "How far its signal goes from the tissue's to fluid, 0 to 1",
    "snr": "Signal over the standard deviation of the noise: of the cortex on T2w as the protocol "
    "has it, or of the nuclei as measured where tubes were put into a scan",
    **{f"start_{a}_mm": f"Lower end of the centre line, {a} (RAS+)" for a in "xyz"},
    **{f"end_{a}_mm": f"Upper end of the centre line, {a} (RAS+)" for a in "xyz"},
}
"""Columns of desc-pvs_objects to what they mean."""


def pvs_labels(dseg: np.ndarray, occupancy: np.ndarray) -> np.ndarray:
    """Return 0 rest, 1 BG, 2 BG-PVS, uint8, from harmonised labels and what tubes fill."""
    labels = np.isin(dseg, BG_LABELS).astype(np.uint8)
    labels[(occupancy >= PVS_SHARE) & (labels > 0)] = 2
    return labels


def instance_labels(
    tubes: Sequence[Tube], grid: Grid, numbers: Sequence[int] | None = None
) -> np.ndarray:
    """Return the number of the tube in every voxel, int16; 0 is none.

    Tubes are numbered from 1, unless their numbers are given.

    A voxel counts as a tube's if the tube fills `PVS_SHARE` of it, or half of the most that it
    fills of any: tubes thinner than a voxel have voxels, too. Where two meet, the fuller has it.
    """
    labels = np.zeros(grid.shape, np.int16)
    fullest = np.zeros(grid.shape, np.float32)
    for number, tube in zip(numbers or range(1, len(tubes) + 1), tubes, strict=True):
        index, share = tube_occupancy(tube, grid)
        if not share.size:
            continue
        kept = share >= min(PVS_SHARE, 0.5 * float(share.max()))
        at = tuple(index[kept].T)
        fuller = share[kept] > fullest[at]
        labels[at] = np.where(fuller, number, labels[at])
        fullest[at] = np.maximum(fullest[at], share[kept])
    return labels


def tube_table(
    tubes: Sequence[Tube],
    regions: Sequence[int],
    snr: float,
    numbers: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Return a row for each tube, with the columns `COLUMNS`."""
    import pandas as pd

    rows = [
        {
            "tube": number,
            "tree": tube.tree,
            "region_index": region,
            "length_mm": tube.length_mm,
            "diameter_mm": tube.diameter_mm,
            "volume_mm3": tube.volume_mm3,
            "fill": tube.fill,
            "snr": snr,
            **{f"start_{a}_mm": tube.points[0][i] for i, a in enumerate("xyz")},
            **{f"end_{a}_mm": tube.points[-1][i] for i, a in enumerate("xyz")},
        }
        for number, tube, region in zip(
            numbers or range(1, len(tubes) + 1), tubes, regions, strict=True
        )
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_truth(
    root: Path,
    stem: str,
    *,
    dseg: np.ndarray,
    bgpvs: np.ndarray,
    occupancy: np.ndarray,
    affine: np.ndarray,
    tubes: Sequence[Tube],
    regions: Sequence[int],
    snr: float,
    ignore: np.ndarray | None = None,
    numbers: Sequence[int] | None = None,
) -> None:
    """Write the truth of one infant below a derivatives folder.

    Parameters
    ----------
    root : Path
        Folder of the truth; the files go to ``root/<subject>[/<session>]/anat``.
    stem : str
        ``sub-X`` or ``sub-X_ses-Y``.
    dseg, bgpvs, occupancy : ndarray, shape (x, y, z)
        Harmonised labels; 0 rest, 1 BG, 2 BG-PVS; share of each voxel that tubes fill.
    affine : ndarray, shape (4, 4)
    tubes, regions : sequence
        Tubes, and the label of the nucleus each lies in.
    snr : float
        See `COLUMNS`.
    ignore : ndarray of bool, optional
        Voxels about which nothing is known.
    numbers : sequence of int, optional
        Of the tubes; by default from 1.
    """
    from bgpvs_wf.anatomy.labels import bgpvs_label_table, label_table
    from bgpvs_wf.imaging.files import save_image, write_json, write_table

    folder = root.joinpath(*stem.split("_"), "anat")
    labels = (
        ("anatomy", dseg, label_table(np.unique(dseg).tolist())),
        ("bgpvs", bgpvs, bgpvs_label_table()),
    )
    for desc, data, table in labels:
        path = folder / f"{stem}_desc-{desc}_dseg.nii.gz"
        save_image(data, affine, path, labels=True)
        write_table(table, folder / f"{stem}_desc-{desc}_dseg.tsv")
    save_image(occupancy, affine, folder / f"{stem}_label-PVS_probseg.nii.gz")
    grid = Grid(bgpvs.shape, affine)
    instances = instance_labels(tubes, grid, numbers)
    save_image(instances, affine, folder / f"{stem}_desc-pvs_dseg.nii.gz", labels=True)
    if ignore is not None:
        path = folder / f"{stem}_desc-ignore_mask.nii.gz"
        save_image(ignore.astype(np.uint8), affine, path, labels=True)
    table = tube_table(tubes, regions, snr, numbers).round(4)
    write_table(table, folder / f"{stem}_desc-pvs_objects.tsv")
    described = {
        name: {"Description": text} | ({"Units": "mm"} if name.endswith("_mm") else {})
        for name, text in COLUMNS.items()
    }
    described["volume_mm3"]["Units"] = "mm^3"
    write_json(described, folder / f"{stem}_desc-pvs_objects.json")
