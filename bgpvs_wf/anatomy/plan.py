"""What to import, before anything is read: files, ages, and the user's word on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bgpvs_wf.errors import AtlasError


@dataclass(frozen=True)
class PlannedEntry:
    """One age to import, as its files lie."""

    dseg: Path
    t1w: Path | None = None
    t2w: Path | None = None
    age_weeks: float | None = None
    window: tuple[float, float] | None = None
    """Ages it is meant for, post-menstrual weeks."""
    table: str | None = None
    """Label table, by name or path; None to recognise it."""
    probsegs: Mapping[int, Path] = field(default_factory=dict)
    """Probability maps by harmonised index."""


@dataclass(frozen=True)
class Plan:
    """What to import."""

    name: str
    layout: str
    entries: tuple[PlannedEntry, ...]
    description: str = ""
    license: str = ""
    citation: str = ""


def images_in(folder: Path) -> list[Path]:
    """Return the NIfTI files below a folder, sorted."""
    found = folder.rglob("*.nii*")
    return sorted(path for path in found if path.name.endswith((".nii", ".nii.gz")))


def stem_of(path: Path) -> str:
    """Return a file's name without its (double) extension."""
    return re.sub(r"\.(nii(\.gz)?|tsv)$", "", path.name)


def with_options(
    plan: Plan,
    *,
    name: str | None = None,
    age_weeks: float | None = None,
    window: tuple[float | None, float | None] = (None, None),
    table: str | None = None,
    t1w: Path | None = None,
    t2w: Path | None = None,
) -> Plan:
    """Return the plan with what the user said in place of what was found.

    Raises
    ------
    AtlasError
        If an age, a window or an image is given for an atlas of several ages.
    """
    given = [age_weeks, *window, t1w, t2w]
    if len(plan.entries) > 1 and any(value is not None for value in given):
        raise AtlasError(
            f"Atlas '{plan.name}' has {len(plan.entries)} ages, so --age, --min-age, --max-age, "
            "--t1w and --t2w cannot be told apart; import one age at a time with --dseg."
        )
    entries = []
    for entry in plan.entries:
        age = entry.age_weeks if age_weeks is None else age_weeks
        found = entry.window if age_weeks is None else None
        entries.append(
            replace(
                entry,
                age_weeks=age,
                window=_window(age, found, window),
                table=table or entry.table,
                t1w=t1w or entry.t1w,
                t2w=t2w or entry.t2w,
            )
        )
    ages = sorted(entry.age_weeks for entry in entries if entry.age_weeks is not None)
    series = tuple(
        replace(entry, window=entry.window or _series_window(entry.age_weeks, ages))
        for entry in entries
    )
    return replace(plan, name=name or plan.name, entries=series)


def _window(
    age: float | None,
    found: tuple[float, float] | None,
    asked: tuple[float | None, float | None],
) -> tuple[float, float] | None:
    if asked == (None, None) or age is None:
        return found
    low, high = found or _series_window(age, [age]) or (age, age)
    return (low if asked[0] is None else asked[0], high if asked[1] is None else asked[1])


def _series_window(age: float | None, ages: list[float]) -> tuple[float, float] | None:
    """Reach halfway to the neighbours in age, and a tenth of the age (chosen) at the ends."""
    if age is None:
        return None
    below = [other for other in ages if other < age]
    above = [other for other in ages if other > age]
    low = (age + below[-1]) / 2 if below else 0.9 * age
    high = (age + above[0]) / 2 if above else 1.1 * age
    return (low, high)
