"""`bgpvs-wf status`: who is done, running, waiting or failed, and why."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.cli.levels import find_jobs, set_up_process
from bgpvs_wf.cli.terminal import say
from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.reading import read_text, why_not
from bgpvs_wf.settings_files import read_file

if TYPE_CHECKING:
    from bgpvs_wf.engine.jobs import Job
    from bgpvs_wf.engine.ledger import Ledger

_SHOWN = 20
_SLURM_SAYS = re.compile(r"(slurmstepd|slurmd|srun)(-\S+)?: ")
"""The daemon's name may go with its node's."""
_STATES = ("done", "running", "failed", "waiting")


@dataclasses.dataclass(frozen=True)
class _Standing:
    """Where a subject stands."""

    label: str
    state: str
    """One of `_STATES`."""
    lines: tuple[str, ...] = ()
    """Why, and what to do."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "status",
        help="say who is done, running, waiting or failed, and why",
        description="Look at an output folder and, where jobs were submitted, at SLURM's queue.",
        epilog="exit status: 0 all are done, 1 not all, 2 the call cannot be served",
    )
    parser.add_argument("output_dir", type=Path, metavar="OUT_DIR", help="folder of the results")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="list everybody")
    parser.set_defaults(handler=status)


def status(args: argparse.Namespace) -> int:
    """Run the verb; return the exit status."""
    from bgpvs_wf.bids.derivatives import logs_path
    from bgpvs_wf.engine.ledger import Ledger

    out = args.output_dir.expanduser().absolute()
    config = _last_config(out)
    set_up_process(1, args.verbose)
    cohort, jobs = find_jobs(config)
    ledger, tasks = Ledger.of(out), _Tasks.of(logs_path(out))
    standings = [_standing(config, job, ledger, tasks) for job in jobs]
    standings += [_Standing(p.label, "failed", (p.message,)) for p in cohort.problems]
    _tell(standings, bool(args.verbose))
    return 0 if all(one.state == "done" for one in standings) else 1


@dataclasses.dataclass(frozen=True)
class _Tasks:
    """What SLURM was given and has still in its queue."""

    given: Mapping[str, tuple[str, Path]]
    """Label to its latest task and that one's output."""
    queued: Mapping[str, tuple[str, str]]

    @classmethod
    def of(cls, logs: Path) -> _Tasks:
        from bgpvs_wf.engine.array import queued, submissions

        known = submissions(logs)
        given = {
            label: (task, one.folder / f"slurm-{task}.out")
            for one in known
            for label, task in one.tasks.items()
        }
        try:
            return cls(given, queued(known))
        except BGPVSError as error:
            say(f"The queue cannot be seen from here: {error}")
            return cls({}, {})


def _last_config(out: Path) -> RunConfig:
    """Return the settings of the last run or submission, for the whole cohort.

    A task of an array has those of its submission, and a subject of its own.
    """
    from bgpvs_wf.bids.derivatives import logs_path

    found = sorted(logs_path(out).glob("*/config.toml"))
    if not found:
        raise UsageError(f"There are no logs of a run in {out}; give the folder of its results.")
    config = read_file(found[-1], lambda content, _: RunConfig.from_mapping(content))
    return dataclasses.replace(config, participant_label=(), session_id=())


def _standing(config: RunConfig, job: Job, ledger: Ledger, tasks: _Tasks) -> _Standing:
    from bgpvs_wf.engine.locks import holder

    label = job.label
    held = holder(ledger.lock(label).path)
    if held is not None:
        return _Standing(label, "running", (f"{held}",))
    if label in tasks.queued:
        task, state = tasks.queued[label]
        running = state in ("RUNNING", "COMPLETING")
        line = f"job {task} is {state.lower()}"
        return _Standing(label, "running" if running else "waiting", (line,))
    failure = ledger.failure(label)
    if failure is not None:
        from bgpvs_wf.engine.summary import failure_lines

        lines = failure_lines(label, failure.crashes, failure.config_file)
        return _Standing(label, "failed", tuple(lines))
    reasons = ledger.reasons(config, job.subject, job.outputs)
    if not reasons:
        return _Standing(label, "done")
    if label in tasks.given:
        task, output = tasks.given[label]
        return _Standing(label, "failed", (f"job {task} ended without a result: {_last(output)}",))
    return _Standing(label, "waiting", ("; ".join(reasons),))


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


def _tell(standings: list[_Standing], everybody: bool) -> None:
    counts = [
        f"{sum(one.state == state for one in standings)} {state}"
        for state in _STATES
        if any(one.state == state for one in standings)
    ]
    say(f"{len(standings)} subjects and sessions: {', '.join(counts) or 'none'}.")
    for state in _STATES[1:]:
        mine = [one for one in standings if one.state == state]
        shown = mine if everybody else mine[:_SHOWN]
        for one in shown:
            say(f"{state}: {one.label}: {one.lines[0]}", *one.lines[1:])
        if len(shown) < len(mine):
            say(f"{state}: {len(mine) - len(shown)} more; -v lists them.")
