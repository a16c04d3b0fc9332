"""What the datasets of a run hold of each subject and session, and what they might have held."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bgpvs_wf.bids.belonging import LeftOut, shown
from bgpvs_wf.bids.index import Index, IndexedFile


class Holdings:
    """What the datasets of a run hold of each subject and session."""

    def __init__(self, indices: Sequence[Index]) -> None:
        """Take the index of the dataset itself, then those of its derivatives."""
        self.raw = indices[0]
        self._indices = indices
        files = [file for index in indices for file in index.files]
        # Tables that hold for all subjects are given to each.
        common = [file for file in files if "subject" not in file.entities]
        self._files: dict[str, list[IndexedFile]] = defaultdict(lambda: list(common))
        for file in files:
            if "subject" in file.entities:
                self._files[file.entities["subject"]].append(file)
        self._left_out: dict[str | None, list[LeftOut]] = defaultdict(list)
        for index in indices:
            for one in index.left_out:
                named = one if index is self.raw else _of_derivatives(one, index.root)
                self._left_out[one.subject].append(named)

    def sessions(self, subject: str) -> list[str]:
        """Return the labels of a subject's sessions, in any of the datasets."""
        found = {label for index in self._indices for label in index.sessions.get(subject, ())}
        return sorted(found)

    def lost_sessions(self, subject: str) -> list[LeftOut]:
        """Return the sessions of the dataset that are left out as a whole."""
        return [one for one in self.raw.left_out if one.subject == subject and _is_session(one)]

    def files(self, subject: str, session: str | None) -> list[IndexedFile]:
        """Return what can be taken: images of the session, tables that hold for it."""
        return [file for file in self._files[subject] if _fits(file, session)]

    def left_out(self, subject: str, session: str | None) -> list[LeftOut]:
        """Return what is not taken, but might have been meant for a subject and session."""
        accepted = self._places(subject)
        left = [one for one in self._left_out[subject] if one.session in (None, session)]
        return left + [
            _astray(file, self.raw.root)
            for file in self._files[subject]
            if file.is_image and file.entities.get("session") not in accepted
        ]

    def has_left_out(self, subject: str, session: str | None) -> bool:
        """Return whether something of just this session is left out."""
        return any(one.session == session for one in self._left_out[subject])

    def others(self, subject: str) -> list[str]:
        """Return images of the dataset that are of other kinds."""
        return self.raw.others.get(subject, [])

    def all_left_out(self, subjects: Sequence[str], *, everybody: bool) -> list[LeftOut]:
        """Return all that is left out, but for subjects and sessions that are a problem.

        Parameters
        ----------
        subjects : sequence of str
            That are processed.
        everybody : bool
            Whether these are all; else what is left out of others is their own affair.
        """
        left = list(self._left_out[None])
        for subject in subjects:
            left += self._left_out[subject]
            for session in self._places(subject):
                left += self.left_out(subject, session)
        if everybody:
            # Derivatives may be of more subjects; of those, only what is nobody's is told.
            others = self._left_out.keys() - {*subjects, None}
            of_others = [one for label in sorted(map(str, others)) for one in self._left_out[label]]
            raw = set(self.raw.left_out)
            left += [one for one in of_others if one in raw or one.whole]
        problems = {one for one in self.raw.left_out if one.whole}
        return [one for one in dict.fromkeys(left) if one not in problems]

    def _places(self, subject: str) -> list[str | None]:
        return [*self.sessions(subject)] or [None]


def _is_session(one: LeftOut) -> bool:
    return one.whole and "/" in one.where


def _of_derivatives(one: LeftOut, root: Path) -> LeftOut:
    # What is ill named there is lost to all sessions.
    session = None if one.whole else one.session
    return dataclasses.replace(one, where=f"{root.name}/{one.where}", session=session)


def _fits(file: IndexedFile, session: str | None) -> bool:
    own = file.entities.get("session")
    return own == session or (own is None and not file.is_image)


def _astray(file: IndexedFile, raw: Path) -> LeftOut:
    where = file.path.relative_to(file.root).as_posix()
    own = file.entities.get("session")
    subject = file.entities["subject"]
    reason = (
        f"its name says no session, and sub-{subject} has some; put it into one"
        if own is None
        else f"its name says ses-{own}, and sub-{subject} has no folder ses-{own}; make one"
    )
    left = LeftOut(shown(where), reason, subject, own)
    return left if file.root == raw else _of_derivatives(left, file.root)
