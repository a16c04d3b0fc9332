"""What columns are called in sentences, and in which steps their effects are told."""

from __future__ import annotations

import math
from typing import NamedTuple


class Measured(NamedTuple):
    """A column in words."""

    what: str
    """As in "more PVS volume"."""
    unit: str
    """As in "0.8 mm³ more"; empty for counts."""
    one: str
    """As in "a week of age goes with"."""
    step: float = 1.0
    """So much of the column is one of it."""
    scale: float = 1.0
    """From the column's unit to `unit`."""


_KNOWN = {
    "age": Measured("age", "weeks", "A week of age"),
    "age_weeks": Measured("age", "weeks", "A week of age"),
    "bg_volume": Measured("volume of the BG", "mm³", "A mL of BG volume", 1000.0),
    "volume_mm3": Measured("volume of the region", "mm³", "A mL of the region's volume", 1000.0),
    "pvs_volume": Measured("PVS volume", "mm³", "A mm³ of PVS volume"),
    "pvs_volume_mm3": Measured("PVS volume by voxels", "mm³", "A mm³ of PVS volume by voxels"),
    "pvs_volume_tube_mm3": Measured("PVS volume", "mm³", "A mm³ of PVS volume"),
    "pvs_fraction": Measured(
        "PVS share of the volume", "percentage points", "A percent of PVS share", 0.01, 100.0
    ),
    "pvs_count": Measured("PVS", "", "One more PVS"),
    "pvs_length_mm": Measured("PVS length", "mm", "A mm of PVS length"),
    "pvs_mean_diameter_mm": Measured("mean PVS diameter", "mm", "A mm of mean PVS diameter"),
}


def measured(column: str) -> Measured:
    """Return a column in words; one that is not known goes by its name."""
    return _KNOWN.get(column) or Measured(column, "", f"One more of {column}")


def axis_label(column: str, function: str = "") -> str:
    """Return what stands at the axis of an outcome."""
    known = measured(column)
    if function:
        return f"{function} of {known.what} ({column})"
    plain = "number of PVS" if column == "pvs_count" else known.what
    unit = f" ({known.unit})" if known.unit and known.scale == 1 else ""
    return f"{plain[0].upper()}{plain[1:]}{unit}"


def number(value: float) -> str:
    """Return a number with about three significant digits.

    Examples
    --------
    >>> number(0.8123), number(-12.34), number(1234.5), number(0.00012)
    ('0.812', '−12.3', '1234', '0.00012')
    """
    if not math.isfinite(value):
        return "n/a"
    size = abs(value)
    decimals = 0 if not size else min(max(2 - math.floor(math.log10(size)), 0), 5)
    return f"{value:.{decimals}f}".replace("-", "−")


def ratios(best: float, low: float, high: float) -> tuple[str, str, str]:
    """Return a ratio and the ends of its interval, as near to 1 as the interval tells.

    Examples
    --------
    >>> ratios(1.00351, 1.00214, 1.00488), ratios(0.9223, 0.8104, 1.0496)
    (('1.0035', '1.0021', '1.0049'), ('0.92', '0.81', '1.05'))
    """
    width = high - low
    if not math.isfinite(width) or width <= 0:
        return number(best), number(low), number(high)
    decimals = min(max(1 - math.floor(math.log10(width)), 0), 6)
    return f"{best:.{decimals}f}", f"{low:.{decimals}f}", f"{high:.{decimals}f}"


def p_text(p: float) -> str:
    """Return a p value as journals ask for it.

    Examples
    --------
    >>> p_text(0.00002), p_text(0.0123), p_text(0.3)
    ('p < 0.001', 'p = 0.012', 'p = 0.30')
    """
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
