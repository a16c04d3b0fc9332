"""What a segmentation says of itself, as tables of a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bgpvs_wf.reports.page_tables import readable

MEANINGS = {
    "pvs_too_faint_mm3": "looked like PVS to the network, but are nowhere a sixth of the way from "
    "the nucleus to the ventricles; left out",
    "pvs_brightness": "of the fluid in PVS as the network sees it, between the nucleus (0) and the "
    "ventricles (1); the fainter, the more the volume of tubes is above that of fluid",
    "pvs_found_again": "the share of the PVS that are found again where the grid of the scan lies "
    "half a voxel off: the number of thin ones is worth no more",
    "pvs_threshold": "the probability from which on a voxel is PVS",
}
"""Of entries whose names do not say it."""


def record_tables(record: Mapping[str, Any]) -> dict[str, Any]:
    """Split a record into single values and tables of values.

    Returns
    -------
    dict
        `values`, rows of a name, a value and what that means; `tables`, names and rows.
    """
    tables = {k: v for k, v in record.items() if isinstance(v, Mapping)}
    return {
        "values": [
            (_words(k), _text(v), MEANINGS.get(k, "")) for k, v in record.items() if k not in tables
        ],
        "tables": [
            (_words(k), [(_words(name), _text(v)) for name, v in table.items()])
            for k, table in tables.items()
        ],
    }


def again_text(record: Mapping[str, Any]) -> str:
    """Say how many PVS are found again on another grid; nothing where that was not looked for.

    Examples
    --------
    >>> again_text({"pvs_found_again": 0.667})
    '67 % of these PVS are found again where the grid of the scan lies half a voxel off.'
    """
    share = record.get("pvs_found_again")
    if share is None:
        return ""
    return (
        f"{100 * share:.0f} % of these PVS are found again where the grid of the scan lies half a "
        "voxel off."
    )


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or "none"
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number:
        return str(value)
    shown = readable(value)
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _words(name: str) -> str:
    return str(name).replace("_", " ")
