"""Where infants stand among norms: their centiles, and what is in doubt about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.cohort.growth.measures import Measure, values_of
from bgpvs_wf.cohort.growth.norms import ALIKE, ALL, MeasureCurves, Norms, level_text
from bgpvs_wf.cohort.table import column_of

if TYPE_CHECKING:
    import pandas as pd

DOUBTS = "norms_doubts"
"""The column of sentences."""
Who = tuple[str, str | None]
_ONE: Who = ("", None)
"""An infant on its own."""


@dataclass(frozen=True)
class Place:
    """One measure of an infant among norms."""

    measure: Measure
    value: float
    centile: str
    """Such as "40", or "5 or less" where no lower one is told."""


@dataclass(frozen=True)
class Standing:
    """Where an infant stands among norms."""

    dataset: str
    """That the norms are of."""
    group: str
    """Whom of it the infant is held against, such as "sex F"; empty for all."""
    places: tuple[Place, ...]
    doubts: str
    """Why there is no centile, or why it is in doubt; empty where nothing is."""


def centile_column(name: str) -> str:
    """Return the column of the centile of a measure."""
    return f"{name}_centile"


def levels_of(norms: Norms | None, bids_dir: Path, who: Sequence[Who]) -> dict[Who, str]:
    """Return the levels of infants in the column that norms are told apart by, if there is one.

    Raises
    ------
    TableError
        If a table of the dataset cannot be read.
    """
    if norms is None or norms.by is None:
        return {}
    told = column_of(bids_dir, who, norms.by)
    return {one: level_text(text) for one, text in told.items()}


def centiles_of(
    norms: Norms,
    table: pd.DataFrame,
    who: Sequence[Who],
    *,
    levels: Mapping[Who, str],
    voxels_mm3: Sequence[float],
) -> pd.DataFrame:
    """Return the centiles of infants.

    Parameters
    ----------
    norms : Norms
    table : DataFrame
        Of regions, with `subject`, `session` and `age_weeks`.
    who : sequence of (str, str or None)
        Subjects and sessions, a row each.
    levels : mapping of (str, str or None) to str
        Their levels in the column that norms are told apart by.
    voxels_mm3 : sequence of float
        Of each; NaN where it is not known.

    Returns
    -------
    DataFrame
        ``<measure>_centile`` for each measure that has a curve, and `DOUBTS`, None where there
        are none.
    """
    import pandas as pd

    found: dict[str, object] = {}
    kept = [one for one in norms.measures if one.curves]
    own = [ALL if norms.by is None else levels.get(one, "") for one in who]
    for one in kept:
        rows = values_of(table, one.measure)
        pairs = rows[["value", "age_weeks"]].to_numpy(float)
        known = dict(zip(_whose(rows), pairs, strict=True))
        chosen = np.array([known.get(person, (np.nan, np.nan)) for person in who]).reshape(-1, 2)
        found[centile_column(one.measure.name)] = _centiles(one, chosen, own)
    aged = dict(zip(_whose(table), table["age_weeks"].to_numpy(float), strict=True))
    ages = [float(aged.get(person, np.nan)) for person in who]
    sentences = [
        " ".join([*_of_curve(norms, kept[0], level, age), *_of_voxel(norms, voxel)]) or None
        for level, age, voxel in zip(own, ages, voxels_mm3, strict=True)
    ]
    return pd.DataFrame({**found, DOUBTS: pd.Series(sentences, dtype=object)})


def stand(
    norms: Norms, regions: pd.DataFrame, *, age_weeks: float | None, level: str, voxel_mm3: float
) -> Standing:
    """Return where one infant stands among norms.

    Parameters
    ----------
    norms : Norms
    regions : DataFrame
        Its table of regions.
    age_weeks : float or None
        Post-menstrual.
    level : str
        Its level in the column that norms are told apart by; empty where there is none.
    voxel_mm3 : float
        NaN where it is not known.
    """
    age = float("nan") if age_weeks is None else age_weeks
    table = regions.assign(subject=_ONE[0], session=_ONE[1], age_weeks=age)
    found = centiles_of(norms, table, [_ONE], levels={_ONE: level}, voxels_mm3=[voxel_mm3])
    places = []
    for one in norms.measures:
        centile = found[centile_column(one.measure.name)][0] if one.curves else np.nan
        if np.isfinite(centile):
            value = float(values_of(table, one.measure)["value"].iloc[0])
            told = one.curves[ALL if norms.by is None else level].told
            places.append(Place(one.measure, value, _words(float(centile), told)))
    group = "" if norms.by is None else f"{norms.by} {level}"
    return Standing(norms.dataset, group, tuple(places), found[DOUBTS][0] or "")


def _words(centile: float, told: Sequence[int]) -> str:
    if centile <= told[0]:
        return f"{told[0]} or less"
    return f"{told[-1]} or more" if centile >= told[-1] else f"{centile:.0f}"


def about_centiles(norms: Norms) -> dict[str, dict[str, str]]:
    """Return the data dictionary of the columns of `centiles_of`."""
    about = {
        centile_column(one.measure.name): {
            "Description": f"Centile among the norms of {norms.dataset}: {one.measure.label}. The "
            f"lowest and highest, {_ends(one)}, stand for all beyond; n/a where the norms do not "
            "cover the age, or not the infant",
            "Units": "percent",
        }
        for one in norms.measures
        if one.curves
    }
    return {**about, DOUBTS: {"Description": "Why there is no centile, or why it is in doubt"}}


def _ends(one: MeasureCurves) -> str:
    ends = dict.fromkeys(f"{c.told[0]} and {c.told[-1]}" for c in one.curves.values())
    return " or ".join(ends)


def _whose(table: pd.DataFrame) -> list[Who]:
    """Return of whom each row is; no session is None, however the table has it."""
    sessions = [one if isinstance(one, str) else None for one in table["session"]]
    return list(zip(table["subject"].tolist(), sessions, strict=True))


def _centiles(one: MeasureCurves, pairs: np.ndarray, levels: Sequence[str]) -> np.ndarray:
    found = np.full(len(pairs), np.nan)
    for level, curve in one.curves.items():
        of_level = np.array([name == level for name in levels], bool)
        if of_level.any():
            found[of_level] = curve.centiles(*pairs[of_level].T)
    return np.round(found)  # no cohort tells more


def _of_curve(norms: Norms, first: MeasureCurves, level: str, age: float) -> list[str]:
    """Return what speaks against the first measure of an infant, which all have."""
    if level not in first.curves:
        return [f"The norms have no curve for {norms.by} '{level or 'n/a'}'."]
    curve = first.curves[level]
    if not np.isfinite(age):
        return ["The age is not known."]
    if not curve.covers(np.array([age]))[0]:
        spans = ", ".join(f"{low:.3g} to {high:.3g}" for low, high in curve.spans)
        return [f"The norms do not cover {age:.3g} weeks, but {spans}."]
    return []


def _of_voxel(norms: Norms, voxel: float) -> list[str]:
    sizes = [size for size, _ in norms.voxels_mm3]
    if not sizes or not np.isfinite(voxel):
        return ["Whether the scan is like those of the norms is not known."]
    if min(abs(np.log(voxel / size)) for size in sizes) < ALIKE:
        return []
    words = ", ".join(f"{size:.3g}" for size in sizes[:3])
    return [f"The scan has voxels of {voxel:.3g} mm3, those of the norms {words} mm3."]
