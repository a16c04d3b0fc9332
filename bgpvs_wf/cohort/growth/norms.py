"""The curves of a cohort, all measures together: made of its table, and asked about an infant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf._version import __version__
from bgpvs_wf.arrays import Floats
from bgpvs_wf.cohort.growth.curve import Curve
from bgpvs_wf.cohort.growth.fitting import fit_curve
from bgpvs_wf.cohort.growth.measures import Measure, find_measures, values_of
from bgpvs_wf.errors import UsageError, shown
from bgpvs_wf.quantification.columns import GROUP_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
"""The level where infants are not told apart."""
MOST_LEVELS = 6
"""Colours and markers that are told apart."""
ALIKE = 0.03
"""Voxels whose volumes differ by a smaller share are of one size, as in
`bgpvs_wf.cohort.outliers`."""


@dataclass(frozen=True)
class MeasureCurves:
    """The curves of a measure."""

    measure: Measure
    curves: Mapping[str, Curve]
    """By level."""
    missing: Mapping[str, str]
    """Levels that have no curve, and why."""


@dataclass(frozen=True)
class Norms:
    """What is usual in a cohort."""

    dataset: str
    """Its name."""
    by: str | None
    """Column of the dataset whose levels have curves of their own."""
    seed: int
    voxels_mm3: tuple[tuple[float, int], ...]
    """Volumes of voxels, and how many scans have them; the most frequent first."""
    measures: tuple[MeasureCurves, ...]
    version: str = __version__
    """Of the program that made them."""

    @property
    def names(self) -> list[str]:
        """Names of the measures that have a curve."""
        return [one.measure.name for one in self.measures if one.curves]


def make_norms(
    table: pd.DataFrame,
    *,
    dataset: str,
    voxels_mm3: Floats,
    by: str | None = None,
    seed: int = 0,
    told: Callable[[str], None] = lambda _: None,
) -> Norms:
    """Return the curves of a cohort.

    Parameters
    ----------
    table : DataFrame
        As `bgpvs_wf.cohort.table.read_cohort` gives it. Rows without an age are left out.
    dataset : str
        Its name.
    voxels_mm3 : ndarray, shape (n,)
        Volume of a voxel of each scan; NaN where it is not known.
    by : str, optional
        A column of the table that comes from the dataset.
    seed : int
    told : callable, optional
        Is given the name of each measure before its turn.

    Raises
    ------
    UsageError
        If there is no such column, it has no or too many levels, or nothing has a curve.
    """
    aged = table[table["age"] > 0]
    levels = _levels(aged, by)
    measures = []
    for measure in find_measures(aged):
        told(measure.label)
        rows = values_of(aged.assign(level=levels), measure)
        measures.append(_curves(measure, rows[rows["value"].notna()], sorted(set(levels)), seed))
    norms = Norms(dataset, by, seed, _sizes(voxels_mm3), tuple(measures))
    if not norms.names:
        why = next((text for one in measures for text in one.missing.values()), "no infant has one")
        raise UsageError(f"No curve can be made of {shown(dataset)}: {why}.")
    return norms


def _levels(table: pd.DataFrame, by: str | None) -> list[str]:
    if by is None:
        return [ALL] * len(table)
    if by not in table.columns or by in GROUP_COLUMNS:
        raise UsageError(f"The tables of the dataset tell no '{by}' of these infants.")
    levels = [level_text(value) for value in table[by]]
    known = sorted(set(levels) - {""})
    if not 0 < len(known) <= MOST_LEVELS:
        raise UsageError(
            f"The column '{by}' has {len(known)} levels; there have to be 1 to {MOST_LEVELS}."
        )
    return levels


def level_text(value: Any) -> str:
    """Return a value of a column as the name of a level; empty where there is none.

    Examples
    --------
    >>> level_text("F"), level_text("1"), level_text(1.0), level_text(None)
    ('F', '1', '1', '')
    """
    try:
        return "" if value is None or float(value) != float(value) else f"{float(value):g}"
    except ValueError:
        return str(value).strip()


def _curves(
    measure: Measure, rows: pd.DataFrame, levels: Sequence[str], seed: int
) -> MeasureCurves:
    curves: dict[str, Curve] = {}
    missing: dict[str, str] = {}
    for level in filter(None, levels):
        chosen = rows[rows["level"] == level]
        values, ages = chosen["value"].to_numpy(float), chosen["age"].to_numpy(float)
        try:
            curves[level] = fit_curve(values, ages, chosen["subject"].tolist(), measure.law, seed)
        except ValueError as error:
            missing[level] = str(error)
    return MeasureCurves(measure, curves, missing)


def _sizes(voxels_mm3: Floats) -> tuple[tuple[float, int], ...]:
    """Return the volumes of voxels there are, each with its number of scans."""
    groups: list[list[float]] = []
    for volume in np.sort(voxels_mm3[np.isfinite(voxels_mm3)]).tolist():
        if groups and np.log(volume / groups[-1][0]) < ALIKE:
            groups[-1].append(volume)
        else:
            groups.append([volume])
    sizes = [(float(f"{np.median(group):.6g}"), len(group)) for group in groups]
    return tuple(sorted(sizes, key=lambda size: (-size[1], size[0])))
