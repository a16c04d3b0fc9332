"""What there is to process: one record a subject and session, and who cannot be processed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

LABEL = "[0-9A-Za-z+]+"
"""What a BIDS label may be, as a regular expression; in words, see `is_label`."""


def is_label(text: str) -> bool:
    """Return whether a text is a BIDS label: letters and digits (of ASCII) and ``+`` only."""
    return re.fullmatch(LABEL, text) is not None


def label_of(subject: str, session: str | None) -> str:
    """Return the BIDS name of a subject and session.

    Examples
    --------
    >>> label_of("01", "3mo")
    'sub-01_ses-3mo'
    """
    return f"sub-{subject}" + (f"_ses-{session}" if session else "")


@dataclass(frozen=True, kw_only=True)
class SubjectInputs:
    """Everything the workflow starts from, for one subject and session."""

    subject: str
    """Label without ``sub-``."""
    session: str | None = None
    """Label without ``ses-``; None where the dataset has no sessions."""
    t2w: Path | None = None
    t1w: Path | None = None
    preprocessed: bool = False
    """The home image is bias-corrected already (``desc-restore``, ``desc-preproc``)."""
    t1w_preprocessed: bool = False
    """The T1w is bias-corrected already."""
    brain_mask: Path | None = None
    """On the grid of the home image."""
    dseg: Path | None = None
    """Existing anatomy; its grid is yet to be checked."""
    dseg_table: Path | None = None
    """The BIDS label table of `dseg`."""
    labels: Path | None = None
    """Labels of BG and BG-PVS to learn from."""
    age_weeks: float | None = None
    """Post-menstrual age, weeks, of any size: `bgpvs_wf.bids.ages.require_age` checks it."""
    age_note: str = ""
    """Where the age comes from and what was assumed, or why there is none."""
    notes: tuple[str, ...] = field(default_factory=tuple)
    """Choices made among several files, one line each."""

    @property
    def label(self) -> str:
        """``sub-01`` or ``sub-01_ses-02``."""
        return label_of(self.subject, self.session)

    @property
    def home(self) -> str:
        """``T2w``, or ``T1w`` where there is no T2w: the image whose grid all results have."""
        return "T2w" if self.t2w is not None else "T1w"

    @property
    def home_image(self) -> Path:
        """The image on whose grid all results are.

        Raises
        ------
        ValueError
            If there is neither a T2w nor a T1w.
        """
        image = self.t2w or self.t1w
        if image is None:
            raise ValueError(f"{self.label} has neither a T2w nor a T1w image")
        return image


@dataclass(frozen=True)
class Problem:
    """Why a subject and session cannot be processed, in one line."""

    subject: str
    session: str | None
    message: str
    folder: str = ""
    """Its folder, where that is not named as its label would have it."""

    @property
    def label(self) -> str:
        """``sub-01`` or ``sub-01_ses-02``."""
        return self.folder or label_of(self.subject, self.session)


def subjects_and_sessions(number: int) -> str:
    """Return how many there are, in words.

    Examples
    --------
    >>> subjects_and_sessions(1), subjects_and_sessions(3)
    ('1 subject and session', '3 subjects and sessions')
    """
    return f"{number} subject and session" if number == 1 else f"{number} subjects and sessions"


@dataclass(frozen=True)
class Cohort:
    """The subjects and sessions of a run, in order of their labels."""

    subjects: tuple[SubjectInputs, ...]
    problems: tuple[Problem, ...] = ()
    left_out: tuple[str, ...] = ()
    """Files and folders that were not taken, with why, but for those that a problem names."""
