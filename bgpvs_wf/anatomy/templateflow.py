"""Templates as TemplateFlow lays them out.

``tpl-X[/cohort-1]/tpl-X_cohort-1_T1w.nii.gz``, ``..._desc-aseg_dseg.nii.gz``, label tables as
``_dseg.tsv``, ages of the cohorts in ``template_description.json`` (Ciric et al., Nat Methods 2022,
doi 10.1038/s41592-022-01681-2).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bgpvs_wf.anatomy.label_names import label_of_name
from bgpvs_wf.anatomy.labels import NUCLEI
from bgpvs_wf.anatomy.plan import Plan, PlannedEntry, images_in, stem_of
from bgpvs_wf.bids.ages import TERM_WEEKS, WEEKS_PER_MONTH, WEEKS_PER_YEAR
from bgpvs_wf.errors import AtlasError
from bgpvs_wf.reading import load_json, why_not


def plan_templateflow(folder: Path) -> Plan | None:
    """Return the plan for a template's folder, or None if it is none.

    Of several segmentations the aseg is taken. Ages in months and years count from term, weeks
    are post-menstrual.

    Raises
    ------
    AtlasError
        If the template comes without labels, or its description is damaged.
    """
    images = [image for image in images_in(folder) if stem_of(image).startswith("tpl-")]
    segmentations = [image for image in images if stem_of(image).endswith("_dseg")]
    if not images:
        return None
    name = _entities(images[0])["tpl"]
    if not segmentations:
        raise AtlasError(f"{folder} has no _dseg: template '{name}' comes without labels.")
    # One cohort's folder may be imported on its own; what describes it lies above.
    folder = folder.parent if folder.name.startswith("cohort-") else folder
    about = _read_json(folder / "template_description.json")
    cohorts: dict[str, list[Path]] = {}
    for dseg in segmentations:
        cohorts.setdefault(_entities(dseg).get("cohort", ""), []).append(dseg)
    entries = tuple(
        _templateflow_entry(min(files, key=_preference), images, folder, about)
        for _, files in sorted(cohorts.items(), key=lambda item: item[0].zfill(4))
    )
    links = about.get("ReferencesAndLinks") or ()
    return Plan(
        name,
        "TemplateFlow",
        entries,
        str(about.get("Name") or ""),
        str(about.get("License") or ""),
        "; ".join(map(str, links.values() if isinstance(links, Mapping) else links)),
    )


def _preference(dseg: Path) -> tuple[int, str]:
    """Put whole-brain aseg before cortical parcellations, and those before all others."""
    words = stem_of(dseg).lower()
    order = ("desc-aseg", "seg-aseg", "atlas-aseg", "aparcaseg", "aparc+aseg")
    rank = next((i for i, word in enumerate(order) if word in words), len(order))
    return (rank, words)


def _templateflow_entry(
    dseg: Path, images: list[Path], folder: Path, about: Mapping[str, Any]
) -> PlannedEntry:
    ours = _entities(dseg)

    def beside(suffix: str) -> list[Path]:
        same = [p for p in images if stem_of(p).endswith(f"_{suffix}") and _agree(p, ours)]
        return sorted(same, key=lambda p: (len(_entities(p)), p.name))

    def first(suffix: str) -> Path | None:
        return next((p for p in beside(suffix) if "label" not in _entities(p)), None)

    probsegs = {}
    for path in beside("probseg"):
        label = _entities(path).get("label", "")
        index = int(label) if label.isdigit() else label_of_name(_hemi(label, _entities(path)))
        if index in NUCLEI:
            probsegs[int(index)] = path
    tables = [p for p in folder.rglob("*_dseg.tsv") if _entities(p).items() <= ours.items()]
    table = max(tables, key=lambda p: len(_entities(p)), default=None)
    age, window = _cohort_age(about, ours.get("cohort"))
    return PlannedEntry(
        dseg, first("T1w"), first("T2w"), age, window, str(table) if table else None, probsegs
    )


def _hemi(label: str, entities: Mapping[str, str]) -> str:
    return f"{label} {entities.get('hemi', '')}".strip()


def _agree(path: Path, ours: Mapping[str, str]) -> bool:
    theirs = _entities(path)
    return all(theirs.get(key) == ours.get(key) for key in ("tpl", "cohort", "res"))


def _cohort_age(
    about: Mapping[str, Any], cohort: str | None
) -> tuple[float | None, tuple[float, float] | None]:
    """Read the ages of a cohort: a number or a range, with units; none if there are none."""
    item = (about.get("cohort") or {}).get(cohort) if cohort else about
    if not isinstance(item, Mapping):
        return None, None
    age, units = item.get("age"), str(item.get("units") or about.get("units") or "").lower()
    values = [v for v in (age if isinstance(age, list) else [age]) if isinstance(v, int | float)]
    weeks = [week for value in values if (week := _in_weeks(value, units)) is not None]
    if not weeks:
        return None, None
    return sum(weeks) / len(weeks), (min(weeks), max(weeks)) if len(weeks) > 1 else None


def _in_weeks(value: float, units: str) -> float | None:
    """Months and years count from term; weeks are post-menstrual."""
    if units.startswith("m"):
        return TERM_WEEKS + value * WEEKS_PER_MONTH
    if units.startswith("y"):
        return TERM_WEEKS + value * WEEKS_PER_YEAR
    return value if units.startswith("w") else None


def _entities(path: Path) -> dict[str, str]:
    pairs = (part.split("-", 1) for part in stem_of(path).split("_") if "-" in part)
    return dict(pairs)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = load_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AtlasError(
            f"{path} cannot be read: {why_not(error, path)}; download it again."
        ) from error
    return content if isinstance(content, dict) else {}
