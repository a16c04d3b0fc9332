"""Estimates, intervals and p values: read from rows of tables, printed as in a paper."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bgpvs_wf.reports.page_tables import MISSING

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
"""A row of a table by column."""


class Interval(NamedTuple):
    """An estimate and its 95 % confidence interval; NaN where there is none."""

    estimate: float
    low: float = math.nan
    high: float = math.nan

    def text(self, decimals: int) -> str:
        """Return the estimate, and its interval in brackets where there is one.

        Examples
        --------
        >>> Interval(0.961, 0.92, 0.984).text(2), Interval(0.5).text(1), Interval(math.nan).text(2)
        ('0.96 [0.92, 0.98]', '0.5', '–')
        """
        shown = fixed(self.estimate, decimals)
        if not math.isfinite(self.estimate) or math.isnan(self.low) or math.isnan(self.high):
            return shown
        return f"{shown} [{fixed(self.low, decimals)}, {fixed(self.high, decimals)}]"


def fixed(value: float, decimals: int) -> str:
    r"""Return a number with so many decimals, thousands apart, and a minus that is one.

    Examples
    --------
    >>> fixed(-0.126, 2), fixed(12345.6, 0), fixed(float("inf"), 1), fixed(float("nan"), 1)
    ('−0.13', '12\u202f346', '∞', '–')
    """
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:,.{decimals}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    # A negative number that rounds to nothing is no less than nothing.
    return text.replace("-", "−") if float(f"{value:.{decimals}f}") else text.replace("-", "")


def p_value(p: float) -> str:
    """Return a p value as journals ask for it, with its sign of equality.

    Examples
    --------
    >>> p_value(0.00002), p_value(0.0123), p_value(0.3), p_value(float("nan"))
    ('p < 0.001', 'p = 0.012', 'p = 0.30', '')
    """
    if math.isnan(p):
        return ""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def decimals_for(largest: float) -> int:
    """Return the decimals that give a number three significant digits.

    Examples
    --------
    >>> [decimals_for(value) for value in (0.0123, 0.9, 12.3, 4567.0, 0.0)]
    [4, 3, 1, 0, 0]
    """
    size = abs(largest)
    if not math.isfinite(size) or size == 0:
        return 0
    return min(max(2 - math.floor(math.log10(size)), 0), 6)


def span(low: float, high: float, decimals: int) -> str:
    """Return a range of what is not negative; it may be open at an end or unknown.

    Examples
    --------
    >>> span(0.4, 0.6, 1), span(20, float("inf"), 0), span(0, 5, 0)
    ('0.4–0.6', '≥ 20', '< 5')
    """
    below, above = math.isfinite(low) and low > 0, math.isfinite(high)
    if below and above:
        return f"{fixed(low, decimals)}–{fixed(high, decimals)}"
    if below:
        return f"≥ {fixed(low, decimals)}"
    return f"< {fixed(high, decimals)}" if above else ""


def records(frame: pd.DataFrame) -> Iterator[Row]:
    """Yield the rows of a table."""
    for row in frame.to_dict("records"):
        yield {str(key): value for key, value in row.items()}


def number_of(row: Row, column: str) -> float:
    """Return a number; NaN if the row has none."""
    value = row.get(column)
    return math.nan if is_missing(value) else float(value)  # type: ignore[arg-type]


def interval_of(row: Row, column: str) -> Interval:
    """Return a column and its `_low` and `_high`; NaN where they are missing."""
    return Interval(*(number_of(row, column + end) for end in ("", "_low", "_high")))


def is_missing(value: Any) -> bool:
    """Tell whether a value of a table stands for none."""
    import pandas as pd

    return value is None or bool(pd.isna(value))
