"""The handful of numbers at the top of a subject's page, from the table of regions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from bgpvs_wf.quantification.columns import told_volume
from bgpvs_wf.reports.page_tables import MISSING, readable

if TYPE_CHECKING:
    import pandas as pd

BG_REGION = "BG"
"""Name of the rows of the basal ganglia as a whole."""


class Headline(NamedTuple):
    """A number, and what it is on either side (empty: not known)."""

    label: str
    total: str
    unit: str
    left: str
    right: str
    mark: str = ""
    """Follows the names of the sides: a question mark where they are not known."""


def headlines(regions: pd.DataFrame, *, faint: bool = False, blind: bool = False) -> list[Headline]:
    """Return volume of the BG, count, volume and fraction of PVS: both sides, left, right.

    Parameters
    ----------
    regions : DataFrame
        A row per `region` and `side` (`left`, `right`, `both`). Numbers whose column is
        missing are left out. Sides that are not known end in a question mark.
    faint, blind : bool
        Whether few PVS, or none, can be seen in voxels of this size: no number is shown where
        none were found, or anywhere.
    """
    if not {"region", "side"} <= set(regions.columns):
        return []
    bg = regions[regions["region"] == BG_REGION].set_index("side")
    mark = "?" if sides_marked(regions) else ""
    bg.index = bg.index.str.removesuffix("?")
    if "both" not in bg.index:
        return []
    kind = told_volume(bg)
    wanted: tuple[tuple[str, str, str, Callable[[float], float]], ...] = (
        ("PVS in the basal ganglia", "pvs_count", "", float),
        ("PVS volume (tubes)" if kind else "PVS volume", f"pvs_volume{kind}_mm3", "mm³", float),
        ("PVS share of the basal ganglia", f"pvs_fraction{kind}", "%", lambda v: 100 * v),
        ("Basal ganglia volume", "volume_mm3", "mL", lambda v: v / 1000),
    )
    unseen = blind or (faint and not bg["pvs_count"].get("both")) if "pvs_count" in bg else False
    return [
        Headline(label, MISSING, "", "", "")
        if unseen and column.startswith("pvs_")
        else Headline(label, *_sides(bg, column, unit, scale), mark)
        for label, column, unit, scale in wanted
        if column in bg.columns
    ]


def sides_marked(regions: pd.DataFrame | None) -> bool:
    """Return whether a table says that its sides are not known."""
    if regions is None or "side" not in regions.columns:
        return False
    return bool(regions["side"].astype(str).str.endswith("?").any())


def _sides(
    bg: pd.DataFrame, column: str, unit: str, scale: Callable[[float], float]
) -> tuple[str, str, str, str]:
    def text(side: str) -> str:
        return readable(scale(float(bg[column].loc[side]))) if side in bg.index else ""

    return text("both"), unit, text("left"), text("right")
