"""What there are curves of: volumes of nuclei, volume, share and number of perivascular spaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bgpvs_wf.arrays import Floats
from bgpvs_wf.cohort.table import WHOLE
from bgpvs_wf.quantification.columns import told_volume

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Measure:
    """A quantity of an infant: a column of the table of regions, of one region, both sides."""

    name: str
    label: str
    """For people."""
    region: str
    column: str
    unit: str
    """Empty for shares and counts."""
    law: str
    """Of `bgpvs_wf.cohort.growth.curve.LAWS`."""


def find_measures(table: pd.DataFrame) -> list[Measure]:
    """Return what there is to make curves of.

    Parameters
    ----------
    table : DataFrame
        Of regions, as `bgpvs_wf.cohort.table.read_cohort` gives it.

    Returns
    -------
    list of Measure
        The whole first. Sides are summed: they differ by less than infants of an age do, and have
        measures of their own (docs/how-to/checking.md). Shares of nuclei are left out: they follow
        from the two volumes.
    """
    known = table[table["pvs_count"].notna()]
    told = told_volume(known)
    found = []
    for region in _regions(table):
        prefix = "" if region == WHOLE else f"{_plain(region)}_"
        words = "Basal ganglia" if region == WHOLE else region.replace("-", " ")
        of = "" if region == WHOLE else f", {words.lower()}"
        volume = "bg_volume" if region == WHOLE else f"{prefix}volume"
        found.append(Measure(volume, f"{words}, volume", region, "volume_mm3", "mm3", "box-cox"))
        if not (known["region"] == region).any():
            continue
        name, column = f"{prefix}pvs_volume", f"pvs_volume{told}_mm3"
        found.append(Measure(name, f"PVS, volume{of}", region, column, "mm3", "box-cox"))
        if region == WHOLE:
            share = f"pvs_fraction{told}"
            found.append(Measure("pvs_fraction", "PVS, share", region, share, "", "box-cox"))
        name = f"{prefix}pvs_count"
        found.append(Measure(name, f"PVS, number{of}", region, "pvs_count", "", "count"))
    return found


def values_of(table: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """Return the rows of a table of regions that have a measure, with it as `value`."""
    rows = table[(table["region"] == measure.region) & (table["side"] == "both")]
    if measure.column not in table.columns:
        return rows.assign(value=float("nan"))
    values: Floats = rows[measure.column].to_numpy(float)
    return rows.assign(value=values)


def _regions(table: pd.DataFrame) -> list[str]:
    both = table.loc[table["side"] == "both", "region"].dropna()
    return sorted(both.unique(), key=lambda region: (region != WHOLE, region))


def _plain(region: str) -> str:
    return region.lower().replace("-", "_").removesuffix("_area")
