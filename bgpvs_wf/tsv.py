"""Tables that others made: TSV as BIDS has it, and what is wrong with one, by line and column.

All tables are read here. Values are text, as written: quotes are no part of the format, but a field
that stands in quotes as a whole, as R writes it, is taken out of them.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.errors import TableError
from bgpvs_wf.reading import read_bytes, why_not

if TYPE_CHECKING:
    import numpy as np

MISSING = "n/a"
"""What BIDS writes where there is no value."""
_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16",
}  # fmt: skip
_SEPARATORS = {",": "commas", ";": "semicolons", "|": "bars"}


@dataclass(frozen=True)
class TextTable:
    """The header and the rows of a table."""

    path: Path
    columns: tuple[str, ...]
    rows: Sequence[str]
    """As written."""
    lines: Sequence[int]
    """Number of the line of each row, the header's being 1."""

    def __len__(self) -> int:
        return len(self.rows)

    def fields(self, number: int) -> list[str]:
        """Return the fields of a row, not necessarily as many as columns: see `fault`."""
        fields = [_bare(field) for field in self.rows[number].split("\t")]
        while len(fields) > len(self.columns) and not fields[-1]:
            fields.pop()  # as spreadsheets fill up
        return fields

    def row(self, number: int) -> dict[str, str]:
        """Return a row, column to text."""
        return dict(zip(self.columns, self.fields(number), strict=False))

    def cells(self, column: int) -> Iterator[str | None]:
        """Give a column by its place, None where a row is too short; quick over many rows."""
        for row in self.rows:
            fields = row.split("\t", column + 1)
            yield _bare(fields[column]) if column < len(fields) else None

    def fault(self, number: int) -> str:
        """Return what is wrong with the form of a row; empty if nothing is."""
        cells, where = self.fields(number), f"line {self.lines[number]}"
        for name, text in zip(self.columns, cells, strict=False):
            if text.startswith('"') and text.count('"') % 2:
                return f"{where} has a stray quote in column '{name}'"
        if len(cells) == len(self.columns):
            return ""
        only = next((word for mark, word in _SEPARATORS.items() if mark in cells[0]), "")
        hint = f", separated by {only}," if only and len(cells) == 1 else ""
        count = f"{len(cells)} field{'s' * (len(cells) != 1)}"
        return f"{where} has {count}{hint} where the header has {len(self.columns)}"

    def require(self, names: Iterable[str]) -> None:
        """Make sure that there are columns, and that no row is damaged.

        Raises
        ------
        TableError
        """
        for name in names:
            if name not in self.columns:
                raise TableError(f"{self.path} has no column '{name}'{self.nearest(name)}.")
        for number in range(len(self)):
            if fault := self.fault(number):
                raise TableError(f"{self.path} is damaged: {fault}.")

    def nearest(self, name: str, others: Iterable[str] = ()) -> str:
        """Return, for a message, the column that may have been meant; empty if none is like it.

        Parameters
        ----------
        name : str
            Of the column that is missing.
        others : iterable of str
            Names it goes by elsewhere.

        Examples
        --------
        >>> TextTable(Path("t.tsv"), ("Participant ID", "age"), (), ()).nearest("participant_id")
        " (there is 'Participant ID')"
        """
        plain = {_plain(column): column for column in self.columns}
        wanted = [_plain(one) for one in (name, *others)]
        found = [one for one in wanted if one in plain]
        found = found or difflib.get_close_matches(wanted[0], plain, n=1, cutoff=0.75)
        return f" (there is '{plain[found[0]]}')" if found else ""

    def text(self, name: str) -> list[str | None]:
        """Return a column; None where nothing is known."""
        cells = self.cells(self.columns.index(name))
        return [None if cell in ("", MISSING) else cell for cell in cells]

    def numbers(
        self,
        name: str,
        *,
        least: float = -math.inf,
        most: float = math.inf,
        whole: bool = False,
        infinite: bool = False,
    ) -> np.ndarray:
        """Return a column of numbers.

        Parameters
        ----------
        name : str
        least, most : float
            Limits of what is believed.
        whole : bool
            Whether only whole numbers are.
        infinite : bool
            Whether infinity is.

        Returns
        -------
        ndarray of float, shape (rows,)
            NaN where nothing is known.

        Raises
        ------
        TableError
            If a cell holds anything else; it is named.
        """
        import numpy as np

        found = np.full(len(self), np.nan)
        for number, text in enumerate(self.text(name)):
            if text is None:
                continue
            try:
                value = float(text)
            except ValueError:
                value = math.nan
            known = math.isfinite(value) or (infinite and math.isinf(value))
            wrong = "" if known else ", no number"
            if not wrong and not least <= value <= most:
                wrong = f", below {least:g}" if value < least else f", above {most:g}"
            if not wrong and whole and value != int(value):
                wrong = ", no whole number"
            if wrong:
                raise TableError(
                    f"{self.path} holds '{_short(text)}'{wrong}, in line {self.lines[number]}, "
                    f"column '{name}'."
                )
            found[number] = value
        return found


def read_tsv(path: str | Path) -> TextTable:
    """Read a table; all that can be wrong with it as a whole is told.

    Rows with too few or too many fields are kept, for `TextTable.fault` to name: they are nobody
    else's fault. Lines may end as on any system, empty ones are left out.

    Raises
    ------
    TableError
        If it cannot be opened, is empty, is not UTF-8, not separated by tabs, or names a column
        twice.
    """
    path = Path(path)
    try:
        text = _decode(read_bytes(path))
    except OSError as error:
        raise TableError(f"{path} cannot be read: {why_not(error, path)}.") from error
    except ValueError as error:
        raise TableError(f"{path} {error}.") from error
    lines = re.sub("\r\n?", "\n", text).split("\n")
    if not any(map(str.strip, lines)):
        raise TableError(f"{path} is empty.")
    kept = [n for n, line in enumerate(lines) if n and line and not line.isspace()]
    return TextTable(path, _header(path, lines[0]), [lines[n] for n in kept], [n + 1 for n in kept])


def _decode(content: bytes) -> str:
    """Return the text of a file; a ValueError tells what else it is."""
    for mark, name in _MARKS.items():
        if content.startswith(mark):
            raise ValueError(f"is {name} text, where BIDS has UTF-8; save it as UTF-8")
    nul = content.find(b"\0")
    if nul >= 0:
        line = content[:nul].count(b"\n") + 1
        if content.count(b"\0") * 3 > len(content):
            raise ValueError("is UTF-16 text, where BIDS has UTF-8; save it as UTF-8")
        raise ValueError(f"is damaged: line {line} has NUL bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = re.sub(b"\r\n?", b"\n", content[: error.start]).split(b"\n")
        header = re.split(b"[\r\n]", content, maxsplit=1)[0].split(b"\t")
        at = before[-1].count(b"\t")
        column = f", column '{_bare(header[at].decode('latin-1'))}'" if at < len(header) else ""
        raise ValueError(
            f"is not UTF-8 text (line {len(before)}{column}); save it as UTF-8"
        ) from error


def _header(path: Path, line: str) -> tuple[str, ...]:
    columns = [_bare(name) for name in line.split("\t")]
    while len(columns) > 1 and not columns[-1]:
        columns.pop()
    if len(columns) == 1:
        for mark, word in _SEPARATORS.items():
            if mark in line:
                raise TableError(f"{path} is separated by {word}, not tabs; save it with tabs.")
        if re.search(r"\S\s+\S", line.strip()):
            raise TableError(f"{path} is separated by blanks, not tabs; save it with tabs.")
    twice = next((name for name in columns if name and columns.count(name) > 1), None)
    if twice is not None:
        raise TableError(f"{path} has the column '{twice}' twice; keep one.")
    return tuple(columns)


def _bare(field: str) -> str:
    """Return a field without blanks around it, and the quotes it stands in as a whole."""
    field = field.strip()
    if len(field) > 1 and field[0] == field[-1] == '"' and '"' not in field[1:-1].replace('""', ""):
        return field[1:-1].replace('""', '"').strip()
    return field


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."


def differing(rows: Sequence[Mapping[str, str]], names: Iterable[str]) -> str | None:
    """Return the first column in which some rows differ, None if they agree.

    Examples
    --------
    >>> differing([{"age": "3", "sex": "F"}, {"age": "4", "sex": "F"}], ["sex", "age"])
    'age'
    """
    return next((name for name in names if len({row.get(name) for row in rows}) > 1), None)
