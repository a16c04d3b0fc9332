"""The tables of regions and PVS as a subject's page shows them: the columns that people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bgpvs_wf.quantification.columns import INTERVAL_COLUMNS
from bgpvs_wf.reports.headlines import BG_REGION
from bgpvs_wf.reports.page_tables import Table, to_table

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, Mapping[str, Any]]
"""Columns to `Description` and `Units`."""

IN_FILES_ALONE = {
    "index", "name", "volume_pv_mm3", *INTERVAL_COLUMNS, "pvs_volume_fluid_mm3",
    "pvs_mean_tortuosity",
}  # fmt: skip
"""Columns of the table of regions that the page leaves to the file."""
OF_PVS_IN_FILES_ALONE = {
    "volume_fluid_mm3", "total_length_mm", "branch_count", "tortuosity",
    "orientation_x", "orientation_y", "orientation_z", "inclination_deg", "azimuth_deg",
}  # fmt: skip
"""The same, of the table of PVS."""
_SHARES = ("pvs_fraction", "pvs_fraction_tube")
_SIDES = ("both", "right", "left")
"""In their order, as in the pictures."""


def region_rows(regions: pd.DataFrame, columns: Columns) -> Table:
    """Return the table of regions: the basal ganglia first, shares in percent.

    Parameters
    ----------
    regions : DataFrame
        A row a region and side.
    columns : mapping
    """
    shown = regions.drop(columns=[name for name in regions if name in IN_FILES_ALONE])
    shares = [name for name in _SHARES if name in shown]
    shown[shares] = 100 * shown[shares].astype(float)
    known = {**columns, **{name: {**columns.get(name, {}), "Units": "percent"} for name in shares}}
    if {"region", "side"} <= set(shown.columns):
        shown = _named(shown.loc[sorted(shown.index, key=lambda row: _order(shown, row))])
    return to_table(shown, known)


def pvs_rows(objects: pd.DataFrame, columns: Columns) -> Table:
    """Return the table of PVS, a row each.

    Parameters
    ----------
    objects : DataFrame
    columns : mapping
    """
    shown = objects.drop(columns=[name for name in objects if name in OF_PVS_IN_FILES_ALONE])
    return to_table(_named(shown) if "region" in shown else shown, columns)


def _named(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(region=table["region"].astype(str).str.removesuffix("-area"))


def _order(regions: pd.DataFrame, row: Any) -> tuple[int, int, int]:
    """Return by what a row is sorted: the whole first, then the nuclei, the thalamus last."""
    names = list(dict.fromkeys(regions["region"]))
    name, side = str(regions["region"][row]), str(regions["side"][row]).removesuffix("?")
    last = {BG_REGION: -1, "Thalamus": 1}.get(name, 0)
    return last, names.index(name), _SIDES.index(side) if side in _SIDES else len(_SIDES)
