"""`bgpvs-wf change`: what became of each perivascular space between sessions of an infant."""

from __future__ import annotations

import argparse

from bgpvs_wf.cli.common_options import add_participants, add_results, add_verbose
from bgpvs_wf.cli.machine import add_machine_arguments, machine_settings
from bgpvs_wf.cli.process import set_up_process
from bgpvs_wf.cli.terminal import Terminal, say


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "change",
        help="tell what became of each perivascular space between sessions",
        description="For each infant with two or more finished sessions: register them to each "
        "other, match their perivascular spaces, and write a table and a page of what persisted, "
        "is new, is gone, grew or shrank.",
        epilog="exit status: 0 all are done, 1 not all, 2 the call cannot be served",
        argument_default=argparse.SUPPRESS,
    )
    add_results(parser, "output_dir")
    add_participants(parser)
    add_machine_arguments(parser.add_argument_group("where and how it runs"))
    add_verbose(parser)
    parser.set_defaults(handler=_change)


def _change(args: argparse.Namespace) -> int:
    from bgpvs_wf.api import change
    from bgpvs_wf.config import RunConfig

    out, machine = args.output_dir, machine_settings(vars(args))
    config = RunConfig.from_mapping({**machine, "bids_dir": out, "output_dir": out})
    set_up_process(config.threads, args.verbose)
    done = change(out, subjects=args.participant_label, observer=Terminal(), **machine)
    say(*(f"Page: {page}" for page in done.written.values()))
    say(*(f"In doubt: {problem}" for problem in done.problems))
    return 0 if done.written and not done.problems else 1
