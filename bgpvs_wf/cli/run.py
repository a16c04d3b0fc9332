"""`bgpvs-wf run`: from a BIDS dataset to measurements of every subject, and a table of all."""

from __future__ import annotations

import argparse

from bgpvs_wf.cli.process import set_up_process
from bgpvs_wf.cli.run_options import add_arguments, run_config
from bgpvs_wf.cli.terminal import Terminal, say
from bgpvs_wf.config import RunConfig
from bgpvs_wf.studies.cohort import find_jobs, run_cohort

_DEMO_AGE_WEEKS = 92.0
_DEMO_PRESET = "bcp"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("run", help="measure the infants of a BIDS dataset")
    add_arguments(parser)
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit status."""
    config, levels = run_config(args)
    set_up_process(config.threads, args.verbose)
    if args.demo:
        _make_demo(config)
    if args.dry_run:
        from bgpvs_wf.cli.dry_run import dry_run

        return dry_run(config, verbose=bool(args.verbose))
    if args.why:
        return _explain(config)
    report = run_cohort(config, levels=levels, observer=Terminal(), verbose=args.verbose)
    if report.group_error is not None:
        raise report.group_error
    return 0 if report.complete else 1


def _explain(config: RunConfig) -> int:
    """Say why each subject would run; return the exit status."""
    from bgpvs_wf.engine.ledger import Ledger
    from bgpvs_wf.engine.summary import left_out_lines

    cohort, jobs = find_jobs(config)
    ledger, due = Ledger.of(config.output_dir), 0
    for job in jobs:
        reasons = ledger.reasons(config, job.subject, job.outputs)
        due += bool(reasons)
        say(f"{job.label}: {'; '.join(reasons) or 'finished, and nothing has changed since'}")
    say(*(f"{problem.label}: cannot run: {problem.message}" for problem in cohort.problems))
    say(*left_out_lines(cohort.left_out))
    say(f"{due} of {len(jobs)} would run; nothing was run.")
    return 1 if cohort.problems else 0


def _make_demo(config: RunConfig) -> None:
    if (config.bids_dir / "dataset_description.json").exists():
        return
    from bgpvs_wf.engine.resources import require_writable
    from bgpvs_wf.phantom import simulate_dataset
    from bgpvs_wf.phantom.protocol import load_protocol
    from bgpvs_wf.reports.subject_page import age_text

    require_writable(config.bids_dir, "demo folder")
    say(f"Making an infant of {age_text(_DEMO_AGE_WEEKS)} in {config.bids_dir} ...")
    simulate_dataset(
        config.bids_dir,
        n_subjects=1,
        ages_weeks=[_DEMO_AGE_WEEKS],
        seed=config.random_seed,
        protocol=load_protocol(_DEMO_PRESET),
    )
