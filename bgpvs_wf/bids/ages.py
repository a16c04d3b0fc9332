"""Post-menstrual ages in weeks from ``sessions.tsv`` and ``participants.tsv``."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bgpvs_wf.bids.inputs import SubjectInputs, label_of
from bgpvs_wf.bids.tabular_files import Row, Table
from bgpvs_wf.errors import AgeError
from bgpvs_wf.tsv import differing

TERM_WEEKS = 40.0
"""Gestation at the expected date of delivery, weeks: 280 days from the last menstrual period."""
WEEKS_PER_YEAR = 52.1775
"""365.2425 days, the mean Gregorian year, by 7."""
WEEKS_PER_MONTH = WEEKS_PER_YEAR / 12
AGE_LIMITS_WEEKS = (28.0, 160.0)
"""Accepted post-menstrual ages (chosen): 30 weeks to 24 months after term (144.4), with slack."""
BIRTH_LIMITS_WEEKS = (20.0, 45.0)
"""Gestational ages at birth believed (chosen)."""

# Names that mean an age since the last menstrual period; ``scan_age`` is the dHCP's.
_POSTMENSTRUAL = {
    "scan_age", "pma", "pma_at_scan", "scan_pma", "postmenstrual_age", "post_menstrual_age",
    "postmenstrual_age_at_scan", "gestational_age_at_scan",
}  # fmt: skip
# Since the expected date of delivery; ``age_adjusted`` is HBCD's.
_CORRECTED = {"age_adjusted", "adjusted_age", "corrected_age", "age_corrected"}
_CHRONOLOGICAL = {"age", "age_at_scan", "chronological_age", "postnatal_age"}
# Gestation at birth; ``birth_age`` is the dHCP's.
_BIRTH = {
    "birth_age", "gestational_age_at_birth", "birth_gestational_age", "ga_at_birth", "birth_ga",
    "gestational_age_delivery", "gestational_age",
}  # fmt: skip

_UNITS = {
    "years": WEEKS_PER_YEAR, "year": WEEKS_PER_YEAR, "y": WEEKS_PER_YEAR, "yr": WEEKS_PER_YEAR,
    "yrs": WEEKS_PER_YEAR, "a": WEEKS_PER_YEAR,
    "months": WEEKS_PER_MONTH, "month": WEEKS_PER_MONTH, "mo": WEEKS_PER_MONTH,
    "mos": WEEKS_PER_MONTH,
    "weeks": 1.0, "week": 1.0, "w": 1.0, "wk": 1.0, "wks": 1.0,
    "days": 1 / 7, "day": 1 / 7, "d": 1 / 7,
}  # fmt: skip
_MISSING = {"", "n/a", "na", "nan", "none", "null"}
_SAYS_POSTMENSTRUAL = re.compile(
    r"post[-\s]?menstrual|post[-\s]?conception|\bpma\b|gestational age at (?:the )?(?:scan|mri)",
    re.I,
)
_SAYS_SINCE_BIRTH = re.compile(r"chronological|since birth|after birth|post[-\s]?natal", re.I)


_KINDS = ("postmenstrual", "corrected", "chronological")
_ADD = "add it, with its unit in the .json"


class Age(NamedTuple):
    """An age in post-menstrual weeks, and where it comes from or why there is none."""

    weeks: float | None
    note: str


@dataclass
class AgeReader:
    """Reads ages from the tables of some datasets, each table once.

    Parameters
    ----------
    roots : sequence of Path
        Datasets, the most trusted first.
    """

    roots: Sequence[Path]
    _tables: dict[Path, Table | None] = field(default_factory=dict, repr=False)

    def read(self, subject: str, session: str | None = None, *, only_session: bool = True) -> Age:
        """Return the post-menstrual age of a subject at a session.

        ``sub-X_sessions.tsv`` goes before ``participants.tsv``. In a row, a post-menstrual age
        (``scan_age``, ``pma``, or what the sidecar describes as such) goes before one corrected
        for prematurity, and that before the age since birth, to which the gestational age at
        birth is added (``birth_age``, ``gestational_age``; 40 weeks where there is none).

        Parameters
        ----------
        subject, session : str
            Labels without ``sub-`` and ``ses-``.
        only_session : bool
            Whether it is the subject's only session: an age in ``participants.tsv`` says
            nothing about any one of several.

        Returns
        -------
        Age
            Never raises; what is missing or unreadable ends in the note, with file and column.
        """
        label = label_of(subject, session)
        rows, faults = self._rows(subject, session, only_session)
        faults += _faults_of_birth(rows)
        birth = next((b for row in rows if (b := _birth_weeks(row)) is not None), None)
        notes = []
        for row in rows:
            for kind in _KINDS:
                for cell in _cells(row, kind):
                    age = _age_of(cell, birth)
                    if age.weeks is not None:
                        # What cannot be read could have said more, such as the age at birth.
                        return Age(age.weeks, "; but ".join((age.note, *faults)))
                    notes.append(age.note)
        if not notes:
            target, missing = self._where_it_could_be(subject, rows, only_session)
            notes = [] if any(str(target) in fault for fault in faults) else [missing]
        return Age(None, f"no age of {label}: {'; '.join([*faults, *notes])}")

    def _rows(
        self, subject: str, session: str | None, only_session: bool
    ) -> tuple[list[Row], list[str]]:
        """Return the rows that may have the age, and why others cannot be used."""
        rows: list[Row] = []
        faults: list[str] = []
        for root in self.roots:
            name = f"sub-{subject}"
            if session is not None:
                path = root / name / f"{name}_sessions.tsv"
                table = self._table(path, "session_id", "ses-", root / "sessions.json")
                found, fault = table.rows(session) if table else ([], "")
                rows += _agreed(found, table, session, faults)
                faults += filter(None, [fault])
        for root in self.roots:
            table = self._table(root / "participants.tsv", "participant_id", "sub-")
            found, fault = table.rows(subject) if table else ([], "")
            faults += filter(None, [fault])
            if session is not None and any("session_id" in row.values for row in found):
                found = [r for r in found if r.values["session_id"] in (session, f"ses-{session}")]
            elif not only_session:
                found = [_without_ages(row) for row in found]
            rows += _agreed(found, table, subject, faults)
        return rows, faults

    def _table(self, path: Path, key: str, prefix: str, *inherited: Path) -> Table | None:
        if path not in self._tables:
            self._tables[path] = Table.read(path, key, prefix, *inherited)
        return self._tables[path]

    def _where_it_could_be(
        self, subject: str, rows: list[Row], only_session: bool
    ) -> tuple[Path, str]:
        """Return the table that should have an age, and what it lacks."""
        participants = self.roots[0] / "participants.tsv"
        sessions = self.roots[0] / f"sub-{subject}" / f"sub-{subject}_sessions.tsv"
        target = participants if only_session else sessions
        if not os.path.lexists(target):
            lacks = "with column 'age' does not exist"
        elif not any(row.path == target for row in rows):
            lacks = "has no row for it"
        else:
            lacks = "has no column 'age'"
        return target, f"{target} {lacks}; {_ADD}"


def require_age(inputs: SubjectInputs) -> float:
    """Return the age of a subject in post-menstrual weeks where a stage cannot do without.

    Raises
    ------
    AgeError
        If it is missing, unreadable or out of range; names file, subject and column.
    """
    low, high = AGE_LIMITS_WEEKS
    if inputs.age_weeks is None:
        note = inputs.age_note or f"no age of {inputs.label}"
        raise AgeError(f"An age is needed, but there is {note}.")
    if not low <= inputs.age_weeks <= high:
        raise AgeError(
            f"{inputs.label} would be {inputs.age_weeks:.1f} post-menstrual weeks old "
            f"({inputs.age_note}), outside {low:g} to {high:g}; correct the value or its unit."
        )
    return inputs.age_weeks


class _Cell(NamedTuple):
    """A value, its column, and what the sidecar says about the column."""

    path: Path
    column: str
    text: str
    kind: str
    unit: str | None
    fault: str
    """What is wrong with what is said about it."""

    @property
    def where(self) -> str:
        return f"{self.path} column '{self.column}'"


def _cells(row: Row, kind: str) -> list[_Cell]:
    """Return the cells of a row with a kind of age, in the order of the columns."""
    cells = []
    for column, text in row.values.items():
        entry = row.sidecar.get(column, {})
        unit, says = _unit_of(entry)
        bare, unit_in_name = _split_unit(column)
        fault = row.faults.get(column, "")
        told = str(entry.get("Units") or "")
        if not fault and unit is None and told.strip().lower() not in _MISSING:
            fault = f"{row.path} column '{column}' has Units '{told}', which is no unit of age"
        unit = unit or unit_in_name
        if _kind_of(bare, unit, says) == kind:
            cells.append(_Cell(row.path, column, text, kind, unit, fault))
    return cells


def _agreed(rows: list[Row], table: Table | None, label: str, faults: list[str]) -> list[Row]:
    """Return the row of a label; of several that contradict each other none, and say so."""
    if len(rows) < 2 or table is None:
        return rows
    of_age = {cell.column for row in rows for kind in _KINDS for cell in _cells(row, kind)}
    of_age |= {column for column in rows[0].values if _split_unit(column)[0] in _BIRTH}
    column = differing([row.values for row in rows], sorted(of_age))
    if column is None:
        return rows[:1]
    faults.append(
        f"{table.path} has several rows for it that differ in '{column}' (lines "
        f"{table.lines(label)}); keep one"
    )
    return []


def _without_ages(row: Row) -> Row:
    """Return the row with nothing but the gestation at birth."""
    ages = {cell.column for kind in _KINDS for cell in _cells(row, kind)}
    kept = {name: text for name, text in row.values.items() if name not in ages}
    return dataclasses.replace(row, values=kept)


def _unit_of(entry: Mapping[str, object]) -> tuple[str | None, str]:
    """Return the unit of a column and what its sidecar says in words, the unit first."""
    units = str(entry.get("Units") or "").lower()
    unit = next((word for word in re.findall("[a-z]+", units) if word in _UNITS), None)
    if "gestation" in units:  # "gestational weeks", "weeks of gestation"
        units = f"post-menstrual {units}"
    said = [units, *(str(entry.get(key) or "") for key in ("LongName", "Description"))]
    return unit, " ".join(said)


def _split_unit(column: str) -> tuple[str, str | None]:
    """Split ``age_months`` into ``age`` and ``months``."""
    name = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
    bare, _, last = name.rpartition("_")
    return (bare, last) if bare and last in ("years", "months", "weeks", "days") else (name, None)


def _kind_of(name: str, unit: str | None, says: str) -> str | None:
    """Tell what an age counts from: the sidecar's first word on it, or else the column's name."""
    if name in _CORRECTED:
        return "corrected"
    if name not in _POSTMENSTRUAL | _CHRONOLOGICAL:
        return None
    hits = {"postmenstrual": _SAYS_POSTMENSTRUAL.search(says),
            "chronological": _SAYS_SINCE_BIRTH.search(says)}  # fmt: skip
    said = {kind: hit.start() for kind, hit in hits.items() if hit}
    if said:
        return min(said, key=lambda kind: said[kind])
    # Nobody counts from the last menstrual period in months or years.
    return (
        "postmenstrual" if name in _POSTMENSTRUAL and unit not in _LONG_UNITS else "chronological"
    )


_LONG_UNITS = {unit for unit, weeks in _UNITS.items() if weeks > 1}


def _faults_of_birth(rows: Sequence[Row]) -> list[str]:
    """Return what is wrong with what is said of the gestational age at birth."""
    return [
        fault
        for row in rows
        for column, fault in row.faults.items()
        if column in row.values and _split_unit(column)[0] in _BIRTH
    ]


def _birth_weeks(row: Row) -> float | None:
    """Return the gestational age at birth, weeks, if the row has a credible one."""
    low, high = BIRTH_LIMITS_WEEKS
    for column, text in row.values.items():
        name, unit_in_name = _split_unit(column)
        if name not in _BIRTH or (name == "gestational_age" and "session_id" in row.values):
            continue  # in a table of sessions a plain gestational age may be that at the scan
        unit = _unit_of(row.sidecar.get(column, {}))[0] or unit_in_name
        value, unit_in_cell = _parse(text)
        if value is None or column in row.faults:
            continue
        weeks = value * _UNITS[unit_in_cell or unit or "weeks"]
        if low <= weeks <= high:
            return weeks
    return None


def _age_of(cell: _Cell, birth: float | None) -> Age:
    if cell.fault:
        return Age(None, cell.fault)
    value, unit_in_cell = _parse(cell.text)
    if value is None:
        state = "missing" if cell.text.lower() in _MISSING else f"{cell.text!r}, unreadable"
        return Age(None, f"{cell.where} is {state}; add it")
    if value < 0 and cell.kind != "corrected":
        return Age(None, f"{cell.where} is negative ({cell.text})")
    unit = unit_in_cell or cell.unit
    if cell.kind == "postmenstrual":
        return Age(value * _UNITS[unit or "weeks"], f"{cell.where}, post-menstrual")
    assumed = ""
    if unit is None:
        if value == int(value):
            sidecar = cell.path.with_suffix(".json")
            return Age(
                None,
                f"{cell.where} is {cell.text} without a unit, years (as BIDS has it) or months; "
                f"add its Units to {sidecar}",
            )
        unit, assumed = "years", ", unit not given: years, as BIDS has it"
    start = birth if birth is not None and cell.kind == "chronological" else TERM_WEEKS
    if cell.kind == "corrected":
        since = "corrected for prematurity"
    elif birth is None:
        since = "birth at term (40 weeks) assumed"
    else:
        since = f"born at {birth:g} weeks"
    weeks = start + value * _UNITS[unit]
    return Age(weeks, f"{cell.where}: {value:g} {unit}{assumed}, {since}")


def _parse(text: str) -> tuple[float | None, str | None]:
    """Return number and unit of ``6`` or ``6 months``.

    Examples
    --------
    >>> _parse("6.5"), _parse("23 months"), _parse("n/a")
    ((6.5, None), (23.0, 'months'), (None, None))
    """
    match = re.fullmatch(r"(-?\d+(?:\.\d*)?|-?\.\d+)\s*([a-z]*)\.?", text.strip().lower())
    if not match or (match[2] and match[2] not in _UNITS):
        return None, None
    value = float(match[1])
    if not math.isfinite(value):
        return None, None
    return value, match[2] or None
