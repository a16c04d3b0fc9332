"""How the methods and the cases of an evaluation are named, and in which order they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def ordered_methods(frame: pd.DataFrame, proposed: str = "") -> list[str]:
    """Return the methods of a table in their order, the proposed one first."""
    found = [str(method) for method in dict.fromkeys(frame["method"])] if len(frame) else []
    return sorted(found, key=lambda method: method != proposed)


def case_labels(cases: pd.DataFrame) -> list[str]:
    """Return subject and session of every row, as file names have them but for `sub-`."""
    subjects, sessions = cases["subject"].astype(str), cases["session"]
    known = (sessions.notna() & ~sessions.isin(["", "n/a"])).to_numpy(bool)
    return [
        f"{subject} ses-{session}" if there else subject
        for subject, session, there in zip(subjects, sessions, known, strict=True)
    ]
