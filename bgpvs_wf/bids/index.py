"""Index BIDS datasets once a run, reading names only, and without the heavy folders."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bgpvs_wf.bids.belonging import (
    IMAGES,
    LeftOut,
    is_candidate,
    is_image_like,
    judge,
    label_fault,
    names_session,
    names_subject,
    shown,
)
from bgpvs_wf.bids.ignoring import NAME, Rule, read_rules, rule_for
from bgpvs_wf.bids.inputs import is_label
from bgpvs_wf.errors import UsageError
from bgpvs_wf.reading import what_instead

# In a subject, only anatomy: func and dwi hold most files.
_OTHER_FOLDERS = {
    "func", "dwi", "fmap", "perf", "eeg", "meg", "ieeg", "pet", "beh", "nirs", "motion", "mrs",
    "xfm", "figures",
}  # fmt: skip
_DEEPEST = 5
"""Folders within one another: subject, session, anat, and some to tell of what lies too deep."""


@dataclass(frozen=True)
class IndexedFile:
    """A file of a dataset and the BIDS entities of its name (pybids' long names)."""

    path: Path
    entities: Mapping[str, Any]
    root: Path
    """Of the dataset it belongs to."""

    @property
    def is_image(self) -> bool:
        """Whether it is NIfTI by its name."""
        return str(self.entities.get("extension")) in IMAGES

    @property
    def space(self) -> str | None:
        """The ``space-`` entity."""
        return self.entities.get("space")

    @property
    def desc(self) -> str | None:
        """The ``desc-`` entity."""
        return self.entities.get("desc")

    @property
    def suffix(self) -> str:
        """``T2w``, ``dseg``, ..."""
        return str(self.entities.get("suffix"))


@dataclass
class Index:
    """What a dataset holds."""

    root: Path
    files: list[IndexedFile] = field(default_factory=list)
    """Those that count, by path; see `bgpvs_wf.bids.belonging.judge`."""
    left_out: list[LeftOut] = field(default_factory=list)
    """What was meant to be one of these, or to be a subject or session, by path."""
    others: dict[str, list[str]] = field(default_factory=dict)
    """Images of other kinds, by the subject in whose folder they are."""
    subjects: list[str] = field(default_factory=list)
    """Labels of all that have a folder, in order."""
    sessions: dict[str, list[str]] = field(default_factory=dict)
    """Labels of the sessions of each subject that was looked at, in order."""


def index_dataset(root: Path, subjects: Collection[str] = (), *, ignoring: bool = True) -> Index:
    """List anatomical images, masks, dseg and label tables of a dataset.

    Parameters
    ----------
    root : Path
        Raw or derivative dataset, with or without ``dataset_description.json``.
    subjects : collection of str
        Labels without ``sub-``; none means all. Folders of others are not even listed.
    ignoring : bool
        Whether its file ``.bidsignore`` is honoured.

    Returns
    -------
    Index
        No sidecar is read: at hundreds of subjects that costs minutes.

    Raises
    ------
    UsageError
        If the dataset or its ``.bidsignore`` cannot be read.
    """
    walk = _Walk(Index(root), frozenset(subjects), read_rules(root) if ignoring else ())
    walk.dataset()
    index = walk.index
    index.files.sort(key=lambda file: file.path)
    index.left_out.sort(key=lambda one: one.where)
    index.subjects.sort()
    for found in index.sessions.values():
        found.sort()
    return index


class _Walk:
    """One walk through a dataset."""

    def __init__(self, index: Index, asked: Collection[str], rules: tuple[Rule, ...]) -> None:
        from bids.layout import parse_file_entities
        from bids.layout.models import Config

        self.index, self.root = index, str(index.root)
        self.asked, self.rules = asked, rules
        configs = [Config.load(name) for name in ("bids", "derivatives")]
        self.known = [entity for config in configs for entity in config.entities.values()]
        self.parse = parse_file_entities

    def dataset(self) -> None:
        try:
            entries = list(os.scandir(self.root))
        except OSError as error:
            raise UsageError(
                f"Cannot read the folder {self.root}: {error.strerror}; make it readable."
            ) from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if names_subject(entry.name) and (entry.is_dir() or is_label(entry.name[4:])):
                self._subject(entry)
            elif entry.name.lower().startswith("sub") or entry.name.endswith("dseg.tsv"):
                self._file(entry, entry.name)

    def _subject(self, entry: os.DirEntry[str]) -> None:
        label = entry.name.removeprefix("sub-")
        if self._ignored(entry, entry.name, label, None):
            return
        fault = _whole_fault("sub", entry)
        if fault:
            self._leave(entry.name, fault, label, whole=True)
            return
        self.index.subjects.append(label)
        if self.asked and label not in self.asked:
            return
        self.index.sessions[label] = []
        self._folder(entry.path, entry.name, label, None)

    def _session(self, entry: os.DirEntry[str], path: str, subject: str) -> None:
        label = entry.name.removeprefix("ses-")
        fault = _whole_fault("ses", entry)
        if fault:
            if not entry.is_dir() or _holds_candidates(entry.path):
                self._leave(path, fault, subject, label, whole=True)
            return
        self.index.sessions[subject].append(label)
        self._folder(entry.path, path, subject, label)

    def _folder(self, folder: str, path: str, subject: str, session: str | None) -> None:
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            self._leave(
                path,
                f"you may not read it ({error.strerror}); change its permissions",
                subject,
                session,
            )
            return
        for entry in entries:
            name, inner = entry.name, f"{path}/{entry.name}"
            if name.startswith(".") or (name in _OTHER_FOLDERS and entry.is_dir()):
                continue
            if session is None and "/" not in path and _is_session(entry):
                if not self._ignored(entry, inner, subject, name.removeprefix("ses-")):
                    self._session(entry, inner, subject)
            elif not entry.is_dir() or is_candidate(name):
                self._file(entry, inner, subject, session)
            elif _goes_down(entry, inner) and not self._ignored(entry, inner, subject, session):
                self._folder(entry.path, inner, subject, session)

    def _file(
        self,
        entry: os.DirEntry[str],
        path: str,
        subject: str | None = None,
        session: str | None = None,
    ) -> None:
        name = entry.name
        if not is_candidate(name):
            if subject is not None and is_image_like(name):
                self.index.others.setdefault(subject, []).append(path)
            return
        verdict = judge(path)
        if subject is None:
            subject = verdict.subject
            if self.asked and subject not in (None, *self.asked):
                return
        elif not name.lower().startswith("sub") and not _is_anatomical(path):
            return  # FreeSurfer's mri/brainmask.mgz was never meant to be taken
        if self._ignored(entry, path, subject, session):
            return
        reason, where = verdict.reason, verdict.where
        if not reason:
            instead = "" if entry.is_file() and not entry.is_symlink() else what_instead(entry.path)
            reason, where = _instead_of_file(instead), path
        if reason:
            self._leave(where, reason, subject, session)
            return
        entities = self.parse(f"/{path}", entities=self.known)
        self.index.files.append(IndexedFile(Path(entry.path), entities, self.index.root))

    def _ignored(
        self, entry: os.DirEntry[str], path: str, subject: str | None, session: str | None
    ) -> bool:
        line = rule_for(self.rules, path, folder=entry.is_dir()) if self.rules else ""
        if line:
            self._leave(path, f"{NAME} has '{shown(line)}'", subject, session)
        return bool(line)

    def _leave(
        self,
        path: str,
        reason: str,
        subject: str | None = None,
        session: str | None = None,
        whole: bool = False,
    ) -> None:
        left = LeftOut(shown(path), reason, subject, session, whole)
        if left not in self.index.left_out[-1:]:
            self.index.left_out.append(left)


def _is_session(entry: os.DirEntry[str]) -> bool:
    return names_session(entry.name) and (entry.is_dir() or is_label(entry.name[4:]))


def _is_anatomical(path: str) -> bool:
    """Return whether a file lies in a folder that is meant for anatomy, a subject or a session."""
    return path.split("/")[-2].lower().startswith(("anat", "sub", "ses"))


def _whole_fault(prefix: str, entry: os.DirEntry[str]) -> str:
    """Return why all that a subject or session has cannot be taken."""
    fault = label_fault(prefix, entry.name)
    if fault:
        return f"{fault}; rename the folder"
    if not entry.is_dir():
        instead = what_instead(entry.path) or "a file"
        return f"'{entry.name}' is {instead}, not a folder; repair it"
    return ""


def _instead_of_file(instead: str) -> str:
    if instead == "a broken link":
        return "it is a broken link; get what it leads to (with DataLad: datalad get)"
    return f"it is {instead}, not a file; repair it" if instead else ""


def _goes_down(entry: os.DirEntry[str], path: str) -> bool:
    """Return whether a folder can be looked into: not too deep, and no link to one around it."""
    if path.count("/") >= _DEEPEST:
        return False
    if not entry.is_symlink():
        return True
    real, here = os.path.realpath(entry.path), os.path.realpath(os.path.dirname(entry.path))
    return os.path.commonpath([real, here]) != real


def _holds_candidates(folder: str) -> bool:
    """Return whether a folder that is left out has anything that would be taken."""
    return any(
        is_candidate(name)
        for at, folders, names in os.walk(folder)
        for name in (*names, *folders)
        if at[len(folder) + 1 :].partition("/")[0] not in _OTHER_FOLDERS
    )
