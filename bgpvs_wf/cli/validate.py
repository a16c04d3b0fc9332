"""`bgpvs-wf validate`: what the program finds in a lab's own scans, and what it misses."""

from __future__ import annotations

import argparse
from pathlib import Path

from bgpvs_wf.cli.machine import add_machine_arguments
from bgpvs_wf.cli.parser import whole
from bgpvs_wf.cli.process import set_up_verb
from bgpvs_wf.cli.run_options import add_segmentation_arguments, named_folders, nested_settings
from bgpvs_wf.cli.terminal import Terminal, say, say_failures
from bgpvs_wf.settings import COUNT, SEED

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
    parser.add_argument("bids_dir", type=Path, metavar="BIDS_DIR", help="your scans; read only")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of hybrids and results")
    _add_scans(parser.add_argument_group("which scans, and what is put into them"))
    add_segmentation_arguments(parser.add_argument_group("the workflow"))
    add_machine_arguments(parser.add_argument_group("where and how it runs"))
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="say why each subject runs; log more"
    )
    parser.set_defaults(handler=_validate)


def _add_scans(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--participant-label",
        "--participant_label",
        nargs="+",
        action="extend",
        default=[],
        metavar="LABEL",
        help="subjects, with or without sub- (default: all)",
    )
    group.add_argument(
        "--cases",
        type=whole(**COUNT),
        default=_CASES,
        metavar="N",
        help=f"hybrids of each scan (default: {_CASES})",
    )
    group.add_argument(
        "--seed",
        type=whole(**SEED),
        default=1,
        metavar="N",
        help="of the tubes (default: 1)",
    )
    group.add_argument(
        "--derivatives",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=PATH",
        help="where the nuclei of the scans are (default: the pipeline finds them)",
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
