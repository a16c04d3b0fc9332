"""What a segmentation says of itself, as tables of a page."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from bgpvs_wf.reports.page_tables import readable

MEANINGS = {
    "pvs_too_faint_mm3": "looked like PVS to the network, but are nowhere a sixth of the way from "
    "the nucleus to the ventricles; left out",
    "pvs_brightness": "of the fluid in PVS as the network sees it, between the nucleus (0) and the "
    "ventricles (1); it is told so when it looks for them the second time",
    "pvs_volume_margin": "by so much of its logarithm the volume of tubes may be off, in nine of "
    "ten scans like those that the model was calibrated on",
    "pvs_found_again": "the share of the PVS that are found again where the grid of the scan lies "
    "half a voxel off: the number of thin ones is worth no more",
    "pvs_threshold": "the probability from which on a voxel is PVS",
    "strategy": "what the model learnt from",
    "members": "networks whose mean is taken",
    "modalities": "the images that were used",
    "checksum": "fingerprint of the model (SHA-256)",
    "nuclei": "where they come from",
    "sides_against_header": "whether the anatomy says that the header of the scan has left and "
    "right, or up and down, the wrong way round",
    "head_turned_degrees": "by how much the head lies askew in the scan",
    "nuclei_outside_of_hull": "the share of the nuclei outside of where the whole head shows them",
    "hull_filled_by_nuclei": "the share of where the whole head shows them that the nuclei fill",
    "head_sureness": "the mean probability of the nuclei as seen in the whole head",
    "hulls_apart_mm": "from where the whole head shows the nuclei to where they were found",
    "hulls_volume_ratio": "volume of the nuclei when found, over that seen in the whole head",
    "bg_share_of_brain": "volume of the basal ganglia over that of the brain",
}
"""Of entries whose names do not say it."""
_TOLD_BY_QUALITY = {
    "nuclei_sureness": "nuclei_sureness",
    "bg_mean_probability": "bg_probability",
    "bg_mean_uncertainty": "bg_uncertainty",
    "pvs_found_again": "pvs_found_again",
}
"""Entries to the measures of quality that say the same."""
_TOLD_BY_REGIONS = ("bg_volume_mm3", "pvs_volume_mm3", "pvs_volume_margin")
"""Entries that the sentences and the table of regions say."""


def record_tables(
    record: Mapping[str, Any],
    *,
    quality: Container[str] = (),
    parameters: Container[str] = (),
    measured: bool = False,
) -> dict[str, Any]:
    """Split a record into single values and tables of values; what the page says already is left.

    Parameters
    ----------
    record : mapping
    quality : container of str
        The measures of quality that the page tells.
    parameters : container of str
        The settings of the segmentation that it tells.
    measured : bool
        Whether it has the table of regions.

    Returns
    -------
    dict
        `values`, rows of a name, a value and what that means; `tables`, names and rows.
    """
    tables = {k: v for k, v in record.items() if isinstance(v, Mapping)}
    return {
        "values": [
            (_words(k), _text(v), MEANINGS.get(k, ""))
            for k, v in record.items()
            if k not in tables
            and _TOLD_BY_QUALITY.get(k) not in quality
            and k not in parameters
            and not (measured and k in _TOLD_BY_REGIONS)
        ],
        "tables": [
            (_words(k), [(_words(name), _text(v)) for name, v in table.items()])
            for k, table in tables.items()
        ],
    }


def again_text(record: Mapping[str, Any], count: int | None = None) -> str:
    """Say how many PVS are found again on another grid; nothing where that was not looked for.

    Parameters
    ----------
    record : mapping
    count : int, optional
        Of the PVS.

    Examples
    --------
    >>> again_text({"pvs_found_again": 0.667})
    '67 % of these PVS are found again where the grid of the scan lies half a voxel off.'
    >>> again_text({"pvs_found_again": 0.0}, count=1)
    'It is not found again where the grid of the scan lies half a voxel off.'
    """
    share = record.get("pvs_found_again")
    if share is None:
        return ""
    many = f"{100 * share:.0f} % of these PVS are"
    if count == 1 and share in (0, 1):
        many = "It is" if share else "It is not"
    return f"{many} found again where the grid of the scan lies half a voxel off."


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)):
        return str(value)
    shown = readable(value)
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _words(name: str) -> str:
    """Return the name of an entry for people.

    Examples
    --------
    >>> _words("pvs_too_faint_mm3"), _words("touches_csf")
    ('PVS too faint (mm³)', 'touches CSF')
    """
    words = [_WORDS.get(word, word) for word in str(name).split("_")]
    return " ".join(words)


_WORDS = {"pvs": "PVS", "bg": "BG", "csf": "CSF", "mm3": "(mm³)", "mm": "(mm)"}
