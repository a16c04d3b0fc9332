"""What to process: the subjects and sessions of a run, and the files each starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from bgpvs_wf.bids.ages import AgeReader
from bgpvs_wf.bids.belonging import LeftOut, label_fault, shown, told
from bgpvs_wf.bids.choose import (
    PREPROCESSED,
    choose_dseg,
    choose_image,
    choose_mask,
    table_of,
)
from bgpvs_wf.bids.filters import read_filters
from bgpvs_wf.bids.folders import check_folders
from bgpvs_wf.bids.holdings import Holdings
from bgpvs_wf.bids.index import Index, index_dataset
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
    _check_labels(config)
    asked = [label.removeprefix("sub-") for label in config.participant_label]
    raw = index_dataset(config.bids_dir, asked)
    subjects = _subjects(raw, asked)
    others = [
        index_dataset(folder, asked, ignoring=False) for folder in config.derivatives.values()
    ]
    holdings = Holdings([raw, *others])
    sessions = {subject: holdings.sessions(subject) for subject in subjects}
    known = sorted({session for found in sessions.values() for session in found})
    wanted = _wanted_sessions(config.session_id, known)
    ages = AgeReader([config.bids_dir, *config.derivatives.values()])
    ready: list[SubjectInputs] = []
    problems = [] if asked else [_lost(one) for one in raw.left_out if _is_lost_subject(one)]
    for subject in subjects:
        todo = _chosen_sessions(sessions[subject], wanted)
        found = [_inputs(subject, session, holdings, filters, ages) for session in todo]
        ready += [item for item in found if isinstance(item, SubjectInputs)]
        failed = [item for item in found if isinstance(item, Problem)]
        lost = [] if wanted else [_lost(one) for one in holdings.lost_sessions(subject)]
        if lost and not sessions[subject]:
            problems += lost  # and there is no scan without a session to miss
            continue
        if wanted is None and len(failed) < len(found):
            # Passed over, unless there is something in it that was left out.
            failed = [one for one in failed if holdings.has_left_out(subject, one.session)]
        problems += [*lost, *failed]
        if not todo and asked:
            problems.append(_no_such_session(subject, wanted or (), sessions[subject]))
    problems.sort(key=lambda problem: problem.label)
    left_out = holdings.all_left_out(subjects, everybody=not asked)
    return Cohort(tuple(ready), tuple(problems), tuple(told(left_out)))


def _check_labels(config: RunConfig) -> None:
    for option, prefix, labels in (
        ("--participant-label", "sub", config.participant_label),
        ("--session-id", "ses", config.session_id),
    ):
        for label in labels:
            fault = label_fault(prefix, f"{prefix}-{label.removeprefix(f'{prefix}-')}")
            if fault:
                raise UsageError(f"{option} {shown(label)}: {fault}; correct it.")


def _subjects(raw: Index, asked: Sequence[str]) -> list[str]:
    """Return the labels asked for, in the order of the dataset, or all of them."""
    unknown = sorted(set(asked) - set(raw.subjects))
    if unknown:
        # Whoever was left out as a whole may be whom they mean.
        hints = told(one for one in raw.left_out if "/" not in one.where and _is_meant(one, asked))
        raise _unknown("participant", unknown, raw.subjects, hints)
    if not raw.subjects and not raw.left_out:
        raise UsageError(
            f"{raw.root} has no subjects (no folders sub-*); give a dataset with some."
        )
    return [label for label in raw.subjects if not asked or label in asked]


def _is_meant(one: LeftOut, asked: Sequence[str]) -> bool:
    return one.whole or one.subject in asked


def _wanted_sessions(asked: Sequence[str], known: Sequence[str]) -> list[str] | None:
    if not asked:
        return None
    wanted = {label.removeprefix("ses-") for label in asked}
    unknown = sorted(wanted - set(known))
    if unknown:
        raise _unknown("session", unknown, known, [])
    return sorted(wanted)


def _unknown(
    what: str, labels: Sequence[str], known: Sequence[str], hints: Sequence[str]
) -> UsageError:
    shown_ones = ", ".join(known[:10]) + (f", ... ({len(known)})" if len(known) > 10 else "")
    why = f" Left out: {'; '.join(hints)}." if hints else ""
    return UsageError(f"No {what} {', '.join(labels)} found; there is {shown_ones or 'none'}.{why}")


def _is_lost_subject(one: LeftOut) -> bool:
    return one.whole and "/" not in one.where


def _lost(one: LeftOut) -> Problem:
    """Return the problem of a subject or session that is left out as a whole."""
    label = one.where.replace("/", "_")
    message = f"{label} is left out: {one.reason}."
    return Problem(one.subject or "", one.session, message, folder=label)


def _chosen_sessions(sessions: Sequence[str], wanted: Sequence[str] | None) -> list[str | None]:
    if not sessions:
        return [None] if wanted is None else []
    return [session for session in sessions if wanted is None or session in wanted]


def _no_such_session(subject: str, wanted: Sequence[str], sessions: Sequence[str]) -> Problem:
    has = f"it has {', '.join(sessions)}" if sessions else "it has no sessions"
    return Problem(subject, None, f"sub-{subject} has no session {', '.join(wanted)}; {has}.")


def _inputs(
    subject: str,
    session: str | None,
    holdings: Holdings,
    filters: Mapping[str, Mapping[str, Any]],
    ages: AgeReader,
) -> SubjectInputs | Problem:
    files, left = holdings.files(subject, session), holdings.left_out(subject, session)
    t2w, t2w_note = choose_image(files, "T2w", (None, "T2w"), filters.get("t2w", {}))
    t1w_spaces = ("T2w", None, "T1w") if t2w else (None, "T1w", "T2w")
    t1w, t1w_note = choose_image(files, "T1w", t1w_spaces, filters.get("t1w", {}))
    home = t2w or t1w
    if home is None:
        notes = [note for note in (t2w_note, t1w_note) if note]
        return _no_image(subject, session, holdings, notes, bool(filters))
    mask, mask_note = choose_mask(files, home, filters.get("mask", {}))
    dseg, dseg_note = choose_dseg(files, home, filters.get("dseg", {}))
    age = ages.read(subject, session, only_session=len(holdings.sessions(subject)) < 2)
    return SubjectInputs(
        subject=subject,
        session=session,
        t2w=t2w.path if t2w else None,
        t1w=t1w.path if t1w else None,
        preprocessed=home.desc in PREPROCESSED,
        t1w_preprocessed=t1w is not None and t1w.desc in PREPROCESSED,
        brain_mask=mask.path if mask else None,
        dseg=dseg.path if dseg else None,
        dseg_table=table_of(dseg, files) if dseg else None,
        age_weeks=age.weeks,
        age_note=age.note,
        notes=tuple(
            [note for note in (t2w_note, t1w_note, mask_note, dseg_note) if note]
            + [f"Left out: {line}" for line in told(left)]
        ),
    )


def _no_image(
    subject: str,
    session: str | None,
    holdings: Holdings,
    notes: Sequence[str],
    filtered: bool,
) -> Problem:
    label = label_of(subject, session)
    left = told(holdings.left_out(subject, session))
    hints = [*notes, *(f"left out: {line}" for line in left)]
    if filtered and notes:
        hints.append("none passes the filter file")
    others = [] if hints else [PurePosixPath(path).name for path in holdings.others(subject)]
    if others:
        hints.append(f"there is {', '.join(map(shown, others[:3]))}")
    why = f" ({'; '.join(hints)})" if hints else ""
    todo = "add one or leave it out with --participant-label"
    return Problem(subject, session, f"{label} has no T2w and no T1w image{why}; {todo}.")
