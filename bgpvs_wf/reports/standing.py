"""Where a subject stands among norms, in sentences and as a table."""

from __future__ import annotations

from typing import NamedTuple

from bgpvs_wf.cohort.growth.standing import Place, Standing
from bgpvs_wf.cohort.table import WHOLE
from bgpvs_wf.reports.page_tables import readable

_UNITS = {"mm3": "mm³"}


class Row(NamedTuple):
    """A line of the table."""

    label: str
    value: str
    centile: str


def standing_sentences(standing: Standing | None) -> list[str]:
    """Return where the basal ganglia as a whole stand, and what is in doubt about it.

    Examples
    --------
    >>> standing_sentences(Standing("toy", "sex F", (), "The age is not known."))
    ['Among the norms of toy (sex F): The age is not known.']
    """
    if standing is None:
        return []
    told = [
        f"{_label(place)} at centile {place.centile}"
        for place in standing.places
        if place.measure.region == WHOLE
    ]
    words = [f"{'; '.join(told)}."] if told else []
    words += [standing.doubts] if standing.doubts else []
    return [f"{_among(standing)}: {' '.join(words)}"] if words else []


def standing_table(standing: Standing | None) -> tuple[str, list[Row]]:
    """Return the caption and the lines of the table; no lines where there is nothing to tell."""
    if standing is None:
        return "", []
    rows = [Row(_label(place), _value(place), place.centile) for place in standing.places]
    return _among(standing), rows


def _among(standing: Standing) -> str:
    return f"Among the norms of {standing.dataset}" + (
        f" ({standing.group})" if standing.group else ""
    )


def _label(place: Place) -> str:
    return place.measure.label.replace(", ", " ", 1)


def _value(place: Place) -> str:
    measure = place.measure
    if measure.law == "count":
        return f"{place.value:.0f}"
    if measure.unit:
        return f"{readable(place.value)} {_UNITS.get(measure.unit, measure.unit)}"
    return f"{readable(100 * place.value)} %"
