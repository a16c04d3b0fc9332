"""Which atlas for which age."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from bgpvs_wf.anatomy.registry import ATLAS_FILE, Atlas, AtlasEntry, load_atlas
from bgpvs_wf.bids.ages import TERM_WEEKS, WEEKS_PER_MONTH, WEEKS_PER_YEAR
from bgpvs_wf.errors import AgeError, AtlasError

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*(w|wks?|weeks?|m|mos?|months?|y|yrs?|years?)")


def parse_age(text: str) -> float:
    """Return the post-menstrual age, weeks, that a short text means.

    Weeks are post-menstrual; months and years count from term (40 weeks).

    Raises
    ------
    AgeError
        If the text is no age.

    Examples
    --------
    >>> parse_age("40w"), round(parse_age("3m"), 2), round(parse_age("1y"), 2)
    (40.0, 53.04, 92.18)
    """
    match = _AGE.fullmatch(text.strip().lower())
    if not match:
        raise AgeError(
            f"'{text}' is no age; write post-menstrual weeks as 40w, months from term as 3m."
        )
    value, unit = float(match[1]), match[2][0]
    if unit == "w":
        return value
    return TERM_WEEKS + value * (WEEKS_PER_YEAR if unit == "y" else WEEKS_PER_MONTH)


def choose_entries(
    atlases: Sequence[Atlas], age_weeks: float | None, names: Sequence[str] = ()
) -> tuple[tuple[AtlasEntry, ...], tuple[str, ...]]:
    """Choose the atlas entries to register to a subject.

    Parameters
    ----------
    atlases : sequence of Atlas
        The known ones, as `bgpvs_wf.anatomy.registry.known_atlases` returns them.
    age_weeks : float or None
        Post-menstrual age, weeks. None is accepted where there is nothing to choose: named
        atlases of a single age.
    names : sequence of str
        Names, or atlas folders. None: the user's own atlases whose age window covers the
        subject, all of them; if there is none, the embedded ones.

    Returns
    -------
    entries : tuple of AtlasEntry
        One of each chosen atlas, the closest in age.
    notes : tuple of str
        Sentences for the subject's report, where the age is out of an atlas's window or the
        embedded atlas stands in.

    Raises
    ------
    AtlasError
        If a name is unknown (the message lists the known ones), or no atlas is left.
    AgeError
        If the choice needs an age and there is none.
    """
    if names:
        chosen = {atlas.folder: atlas for atlas in (find_atlas(name, atlases) for name in names)}
        return _closest(list(chosen.values()), age_weeks)
    if age_weeks is None:
        raise AgeError("The choice of an atlas needs the subject's age; name one with --atlas.")
    fitting = [
        atlas
        for atlas in atlases
        if not atlas.embedded and any(entry.covers(age_weeks) for entry in atlas.entries)
    ]
    if fitting:
        return tuple(_closest_covering(atlas, age_weeks) for atlas in fitting), ()
    embedded = [atlas for atlas in atlases if atlas.embedded]
    if not embedded:
        raise AtlasError(
            f"No atlas covers an age of {age_weeks:.1f} weeks; import one with "
            "'bgpvs-wf atlas add', or name one with --atlas."
        )
    entries, notes = _closest(embedded, age_weeks)
    own = [atlas.name for atlas in atlases if not atlas.embedded]
    if own:
        notes = (
            f"None of the imported atlases ({', '.join(own)}) covers {age_weeks:.1f} weeks; "
            "the embedded synthetic one is used.",
            *notes,
        )
    return entries, notes


def _closest_covering(atlas: Atlas, age_weeks: float) -> AtlasEntry:
    covering = tuple(entry for entry in atlas.entries if entry.covers(age_weeks))
    return dataclasses.replace(atlas, entries=covering).closest(age_weeks)


def find_atlas(name: str, atlases: Sequence[Atlas]) -> Atlas:
    """Return an atlas by name, or by its folder.

    Raises
    ------
    AtlasError
        If there is none; the message lists the known ones.
    """
    for atlas in atlases:
        if atlas.name == name:
            return atlas
    folder = Path(name).expanduser()
    if (folder / ATLAS_FILE).exists():
        return load_atlas(folder)
    known = ", ".join(sorted(atlas.name for atlas in atlases)) or "none"
    if folder.is_dir():
        raise AtlasError(
            f"{name} is a folder without {ATLAS_FILE}; import it with 'bgpvs-wf atlas add {name}'."
        )
    raise AtlasError(f"Unknown atlas '{name}'; known: {known}.")


def _closest(
    atlases: Sequence[Atlas], age_weeks: float | None
) -> tuple[tuple[AtlasEntry, ...], tuple[str, ...]]:
    if age_weeks is None:
        several = [atlas.name for atlas in atlases if len(atlas.entries) > 1]
        if several:
            raise AgeError(
                f"Atlas '{several[0]}' has several ages, so the subject's age is needed; "
                "add it to sessions.tsv or participants.tsv."
            )
        return tuple(atlas.entries[0] for atlas in atlases), ()
    entries = tuple(atlas.closest(age_weeks) for atlas in atlases)
    notes = tuple(_note(entry, age_weeks) for entry in entries if not entry.covers(age_weeks))
    return entries, notes


def _note(entry: AtlasEntry, age_weeks: float) -> str:
    return (
        f"Atlas '{entry.atlas}' ({entry.age_weeks:g} weeks) is meant for "
        f"{entry.min_age_weeks:g} to {entry.max_age_weeks:g} weeks; "
        f"the subject is {age_weeks:.1f} weeks old."
    )
