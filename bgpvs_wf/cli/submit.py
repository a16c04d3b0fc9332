"""`bgpvs-wf submit`: hand a cohort to SLURM, as an array of jobs or as one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bgpvs_wf.cli.parser import whole
from bgpvs_wf.cli.process import set_up_process
from bgpvs_wf.cli.run_options import add_arguments, run_config
from bgpvs_wf.cli.terminal import say
from bgpvs_wf.config import BOTH_LEVELS, RunConfig, settings_text
from bgpvs_wf.errors import UsageError
from bgpvs_wf.settings import COUNT
from bgpvs_wf.studies.cohort import find_jobs

if TYPE_CHECKING:
    from pathlib import Path

_NPROCS, _MEMORY_GB = 4, 8.0
"""Of a job (chosen: what a step takes at most, twice)."""
_OURS = ("array", "max_jobs", "resume", "sbatch_args")
"""Options that `run` has not."""
_DESCRIPTION = """\
Queue all subjects that are not finished: each as a task of a SLURM job array with --array, all in
one job without it, and the table of all when they are over. Takes the options of `bgpvs-wf run`;
--nprocs (4) and --mem (8 GB) are those of a job. `bgpvs-wf status OUT_DIR` tells how far they are.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("submit", help="hand a cohort to a SLURM cluster")
    add_arguments(parser)
    parser.usage = "bgpvs-wf submit BIDS_DIR OUT_DIR [--array] [options]"
    parser.description = _DESCRIPTION
    parser.epilog = "exit status: 0 queued, or nothing to do; 2 the call cannot be served"
    group = parser.add_argument_group("the queue")
    group.add_argument(
        "--array", action="store_true", default=False, help="a job for each subject and session"
    )
    group.add_argument(
        "--max-jobs",
        type=whole(**COUNT),
        metavar="N",
        default=0,
        help="run N of an array at a time",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        default=False,
        help="queue what is missing beside what still waits or runs from an earlier time",
    )
    group.add_argument(
        "--sbatch-args",
        metavar="TEXT",
        default="",
        help='what else to ask for, such as --sbatch-args="--partition=short --time=60"',
    )
    parser.set_defaults(handler=submit)


def submit(args: argparse.Namespace) -> int:
    """Run the verb; return the exit status."""
    from bgpvs_wf.bids.derivatives import logs_path, write_dataset_description
    from bgpvs_wf.engine.array import submit_arrays, submit_one
    from bgpvs_wf.engine.logs import RunLogs
    from bgpvs_wf.engine.plugin_needs import require_work_folder
    from bgpvs_wf.engine.resources import require_writable

    config = _config(args)
    set_up_process(config.threads, args.verbose)
    logs = logs_path(config.output_dir)
    labels = _labels_to_queue(config, args.resume, logs)
    if not labels:
        say("Nothing to queue.")
        return 0
    require_writable(config.output_dir, "output folder")
    require_writable(config.work_dir, "work folder")
    require_work_folder(config.work_dir)
    write_dataset_description(config)
    folder = RunLogs.create(logs, settings_text(config, BOTH_LEVELS)).folder
    if args.array:
        done = submit_arrays(
            config, labels, folder, sbatch_args=args.sbatch_args, at_once=args.max_jobs
        )
        say(f"Queued {len(labels)} as {', '.join(done.jobs)}; the table of all as {done.last}.")
    else:
        done = submit_one(config, labels, folder, sbatch_args=args.sbatch_args)
        say(f"Queued {len(labels)} as job {done.last}.")
    say(f"Scripts and logs: {folder}", f"How far they are: bgpvs-wf status {config.output_dir}")
    return 0


def _config(args: argparse.Namespace) -> RunConfig:
    from bgpvs_wf.engine.plugin_needs import options
    from bgpvs_wf.learning.models.bundle import find_model

    if args.demo or args.dry_run or args.why:
        raise UsageError("--demo, --dry-run and --why belong to bgpvs-wf run; leave them out.")
    if args.max_jobs and not args.array:
        raise UsageError("--max-jobs is for --array; add that.")
    options(args.sbatch_args, "--sbatch-args")
    of_run = {name: value for name, value in vars(args).items() if name not in _OURS}
    if "config" not in args:
        of_run = {"nprocs": _NPROCS, "memory_gb": _MEMORY_GB, **of_run}
    config, levels = run_config(argparse.Namespace(**of_run))
    if levels != BOTH_LEVELS:
        raise UsageError("submit runs both levels; leave participant and group out.")
    if config.has_model:
        find_model(config.predict.model)  # said here rather than by every job
    return config


def _labels_to_queue(config: RunConfig, resume: bool, logs: Path) -> list[str]:
    """Return the subjects to queue; say who is not, and why."""
    from bgpvs_wf.engine.array import queued, submissions
    from bgpvs_wf.engine.ledger import Ledger
    from bgpvs_wf.engine.summary import left_out_lines

    cohort, jobs = find_jobs(config)
    say(*(f"Left out: {problem.message}" for problem in cohort.problems))
    say(*left_out_lines(cohort.left_out))
    ledger = Ledger.of(config.output_dir)
    due = [job.label for job in jobs if ledger.reasons(config, job.subject, job.outputs)]
    if len(due) < len(jobs):
        say(f"Unchanged: {len(jobs) - len(due)} finished before.")
    waiting = queued(submissions(logs))
    still = [label for label in due if label in waiting]
    if still and not resume:
        task, state = waiting[still[0]]
        raise UsageError(
            f"{len(still)} of {len(due)} are still in the queue, such as {still[0]} ({task}, "
            f"{state.lower()}); add --resume to queue the others only, or cancel them (scancel)."
        )
    if still:
        say(f"Still in the queue: {len(still)}.")
    return [label for label in due if label not in waiting]
