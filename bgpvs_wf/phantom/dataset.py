"""`simulate_dataset`: synthetic infants as a BIDS dataset, the truth as derivatives."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf._version import __version__
from bgpvs_wf.errors import UsageError
from bgpvs_wf.phantom.growth import growth_at
from bgpvs_wf.phantom.subject import SyntheticInfant, checked_voxel, simulate_subject

if TYPE_CHECKING:
    import pandas as pd

TRUTH = Path("derivatives", "truth")
"""Where the truth is, below the dataset."""
_PARTIAL = ".partial"
_COLUMNS = {
    "tube": "Number of the perivascular space",
    "region_index": "Label of the nucleus that most of it lies in (see the anatomy dseg)",
    "length_mm": "Length of the centre line",
    "diameter_mm": "Mean diameter",
    "volume_mm3": "Volume with its round ends",
    "fill": "How far its signal goes from the tissue's to fluid, 0 to 1",
    **{f"start_{a}_mm": f"Lower end of the centre line, {a} (RAS+)" for a in "xyz"},
    **{f"end_{a}_mm": f"Upper end of the centre line, {a} (RAS+)" for a in "xyz"},
}


def simulate_dataset(
    out: str | os.PathLike[str],
    *,
    n_subjects: int,
    ages_weeks: Sequence[float],
    seed: int,
    voxel_mm: float | tuple[float, float, float] = 0.8,
    on_subject: Callable[[str, SyntheticInfant], None] | None = None,
    **settings: Any,
) -> Path:
    """Write synthetic infants as a BIDS dataset.

    Parameters
    ----------
    out : path-like
        A folder that is empty or not there yet. It is filled at the end, whole or not at all.
    n_subjects : int
    ages_weeks : sequence of float
        Post-menstrual ages, weeks; the subjects take them in turn.
    seed : int
        The same call writes the same bytes.
    voxel_mm : float or tuple of 3 floats
        Voxel size, mm.
    on_subject : callable, optional
        Told each subject's label and infant as it is done.
    **settings
        Further arguments of `simulate_subject`.

    Returns
    -------
    Path
        Of the dataset. ``sub-*/anat`` has T1w and T2w; ``derivatives/truth`` has, for each, the
        anatomy, ``desc-bgpvs_dseg``, ``label-PVS_probseg`` (occupancy) and ``desc-pvs_objects``.

    Raises
    ------
    AgeError
        If an age is out of range.
    UsageError
        If the folder is not empty, or a number is absurd.
    BGPVSError
        If the folder cannot be written to.
    """
    out = Path(out).expanduser().absolute()
    if n_subjects < 1:
        raise UsageError(f"{n_subjects} subjects asked for; ask for one or more.")
    if not ages_weeks:
        raise UsageError("No ages given; give one or more, such as 40w or 3m.")
    if seed < 0:
        raise UsageError(f"The seed is {seed}; give a number from 0 up.")
    for age in ages_weeks:
        growth_at(age)
    checked_voxel(voxel_mm)
    partial = _claim(out)
    rows = []
    for i in range(n_subjects):
        label = f"{i + 1:0{max(2, len(str(n_subjects)))}d}"
        own_seed = int(np.random.SeedSequence([seed, i]).generate_state(1)[0])
        age = ages_weeks[i % len(ages_weeks)]
        infant = simulate_subject(age, seed=own_seed, voxel_mm=voxel_mm, **settings)
        _write_images(partial, label, infant, own_seed)
        _write_truth(partial / TRUTH, label, infant)
        rows.append((f"sub-{label}", round(float(age), 2), own_seed))
        if on_subject:
            on_subject(label, infant)
    _write_tables(partial, rows)
    _publish(partial, out)
    return out


def _claim(out: Path) -> Path:
    """Make the folder, refuse it if it holds anything, and return where to build."""
    partial = out / _PARTIAL
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(entry.name != _PARTIAL for entry in out.iterdir()):
            raise UsageError(f"{out} is not empty; choose another folder, or empty it.")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
    except OSError as error:
        raise UsageError(
            f"Cannot write to {out}: {error.strerror}; choose another folder."
        ) from error
    return partial


def _publish(partial: Path, out: Path) -> None:
    """Move what was built to its place, the description last: it makes a folder a dataset."""
    entries = sorted(partial.iterdir(), key=lambda path: path.name == "dataset_description.json")
    for entry in entries:
        os.replace(entry, out / entry.name)
    partial.rmdir()


def _write_images(root: Path, label: str, infant: SyntheticInfant, seed: int) -> None:
    from bgpvs_wf.imaging.files import save_image, write_json

    folder = root / f"sub-{label}" / "anat"
    for suffix, image in (("T1w", infant.t1w), ("T2w", infant.t2w)):
        path = folder / f"sub-{label}_{suffix}.nii.gz"
        # Whole numbers, as scanners write them: a quarter of the bytes, far below the noise.
        save_image(np.round(image).astype(np.int16), infant.affine, path, dtype=np.int16)
        sidecar = {
            "Description": "Synthetic, made by bgpvs-wf simulate",
            "SkullStripped": True,
            "Seed": seed,
        }
        write_json(sidecar, folder / f"sub-{label}_{suffix}.json")


def _write_truth(root: Path, label: str, infant: SyntheticInfant) -> None:
    from bgpvs_wf.anatomy.labels import label_table
    from bgpvs_wf.bids.derivatives import bgpvs_label_table
    from bgpvs_wf.imaging.files import save_image, write_json, write_table

    stem = f"sub-{label}"
    folder = root / stem / "anat"
    labels = (
        ("anatomy", infant.dseg, label_table(np.unique(infant.dseg).tolist())),
        ("bgpvs", infant.bgpvs, bgpvs_label_table()),
    )
    for desc, data, table in labels:
        path = folder / f"{stem}_desc-{desc}_dseg.nii.gz"
        save_image(data, infant.affine, path, labels=True)
        write_table(table, folder / f"{stem}_desc-{desc}_dseg.tsv")
    save_image(infant.occupancy, infant.affine, folder / f"{stem}_label-PVS_probseg.nii.gz")
    write_table(_objects(infant.tubes), folder / f"{stem}_desc-pvs_objects.tsv")
    described = {
        name: {"Description": text} | ({"Units": "mm"} if name.endswith("_mm") else {})
        for name, text in _COLUMNS.items()
    }
    described["volume_mm3"]["Units"] = "mm^3"
    write_json(described, folder / f"{stem}_desc-pvs_objects.json")


def _objects(tubes: pd.DataFrame) -> pd.DataFrame:
    """Return the table of tubes with the ends of the centre lines instead of all their points."""
    table = tubes.drop(columns="points")
    for end, index in (("start", 0), ("end", -1)):
        for axis, name in enumerate("xyz"):
            table[f"{end}_{name}_mm"] = [points[index][axis] for points in tubes["points"]]
    return table[list(_COLUMNS)].round(4)


def _write_tables(root: Path, rows: list[tuple[str, float, int]]) -> None:
    import pandas as pd

    from bgpvs_wf.bids.derivatives import BIDS_VERSION
    from bgpvs_wf.imaging.files import write_json, write_table, write_text

    write_table(
        pd.DataFrame(rows, columns=["participant_id", "age", "seed"]), root / "participants.tsv"
    )
    columns = {
        "age": {"Description": "post-menstrual age at scan", "Units": "weeks"},
        "seed": {"Description": "Seed of bgpvs_wf.phantom.simulate_subject"},
    }
    write_json(columns, root / "participants.json")
    made_by = {"GeneratedBy": [{"Name": "bgpvs-wf", "Version": __version__}]}
    common = {"BIDSVersion": BIDS_VERSION, "License": "CC0", **made_by}
    write_json(
        {"Name": "Synthetic infants", "DatasetType": "raw", **common},
        root / "dataset_description.json",
    )
    write_json(
        {"Name": "Truth of the synthetic infants", "DatasetType": "derivative", **common},
        root / TRUTH / "dataset_description.json",
    )
    write_text(
        "Synthetic infants with perivascular spaces of known geometry, made by bgpvs-wf simulate.\n"
        "The truth is in derivatives/truth. No person was scanned.\n",
        root / "README",
    )
