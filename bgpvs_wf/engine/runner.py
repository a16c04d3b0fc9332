"""Run a cohort: batches of subjects through Nipype, where no subject's failure stops another's."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import shutil
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.crashes import Crash, describe, read_crashes, workflow_name
from bgpvs_wf.engine.interrupts import noted_endings
from bgpvs_wf.engine.jobs import ELSEWHERE, NOT_RUN, SUBMITTED, Job, Outcome
from bgpvs_wf.engine.ledger import Ledger, describe_subject, missing_outputs
from bgpvs_wf.engine.locks import Lock
from bgpvs_wf.engine.logs import RunLogs
from bgpvs_wf.engine.pace import Pace
from bgpvs_wf.engine.plugins import (
    arguments_for,
    load_plugin,
    request_resources,
    returns_at_once,
)
from bgpvs_wf.engine.preview import HASH_SETTINGS, execution_nodes
from bgpvs_wf.engine.progress import DONE, FAILED, REUSED, Display, Event, Tracker
from bgpvs_wf.engine.record import Record
from bgpvs_wf.errors import BGPVSError

_LOG = logging.getLogger(__name__)

Factory = Callable[[RunConfig, Sequence[SubjectInputs]], Any]
"""Makes a Nipype workflow: `init_subjects_wf`, or a toy in tests."""

_SINK = "sink_wf"
"""The stage that copies results to the output folder."""
_LARGEST_BATCH = 32
"""Subjects in one graph: enough to keep the processors busy, few enough to plan fast (chosen)."""
_POLL_SECONDS = {"MultiProc": "0.01", "LegacyMultiProc": "0.2"}
"""`MultiProcPlugin` waits for what runs beside that."""
_REMOTE_POLL_SECONDS = "5"
"""Batch systems are asked about every job at every poll."""
_RESULT_SECONDS = "60"
"""How long a job's result may take to appear on a shared disk (chosen)."""


@dataclass
class CohortRunner:
    """Runs jobs.

    Parameters
    ----------
    config : RunConfig
    factory : callable
        Takes the configuration and subjects, returns a workflow named `bgpvs_wf`, with one
        workflow a subject in it (`sub_01_ses_02_wf`), stages in these (`anatomy_wf`).
    ledger : Ledger
    logs : RunLogs
    display : Display
    """

    config: RunConfig
    factory: Factory
    ledger: Ledger
    logs: RunLogs
    display: Display
    _records: dict[str, Record] = field(default_factory=dict, init=False)
    _locks: dict[str, Lock] = field(default_factory=dict, init=False)
    _arguments: dict[str, Any] = field(default_factory=dict, init=False)
    _known_records: dict[str, Record | None] = field(default_factory=dict, init=False)
    _known_crashes: set[Path | None] = field(default_factory=set, init=False)
    _pace: Pace = field(default_factory=Pace, init=False)

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Run jobs; record each that is finished as soon as it is.

        Returns
        -------
        list of Outcome
            One a job, in their order.

        Raises
        ------
        UsageError
            If the plugin cannot do its work here; nothing has been touched then.
        """
        self._arguments = arguments_for(self.config, self.logs.log_file)
        self._known_records = {job.label: self.ledger.read(job.label) for job in jobs}
        outcomes: list[Outcome] = []
        for batch in _batches(jobs, _LARGEST_BATCH):
            self._pace.later = len(jobs) - len(outcomes) - len(batch)
            if self.config.stop_on_first_crash and any(o.state == FAILED for o in outcomes):
                outcomes += [Outcome(job.label, NOT_RUN) for job in batch]
            else:
                outcomes += self._run_batch(batch)
        return outcomes

    def _run_batch(self, batch: Sequence[Job]) -> list[Outcome]:
        """Run the jobs of a batch that no other program runs."""
        found: dict[str, Outcome] = {}
        mine = []
        with contextlib.ExitStack() as locks:
            for job in batch:
                lock = locks.enter_context(self.ledger.lock(job.label))
                self._locks[job.label] = lock
                try:
                    holder = lock.take()
                    if holder is not None:
                        found[job.label] = Outcome(job.label, ELSEWHERE, holder=str(holder))
                    elif self._finished_meanwhile(job):
                        found[job.label] = Outcome(job.label, DONE)
                    else:
                        self.ledger.forget(job.label)
                        mine.append(job)
                except BGPVSError as error:
                    found[job.label] = Outcome(job.label, FAILED, (Crash("", str(error)),))
            found |= self._run_mine(mine)
        return [found.get(job.label, Outcome(job.label, NOT_RUN)) for job in batch]

    def _finished_meanwhile(self, job: Job) -> bool:
        """Tell whether another program has finished a subject since this run began."""
        if self.ledger.read(job.label) == self._known_records[job.label]:
            return False
        return not self.ledger.reasons(self.config, job.subject, job.outputs)

    def _run_mine(self, batch: Sequence[Job]) -> dict[str, Outcome]:
        unbuilt: dict[str, Crash] = {}
        for job in batch:
            self._records[job.label] = describe_subject(self.config, job.subject)
        workflow = self._build(batch, unbuilt) if batch else None
        outcomes = [Outcome(label, FAILED, (crash,)) for label, crash in unbuilt.items()]
        built = [job for job in batch if job.label not in unbuilt]
        if workflow is not None:
            outcomes += self._execute(workflow, built)
        for outcome in outcomes:
            if outcome.state == FAILED:
                self._note_failure(outcome)
        return {outcome.label: outcome for outcome in outcomes}

    def _note_failure(self, outcome: Outcome) -> None:
        try:
            self.ledger.fail(outcome.label, outcome.failures, self.logs.config_file)
        except BGPVSError as error:
            _LOG.warning("Cannot record that %s failed: %s", outcome.label, error)

    def _build(self, batch: Sequence[Job], unbuilt: dict[str, Crash]) -> Any | None:
        """Build a batch's workflow, without the subjects whose own cannot be built."""
        try:
            return self.factory(self.config, [job.subject for job in batch])
        except Exception as error:
            _LOG.info("Building one by one, because of: %s", error)
        good = []
        for job in batch:
            try:
                self.factory(self.config, [job.subject])
                good.append(job.subject)
            except Exception as error:
                lines = traceback.format_exception(error)
                _LOG.error("Cannot build %s:\n%s", job.label, "".join(lines))
                cause = str(error) if isinstance(error, BGPVSError) else describe(_split(lines))
                unbuilt[job.label] = Crash(f"bgpvs_wf.{workflow_name(job.label)}", cause)
        if self.config.stop_on_first_crash or not good:
            return None
        return self.factory(self.config, good)

    def _execute(self, workflow: Any, jobs: Sequence[Job]) -> list[Outcome]:
        self._configure(workflow, jobs)
        by_label = {job.label: job for job in jobs}
        names = [node.fullname for node, _ in execution_nodes(workflow)]
        labels = {workflow_name(label): label for label in by_label}
        tracker = Tracker(names, labels, pace=self._pace)
        started = self._now()

        def take_in(node: Any, status: str) -> None:
            if ended:
                raise ended[0]
            ran = status == "end" and _ran_since(node, started)
            events = tracker.update(node.fullname, status, ran)
            for event in events:
                self._take_in(event, by_label)
            self.display.show(events)

        error = None
        arguments = {**self._arguments, "status_callback": take_in}
        plugin = load_plugin(self.config.plugin, arguments)
        # Known to the plugin by now. Nipype gives the arguments to MapNodes, which are pickled.
        plugin.plugin_args.pop("status_callback", None)
        self.display.start(tracker)
        try:
            with noted_endings() as ended:
                workflow.run(plugin=plugin)
        except Exception as raised:
            _LOG.error("The workflow ended with an error", exc_info=raised)
            error = raised
        finally:
            self.display.stop()
        return self._judge(jobs, tracker, error, getattr(plugin, "unwritten", ()))

    def _configure(self, workflow: Any, jobs: Sequence[Job]) -> None:
        """Set what Nipype needs to know for this run, on this workflow only."""
        execution = execution_settings(self.config, self.logs.folder)
        workflow.config.setdefault("execution", {}).update(execution)
        write_missing_again(workflow, jobs)
        request_resources(workflow, self.config.plugin, self.config.plugin_args)

    def _now(self) -> int:
        """Return the time as the disk of the work folder has it, ns."""
        mark = self.config.work_dir / ".started"
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        return mark.stat().st_mtime_ns

    def _take_in(self, event: Event, jobs: Mapping[str, Job]) -> None:
        if event.state == DONE and not event.stage:
            self._record(jobs[event.subject])

    def _record(self, job: Job) -> None:
        """Write a finished subject into the ledger, with its inputs as they were at the start."""
        if missing_outputs(job.outputs):
            return
        after = describe_subject(self.config, job.subject, job.outputs)
        before = self._records[job.label]
        try:
            self.ledger.write(job.label, dataclasses.replace(before, outputs=after.outputs))
            self._locks[job.label].free()
        except BGPVSError as error:
            # Its results are there all the same; it is looked at again next time.
            _LOG.warning("Cannot record that %s is finished: %s", job.label, error)

    def _judge(
        self,
        jobs: Sequence[Job],
        tracker: Tracker,
        error: Exception | None,
        unwritten: Sequence[Crash],
    ) -> list[Outcome]:
        """Success is: no crash, no exception that is nobody's, all expected files."""
        crashes = [c for c in read_crashes(self.logs.folder) if c.path not in self._known_crashes]
        self._known_crashes.update(crash.path for crash in crashes)
        lost = {crash.node for crash in unwritten}
        crashes = [*unwritten, *(crash for crash in crashes if crash.node not in lost)]
        outcomes = []
        for job in jobs:
            mine = tuple(c for c in crashes if c.subject == workflow_name(job.label))
            state, mine = self._state(job, mine, tracker, error)
            if state == DONE:
                self._record(job)
                self._clean(job)
            outcomes.append(
                Outcome(
                    label=job.label,
                    state=state,
                    failures=mine,
                    ran=tracker.stages(job.label, DONE, FAILED),
                    reused=tracker.stages(job.label, REUSED),
                )
            )
        return outcomes

    def _clean(self, job: Job) -> None:
        """Remove a finished subject's intermediate results, if that is wanted."""
        if self.config.clean == DONE and not missing_outputs(job.outputs):
            folder = self.config.work_dir / "bgpvs_wf" / workflow_name(job.label)
            shutil.rmtree(folder, ignore_errors=True)

    def _state(
        self, job: Job, crashes: tuple[Crash, ...], tracker: Tracker, error: Exception | None
    ) -> tuple[str, tuple[Crash, ...]]:
        if crashes:
            return FAILED, crashes
        name = f"bgpvs_wf.{workflow_name(job.label)}"
        missing = missing_outputs(job.outputs)
        if job.label in tracker.failed or (missing and error is not None):
            lines = _split(traceback.format_exception(error)) if error else []
            return FAILED, (Crash(name, describe(lines)),)
        if not missing:
            return DONE, ()
        if returns_at_once(self.config.plugin):
            return SUBMITTED, ()
        files = ", ".join(path.name for path in missing)
        return FAILED, (Crash(name, f"No step failed, but these results are missing: {files}"),)


def execution_settings(config: RunConfig, crashes: Path) -> dict[str, str]:
    """Return what Nipype needs to know to run a workflow.

    Parameters
    ----------
    config : RunConfig
    crashes : Path
        Folder of crash files.
    """
    return {
        **HASH_SETTINGS,
        "crashdump_dir": str(crashes),
        "crashfile_format": "txt",
        "create_report": "false",
        "poll_sleep_duration": _POLL_SECONDS.get(config.plugin, _REMOTE_POLL_SECONDS),
        "job_finished_timeout": _RESULT_SECONDS,
        "stop_on_first_crash": str(config.stop_on_first_crash).lower(),
        "check_version": "false",
        "matplotlib_backend": "Agg",
    }


def write_missing_again(workflow: Any, jobs: Sequence[Job]) -> None:
    """Make the sinks of subjects whose results are missing run, cached or not.

    Nipype looks at its work folder, not at the output folder.
    """
    lacking = {workflow_name(job.label) for job in jobs if missing_outputs(job.outputs)}
    for name in workflow.list_node_names():
        parts = name.split(".")
        if parts[0] in lacking and _SINK in parts:
            workflow.get_node(name).overwrite = True


def _ran_since(node: Any, started: int) -> bool:
    """Tell whether a node wrote its result since a time, ns."""
    result = Path(node.output_dir()) / f"result_{node.name}.pklz"
    try:
        return result.stat().st_mtime_ns >= started
    except OSError:
        return True


def _batches(jobs: Sequence[Job], size: int) -> Iterator[Sequence[Job]]:
    for start in range(0, len(jobs), size):
        yield jobs[start : start + size]


def _split(lines: Sequence[str]) -> list[str]:
    return "".join(lines).splitlines()
