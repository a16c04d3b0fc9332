"""Published values that stand beside the curves of a cohort, and never enter them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bgpvs_wf.cohort.growth.measures import Measure
from bgpvs_wf.errors import TableError
from bgpvs_wf.tsv import MISSING, TextTable, read_tsv

REQUIRED = ("measure", "age_weeks", "value", "source")
OPTIONAL = ("low", "high", "spread", "n")
_AGES = (20.0, 300.0)
"""Post-menstrual weeks that infants and their like have; what is in months falls out of it."""


@dataclass(frozen=True)
class Mark:
    """A value that somebody published."""

    measure: str
    """Name, as of `bgpvs_wf.cohort.growth.measures.Measure`."""
    age_weeks: float
    """Post-menstrual."""
    value: float
    """In the unit of the measure; a share is one of 1."""
    source: str
    low: float = math.nan
    high: float = math.nan
    """NaN where there is none."""
    spread: str = ""
    """What lies between `low` and `high`, as "mean ± SD"."""
    n: int | None = None
    """Number of infants, where it is told."""

    @property
    def has_spread(self) -> bool:
        """Whether there is a low and a high."""
        return math.isfinite(self.low)


def read_marks(path: Path, measures: Sequence[Measure]) -> tuple[Mark, ...]:
    """Read a table of published values, TSV with the columns `REQUIRED` and some of `OPTIONAL`.

    Parameters
    ----------
    path : Path
    measures : sequence of Measure
        Those that there are.

    Raises
    ------
    TableError
        If something of it is wrong; says where.
    """
    table = read_tsv(path)
    table.require(REQUIRED)
    for name in table.columns:
        if name not in (*REQUIRED, *OPTIONAL):
            known = ", ".join((*REQUIRED, *OPTIONAL))
            raise TableError(f"{path} has a column '{name}' that means nothing; there are {known}.")
    if not len(table):
        raise TableError(f"{path} has no row.")
    by_name = {one.name: one for one in measures}
    numbers = {"age_weeks": table.numbers("age_weeks", least=_AGES[0], most=_AGES[1])}
    for name in ("value", "low", "high"):
        if name in table.columns:
            numbers[name] = table.numbers(name, least=0.0)
    if "n" in table.columns:
        numbers["n"] = table.numbers("n", least=1.0, whole=True)
    columns = {name: values.tolist() for name, values in numbers.items()}
    found = []
    for row in range(len(table)):
        own = {name: values[row] for name, values in columns.items()}
        mark = _mark(table, row, own)
        _check(mark, by_name, f"{path}, line {table.lines[row]},")
        found.append(mark)
    return tuple(found)


def _mark(table: TextTable, row: int, numbers: dict[str, float]) -> Mark:
    text = {name: "" if cell == MISSING else cell for name, cell in table.row(row).items()}
    count = numbers.get("n", math.nan)
    return Mark(
        text["measure"],
        numbers["age_weeks"],
        numbers["value"],
        text["source"],
        numbers.get("low", math.nan),
        numbers.get("high", math.nan),
        text.get("spread", ""),
        None if math.isnan(count) else int(count),
    )


def _check(mark: Mark, measures: dict[str, Measure], where: str) -> None:
    if mark.measure not in measures:
        raise TableError(
            f"{where} is of '{mark.measure}', which is no measure; there are {', '.join(measures)}."
        )
    gaps = {
        "age_weeks": math.isnan(mark.age_weeks),
        "value": math.isnan(mark.value),
        "source": not mark.source,
    }
    if missing := [name for name, gap in gaps.items() if gap]:
        raise TableError(f"{where} has no {missing[0]}.")
    ends = [end for end in (mark.low, mark.high) if math.isfinite(end)]
    if len(ends) == 1:
        raise TableError(f"{where} has only one of low and high; give both, or none.")
    if ends and not mark.low <= mark.value <= mark.high:
        raise TableError(f"{where} has a value that does not lie between low and high.")
    if bool(ends) != bool(mark.spread):
        wanted = "does not say what low and high are" if ends else "has no low and high"
        raise TableError(f"{where} {wanted}; 'spread' and these belong together.")
    measure = measures[mark.measure]
    share = not measure.unit and measure.law != "count"
    if share and max(mark.value, *ends, 0.0) > 1:
        raise TableError(f"{where} has a share above 1; write a percent as 0.01.")
