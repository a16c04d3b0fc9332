"""`bgpvs-wf compare`: labelling strategies on cohorts, as the table of a paper."""

from __future__ import annotations

import argparse
from pathlib import Path

from bgpvs_wf.cli.machine import add_machine_arguments

_DESCRIPTION = """\
Run labelling strategies on cohorts whose truth is known (synthetic infants, known tubes in real
scans, your own), score them, and print the table of a paper. EXPERIMENT.toml says which. What is
finished is left alone: run the same command again after a failure, or to add a strategy.
"""
_EPILOG = "exit status: 0 all is done, 1 some failed, 2 the call cannot be served"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "compare",
        help="compare labelling strategies on cohorts of known truth",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("experiment", type=Path, metavar="EXPERIMENT.toml")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of datasets and results")
    add_machine_arguments(parser.add_argument_group("where and how it runs"))
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="say why each subject runs; log more"
    )
    parser.set_defaults(handler=_compare)


def _compare(args: argparse.Namespace) -> int:
    from bgpvs_wf.cli.levels import set_up_verb

    out, machine = set_up_verb(args)
    from bgpvs_wf.cli.comparison import compare

    return compare(args.experiment, out, machine, args.verbose)
