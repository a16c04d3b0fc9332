"""The tables of an evaluation as a paper has them: an estimate and its interval in one cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bgpvs_wf.reports.measure_names import METRICS, measure_of, metric_of
from bgpvs_wf.reports.numbers import (
    Interval,
    Row,
    decimals_for,
    fixed,
    interval_of,
    is_missing,
    number_of,
    p_value,
    records,
    span,
)
from bgpvs_wf.reports.page_tables import MISSING, Cell, Column, Table, to_table

if TYPE_CHECKING:
    import pandas as pd

_CASE_LABELS = {
    "subject": "Subject",
    "session": "Session",
    "method": "Method",
    "structure": "Structure",
    "reference_mm3": "Reference volume",
    "predicted_mm3": "Predicted volume",
    "predicted_tube_mm3": "Predicted volume of tubes",
    "true_mm3": "True volume",
    "reference_count": "Reference count",
    "predicted_count": "Predicted count",
}
_MOST_CASES = 2000
"""Rows of the table of cases on a page (chosen: more make a browser slow)."""


def agreement_table(agreement: pd.DataFrame) -> Table:
    """Return correlation, ICC, errors and limits of agreement, a row per measure and method."""

    def in_unit(*columns: str) -> Callable[[Row], tuple[float, str]]:
        def cell(row: Row) -> tuple[float, str]:
            value = Interval(*_in_unit(row, *columns))
            return value.estimate, value.text(_error_decimals(row))

        return cell

    def limits(row: Row) -> tuple[float, str]:
        low, high = _in_unit(row, "loa_low", "loa_high")
        if math.isnan(low) or math.isnan(high):
            return low, MISSING
        decimals = _error_decimals(row)
        return low, f"{fixed(low, decimals)} to {fixed(high, decimals)}"

    def measured(row: Row) -> str:
        measure = measure_of(str(row["measure"]))
        return f"{measure.label}, {measure.unit}" if measure.unit else measure.label

    return _table(
        agreement,
        {
            "Measure": measured,
            "Method": lambda row: str(row["method"]),
            "n": lambda row: (number_of(row, "n"), fixed(number_of(row, "n"), 0)),
            "ICC(2,1)": _interval("icc2_1"),
            "ICC(3,1)": _interval("icc3_1"),
            "r": _interval("pearson_r"),
            "MAE": in_unit("mae"),
            "Bias": in_unit("bias", "bias_low", "bias_high"),
            "Limits of agreement": limits,
        },
    )


def comparison_table(comparison: pd.DataFrame) -> Table:
    """Return the paired tests of the proposed method against every other one."""

    def difference(row: Row) -> tuple[float, str]:
        value = number_of(row, "mean_difference")
        metric = metric_of(str(row["metric"]))
        return value, f"{fixed(value, metric.decimals)} {metric.unit}".strip()

    def p(column: str) -> Callable[[Row], tuple[float, str]]:
        def cell(row: Row) -> tuple[float, str]:
            value = number_of(row, column)
            return value, p_value(value).removeprefix("p ").removeprefix("= ") or MISSING

        return cell

    def plain(column: str, decimals: int) -> Callable[[Row], tuple[float, str]]:
        return lambda row: (number_of(row, column), fixed(number_of(row, column), decimals))

    return _table(
        comparison,
        {
            "Score": lambda row: metric_of(str(row["metric"])).label,
            "Structure": lambda row: str(row["structure"]),
            "Compared with": lambda row: str(row["method"]),
            "Pairs": plain("n", 0),
            "Mean difference": difference,
            "p": p("p"),
            "p (Holm)": p("p_holm"),
            "Rank-biserial": plain("rank_biserial", 2),
            "CLES": plain("cles", 2),
        },
    )


def detection_table(detection: pd.DataFrame) -> Table:
    """Return the rate of detection of every bin with its interval."""

    def ranged(low: str, high: str, decimals: int) -> Callable[[Row], tuple[float, str]]:
        def cell(row: Row) -> tuple[float, str]:
            ends = number_of(row, low), number_of(row, high)
            return ends[0], span(*ends, decimals) or "unknown"

        return cell

    return _table(
        detection,
        {
            "Method": lambda row: str(row["method"]),
            "Voxel, mm": lambda row: (
                number_of(row, "voxel_mm"),
                fixed(number_of(row, "voxel_mm"), 2),
            ),
            "SNR": ranged("snr_low", "snr_high", 0),
            "Diameter, mm": ranged("diameter_low_mm", "diameter_high_mm", 2),
            "Tubes": lambda row: (number_of(row, "tubes"), fixed(number_of(row, "tubes"), 0)),
            "Found": lambda row: (number_of(row, "detected"), fixed(number_of(row, "detected"), 0)),
            "Found, % [95 % CI]": lambda row: _percent(row),
        },
    )


def smallest_table(smallest: pd.DataFrame) -> Table:
    """Return the diameters that are found with a given probability."""

    def diameter(row: Row) -> tuple[float, str]:
        value = Interval(*(number_of(row, c) for c in ("diameter_mm", "ci_low_mm", "ci_high_mm")))
        return value.estimate, value.text(2)

    return _table(
        smallest,
        {
            "Method": lambda row: str(row["method"]),
            "Voxel, mm": lambda row: (
                number_of(row, "voxel_mm"),
                fixed(number_of(row, "voxel_mm"), 2),
            ),
            "Probability": lambda row: (
                number_of(row, "probability"),
                f"{100 * number_of(row, 'probability'):.0f} %",
            ),
            "Diameter, mm [95 % CI]": diameter,
            "Tubes": lambda row: (number_of(row, "tubes"), fixed(number_of(row, "tubes"), 0)),
            "Note": lambda row: "" if is_missing(row.get("note")) else str(row["note"]),
        },
    )


def case_table(cases: pd.DataFrame) -> tuple[Table, int]:
    """Return the scores of every case, and how many rows were left out: those with high Dice."""
    shown = cases
    if len(cases) > _MOST_CASES:
        worst = cases["dice"].sort_values(kind="stable").index[:_MOST_CASES]
        shown = cases.loc[cases.index.isin(worst)]
    labels = _CASE_LABELS | {key: metric.label for key, metric in METRICS.items()}
    known = {m.label: {"Description": m.meaning, "Units": m.unit} for m in METRICS.values()}
    volumes = {label: {"Units": "mm3"} for label in _CASE_LABELS.values() if "volume" in label}
    return to_table(shown.rename(columns=labels), {**known, **volumes}), len(cases) - len(shown)


def _in_unit(row: Row, *columns: str) -> list[float]:
    """Return errors of a measure in the unit it is shown in."""
    scale = measure_of(str(row["measure"])).scale
    return [number_of(row, column) * scale for column in columns]


def _error_decimals(row: Row) -> int:
    """Return the decimals that all errors of a row share."""
    errors = _in_unit(row, "mae", "bias", "loa_low", "loa_high")
    return decimals_for(max((abs(e) for e in errors if math.isfinite(e)), default=0.0))


def _table(frame: pd.DataFrame, cells: Mapping[str, Callable[[Row], Any]]) -> Table:
    """Make a table from functions of a row: text, or what to sort by and text.

    Columns without any text are left out.
    """
    made = []
    for name, cell in cells.items():
        values = [cell(row) for row in records(frame)]
        if any(values):
            numeric = all(isinstance(value, tuple) for value in values)
            made.append((Column(name, name, "", "", numeric), [_cell(value) for value in values]))
    rows = zip(*(column for _, column in made), strict=True)
    return Table(tuple(heading for heading, _ in made), tuple(rows), ())


def _cell(value: Any) -> Cell:
    if isinstance(value, tuple):
        key, text = value
        return Cell(text, "" if math.isnan(key) else repr(float(key)))
    return Cell(value, value)


def _interval(column: str) -> Callable[[Row], tuple[float, str]]:
    def cell(row: Row) -> tuple[float, str]:
        value = interval_of(row, column)
        return value.estimate, value.text(2)

    return cell


def agreement_of(agreement: pd.DataFrame, method: str, measure: str) -> Row:
    """Return the row of a method and a measure; empty if there is none."""
    same = (agreement["method"] == method) & (agreement["measure"] == measure)
    return next(records(agreement[same]), {})


def _percent(row: Row) -> tuple[float, str]:
    value = Interval(*(100 * number_of(row, column) for column in ("rate", "ci_low", "ci_high")))
    return value.estimate, value.text(0)
