"""Change between sessions of each infant of a folder of results."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.studies.alike import not_alike
from bgpvs_wf.studies.observer import Observer

if TYPE_CHECKING:
    from bgpvs_wf.cohort.change.files import SessionFiles


@dataclass
class Changes:
    """What came of it."""

    written: dict[str, Path] = field(default_factory=dict)
    """Infant (with ``sub-``) to its page."""
    problems: list[str] = field(default_factory=list)
    """Infants and sessions that are left out, and why."""


def write_changes(
    config: RunConfig,
    *,
    subjects: Sequence[str] = (),
    ages_weeks: Mapping[str, float] | None = None,
    observer: Observer | None = None,
) -> Changes:
    """Write table and page of change for each infant with two or more finished sessions.

    Parameters
    ----------
    config : RunConfig
        `output_dir` holds the results, `work_dir` what is in between; the plugin runs it.
    subjects : sequence of str
        Labels without ``sub-``; by default all.
    ages_weeks : mapping of str to float, optional
        ``sub-X_ses-Y`` to its post-menstrual age, weeks; by default as recorded when it was run.
    observer : Observer, optional
        Is told what goes on.

    Returns
    -------
    Changes
        An infant that fails stops no other.

    Raises
    ------
    UsageError
        If no infant has two sessions, or one that is asked for has not.
    """
    from bgpvs_wf.cohort.change.files import find_sessions
    from bgpvs_wf.studies.process import workflow_process

    observer = observer or Observer()
    known = _Ages(config.output_dir, ages_weeks)
    infants, problems = find_sessions(config.output_dir, known.age_of)
    lacking = [name for name in subjects if name not in infants]
    if lacking or not infants:
        who = f"sub-{lacking[0]} has not" if lacking else "No infant has"
        raise UsageError(
            f"{who} two finished sessions in {config.output_dir}. {' '.join(problems)}".strip()
        )
    done = Changes(problems=problems)
    with workflow_process(config.threads):
        for name in subjects or infants:
            sessions = infants[name]
            compared = [(name, one.session) for one in sessions]
            warnings = not_alike(config.output_dir, compared)
            try:
                done.written[f"sub-{name}"] = _run(config, sessions, warnings)
            except BGPVSError as error:
                done.problems.append(f"sub-{name}: {error}")
                continue
            shown = ", ".join(f"ses-{one.session}" for one in sessions)
            observer.say(f"sub-{name}: {shown}", *(f"sub-{name}: {one}" for one in warnings))
            if any(one.age_weeks is None for one in sessions):
                observer.say(f"sub-{name}: not all ages are known; sessions go by their labels.")
    return done


@dataclass
class _Ages:
    """Ages of sessions, as told or as recorded when they were run."""

    output_dir: Path
    told: Mapping[str, float] | None

    def age_of(self, label: str) -> float | None:
        from bgpvs_wf.engine.ledger import Ledger

        if self.told is not None:
            return self.told.get(label)
        record = Ledger.of(self.output_dir).read(label)
        return None if record is None else record.facts.get("age_weeks")


def _run(config: RunConfig, sessions: Sequence[SessionFiles], warnings: Sequence[str]) -> Path:
    """Run the workflow of one infant, and tell its page of warnings; return the page."""
    from bgpvs_wf.bids.derivatives import logs_path
    from bgpvs_wf.cohort.change.files import change_files
    from bgpvs_wf.engine.logs import logged_to
    from bgpvs_wf.engine.plugins import load_plugin
    from bgpvs_wf.engine.runner import execution_settings
    from bgpvs_wf.workflows.longitudinal import init_longitudinal_wf

    subject = f"sub-{sessions[0].subject}"
    name = f"{subject.replace('-', '_')}_change_wf"
    workflow = init_longitudinal_wf(config=config, sessions=sessions, warnings=warnings, name=name)
    workflow.base_dir = str(config.work_dir)
    crashes = logs_path(config.output_dir) / "change"
    os.makedirs(crashes, exist_ok=True)
    workflow.config.setdefault("execution", {}).update(execution_settings(config, crashes))
    arguments: dict[str, Any] = {"n_procs": config.nprocs, **config.plugin_args}
    try:
        with logged_to(crashes / f"{subject}.log", verbose=False):
            workflow.run(plugin=load_plugin(config.plugin, arguments))
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise BGPVSError(f"{lines[-1]} (see {crashes})") from error
    return change_files(config.output_dir, subject)["page"]
