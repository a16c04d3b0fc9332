"""How published atlases lie on disk: each layout becomes a plan of what to import."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from bgpvs_wf.anatomy.labels import NUCLEI
from bgpvs_wf.anatomy.plan import Plan, PlannedEntry, images_in, stem_of
from bgpvs_wf.anatomy.registry import ATLAS_FILE, load_atlas
from bgpvs_wf.anatomy.templateflow import plan_templateflow
from bgpvs_wf.bids.ages import TERM_WEEKS
from bgpvs_wf.errors import AtlasError


def plan_import(path: str | os.PathLike[str]) -> Plan:
    """Recognise the layout of an atlas folder.

    Known are atlases of this package, TemplateFlow, M-CRIB, CRL (fetal, 2017 and 2025), and the
    dHCP's volumetric atlases.

    Raises
    ------
    AtlasError
        If the folder is missing or its layout is none of these.
    """
    folder = Path(path).expanduser().absolute()
    if not folder.is_dir():
        raise AtlasError(
            f"{folder} is no folder; give an atlas folder, or single files with --dseg."
        )
    layouts: tuple[Callable[[Path], Plan | None], ...] = (
        _native,
        plan_templateflow,
        _mcrib,
        _crl,
        _dhcp,
    )
    for layout in layouts:
        plan = layout(folder)
        if plan is not None:
            return plan
    raise AtlasError(
        f"{folder} has none of the known layouts (TemplateFlow tpl-*, CRL STA*.nii.gz, "
        "M-CRIB_hardseg_*, dHCP templates and labels); give its files with --t1w, --t2w, "
        "--dseg and --labels."
    )


def _native(folder: Path) -> Plan | None:
    if not (folder / ATLAS_FILE).exists():
        return None
    atlas = load_atlas(folder)
    entries = tuple(
        PlannedEntry(
            entry.dseg,
            entry.t1w,
            entry.t2w,
            entry.age_weeks,
            (entry.min_age_weeks, entry.max_age_weeks),
            "aseg",
            entry.probsegs,
        )
        for entry in atlas.entries
    )
    texts = (atlas.description, atlas.license, atlas.citation)
    return Plan(atlas.name, "bgpvs-wf", entries, *texts)


# --- M-CRIB: M-CRIB_hardseg_0.1.nii.gz, structure_probability_maps/M-CRIB_label0011_probmap.nii.gz


def _mcrib(folder: Path) -> Plan | None:
    # 0.1 labels every voxel that anybody labelled; 0.5 leaves holes where raters disagree.
    hard = sorted(folder.glob("M-CRIB*hardseg*.nii*"), key=lambda p: ("0.1" not in p.name, p.name))
    if not hard:
        return None
    probsegs = {}
    for path in sorted(folder.rglob("M-CRIB_label*_probmap.nii*")):
        match = re.search(r"label0*(\d+)_probmap", path.name)
        index = {9: 10, 48: 49}.get(int(match[1]), int(match[1])) if match else 0
        if index in NUCLEI:
            probsegs[index] = path
    entry = PlannedEntry(
        hard[0],
        _one(folder.glob("M-CRIB*T1*.nii*")),
        _one(folder.glob("M-CRIB*T2*.nii*")),
        age_weeks=TERM_WEEKS,
        window=(37.0, 44.0),
        table="mcrib",
        probsegs=probsegs,
    )
    return Plan(
        "M-CRIB",
        "M-CRIB",
        (entry,),
        "Group label maps of ten neonates born at term",
        "see its source; none stated beyond the citation",
        "Alexander et al., NeuroImage 2017, doi 10.1016/j.neuroimage.2016.09.068",
    )


# --- CRL: STA30.nii.gz with STA30_tissue.nii.gz; CRL-2025: t2w_GA30_atlas.nii.gz with _tissue

_CRL_LABELS = ("tissue", "tissueWMZ", "parc", "regional", "seg")


def _crl(folder: Path) -> Plan | None:
    entries: dict[float, PlannedEntry] = {}
    for image in images_in(folder):
        match = re.fullmatch(r"(STA(\d+))(?:exp)?|(t2w_GA(\d+))_atlas", stem_of(image))
        if not match:
            continue
        age = float(match[2] or match[4])
        entries.setdefault(age, PlannedEntry(_crl_labels(image), t2w=image, age_weeks=age))
    if not entries:
        return None
    return Plan(
        "CRL",
        "CRL",
        tuple(entries[age] for age in sorted(entries)),
        "Spatiotemporal atlas of the fetal brain of the Computational Radiology Laboratory",
        "see the terms at its source",
        "Gholipour et al., Sci Rep 2017, doi 10.1038/s41598-017-00525-w",
    )


def _crl_labels(image: Path) -> Path:
    stem = stem_of(image).removesuffix("_atlas")
    for base in (stem, stem.removesuffix("exp")):
        for label in _CRL_LABELS:
            found = _with_nii(image.parent / f"{base}_{label}")
            if found:
                return found
    raise AtlasError(
        f"{image} has no labels beside it ({stem}_{', _'.join(_CRL_LABELS)}); "
        "download the segmentations too, or give --t2w, --dseg and --labels."
    )


# --- dHCP: templates/t2w/t40.00.nii.gz with labels/structures/; T2/template-40.nii.gz with labels


def _dhcp(folder: Path) -> Plan | None:
    found: dict[float, dict[str, Path]] = {}
    for image in images_in(folder):
        role = _dhcp_role(image.relative_to(folder))
        match = re.search(r"(?<![\d.])(\d{2}(?:\.\d+)?)(?!\d)\D*$", stem_of(image))
        if role and match:
            found.setdefault(float(match[1]), {}).setdefault(role, image)
    entries = tuple(
        PlannedEntry(files["dseg"], files.get("T1w"), files.get("T2w"), age)
        for age, files in sorted(found.items())
        if "dseg" in files and len(files) > 1
    )
    if not entries:
        return None
    return Plan(
        "dHCP",
        "dHCP",
        entries,
        "Spatiotemporal atlas of the neonatal brain of the Developing Human Connectome Project",
        "see the terms at its source",
        "Schuh et al., bioRxiv 2018, doi 10.1101/251512",
    )


def _dhcp_role(path: Path) -> str | None:
    words = {word for part in path.parent.parts for word in re.split(r"[-_. ]", part.lower())}
    if {"std", "stdev", "pbmaps", "probabilities", "tissues", "tissue", "dofs"} & words:
        return None
    if words & {"structures", "labels", "segmentations", "drawem87"}:
        return "dseg"
    if words & {"t2w", "t2"}:
        return "T2w"
    return "T1w" if words & {"t1w", "t1"} else None


def _with_nii(base: Path) -> Path | None:
    return _one(
        p for ext in (".nii.gz", ".nii") if (p := base.with_name(base.name + ext)).is_file()
    )


def _one(paths: Iterable[Path]) -> Path | None:
    return next(iter(sorted(paths)), None)
