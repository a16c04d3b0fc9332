"""The page of a validation: the smallest PVS that a lab's scanner lets the program find."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.reports.detection_charts import detection_curve, detection_heatmap
from bgpvs_wf.reports.evaluation_figures import Chart
from bgpvs_wf.reports.evaluation_tables import agreement_of, detection_table
from bgpvs_wf.reports.measure_names import measure_of
from bgpvs_wf.reports.names import ordered_methods
from bgpvs_wf.reports.numbers import (
    Interval,
    decimals_for,
    fixed,
    interval_of,
    is_missing,
    number_of,
    records,
)
from bgpvs_wf.reports.page import render

if TYPE_CHECKING:
    from bgpvs_wf.evaluation.score_tables import EvaluationTables

_LEVELS = {"50 %": 0.5, "90 %": 0.9}
_PNG = b"\x89PNG\r\n\x1a\n"

_BIASES = ("PVS tube volume", "PVS volume", "PVS count")


class Answer(NamedTuple):
    """A big number, and below it how sure it is."""

    label: str
    value: str
    unit: str
    range: str


def write_validation_page(
    tables: EvaluationTables,
    folder: Path,
    *,
    title: str,
    smallest: Mapping[str, tuple[float, float, float]],
    notes: Sequence[str],
    pictures: Sequence[tuple[str, bytes]],
) -> Path:
    """Write `validation.html`, one page that needs nothing else.

    Parameters
    ----------
    tables : EvaluationTables
        Of the proposed method, or of the first where none is named.
    folder : Path
        Made if it is not there.
    title : str
    smallest : mapping of str to tuple of float
        "50 %" and "90 %" to the smallest diameter that is found so often, in mm, and its 95 %
        interval; NaN where it is not reached.
    notes : sequence of str
        One line each, on what to keep in mind.
    pictures : sequence of tuple
        Caption and PNG file of each picture.

    Returns
    -------
    Path
        The page; it appears whole or not at all.

    Raises
    ------
    BGPVSError
        If a picture is no PNG, the folder cannot be written to or the disk is full.
    """
    from bgpvs_wf.imaging.files import write_text

    methods = ordered_methods(tables.cases, tables.proposed)
    method = methods[0] if methods else ""
    page = render(
        "validation.html",
        {
            "title": title,
            "facts": _facts(tables, method),
            "warnings": list(tables.problems),
            "smallest": [
                _smallest(level, Interval(*value), _remark(tables, method, level))
                for level, value in smallest.items()
            ],
            "scores": [
                score
                for score in (
                    *(_bias(tables, method, name) for name in _BIASES),
                    _dice(tables, method),
                )
                if score is not None
            ],
            "notes": list(notes),
            "charts": _charts(tables, method, smallest),
            "detection": detection_table(_of_method(tables.detection, method)),
            "pictures": [(caption, _png_uri(caption, picture)) for caption, picture in pictures],
        },
    )
    return write_text(page, Path(folder) / "validation.html")


def _smallest(level: str, diameter: Interval, remark: str) -> Answer:
    label = f"Smallest PVS diameter seen {level} of the time"
    if not math.isfinite(diameter.estimate):
        if remark:
            return Answer(label, "not known", "", remark)
        return Answer(label, "not reached", "", "at no diameter that was tried")
    known = _range(diameter, 2, "mm")
    value = fixed(diameter.estimate, 2)
    if remark:
        known = remark if math.isnan(diameter.low) else f"{known}; {remark}"
    return Answer(label, value, "mm", known)


def _remark(tables: EvaluationTables, method: str, level: str) -> str:
    """Return what the table of smallest diameters says of one, with the voxel size if of many."""
    table = tables.smallest[tables.smallest["method"] == method]
    rows = table[np.isclose(table["probability"].astype(float), _LEVELS.get(level, math.nan))]
    notes = {
        f"{row['voxel_mm']:.2f} mm voxels": "" if is_missing(row["note"]) else str(row["note"])
        for row in records(rows)
    }
    if len(notes) == 1:
        return next(iter(notes.values()))
    return "; ".join(f"{voxel}: {note}" for voxel, note in notes.items() if note)


def _bias(tables: EvaluationTables, method: str, name: str) -> Answer | None:
    row = agreement_of(tables.agreement, method, name)
    measure = measure_of(name)
    bias = interval_of(row, "bias")
    if not math.isfinite(bias.estimate):
        return None
    decimals = decimals_for(bias.estimate) if measure.unit else 1
    value = fixed(bias.estimate, decimals)
    signed = value if value.startswith("−") or not float(bias.estimate) else f"+{value}"
    known = _range(bias, decimals, measure.unit)
    low, high = number_of(row, "loa_low"), number_of(row, "loa_high")
    if math.isfinite(low):
        known += f"; limits of agreement {fixed(low, decimals)} to {fixed(high, decimals)}"
    return Answer(f"Bias of {name} per scan", signed, measure.unit, known)


def _dice(tables: EvaluationTables, method: str) -> Answer | None:
    summary = _of_method(tables.summary, method)
    rows = summary[(summary["structure"] == "BG-PVS") & (summary["metric"] == "dice")]
    for row in records(rows):
        mean, sd = number_of(row, "mean"), number_of(row, "sd")
        if math.isfinite(mean):
            spread = f"± {fixed(sd, 2)}, " if math.isfinite(sd) else ""
            return Answer("Dice of PVS", fixed(mean, 2), "", f"{spread}n = {row['n']}")
    return None


def _range(value: Interval, decimals: int, unit: str) -> str:
    low, high = fixed(value.low, decimals), fixed(value.high, decimals)
    if math.isnan(value.low) and math.isnan(value.high):
        return "95 % interval not known"
    return f"95 % interval {low} to {high} {unit}".rstrip()


def _charts(
    tables: EvaluationTables, method: str, smallest: Mapping[str, tuple[float, float, float]]
) -> list[Chart]:
    charts = []
    tubes = _of_method(tables.tubes, method)
    if len(tubes):
        known = {_LEVELS[name]: Interval(*v) for name, v in smallest.items() if name in _LEVELS}
        none = Interval(math.nan)
        fit = (known.get(0.5, none).estimate, known.get(0.9, none).estimate)
        intervals = {level: (value.low, value.high) for level, value in known.items()}
        charts.append(Chart("curve", detection_curve(tubes, {method: fit}, intervals=intervals)))
    detection = _of_method(tables.detection, method)
    if len(detection):
        charts.append(Chart("detection", detection_heatmap(detection, method)))
    return charts


def _of_method(frame: Any, method: str) -> Any:
    return frame[frame["method"] == method] if len(frame) else frame


def _facts(tables: EvaluationTables, method: str) -> list[str]:
    tubes = _of_method(tables.tubes, method)
    hybrids = len(tubes[["subject", "session"]].drop_duplicates()) if len(tubes) else 0
    sizes = sorted({f"{size:.2f}" for size in tubes["voxel_mm"].dropna()}) if len(tubes) else []
    facts = [method] if method else []
    facts.append(f"{len(tubes)} true PVS in {hybrids} hybrid{'s' * (hybrids != 1)}")
    return facts + ([f"voxels of {', '.join(sizes)} mm"] if sizes else [])


def _png_uri(caption: str, picture: bytes) -> str:
    if not picture.startswith(_PNG):
        raise BGPVSError(f"The picture {caption!r} is no PNG file; make it again.")
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
