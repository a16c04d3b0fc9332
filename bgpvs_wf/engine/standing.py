"""Where the subjects of an output folder stand: done, running, waiting or failed, and why."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.bids.derivatives import logs_path
from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.array import queued, submissions
from bgpvs_wf.engine.locks import holder
from bgpvs_wf.engine.pace import seconds_left_by_count
from bgpvs_wf.engine.summary import failure_lines
from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.reading import read_text, why_not
from bgpvs_wf.settings_files import read_file

if TYPE_CHECKING:
    from bgpvs_wf.engine.jobs import Job
    from bgpvs_wf.engine.ledger import Ledger

STATES = ("done", "running", "failed", "waiting")
_SLURM_SAYS = re.compile(r"(slurmstepd|slurmd|srun)(-\S+)?: ")
"""The daemon's name may go with its node's."""


@dataclass(frozen=True)
class Standing:
    """Where a subject stands."""

    label: str
    state: str
    """One of `STATES`."""
    lines: tuple[str, ...] = ()
    """Why, and what to do."""


@dataclass(frozen=True)
class Tasks:
    """What SLURM was given and has still in its queue."""

    given: Mapping[str, tuple[str, Path]]
    """Label to its latest task and that one's output."""
    queued: Mapping[str, tuple[str, str]]
    unseen: str = ""
    """Why the queue cannot be seen; nothing is said of what is given then."""

    @classmethod
    def of(cls, logs: Path) -> Tasks:
        """Look at the submissions below a folder of logs, and at the queue."""
        known = submissions(logs)
        given = {
            label: (task, one.folder / f"slurm-{task}.out")
            for one in known
            for label, task in one.tasks.items()
        }
        try:
            return cls(given, queued(known))
        except BGPVSError as error:
            return cls({}, {}, str(error))


def last_config(out: Path) -> RunConfig:
    """Return the settings of the last run or submission, for the whole cohort.

    A task of an array has those of its submission, and a subject of its own.

    Raises
    ------
    UsageError
        If nothing was run there, or the settings cannot be read.
    """
    found = _config_files(out)
    if not found:
        raise UsageError(f"There are no logs of a run in {out}; give the folder of its results.")
    config = read_file(found[-1], lambda content, _: RunConfig.from_mapping(content))
    return dataclasses.replace(config, participant_label=(), session_id=())


def _config_files(out: Path) -> list[Path]:
    """Return the settings of all runs and submissions, the last one at the end."""
    return sorted(logs_path(out).glob("*/config.toml"))


def seconds_to_go(out: Path, ledger: Ledger, standings: Sequence[Standing]) -> float | None:
    """Estimate how long those that run or wait take, from who is done since the last run began.

    Returns
    -------
    float or None
        Seconds; None where nobody runs, or fewer than two are done since.
    """
    if not any(one.state == "running" for one in standings):
        return None
    began = _config_files(out)[-1].stat().st_mtime
    ends = [_written(ledger.path(one.label)) for one in standings if one.state == "done"]
    to_go = sum(one.state in ("running", "waiting") for one in standings)
    return seconds_left_by_count(sum(end > began for end in ends), to_go, time.time() - began)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def standing(config: RunConfig, job: Job, ledger: Ledger, tasks: Tasks) -> Standing:
    """Tell where a subject stands: by its lock, then the queue, then what is recorded of it."""
    label = job.label
    held = holder(ledger.lock(label).path)
    if held is not None:
        return Standing(label, "running", (f"{held}",))
    if label in tasks.queued:
        task, state = tasks.queued[label]
        running = state in ("RUNNING", "COMPLETING")
        line = f"job {task} is {state.lower()}"
        return Standing(label, "running" if running else "waiting", (line,))
    failure = ledger.failure(label)
    if failure is not None:
        lines = failure_lines(label, failure.crashes, failure.config_file)
        return Standing(label, "failed", tuple(lines))
    reasons = ledger.reasons(config, job.subject, job.outputs)
    if not reasons:
        return Standing(label, "done")
    if label in tasks.given:
        task, output = tasks.given[label]
        return Standing(label, "failed", (f"job {task} ended without a result: {_last(output)}",))
    return Standing(label, "waiting", ("; ".join(reasons),))


def _last(output: Path) -> str:
    """Return what SLURM says of a job's end, such as why it was cancelled, or its last words."""
    try:
        text = read_text(output, errors="replace")
    except FileNotFoundError:
        return f"there is no {output}"
    except OSError as error:
        return f"cannot read {output}: {why_not(error, output)}"
    said = [line.strip() for line in text.split("\n") if line.strip()] or ["nothing was said"]
    # What is ended may still utter a traceback.
    words = [line for line in said if _SLURM_SAYS.match(line)] or said
    return f"{words[-1]} ({output})"
