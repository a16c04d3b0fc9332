"""`bgpvs-wf validate`: what the program finds in a lab's own scans, and what it misses."""

from __future__ import annotations

import argparse
from pathlib import Path

from bgpvs_wf.cli.common_options import WHY_AND_LOG, add_participants, add_seed, add_verbose
from bgpvs_wf.cli.machine import add_machine_arguments
from bgpvs_wf.cli.parser import whole
from bgpvs_wf.cli.process import set_up_verb
from bgpvs_wf.cli.run_options import add_segmentation_arguments, named_folders, nested_settings
from bgpvs_wf.cli.terminal import Terminal, say, say_failures
from bgpvs_wf.settings import COUNT

_DESCRIPTION = """\
Put tubes of known size into your own scans, run the pipeline on them, and say which are found: the
smallest perivascular space seen on your scanner, and how far off volumes and counts are.
What is finished is left alone: run the same command again after a failure, or with more scans.
"""
_EPILOG = "exit status: 0 all is done, 1 some failed, 2 the call cannot be served"
_CASES = 5


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "validate",
        help="find out what is seen on your own scanner",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("bids_dir", type=Path, metavar="BIDS_DIR", help="dataset of your scans")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for hybrids and results")
    _add_scans(parser.add_argument_group("which scans, and what is put into them"))
    add_segmentation_arguments(parser.add_argument_group("the workflow"))
    add_machine_arguments(parser.add_argument_group("where and how it runs"))
    add_verbose(parser, WHY_AND_LOG)
    parser.set_defaults(handler=_validate)


def _add_scans(group: argparse._ArgumentGroup) -> None:
    add_participants(group)
    group.add_argument(
        "--cases",
        type=whole(**COUNT),
        default=_CASES,
        metavar="N",
        help=f"hybrids of each scan (default: {_CASES})",
    )
    add_seed(group, 1, "of the tubes")
    group.add_argument(
        "--derivatives",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=PATH",
        help="folders with the nuclei of the scans, by name (default: the pipeline finds them)",
    )
    group.add_argument(
        "--atlas",
        action="append",
        default=[],
        metavar="NAME_OR_PATH",
        help="atlas to find them with; several are fused (default: the model finds them, or for "
        "pseudo-labels the atlases known for the age)",
    )


def _validate(args: argparse.Namespace) -> int:
    out, machine = set_up_verb(args)
    from bgpvs_wf.studies.validation.plan import Plan
    from bgpvs_wf.studies.validation.study import validate

    plan = Plan(
        bids_dir=args.bids_dir.expanduser().absolute(),
        out=out,
        participants=tuple(args.participant_label),
        cases=args.cases,
        seed=args.seed,
        derivatives={
            name: path.absolute() for name, path in named_folders(args.derivatives).items()
        },
        atlases=tuple(args.atlas),
        settings={
            name: value
            for name, value in nested_settings(vars(args)).items()
            if name in ("segmentation", "predict")
        },
    )
    done = validate(plan, machine, observer=Terminal(), verbose=args.verbose)
    say("", *done.answer, *(f"Not scored: {problem}" for problem in done.problems))
    say("", f"Tables: {out / 'evaluation_*.tsv'}", f"Page: {done.page}")
    say_failures(done.failures)
    return 0 if done.complete else 1
