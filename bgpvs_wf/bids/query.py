"""What to process: the subjects and sessions of a run, and the files each starts from."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bgpvs_wf.bids.ages import AgeReader
from bgpvs_wf.bids.belonging import LeftOut, is_label, not_scans, why_no_file, why_no_label
from bgpvs_wf.bids.choose import (
    PREPROCESSED,
    choose_dseg,
    choose_image,
    choose_mask,
    table_of,
)
from bgpvs_wf.bids.filters import read_filters
from bgpvs_wf.bids.folders import check_folders
from bgpvs_wf.bids.ignored import read_ignored
from bgpvs_wf.bids.index import IndexedFile, index_dataset
from bgpvs_wf.bids.inputs import Cohort, Problem, SubjectInputs, label_of
from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import UsageError

__all__ = ["Cohort", "Problem", "SubjectInputs", "find_subjects"]


def find_subjects(config: RunConfig) -> Cohort:
    """Find what there is to process; the datasets are indexed once, by names alone.

    A session without anatomical image is passed over where its subject has another with one.
    Files of the derivatives win over those of `bids_dir`; `bids_dir` may itself be a derivative
    dataset, such as the dHCP's structural pipeline. `bgpvs_wf.bids.choose` has the order of
    preference among several files, each choice is a line in `SubjectInputs.notes`.

    Parameters
    ----------
    config : RunConfig
        Its folders, labels, filter file and derivatives are read.

    Returns
    -------
    Cohort
        Those that can be processed, and a line on each subject that cannot.

    Raises
    ------
    UsageError
        If a folder is bad (see `bgpvs_wf.bids.folders.check_folders`), a participant or session
        is not in the dataset, or there is none at all.
    """
    check_folders(config)
    filters = read_filters(config.bids_filter_file)
    roots = [config.bids_dir, *config.derivatives.values()]
    known, strays = _labels(config.bids_dir)
    asked = config.participant_label
    subjects = _asked("participant", "sub-", asked, known)
    files, left = _files_by_subject(roots, subjects if asked else ())
    sessions = {subject: _sessions(roots, subject) for subject in subjects}
    everyones = sorted({session for found in sessions.values() for session in found})
    wanted = _asked("session", "ses-", config.session_id, everyones) if config.session_id else None
    ages = AgeReader(roots)
    ready: list[SubjectInputs] = []
    problems: list[Problem] = [] if asked else strays
    for subject in subjects:
        left[subject] += not_scans(config.bids_dir, subject)
        mine = _by_session(subject, files[subject], sessions[subject], left[subject])
        todo = _chosen_sessions(sessions[subject], wanted)
        found = [
            _inputs(
                subject,
                session,
                mine[session],
                filters,
                ages,
                len(sessions[subject]),
                left[subject],
            )
            for session in todo
        ]
        ready += [item for item in found if isinstance(item, SubjectInputs)]
        failed = [item for item in found if isinstance(item, Problem)]
        if failed and (wanted is not None or len(failed) == len(found)):
            problems += failed
        elif not todo and asked:
            problems.append(_no_such_session(subject, wanted or (), sessions[subject]))
        problems += _stray_sessions(config.bids_dir, subject) if wanted is None else []
    lines = [f"{one.path}: {one.why}" for subject in subjects for one in left[subject]]
    return Cohort(tuple(ready), tuple(problems), tuple(lines))


def _labels(root: Path) -> tuple[list[str], list[Problem]]:
    """Return the subjects of a dataset, and folders that would be subjects but for their names."""
    ignored = read_ignored(root)
    folders = [path.name for path in sorted(root.glob("sub-*")) if os.path.isdir(path)]
    found = [name[4:] for name in folders if not ignored(f"{name}/")]
    strays = [
        Problem(label, None, f"sub-{label}: {why_no_label(label)}; rename the folder.")
        for label in found
        if not is_label(label)
    ]
    known = [label for label in found if is_label(label)]
    if not known:
        what = "no folders sub-*" if not folders else "its .bidsignore names all of them"
        why = "; ".join(stray.message.rstrip(".") for stray in strays[:3]) or what
        raise UsageError(f"{root} has no subjects ({why}); give a dataset with some.")
    return known, strays


def _asked(what: str, prefix: str, asked: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the labels asked for, in the order of the dataset, or all of them."""
    labels = {label.removeprefix(prefix) for label in asked}
    unknown = sorted(labels - set(known))
    if unknown:
        shown = ", ".join(known[:10]) + (f", ... ({len(known)})" if len(known) > 10 else "")
        names = ", ".join(label or "''" for label in unknown)
        raise UsageError(f"No {what} {names} found; there is {shown or 'none'}.")
    return [label for label in known if not labels or label in labels]


def _sessions(roots: Iterable[Path], subject: str) -> list[str]:
    folders = (path for root in roots for path in (root / f"sub-{subject}").glob("ses-*"))
    return sorted(
        {path.name[4:] for path in folders if is_label(path.name[4:]) and os.path.isdir(path)}
    )


def _stray_sessions(root: Path, subject: str) -> list[Problem]:
    folders = sorted((root / f"sub-{subject}").glob("ses-*"))
    labels = [path.name[4:] for path in folders if os.path.isdir(path)]
    return [
        Problem(
            subject,
            label,
            f"sub-{subject}_ses-{label}: {why_no_label(label)}; rename the folder.",
        )
        for label in labels
        if not is_label(label)
    ]


def _chosen_sessions(sessions: Sequence[str], wanted: Sequence[str] | None) -> list[str | None]:
    if not sessions:
        return [None] if wanted is None else []
    return [session for session in sessions if wanted is None or session in wanted]


def _no_such_session(subject: str, wanted: Sequence[str], sessions: Sequence[str]) -> Problem:
    has = f"it has {', '.join(sessions)}" if sessions else "it has no sessions"
    return Problem(subject, None, f"sub-{subject} has no session {', '.join(wanted)}; {has}.")


def _files_by_subject(
    roots: Sequence[Path], subjects: Sequence[str]
) -> tuple[Mapping[str, list[IndexedFile]], dict[str, list[LeftOut]]]:
    """Index the datasets; tables that hold for all subjects are given to each."""
    files: list[IndexedFile] = []
    left: dict[str, list[LeftOut]] = defaultdict(list)
    for root in roots:
        indexed, left_out = index_dataset(root, subjects)
        files += indexed
        for one in left_out:
            if one.subject is not None:
                left[one.subject].append(one)
    common = [file for file in files if "subject" not in file.entities]
    found: dict[str, list[IndexedFile]] = defaultdict(lambda: list(common))
    for file in files:
        if "subject" in file.entities:
            found[file.entities["subject"]].append(file)
    return found, left


def _by_session(
    subject: str, files: Sequence[IndexedFile], sessions: Sequence[str], left: list[LeftOut]
) -> Mapping[str | None, list[IndexedFile]]:
    """Deal out the files of a subject; those of none of its sessions are added to what is left.

    A derivative dataset that has no sessions may speak of the only one there is.
    """
    found: dict[str | None, list[IndexedFile]] = defaultdict(list)
    without: dict[Path, bool] = {}
    for file in files:
        session = file.entities.get("session")
        if "subject" not in file.entities:
            for each in sessions or (None,):
                found[each].append(file)
        elif session in sessions or (session is None and not sessions):
            found[session].append(file)
        elif session is not None:
            why = f"its name says ses-{session}, but there is no folder ses-{session}; make one"
            left.append(LeftOut(file.path, subject, why))
        else:
            if file.root not in without:
                without[file.root] = not _sessions([file.root], subject)
            if len(sessions) == 1 and without[file.root]:
                found[sessions[0]].append(file)
            else:
                has = ", ".join(f"ses-{label}" for label in sessions)
                why = f"it names no session, and sub-{subject} has {has}; name its session"
                left.append(LeftOut(file.path, subject, why))
    return found


def _inputs(
    subject: str,
    session: str | None,
    files: Sequence[IndexedFile],
    filters: Mapping[str, Mapping[str, Any]],
    ages: AgeReader,
    n_sessions: int,
    left: Sequence[LeftOut],
) -> SubjectInputs | Problem:
    t2w, t2w_note = choose_image(files, "T2w", (None, "T2w"), filters.get("t2w", {}))
    t1w_spaces = ("T2w", None, "T1w") if t2w else (None, "T1w", "T2w")
    t1w, t1w_note = choose_image(files, "T1w", t1w_spaces, filters.get("t1w", {}))
    home = t2w or t1w
    if home is None:
        return _no_image(subject, session, (t2w_note, t1w_note, *map(str, left)), bool(filters))
    mask, mask_note = choose_mask(files, home, filters.get("mask", {}))
    dseg, dseg_note = choose_dseg(files, home, filters.get("dseg", {}))
    for file in filter(None, (t2w, t1w, mask, dseg)):
        if why := why_no_file(file.path):
            return Problem(subject, session, f"{label_of(subject, session)}: {file.path} {why}.")
    age = ages.read(subject, session, only_session=n_sessions < 2)
    return SubjectInputs(
        subject=subject,
        session=session,
        t2w=t2w.path if t2w else None,
        t1w=t1w.path if t1w else None,
        t1w_in_t2w_space=t2w is not None and t1w is not None and t1w.space == "T2w",
        preprocessed=home.desc in PREPROCESSED,
        t1w_preprocessed=t1w is not None and t1w.desc in PREPROCESSED,
        brain_mask=mask.path if mask else None,
        dseg=dseg.path if dseg else None,
        dseg_table=table_of(dseg, files) if dseg else None,
        age_weeks=age.weeks,
        age_note=age.note,
        notes=(
            *(note for note in (t2w_note, t1w_note, mask_note, dseg_note) if note),
            *(f"left {one}" for one in left),
        ),
    )


def _no_image(subject: str, session: str | None, notes: Sequence[str], filtered: bool) -> Problem:
    label = label_of(subject, session)
    hints = [note for note in notes if note]
    if filtered and hints:
        hints.append("none passes the filter file")
    why = f" ({'; '.join(hints)})" if hints else ""
    todo = "add one or leave it out with --participant-label"
    return Problem(subject, session, f"{label} has no T2w and no T1w image{why}; {todo}.")
