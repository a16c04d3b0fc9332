"""What the page of a cohort shows: rows of subjects and sessions, columns of measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bgpvs_wf.cohort.advice import Reason


@dataclass(frozen=True)
class Column:
    """A measure of the page."""

    name: str
    """As in the tables."""
    label: str
    """For people, short."""
    meaning: str
    """One sentence."""
    unit: str = ""
    section: str = "quality"
    """`results` (volumes, PVS) or `quality`."""
    shown: bool = True
    """In the table at first; the others are chosen by the reader."""


@dataclass(frozen=True)
class Row:
    """A subject and session of the page."""

    label: str
    """``sub-01`` or ``sub-01_ses-3m``."""
    age_weeks: float | None
    """Post-menstrual; None if it is not known."""
    advice: str
    """One of `bgpvs_wf.cohort.advice.ADVICE`."""
    values: Mapping[str, float | None]
    """By names of columns."""
    reasons: tuple[Reason, ...] = ()
    page: str = ""
    """Address of the subject's page, relative to that of the cohort; empty if there is none."""
    viewer: str = ""
    """Likewise, of the page in 3D."""
    figure: str = ""
    """Likewise, of a picture (SVG) of several slices with outlines."""
    thumbnail: bytes = field(default=b"", repr=False)
    """JPEG of one axial slice with outlines, some 6 kB; empty if there is none."""
    rating: str = ""
    """One of `bgpvs_wf.cohort.ratings.RATINGS`, if it was rated before."""
    note: str = ""
    """Of the person who rated it."""
    rated: str = ""
    """When, in UTC: ``2025-03-01T09:30:00Z``; empty if that is not known."""
