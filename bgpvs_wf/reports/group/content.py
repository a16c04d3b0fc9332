"""The rows of a cohort made into what its page reads: lists and mappings of plain values."""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from bgpvs_wf.bids.ages import TERM_WEEKS, WEEKS_PER_MONTH
from bgpvs_wf.cohort.advice import ADVICE
from bgpvs_wf.cohort.ratings import RATINGS
from bgpvs_wf.reports.group.rows import Column, Row

_DIGITS = 6
"""Significant ones of a value: more than the tables have make the page larger, not better."""


def page_data(rows: Sequence[Row], columns: Sequence[Column], key: str) -> dict[str, Any]:
    """Return all that the page shows but for the thumbnails; what is not finite is None.

    Parameters
    ----------
    rows : sequence of Row
    columns : sequence of Column
    key : str
        The browser keeps ratings under this name.

    Raises
    ------
    ValueError
        If two rows have one label or two columns one name, an address is not relative, or an
        advice, a rating or a reason is none that there is.
    """
    _check(rows, columns)
    places = {column.name: place for place, column in enumerate(columns)}
    return {
        "key": key,
        "term_weeks": TERM_WEEKS,
        "weeks_per_month": WEEKS_PER_MONTH,
        "columns": [asdict(column) for column in columns],
        "rows": [_row(row, places) for row in rows],
    }


def thumbnails(rows: Sequence[Row]) -> list[str]:
    """Return the JPEG files as base64, empty where there is none."""
    return [base64.b64encode(row.thumbnail).decode("ascii") for row in rows]


def _row(row: Row, places: dict[str, int]) -> dict[str, Any]:
    return {
        "label": row.label,
        "age": _number(row.age_weeks),
        "advice": row.advice,
        "values": [_number(row.values.get(name)) for name in places],
        "reasons": [
            {"sentence": reason.sentence, "column": places.get(reason.measure)}
            for reason in row.reasons
        ],
        "page": row.page,
        "viewer": row.viewer,
        "figure": row.figure,
        "rating": row.rating,
        "note": row.note,
        "rated": row.rated,
    }


def _number(value: float | None) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() else short


def _check(rows: Sequence[Row], columns: Sequence[Column]) -> None:
    for what, names in (
        ("label", [row.label for row in rows]),
        ("column", [column.name for column in columns]),
    ):
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise ValueError(f"a {what} is there twice: {', '.join(twice)}")
    for row in rows:
        if row.advice not in ADVICE or row.rating not in ("", *RATINGS):
            raise ValueError(f"{row.label}: advice {row.advice!r}, rating {row.rating!r}")
        for address in (row.page, row.viewer, row.figure):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or address.startswith(("/", "\\")):
                raise ValueError(f"{row.label}: {address} is no relative address")
