"""Data frames as tables for people: short headings, units, readable numbers, sort keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

_UNIT_SIGNS = {
    "mm3": "mm³",
    "mm2": "mm²",
    "deg": "°",
    "degree": "°",
    "degrees": "°",
    "percent": "%",
}
_WORDS = {"pvs": "PVS", "pv": "(partial volume)", "tube": "(tubes)", "fluid": "(fluid)"}
MISSING = "–"


class Column(NamedTuple):
    """A heading; `unit` and `description` may be empty."""

    key: str
    label: str
    unit: str
    description: str
    numeric: bool


class Cell(NamedTuple):
    """What is shown, and what it is sorted by (empty: missing, sorted last)."""

    text: str
    value: str


class Table(NamedTuple):
    """Ready for the template."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    missing: tuple[str, ...]
    """Labels of columns without any value, which are left out."""


def to_table(frame: pd.DataFrame, dictionary: Mapping[str, Mapping[str, Any]]) -> Table:
    """Prepare a data frame for display.

    Parameters
    ----------
    frame : DataFrame
        Shown row by row, column by column, but for columns without any value.
    dictionary : mapping of str to mapping
        BIDS data dictionary: column to `Description` and `Units`; columns may be missing.
    """
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    columns, cells = [], []
    empty = [str(key) for key in frame.columns if len(frame) and frame[key].isna().all()]
    for key in (str(key) for key in frame.columns if str(key) not in empty):
        series = frame[key]
        numeric = bool(is_numeric_dtype(series)) and not is_bool_dtype(series)
        known = dictionary.get(key, {})
        columns.append(_column(key, known, numeric))
        values = series.tolist()
        decimals = _decimals(values) if numeric else 0
        cells.append([_cell(value, decimals if numeric else None) for value in values])
    missing = tuple(_column(key, dictionary.get(key, {}), False).label for key in empty)
    return Table(tuple(columns), tuple(zip(*cells, strict=True)), missing)


def unit_sign(unit: str) -> str:
    """Return a unit as it is printed.

    Examples
    --------
    >>> unit_sign("mm3"), unit_sign("week")
    ('mm³', 'week')
    """
    return _UNIT_SIGNS.get(unit, unit)


def readable(value: float) -> str:
    r"""Return a number with about three significant digits, thousands apart.

    Examples
    --------
    >>> [readable(v) for v in (0.01234, 1.234, 12.34, 12345.6, float("nan"))]
    ['0.0123', '1.23', '12.3', '12\u202f346', '–']
    """
    return _cell(value, _decimals([value])).text


def _column(key: str, known: Mapping[str, Any], numeric: bool) -> Column:
    unit = str(known.get("Units", "") or "")
    stem = key.removesuffix(f"_{unit}") if unit else key
    words = (_WORDS.get(word, word) for word in stem.split("_"))
    return Column(key, " ".join(words), unit_sign(unit), str(known.get("Description", "")), numeric)


def _decimals(values: list[Any]) -> int:
    """Return the decimals that give the largest of some numbers three significant digits."""
    finite = [abs(v) for v in values if not _missing(v)]
    if not finite or all(float(v).is_integer() for v in finite):
        return 0
    largest = max(finite)
    return int(min(max(2 - math.floor(math.log10(largest)), 0), 6))


def _cell(value: Any, decimals: int | None) -> Cell:
    if _missing(value):
        return Cell(MISSING, "")
    if decimals is None:
        return Cell(str(value), str(value))
    text = f"{value:,.{decimals}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return Cell(text.replace("-", "−"), repr(float(value)))


def _missing(value: Any) -> bool:
    import pandas as pd

    return (
        value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value))
    )
