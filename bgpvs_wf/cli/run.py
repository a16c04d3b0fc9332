"""`bgpvs-wf run`: from a BIDS dataset to measurements of every subject, and a table of all."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bgpvs_wf.cli.run_options import add_arguments, run_config, settings_text
from bgpvs_wf.cli.terminal import say
from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import BGPVSError

if TYPE_CHECKING:
    from bgpvs_wf.bids.inputs import Cohort
    from bgpvs_wf.engine.progress import Display
    from bgpvs_wf.engine.runner import Job
    from bgpvs_wf.engine.summary import Report

_DEMO_AGE_WEEKS = 92.0
_DEMO_VOXEL_MM = 0.8
_LOW_DISK_GB = 1.0
"""A subject's intermediate results take some hundred megabytes."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("run", help="measure the infants of a BIDS dataset")
    add_arguments(parser)
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit status."""
    from bgpvs_wf.engine.resources import set_environment, thread_environment

    config, levels = run_config(args)
    set_environment(thread_environment(config.threads))
    _set_logging(args.verbose)
    signal.signal(signal.SIGTERM, _terminate)
    if args.demo:
        _make_demo(config)
    if args.dry_run:
        from bgpvs_wf.cli.dry_run import dry_run

        return dry_run(config, verbose=bool(args.verbose))
    if "participant" in levels:
        report = _run_participants(config, levels, args.verbose)
    else:
        report = _empty_report(config)
    error = _run_group(config, report) if "group" in levels else None
    say(*report.lines())
    if error is not None:
        raise error
    return 0 if report.complete else 1


def _run_participants(config: RunConfig, levels: Sequence[str], verbose: int) -> Report:
    from bgpvs_wf.bids.derivatives import expected_outputs, logs_path, write_dataset_description
    from bgpvs_wf.bids.query import find_subjects
    from bgpvs_wf.engine.ledger import Ledger
    from bgpvs_wf.engine.runner import Job

    cohort = find_subjects(config)
    ledger = Ledger(logs_path(config.output_dir) / "ledger")
    report = _empty_report(config)
    jobs: list[Job] = []
    for subject in cohort.subjects:
        outputs = expected_outputs(config, subject)
        report.pages.append(outputs["report"])
        reasons = ledger.reasons(config, subject, outputs)
        if reasons:
            jobs.append(Job(subject, outputs))
            if verbose:
                say(f"{subject.label} will run: {'; '.join(reasons)}.")
        else:
            report.finished_before.append(subject.label)
    if jobs:
        _prepare_folders(config, len(jobs))
        write_dataset_description(config)
        _run_jobs(config, levels, jobs, ledger, report, verbose)
    _add_problems(cohort, report)
    return report


def _run_jobs(
    config: RunConfig,
    levels: Sequence[str],
    jobs: Sequence[Job],
    ledger: Any,
    report: Report,
    verbose: int,
) -> None:
    from bgpvs_wf.bids.derivatives import logs_path
    from bgpvs_wf.engine.logs import RunLogs, logged_to
    from bgpvs_wf.engine.runner import CohortRunner
    from bgpvs_wf.workflows.base import init_bgpvs_wf

    logs = RunLogs.create(logs_path(config.output_dir), settings_text(config, levels))
    report.log_file, report.config_file = logs.log_file, logs.config_file
    say(f"{len(jobs)} to run, with {config.plugin} on {config.nprocs} processors.")
    with logged_to(logs.log_file, verbose=verbose > 1):
        runner = CohortRunner(config, init_bgpvs_wf, ledger, logs, _display())
        report.outcomes += runner.run(jobs)


def _run_group(config: RunConfig, report: Report) -> BGPVSError | None:
    """Write the table of all subjects there are results of; return what went wrong."""
    from bgpvs_wf.bids.derivatives import group_table_path

    path = group_table_path(config.output_dir)
    done = report.labels("done")
    unchanged = report.finished_before and not done
    if not (unchanged and path.is_file()):
        from bgpvs_wf.cli.group_level import write_group_table

        try:
            path, left_out = write_group_table(config)
        except BGPVSError as error:
            # Where everybody failed, that is what to tell.
            return None if report.outcomes and not done else error
        report.left_out_of_table = list(left_out)
    report.group_table = path
    return None


def _empty_report(config: RunConfig) -> Report:
    from bgpvs_wf.engine.summary import Report

    return Report(config.output_dir)


def _add_problems(cohort: Cohort, report: Report) -> None:
    """Count the subjects that cannot be processed among the failed."""
    from bgpvs_wf.engine.crashes import Crash
    from bgpvs_wf.engine.runner import Outcome

    for problem in cohort.problems:
        message = problem.message.removeprefix(f"{problem.label} ")
        report.outcomes.append(Outcome(problem.label, "failed", (Crash("", message),)))


def _prepare_folders(config: RunConfig, n_jobs: int) -> None:
    """Make sure that results can be written, before hours are spent on them."""
    from bgpvs_wf.engine.resources import free_gb, require_writable

    require_writable(config.output_dir, "output folder")
    require_writable(config.work_dir, "work folder")
    free = free_gb(config.work_dir)
    if free < _LOW_DISK_GB:
        say(f"Only {free:.1f} GB are free for {config.work_dir}: {n_jobs} to run may not fit.")


def _make_demo(config: RunConfig) -> None:
    if (config.bids_dir / "dataset_description.json").exists():
        return
    from bgpvs_wf.engine.resources import require_writable
    from bgpvs_wf.phantom import simulate_dataset

    require_writable(config.bids_dir, "demo folder")
    say(f"Making an infant of {_DEMO_AGE_WEEKS:g} weeks in {config.bids_dir} ...")
    simulate_dataset(
        config.bids_dir,
        n_subjects=1,
        ages_weeks=[_DEMO_AGE_WEEKS],
        seed=config.random_seed,
        voxel_mm=_DEMO_VOXEL_MM,
    )


def _display() -> Display:
    from bgpvs_wf.engine.progress import LiveDisplay, PlainDisplay

    return LiveDisplay(sys.stdout) if sys.stdout.isatty() else PlainDisplay(sys.stdout)


def _set_logging(verbose: int) -> None:
    """Let this package speak; libraries only warn."""
    logging.getLogger().setLevel(logging.WARNING)
    levels = (logging.WARNING, logging.INFO, logging.DEBUG)
    logging.getLogger("bgpvs_wf").setLevel(levels[min(verbose, 2)])


def _terminate(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)
