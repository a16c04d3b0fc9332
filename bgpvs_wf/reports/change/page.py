"""The page of an infant's change: trajectories, the table of spaces, sessions side by side."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.arrays import Affine
from bgpvs_wf.cohort.change.table import CHANGES, COLUMNS
from bgpvs_wf.reports.change.slices import Session, rows_of_slices
from bgpvs_wf.reports.change.trajectories import trajectory_charts
from bgpvs_wf.reports.page import render
from bgpvs_wf.reports.page_tables import to_table

if TYPE_CHECKING:
    import pandas as pd

_HIDDEN = ("session_from", "session_to", "index_from", "index_to", "trace")


@dataclass(frozen=True, kw_only=True)
class ChangeReport:
    """All that the page shows."""

    subject: str
    """With ``sub-``."""
    sessions: Sequence[Session]
    """In the order of age."""
    affines: Sequence[Affine]
    """From each session to the next, mm, shape (4, 4)."""
    table: Path
    """TSV of change; see `bgpvs_wf.cohort.change.table`."""
    warnings: Sequence[str] = ()
    """Sentences on what makes the change doubtful."""


def write_change_page(report: ChangeReport, path: Path) -> Path:
    """Write the page; it appears whole or not at all.

    Raises
    ------
    BGPVSError
        If it cannot be written.
    """
    import pandas as pd

    from bgpvs_wf.imaging.files import write_text

    text = dict.fromkeys(("index_from", "index_to"), str)
    table = pd.read_csv(report.table, sep="\t", na_values="n/a", keep_default_na=False, dtype=text)
    labels = [one.label for one in report.sessions]
    steps = list(itertools.pairwise(labels))
    parts = [table[table["session_from"] == before] for before, _ in steps]
    names = [_tracks(table, label) for label in labels]
    content = {
        "title": f"{report.subject}: change between sessions",
        "facts": [_about(one) for one in report.sessions],
        "warnings": list(report.warnings),
        "headlines": [
            {"step": f"{a} to {b}", "counts": _counts(part)}
            for (a, b), part in zip(steps, parts, strict=True)
        ],
        "charts": trajectory_charts(table, labels, [one.age_weeks for one in report.sessions]),
        "tables": [
            {"caption": f"{a} to {b}", "table": to_table(_shown(part), COLUMNS)}
            for (a, b), part in zip(steps, parts, strict=True)
        ],
        "sessions": labels,
        "slices": rows_of_slices(report.sessions, report.affines, names),
    }
    return write_text(render("change.html", content), path)


def _about(session: Session) -> str:
    age = "age not known" if session.age_weeks is None else f"{session.age_weeks:.1f} weeks"
    return f"{session.label}: {age}"


def _counts(part: pd.DataFrame) -> dict[str, int]:
    counts = {name: int((part["change"] == name).sum()) for name in CHANGES}
    sizes = {name: int((part["size"] == name).sum()) for name in ("grown", "shrunk")}
    return {**counts, **sizes}


def _shown(part: pd.DataFrame) -> pd.DataFrame:
    return part.drop(columns=[name for name in _HIDDEN if name in part])


def _tracks(table: pd.DataFrame, label: str) -> Mapping[int, tuple[int, str]]:
    """Return number of a space in a session to its track, and what becomes of it.

    What is new since the session before is `new`, if the next one shows it, too.
    """
    found: dict[int, tuple[int, str]] = {}
    for here, column in (("session_from", "index_from"), ("session_to", "index_to")):
        for row in table[table[here] == label].dropna(subset=[column]).to_dict("records"):
            for number in map(int, str(row[column]).split("+")):
                known = found.get(number, (0, CHANGES[0]))[1]
                becomes = row["change"] if row["change"] != CHANGES[0] else known
                found[number] = (int(row["track"]), str(becomes))
    return found
