"""`simulate_growing_dataset`: infants who grow, as a BIDS dataset with sessions."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgpvs_wf.errors import UsageError
from bgpvs_wf.phantom.bids_folder import AGE, building, write_tables
from bgpvs_wf.phantom.dataset import check_asked, label_of, run_all, seed_of, write_infant
from bgpvs_wf.phantom.growing.infant import GrowingInfant, simulate_growing
from bgpvs_wf.phantom.growing.truth import COLUMNS, lives_table
from bgpvs_wf.phantom.growth import parse_ages
from bgpvs_wf.phantom.protocol import ProtocolConfig, plain
from bgpvs_wf.phantom.truth import TRUTH


@dataclass(frozen=True)
class MadeGrowing:
    """What is told of an infant when it is done."""

    label: str
    sessions: tuple[tuple[str, int, float], ...]
    """Of each session its label, number of tubes, and their volume, mm3."""


@dataclass(frozen=True)
class _Task:
    root: Path
    label: str
    sessions: Mapping[str, float]
    seed: int
    protocol: ProtocolConfig
    settings: Mapping[str, Any]


def parse_sessions(option: str, text: str) -> dict[str, float]:
    """Read ages of sessions such as ``1m,6m,12m``: labels to post-menstrual weeks.

    Raises
    ------
    UsageError
        If one cannot be read or is out of range, there are fewer than two, or they do not rise.
    """
    ages = parse_ages(option, text)
    # A label of BIDS has no points: 1.5m becomes 1p5m.
    labels = [re.sub("[^0-9a-z]", "", one.lower().replace(".", "p")) for one in text.split(",")]
    if len(ages) < 2 or any(b <= a for a, b in itertools.pairwise(ages)):
        raise UsageError(f"{option} {text}: give two or more ages, each above the one before.")
    return dict(zip(labels, ages, strict=True))


def simulate_growing_dataset(
    out: str | os.PathLike[str],
    *,
    n_subjects: int,
    sessions: Mapping[str, float],
    seed: int,
    protocol: ProtocolConfig | None = None,
    jobs: int = 1,
    on_subject: Callable[[MadeGrowing], None] | None = None,
    **settings: Any,
) -> Path:
    """Write synthetic infants who grow as a BIDS dataset with sessions.

    Parameters
    ----------
    out : path-like
        A folder that is empty or not there yet. It is filled at the end, whole or not at all.
    n_subjects : int
    sessions : mapping of str to float
        Labels without ``ses-`` to post-menstrual ages, weeks, rising.
    seed, protocol, jobs, on_subject
        See `bgpvs_wf.phantom.dataset.simulate_dataset`.
    **settings
        Further arguments of `simulate_growing`.

    Returns
    -------
    Path
        Of the dataset. ``derivatives/truth`` has for each session what it has for an infant
        without sessions, and ``sub-X/sub-X_tubes.tsv`` what becomes of each tube.

    Raises
    ------
    AgeError, UsageError, BGPVSError
        As `simulate_dataset` and `simulate_growing`.
    """
    out = Path(out).expanduser().absolute()
    check_asked(n_subjects, jobs, seed)
    with building(out) as partial:
        tasks = [
            _Task(
                root=partial,
                label=label_of(i, n_subjects),
                sessions=sessions,
                seed=seed_of(seed, i),
                protocol=protocol or plain(),
                settings=settings,
            )
            for i in range(n_subjects)
        ]
        run_all(_make, tasks, jobs, on_subject)
        _write_participants(partial, tasks)
    return out


def _make(task: _Task) -> MadeGrowing:
    infant = simulate_growing(
        list(task.sessions.values()), seed=task.seed, protocol=task.protocol, **task.settings
    )
    for label, one, numbers in zip(task.sessions, infant.sessions, infant.numbers, strict=True):
        stem = f"sub-{task.label}_ses-{label}"
        write_infant(task.root, stem, one, task.protocol, task.seed, numbers)
    _write_subject(task, infant)
    told = zip(task.sessions, infant.sessions, strict=True)
    return MadeGrowing(task.label, tuple((name, len(one.tubes), one.pvs_mm3) for name, one in told))


def _write_subject(task: _Task, infant: GrowingInfant) -> None:
    """Write the table of sessions, and the truth about the tubes over all of them."""
    import pandas as pd

    from bgpvs_wf.imaging.files import write_json, write_table

    name = f"sub-{task.label}"
    rows = [(f"ses-{label}", round(age, 2)) for label, age in task.sessions.items()]
    path = task.root / name / f"{name}_sessions.tsv"
    write_table(pd.DataFrame(rows, columns=["session_id", "age"]), path)
    write_json({"age": AGE}, path.with_suffix(".json"))
    path = task.root / TRUTH / name / f"{name}_tubes.tsv"
    write_table(lives_table(infant, list(task.sessions)), path)
    write_json(COLUMNS, path.with_suffix(".json"))


def _write_participants(root: Path, tasks: list[_Task]) -> None:
    import pandas as pd

    rows = [(f"sub-{task.label}", task.seed) for task in tasks]
    write_tables(
        root,
        pd.DataFrame(rows, columns=["participant_id", "seed"]),
        name="Synthetic infants who grow",
        readme="Synthetic infants with perivascular spaces of known geometry, scanned at several\n"
        "ages, made by bgpvs-wf simulate. The truth is in derivatives/truth; sub-*_tubes.tsv\n"
        "there says what becomes of each tube. No person was scanned.\n",
    )
