"""BIDS tables: the rows of a TSV with what the JSON beside it says about their columns."""

from __future__ import annotations

import functools
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bgpvs_wf.errors import TableError
from bgpvs_wf.reading import load_json, why_not
from bgpvs_wf.tsv import TextTable, read_tsv

_ALSO_CALLED = {
    "participant_id": ("participant", "subject_id", "subject", "sub", "id", "record_id"),
    "session_id": ("session", "ses", "visit", "visit_id", "timepoint"),
}


@dataclass(frozen=True)
class Row:
    """A row of a table: column to text, and column to its entry in the sidecar."""

    path: Path
    values: Mapping[str, str]
    sidecar: Mapping[str, Mapping[str, object]]
    faults: Mapping[str, str] = field(default_factory=dict)
    """Column to what is wrong with its entry in the sidecar."""


@dataclass(frozen=True)
class Table:
    """A BIDS TSV file by the labels in one of its columns; all values are text, as written."""

    path: Path
    key: str
    """The column of labels."""
    prefix: str
    """Of labels, where they are written with it: ``sub-``."""
    text: TextTable | None
    """None if the table cannot be read."""
    sidecar: Mapping[str, Mapping[str, object]]
    faults: Mapping[str, str]
    """Column to what is wrong with its entry in the sidecar."""
    fault: str = ""
    """Why nothing in it can be used: of the table, or of a sidecar that nobody can read."""

    @classmethod
    def read(cls, path: Path, key: str, prefix: str, *inherited: Path) -> Table | None:
        """Read a table and its sidecar; None if there is no such table.

        Parameters
        ----------
        path : Path
            The ``.tsv``; the ``.json`` beside it is read too.
        key, prefix : str
            The column of labels, and what they may begin with.
        inherited : Path
            Sidecars higher up in the dataset, whose entries the one beside the table overrides.
        """
        if not os.path.lexists(path):
            return None
        text, fault = None, ""
        try:
            text = read_tsv(path)
            _check(text, key, prefix)
        except TableError as error:
            fault = str(error).rstrip(".")
        sidecar: dict[str, Mapping[str, object]] = {}
        faults: dict[str, str] = {}
        for source in (*inherited, path.with_suffix(".json")):
            try:
                for name, entry in _read_sidecar(source).items():
                    faults.pop(name, None)
                    if wrong := _entry_fault(source, name, entry):
                        faults[name] = wrong
                    sidecar[name] = entry if isinstance(entry, dict) else {}
            except ValueError as error:
                fault = fault or f"{source} {error}"
        return cls(path, key, prefix, text, sidecar, faults, fault)

    def rows(self, label: str) -> tuple[list[Row], str]:
        """Return the rows of a label, and why some cannot be used, or empty."""
        if self.text is None or self.fault:
            return [], self.fault
        numbers = self._numbers.get(label, [])
        for number in numbers:
            if fault := self.text.fault(number):
                return [], f"{self.path}: {fault}"
        found = [Row(self.path, self.text.row(n), self.sidecar, self.faults) for n in numbers]
        return found, "" if found else self._near(label)

    def lines(self, label: str) -> str:
        """Return in words which lines a label has."""
        assert self.text is not None
        return " and ".join(str(self.text.lines[n]) for n in self._numbers.get(label, []))

    @functools.cached_property
    def _numbers(self) -> dict[str, list[int]]:
        """Numbers of the rows of each label."""
        assert self.text is not None
        at = self.text.columns.index(self.key)
        found: dict[str, list[int]] = defaultdict(list)
        for number, cell in enumerate(self.text.cells(at)):
            if cell is not None:
                found[cell.removeprefix(self.prefix)].append(number)
        return dict(found)

    @functools.cached_property
    def _plain_labels(self) -> dict[str, str]:
        found = {}
        for label in self._numbers:
            # What follows a comma is another field, where the line has no tabs.
            for text in (re.split("[,;|]", label)[0], label):
                found[_plain_label(text, self.prefix)] = label
        return found

    def _near(self, label: str) -> str:
        """Return where a label stands that was meant to be another, if one does."""
        assert self.text is not None
        meant = self._plain_labels.get(_plain_label(label, self.prefix))
        if meant is None:
            return ""
        number = self._numbers[meant][0]
        if fault := self.text.fault(number):
            return f"{self.path}: {fault}"
        written = self.text.row(number)[self.key]
        return (
            f"{self.path} has no row for it; line {self.text.lines[number]} has '{written}' where "
            f"it could be '{self.prefix}{label}'"
        )


def _check(text: TextTable, key: str, prefix: str) -> None:
    if key in text.columns:
        return
    if any(name.startswith(prefix) for name in text.columns):
        raise TableError(f"{text.path} has no header; write the names of the columns above it.")
    near = text.nearest(key, _ALSO_CALLED.get(key, ()))
    todo = "rename it" if near else "add it"
    raise TableError(f"{text.path} has no column '{key}'{near}; {todo}.")


def _read_sidecar(path: Path) -> Mapping[str, object]:
    """Return the entries of a sidecar; none if there is no such file.

    Raises
    ------
    ValueError
        What is wrong with it.
    """
    try:
        content = load_json(path)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not path.is_symlink():
            return {}
        raise ValueError(f"cannot be read: {why_not(error, path)}") from error
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8 text; save it as UTF-8") from error
    except ValueError as error:
        raise ValueError(f"is not valid JSON ({why_not(error, path)}); repair it") from error
    if not isinstance(content, dict):
        raise ValueError("is no mapping of columns to what they mean; write one")
    return content


def _entry_fault(path: Path, name: str, entry: object) -> str:
    if not isinstance(entry, dict):
        return f"the entry of '{name}' in {path} is no mapping; write {{\"Units\": ...}}"
    if not isinstance(entry.get("Units", ""), str | None):
        return f"the Units of '{name}' in {path} are no text; write one unit, such as month"
    return ""


def _plain_label(label: str, prefix: str) -> str:
    """Return what is left of a label where case, quotes, blanks and leading zeros were changed.

    Examples
    --------
    >>> _plain_label("SUB-01 ", "sub-"), _plain_label('"1"', "sub-")
    ('1', '1')
    """
    plain = re.sub("[^a-z0-9]", "", label.lower())
    return plain.removeprefix(prefix.strip("-")).lstrip("0")
