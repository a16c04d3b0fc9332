"""Results of a cohort for its page: a row a subject and session, from the table of regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgpvs_wf.quantification.columns import REGION_COLUMNS, told_volume
from bgpvs_wf.reports.group.rows import Column
from bgpvs_wf.reports.headlines import BG_REGION

if TYPE_CHECKING:
    import pandas as pd

_LABELS = {
    "volume_mm3": ("Basal ganglia", "mm³"),
    "pvs_volume_tube_mm3": ("PVS volume", "mm³"),
    "pvs_volume_mm3": ("PVS volume, voxels", "mm³"),
    "pvs_count": ("PVS count", ""),
    "pvs_fraction_tube": ("PVS share", ""),
    "pvs_fraction": ("PVS share, voxels", ""),
    "pvs_length_mm": ("PVS length", "mm"),
    "pvs_mean_diameter_mm": ("PVS diameter", "mm"),
}


def results_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the basal ganglia as a whole, both sides, and the columns that are shown.

    Parameters
    ----------
    table : DataFrame
        As `bgpvs_wf.quantification.group.collect_group_table` gives it.
    """
    whole = table[(table["region"] == BG_REGION) & (table["side"] == "both")]
    return whole[list(_LABELS)].astype(float).reset_index(drop=True)


def result_columns(results: pd.DataFrame) -> list[Column]:
    """Return the columns of the page; volumes of tubes are shown where they are known."""
    told = told_volume(results)
    hidden = {"pvs_length_mm", "pvs_mean_diameter_mm"}
    hidden |= {"pvs_volume_mm3", "pvs_fraction"} if told else set()
    hidden |= set() if told else {"pvs_volume_tube_mm3", "pvs_fraction_tube"}
    return [
        Column(
            name,
            label,
            REGION_COLUMNS[name]["Description"],
            unit,
            section="results",
            shown=name not in hidden,
        )
        for name, (label, unit) in _LABELS.items()
    ]
