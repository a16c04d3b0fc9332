"""`bgpvs-wf compare`: labelling strategies on cohorts, as the table of a paper."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.cli.common_options import WHY_AND_LOG, add_verbose
from bgpvs_wf.cli.machine import add_machine_arguments
from bgpvs_wf.cli.process import set_up_verb
from bgpvs_wf.cli.terminal import Terminal, say, say_failures

if TYPE_CHECKING:
    from bgpvs_wf.studies.comparison import Comparison

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
    parser.add_argument(
        "experiment", type=Path, metavar="EXPERIMENT.toml", help="strategies and cohorts"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for datasets and results")
    add_machine_arguments(parser.add_argument_group("where and how it runs"))
    add_verbose(parser, WHY_AND_LOG)
    parser.set_defaults(handler=_compare)


def _compare(args: argparse.Namespace) -> int:
    out, machine = set_up_verb(args)
    from bgpvs_wf.studies.comparison import compare

    done = compare(args.experiment, out, machine, observer=Terminal(), verbose=args.verbose)
    if done.scores:
        _tell(done)
    say_failures(done.failures)
    return 0 if done.complete else 1


def _tell(done: Comparison) -> None:
    say("", f"Mean ± SD; p: against {done.proposed}, Wilcoxon signed-rank, Holm-corrected")
    for one in done.scores:
        say("", one.heading, one.table.set_index("method").T.to_string())
        say(*one.notes, *(f"Not scored: {problem}" for problem in one.problems))
    say("", f"Table: {done.table}", f"Page: {done.page}")
