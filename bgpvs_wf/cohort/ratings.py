"""Ratings that people gave on the page of a cohort."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bgpvs_wf.errors import TableError
from bgpvs_wf.tsv import read_tsv

RATINGS = ("keep", "check", "exclude")
"""What a person says of a subject, from the best on."""


@dataclass(frozen=True)
class Rating:
    """What a person said of a subject and session."""

    rating: str = ""
    """One of `RATINGS`; empty if only a note was left."""
    note: str = ""
    rated: str = ""
    """When, in UTC; empty if that is not known."""


def read_ratings(path: str | os.PathLike[str]) -> dict[str, Rating]:
    """Return ratings by label, ``sub-01`` or ``sub-01_ses-3m``.

    Parameters
    ----------
    path : path-like
        A TSV as the page of a cohort exports it: `participant_id`, `rating`, and, if there are
        any, `session_id`, `note` and `rated`.

    Raises
    ------
    TableError
        If it cannot be read, a column is missing, a rating is none, or a subject is there twice.
    """
    table = read_tsv(Path(path))
    table.require(("participant_id", "rating"))
    found: dict[str, Rating] = {}
    for number, line in enumerate(table.lines):
        row = {name: _known(text) for name, text in table.row(number).items()}
        subject = row["participant_id"].removeprefix("sub-")
        session = row.get("session_id", "").removeprefix("ses-")
        if not subject:
            raise TableError(f"{path} names nobody in line {line}; give a participant_id.")
        label = f"sub-{subject}" + (f"_ses-{session}" if session else "")
        if label in found:
            raise TableError(f"{path} has {label} twice (line {line}); keep one.")
        if row["rating"] and row["rating"] not in RATINGS:
            raise TableError(
                f"{path} holds the rating '{row['rating']}' in line {line}; give one of "
                f"{', '.join(RATINGS)}, or n/a."
            )
        found[label] = Rating(row["rating"], row.get("note", ""), row.get("rated", ""))
    return found


def _known(text: str) -> str:
    return "" if text == "n/a" else text
