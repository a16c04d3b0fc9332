"""What the columns of the tables mean: their BIDS data dictionaries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


SIDES = ("left", "right")
UNKNOWN_SIDE = "?"
"""Follows a side that is not known."""


def _column(description: str, units: str = "") -> dict[str, str]:
    return {"Description": description, "Units": units} if units else {"Description": description}


_SHARED = {
    "region": _column(
        "Region: a nucleus, the rest of the closed basal ganglia (BG-rest), or the basal ganglia "
        "as a whole (BG). A PVS belongs to the nucleus that holds most of its voxels."
    ),
    "side": _column(
        "left, right, or both; left? and right? where the header does not tell the sides, or "
        "contradicts the anatomy"
    ),
}
_FLUID = (
    "from where the signal lies between the local background of the nucleus and the CSF of the "
    "ventricles, summed over the PVS and a rim of one voxel inside the region; low where flow or "
    "a vessel darkens a PVS"
)
_TUBE = (
    "volume of fluid over how bright the fluid in this infant's PVS is, as the brightest tenth of "
    "their voxels and their number tell: what a PVS takes up, to compare infants by"
)
_INTERVAL = (
    "interval of pvs_volume_tube_mm3 that holds the true volume in 90 % of scans like those that "
    "the model was calibrated on; in the row BG, both sides, alone; n/a of a model without one"
)

INTERVAL_COLUMNS = ("pvs_volume_tube_low_mm3", "pvs_volume_tube_high_mm3")
"""Ends of the interval of the volume of tubes."""
REGION_COLUMNS: dict[str, dict[str, str]] = {
    "index": _column("Index of the nucleus in the desc-nuclei_dseg; n/a for sums"),
    "name": _column("Name of the region with its side; ends in ? where that is not known"),
    **_SHARED,
    "volume_mm3": _column("Volume by voxel count, PVS inside included", "mm3"),
    "volume_pv_mm3": _column(
        "Volume, voxels at the border with CSF split by their signal; n/a without CSF signal",
        "mm3",
    ),
    "pvs_count": _column("Number of PVS; one that crosses nuclei counts once"),
    "pvs_volume_mm3": _column("Volume of PVS by voxel count, inside the region", "mm3"),
    "pvs_volume_tube_mm3": _column(f"Volume of PVS inside the region: {_TUBE}", "mm3"),
    "pvs_volume_tube_low_mm3": _column(f"Lower end of the {_INTERVAL}", "mm3"),
    "pvs_volume_tube_high_mm3": _column(f"Upper end of the {_INTERVAL}", "mm3"),
    "pvs_volume_fluid_mm3": _column(
        f"Volume of PVS inside the region, were they filled with CSF: {_FLUID}", "mm3"
    ),
    "pvs_fraction": _column("pvs_volume_mm3 / volume_mm3"),
    "pvs_fraction_tube": _column("pvs_volume_tube_mm3 / volume_pv_mm3"),
    "pvs_length_mm": _column("Summed length of the region's PVS, side branches included", "mm"),
    "pvs_mean_diameter_mm": _column(
        "Mean diameter of the region's PVS, weighted by their length", "mm"
    ),
    "pvs_max_diameter_mm": _column("Largest diameter of the region's PVS", "mm"),
    "pvs_mean_tortuosity": _column("Mean tortuosity of the region's PVS, weighted by length"),
}
"""Column of the table of regions to its description and units."""

OBJECT_COLUMNS: dict[str, dict[str, str]] = {
    "index": _column("Number of the PVS in the desc-pvs_dseg, by falling size"),
    **_SHARED,
    "volume_mm3": _column("Volume by voxel count", "mm3"),
    "volume_tube_mm3": _column(f"Volume: {_TUBE}", "mm3"),
    "volume_fluid_mm3": _column(f"Volume, were it filled with CSF: {_FLUID}", "mm3"),
    "length_mm": _column("Length of the centreline of the longest path, from tip to tip", "mm"),
    "total_length_mm": _column("Length with side branches", "mm"),
    "branch_count": _column("Number of side branches"),
    "mean_diameter_mm": _column(
        "Diameter of the cylinder with the volume (volume_tube_mm3 where known) and total length",
        "mm",
    ),
    "max_diameter_mm": _column(
        "Diameter of the circle with the area of the widest cross-section, by voxels: it may be "
        "less than mean_diameter_mm, which follows from the volume of the tube",
        "mm",
    ),
    "tortuosity": _column("length_mm over the distance from tip to tip; n/a for a single voxel"),
    "orientation_x": _column("Unit vector from tip to tip, upwards: to the right"),
    "orientation_y": _column("Unit vector from tip to tip, upwards: to the front"),
    "orientation_z": _column("Unit vector from tip to tip, upwards: to the top"),
    "inclination_deg": _column("Angle of the orientation to the superior axis, 0 to 90", "deg"),
    "azimuth_deg": _column(
        "Angle of the orientation in the axial plane, from right towards front, -180 to 180",
        "deg",
    ),
    "centroid_x_mm": _column("Centroid in the scanner frame: to the right", "mm"),
    "centroid_y_mm": _column("Centroid in the scanner frame: to the front", "mm"),
    "centroid_z_mm": _column("Centroid in the scanner frame: to the top", "mm"),
    "mean_contrast_percent": _column(
        "Mean of signal above local background of the nucleus, relative to that", "percent"
    ),
    "mean_probability": _column(
        "Mean PVS probability over the voxels, as networks tell it; n/a without any"
    ),
}
"""Column of the table of PVS to its description and units."""

GROUP_COLUMNS: dict[str, dict[str, str]] = {
    "subject": _column("Label of the subject, without sub-"),
    "session": _column("Label of the session, without ses-; n/a without sessions"),
    "age_weeks": _column("Post-menstrual age at the scan; n/a if not known", "week"),
    **REGION_COLUMNS,
}
"""Column of the group table to its description and units."""

COLUMNS: dict[str, dict[str, str]] = {**OBJECT_COLUMNS, **GROUP_COLUMNS}
"""All of them, for tables of either kind (`index` as in the table of regions)."""


def told_volume(regions: pd.DataFrame) -> str:
    """Return which volume of PVS is told first: that of tubes, or by voxels where it is not known.

    Parameters
    ----------
    regions : DataFrame
        A table of regions, or some of its rows.

    Returns
    -------
    str
        ``_tube`` or empty: what follows ``pvs_volume`` and ``pvs_fraction`` in the columns.
    """
    tubes = regions.get("pvs_volume_tube_mm3")
    return "_tube" if tubes is not None and tubes.notna().all() else ""


def mark_sides(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of regions or PVS with a question mark behind every side that it names.

    Parameters
    ----------
    table : DataFrame
        With a column `side`, and perhaps `name`.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"name": ["Left-BG", "BG"], "side": ["left", "both"]})
    >>> mark_sides(table).to_numpy().tolist()
    [['Left-BG?', 'left?'], ['BG', 'both']]
    """
    marked, one = table.copy(), table["side"].isin(SIDES)
    for column in marked.columns.intersection(["name", "side"]):
        marked[column] = marked[column].where(~one, marked[column] + UNKNOWN_SIDE)
    return marked


def sidecar(
    columns: Iterable[str], dictionary: dict[str, dict[str, str]] = COLUMNS
) -> dict[str, dict[str, str]]:
    """Return the data dictionary of a table, in the order of its columns.

    Examples
    --------
    >>> sidecar(["pvs_length_mm"], REGION_COLUMNS)["pvs_length_mm"]["Units"]
    'mm'
    """
    return {name: dict(dictionary[name]) for name in columns if name in dictionary}
