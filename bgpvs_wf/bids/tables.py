"""BIDS tables: the rows of a TSV with what the JSON beside it says about their columns."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """A row of a table: column to text, and column to its entry in the sidecar."""

    path: Path
    values: Mapping[str, str]
    sidecar: Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class Table:
    """A BIDS TSV file; all values are text, as written."""

    path: Path
    content: tuple[Mapping[str, str], ...]
    sidecar: Mapping[str, Mapping[str, object]]

    @classmethod
    def read(cls, path: Path, *inherited: Path) -> Table | None:
        """Read a table and its sidecar; None if there is none that can be read.

        Parameters
        ----------
        path : Path
            The ``.tsv``; the ``.json`` beside it is read too.
        inherited : Path
            Sidecars higher up in the dataset, whose entries the one beside the table overrides.
        """
        try:
            with open(path, encoding="utf-8-sig", newline="") as handle:
                content = [
                    {key: (value or "").strip() for key, value in row.items() if key is not None}
                    for row in csv.DictReader(handle, delimiter="\t")
                ]
        except (OSError, UnicodeDecodeError, csv.Error):
            return None
        sidecar: dict[str, Mapping[str, object]] = {}
        for source in (*inherited, path.with_suffix(".json")):
            sidecar.update(_read_sidecar(source))
        return cls(path, tuple(content), sidecar)

    def rows(self, key: str, prefix: str, label: str) -> list[Row]:
        """Return the rows with a label in column `key`, written with or without its prefix."""
        return [
            Row(self.path, row, self.sidecar)
            for row in self.content
            if row.get(key, "").removeprefix(prefix) == label
        ]


def _read_sidecar(path: Path) -> dict[str, Mapping[str, object]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: entry for name, entry in content.items() if isinstance(entry, dict)}
