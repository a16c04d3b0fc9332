"""Run a cohort: every subject that is not finished, then the table of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bgpvs_wf.config import BOTH_LEVELS, RunConfig, settings_text
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.studies.observer import Observer

if TYPE_CHECKING:
    from bgpvs_wf.bids.inputs import Cohort, SubjectInputs
    from bgpvs_wf.engine.jobs import Job
    from bgpvs_wf.engine.ledger import Ledger
    from bgpvs_wf.engine.runner import Factory
    from bgpvs_wf.engine.summary import Report

_LOW_DISK_GB = 1.0
"""A subject's intermediate results take some hundred megabytes."""


def run_cohort(
    config: RunConfig,
    *,
    levels: Sequence[str] = BOTH_LEVELS,
    observer: Observer | None = None,
    verbose: int = 0,
) -> Report:
    """Run every subject and session that is not finished, then write the table of all.

    Parameters
    ----------
    config : RunConfig
    levels : sequence of str
        `participant`, `group`, or both.
    observer : Observer, optional
        Is told what goes on, and the lines of the report at the end.
    verbose : int
        1: say why each runs; 2: log debugging messages, too.

    Returns
    -------
    Report
        Who is done, failed or was finished before; a failure stops nobody else. What kept the
        table of all from being written is its `group_error`.

    Raises
    ------
    UsageError
        If a folder cannot be used, or a participant is unknown.
    """
    from bgpvs_wf.engine.first_look import first_look, has_results

    observer = observer or Observer()
    first = not has_results(config.output_dir)
    report = _run_levels(config, levels, observer, verbose)
    observer.say(*report.lines(), *(first_look(report, config.work_dir) if first else ()))
    return report


def run_both_levels(
    config: RunConfig, observer: Observer, verbose: int = 0
) -> tuple[Report, list[str]]:
    """Run both levels as a part of something larger, and say what came of it.

    Returns
    -------
    report : Report
    incomplete : list of str
        A line for each scan that is not done, with the first cause, and for the table of all.
    """
    report = _run_levels(config, BOTH_LEVELS, observer, verbose)
    report.pages.clear()  # as many as scans; the table of all is told
    observer.say(*report.lines())
    incomplete = []
    for outcome in report.outcomes:
        if outcome.state != "done":
            cause = outcome.failures[0].cause if outcome.failures else outcome.state
            incomplete.append(f"{outcome.label}: {cause}")
    incomplete += [
        f"{who}: not in the table: {why}" for who, why in report.left_out_of_table.items()
    ]
    error = report.group_error
    return report, incomplete + ([] if error is None else [str(error)])


def find_jobs(config: RunConfig) -> tuple[Cohort, list[Job]]:
    """Return what is in a dataset, and a job for each subject and session that can be run.

    Raises
    ------
    UsageError
        If a folder cannot be used, or a participant is unknown.
    """
    from bgpvs_wf.bids.derivatives import expected_outputs
    from bgpvs_wf.bids.query import find_subjects
    from bgpvs_wf.engine.jobs import Job

    cohort = find_subjects(config)
    return cohort, [Job(one, expected_outputs(config, one)) for one in cohort.subjects]


def run_jobs(
    config: RunConfig,
    jobs: Sequence[Job],
    factory: Factory,
    *,
    levels: Sequence[str] = BOTH_LEVELS,
    observer: Observer | None = None,
    verbose: int = 0,
) -> Report:
    """Run every job that is not finished.

    Parameters
    ----------
    config : RunConfig
    jobs : sequence of Job
    factory : callable
        Builds the workflow of some subjects; see `bgpvs_wf.engine.runner.CohortRunner`.
    levels : sequence of str
        All that is gone through, for the settings that are written down.
    observer : Observer, optional
    verbose : int
        As for `run_cohort`.
    """
    from bgpvs_wf.anatomy.label_files import write_label_files
    from bgpvs_wf.bids.derivatives import labels_path, write_dataset_description
    from bgpvs_wf.engine.ledger import Ledger
    from bgpvs_wf.engine.summary import Report
    from bgpvs_wf.studies.process import workflow_process

    observer = observer or Observer()
    ledger = Ledger.of(config.output_dir)
    report = Report(config.output_dir)
    due = []
    for job in jobs:
        reasons = ledger.reasons(config, job.subject, job.outputs)
        if reasons:
            due.append(job)
            if verbose:
                observer.say(f"{job.label} will run: {'; '.join(reasons)}.")
        else:
            report.finished_before.append(job.label)
    if due:
        _prepare_folders(config, len(due), observer)
        write_dataset_description(config)
        write_label_files(labels_path(config.output_dir))
        with workflow_process(config.threads):
            _run_due(config, levels, due, factory, ledger, report, observer, verbose)
    return report


def _run_levels(
    config: RunConfig, levels: Sequence[str], observer: Observer, verbose: int
) -> Report:
    from bgpvs_wf.engine.summary import Report

    _check_given(config)
    if "participant" in levels:
        report = _run_participants(config, levels, observer, verbose)
    else:
        report = Report(config.output_dir)
    if "group" in levels:
        _run_group(config, report)
    return report


def _check_given(config: RunConfig) -> None:
    """Read what is needed at the end of a run, so that faults are told before it begins."""
    if config.norms is not None:
        from bgpvs_wf.cohort.growth.norms_file import read_norms

        read_norms(config.norms)
    if config.ratings is not None:
        from bgpvs_wf.cohort.ratings import read_ratings

        read_ratings(config.ratings)


def _run_participants(
    config: RunConfig, levels: Sequence[str], observer: Observer, verbose: int
) -> Report:
    cohort, jobs = find_jobs(config)
    report = run_jobs(
        config, jobs, _init_subjects_wf, levels=levels, observer=observer, verbose=verbose
    )
    report.pages += [job.outputs["report"] for job in jobs]
    _add_warnings(jobs, report)
    _add_problems(cohort, report)
    return report


def _run_group(config: RunConfig, report: Report) -> None:
    """Write tables and page of all there are results of; the report tells what went wrong."""
    from bgpvs_wf.bids.derivatives import group_page_path, group_table_path
    from bgpvs_wf.studies.group import lacks_subjects, told_not_alike, write_group_level

    path, page = group_table_path(config.output_dir), group_page_path(config.output_dir)
    done = report.labels("done")
    asked = config.ratings is not None or config.norms is not None
    unchanged = report.finished_before and not done and not asked and page.is_file()
    if not unchanged or lacks_subjects(path, report.finished_before):
        try:
            group, report.left_out_of_table = write_group_level(config)
        except BGPVSError as error:
            # Where everybody failed, that is what to tell.
            report.group_error = None if report.outcomes and not done else error
            return
        report.advised, report.excluded = group.advised, group.excluded
        report.rated_unknown, report.not_alike = group.unknown, group.not_alike
    else:
        report.not_alike = told_not_alike(config.output_dir)
    report.group_table, report.group_page = path, page


def _init_subjects_wf(config: RunConfig, subjects: Sequence[SubjectInputs]) -> Any:
    # Nipype is imported only where something runs.
    from bgpvs_wf.workflows.base import init_subjects_wf

    return init_subjects_wf(config, subjects)


def _run_due(
    config: RunConfig,
    levels: Sequence[str],
    jobs: Sequence[Job],
    factory: Factory,
    ledger: Ledger,
    report: Report,
    observer: Observer,
    verbose: int,
) -> None:
    from bgpvs_wf.bids.derivatives import logs_path
    from bgpvs_wf.engine.logs import RunLogs, logged_to
    from bgpvs_wf.engine.runner import CohortRunner

    logs = RunLogs.create(logs_path(config.output_dir), settings_text(config, levels))
    report.log_file, report.config_file = logs.log_file, logs.config_file
    observer.say(f"{len(jobs)} to run, with {config.plugin} on {config.nprocs} processors.")
    with logged_to(logs.log_file, verbose=verbose > 1):
        runner = CohortRunner(config, factory, ledger, logs, observer.display())
        report.outcomes += runner.run(jobs)


def _add_warnings(jobs: Sequence[Job], report: Report) -> None:
    """Collect what the images of finished subjects contradict; their sidecars say it."""
    from bgpvs_wf.bids.derivatives import sidecar_path, told_doubts

    finished = {*report.labels("done"), *report.finished_before}
    for job in jobs:
        if job.label in finished:
            told = told_doubts(sidecar_path(job.outputs["bgpvs_dseg"]))
            if told:
                report.warnings[job.label] = " ".join(told)


def _add_problems(cohort: Cohort, report: Report) -> None:
    """Count the subjects that cannot be processed among the failed; name what is left out."""
    from bgpvs_wf.engine.crashes import Crash
    from bgpvs_wf.engine.jobs import Outcome

    for problem in cohort.problems:
        message = problem.message.removeprefix(f"{problem.label} ")
        report.outcomes.append(Outcome(problem.label, "failed", (Crash("", message),)))
    report.left_out += cohort.left_out


def _prepare_folders(config: RunConfig, n_jobs: int, observer: Observer) -> None:
    """Make sure that results can be written, before hours are spent on them."""
    from bgpvs_wf.engine.resources import free_gb, require_writable

    require_writable(config.output_dir, "output folder")
    require_writable(config.work_dir, "work folder")
    free = free_gb(config.work_dir)
    if free < _LOW_DISK_GB:
        observer.say(
            f"Only {free:.1f} GB are free for {config.work_dir}: {n_jobs} to run may not fit."
        )
