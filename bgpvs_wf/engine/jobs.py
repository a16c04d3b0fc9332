"""A subject that is to run, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.engine.crashes import Crash

NOT_RUN, SUBMITTED, ELSEWHERE = "not run", "submitted", "elsewhere"
"""States of a subject beside `done` and `failed`: left out, handed to a batch system that works on
it, run by another program."""


@dataclass(frozen=True)
class Job:
    """A subject that has to run."""

    subject: SubjectInputs
    outputs: Mapping[str, Path]
    """The files it should have in the end."""

    @property
    def label(self) -> str:
        """Of the subject and session."""
        return self.subject.label


@dataclass(frozen=True)
class Outcome:
    """What became of a subject."""

    label: str
    state: str
    """`done`, `failed`, or one of this module's."""
    failures: tuple[Crash, ...] = ()
    ran: tuple[str, ...] = ()
    """Stages that ran, the failed one included."""
    reused: tuple[str, ...] = ()
    """Stages whose results were there from an earlier run."""
    holder: str = ""
    """Which other program runs it."""
