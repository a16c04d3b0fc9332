"""`bgpvs-wf change`: what became of each perivascular space between sessions of an infant."""

from __future__ import annotations

import argparse
from pathlib import Path

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
        "is new, is gone, grew or shrank. Exit status: 0 if all are done, 1 if not.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("output_dir", type=Path, metavar="OUT_DIR", help="folder of the results")
    parser.add_argument(
        "--participant-label",
        nargs="+",
        default=[],
        metavar="LABEL",
        help="infants (default: all with two sessions)",
    )
    add_machine_arguments(parser.add_argument_group("machine"))
    parser.add_argument("-v", "--verbose", action="count", default=0, help="log what is done")
    parser.set_defaults(handler=_change)


def _change(args: argparse.Namespace) -> int:
    from bgpvs_wf.config import RunConfig
    from bgpvs_wf.studies.longitudinal import write_changes

    out = args.output_dir.expanduser().absolute()
    settings = machine_settings(vars(args))
    config = RunConfig.from_mapping({**settings, "bids_dir": out, "output_dir": out})
    set_up_process(config.threads, args.verbose)
    subjects = [label.removeprefix("sub-") for label in args.participant_label]
    done = write_changes(config, subjects=subjects, observer=Terminal())
    say(*(f"Page: {page}" for page in done.written.values()))
    say(*(f"In doubt: {problem}" for problem in done.problems))
    return 0 if done.written and not done.problems else 1
