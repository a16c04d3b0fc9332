"""Take an atlas into the user's folder: checked, harmonised, whole or not at all."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.anatomy.harmonisation import detect_table, get_table, harmonise, require_nuclei
from bgpvs_wf.anatomy.intensities import require_paintable
from bgpvs_wf.anatomy.labels import label_table
from bgpvs_wf.anatomy.plan import Plan, PlannedEntry
from bgpvs_wf.anatomy.published import LabelTable
from bgpvs_wf.anatomy.registry import ATLAS_FILE, Atlas, load_atlas, user_atlas_folder
from bgpvs_wf.anatomy.sides import check_sides
from bgpvs_wf.errors import AtlasError, BadImageError, BadLabelsError
from bgpvs_wf.imaging.atomic_folders import atomic_folder
from bgpvs_wf.imaging.files import (
    check_labels_on_grid,
    load_image,
    save_image,
    write_json,
    write_table,
)

if TYPE_CHECKING:
    import nibabel as nib

AGE_LIMITS_WEEKS = (15.0, 160.0)
"""Accepted ages of atlases (chosen): fetal ones begin at 19 to 21 weeks."""


def import_atlas(
    plan: Plan, *, folder: str | os.PathLike[str] | None = None, force: bool = False
) -> Atlas:
    """Copy a planned atlas into the user's atlas folder.

    Parameters
    ----------
    plan : Plan
        From `bgpvs_wf.anatomy.layouts.plan_import`, or made of single files.
    folder : path-like, optional
        Default: `bgpvs_wf.anatomy.registry.user_atlas_folder`.
    force : bool
        Replace an atlas of the same name.

    Returns
    -------
    Atlas
        As it lies in the folder, labels harmonised.

    Raises
    ------
    AtlasError
        If the name is taken or no name, an age is missing, grids do not match, labels are
        unknown or none is a nucleus of the basal ganglia, or left and right contradict the
        header. Nothing is left behind.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", plan.name):
        raise AtlasError(
            f"'{plan.name}' is no atlas name; use letters, digits and . _ + -, with --name."
        )
    target = (Path(folder) if folder is not None else user_atlas_folder()) / plan.name
    if target.exists() and not force:
        raise AtlasError(
            f"Atlas '{plan.name}' is there already ({target}); "
            "choose another --name, or --force to replace it."
        )
    ages = [_age(entry, plan)[0] for entry in plan.entries]
    if len(set(ages)) < len(ages):
        raise AtlasError(f"Atlas '{plan.name}' has two entries of the same age; keep one.")
    advice = "choose another folder with BGPVS_WF_ATLASES"
    with atomic_folder(target, AtlasError, advice) as work:
        try:
            items = [_import_entry(entry, plan, work) for entry in plan.entries]
        except (BadImageError, BadLabelsError) as error:
            raise AtlasError(str(error)) from error
        write_table(label_table(i for _, labels in items for i in labels), work / "dseg.tsv")
        about = {key: getattr(plan, key) for key in ("name", "description", "license", "citation")}
        write_json({**about, "entries": [item for item, _ in items]}, work / ATLAS_FILE)
    return load_atlas(target)


def _age(entry: PlannedEntry, plan: Plan) -> tuple[float, tuple[float, float]]:
    low, high = AGE_LIMITS_WEEKS
    age, window = entry.age_weeks, entry.window
    if age is None or window is None:
        raise AtlasError(
            f"The age of atlas '{plan.name}' ({entry.dseg.name}) is not known; "
            "import one age at a time and give it with --age, as 40w or 3m."
        )
    if not low <= age <= high:
        raise AtlasError(
            f"Atlas '{plan.name}' has an age of {age:g} weeks, outside {low:g} to {high:g}; "
            "correct it with --age."
        )
    if not window[0] <= age <= window[1]:
        raise AtlasError(
            f"Atlas '{plan.name}' is {age:g} weeks old, outside its own window of "
            f"{window[0]:g} to {window[1]:g}; correct --min-age and --max-age."
        )
    return age, window


def _import_entry(entry: PlannedEntry, plan: Plan, work: Path) -> tuple[dict[str, Any], set[int]]:
    """Write one age; return its item for ``atlas.json`` and its labels."""
    age, window = _age(entry, plan)
    base = f"age-{age:06.2f}w"
    source = load_image(entry.dseg, what="dseg", allow_constant=True)
    dseg = _harmonised(entry, source)
    save_image(dseg, source.affine, work / f"{base}_dseg.nii.gz", labels=True, dtype=np.int16)
    images = {"T1w": entry.t1w, "T2w": entry.t2w}
    item = {
        "age_weeks": round(age, 3),
        "min_age_weeks": round(window[0], 3),
        "max_age_weeks": round(window[1], 3),
        **{
            modality: _copy(path, source, entry, work / f"{base}_{modality}.nii.gz")
            if path
            else None
            for modality, path in images.items()
        },
        "dseg": f"{base}_dseg.nii.gz",
        "probsegs": {
            str(index): _copy(path, source, entry, work / f"{base}_label-{index}_probseg.nii.gz")
            for index, path in sorted(entry.probsegs.items())
        },
    }
    return item, {int(i) for i in np.unique(dseg)}


def _harmonised(entry: PlannedEntry, source: nib.Nifti1Image) -> np.ndarray:
    labels, where = np.asarray(source.dataobj), str(entry.dseg)
    table = get_table(entry.table) if entry.table else _detect(labels, entry.dseg)
    dseg = harmonise(labels, table, source=where, affine=source.affine)
    require_nuclei(dseg, source=where)
    check_sides(dseg, source.affine, source=where)
    if not (entry.t1w or entry.t2w):
        require_paintable(dseg, source=where)
    return dseg


def _detect(labels: np.ndarray, path: Path) -> LabelTable:
    whole = {int(i) for i in np.unique(labels)}
    beside = path.with_name(re.sub(r"\.nii(\.gz)?$", ".tsv", path.name))
    return detect_table(whole, beside if beside.is_file() else None, source=str(path))


def _copy(path: Path, labels: nib.Nifti1Image, entry: PlannedEntry, target: Path) -> str:
    probability = target.name.endswith("_probseg.nii.gz")
    image = load_image(path, allow_constant=probability)
    check_labels_on_grid(labels, image, labels_path=entry.dseg, image_path=path)
    data = np.asarray(image.dataobj)
    if probability and (data.min() < 0 or data.max() > 1 + 1e-3):
        raise AtlasError(
            f"{path} runs from {data.min():g} to {data.max():g}, no probability; scale it to 0-1."
        )
    return save_image(data, labels.affine, target).name
