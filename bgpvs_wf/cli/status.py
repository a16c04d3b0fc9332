"""`bgpvs-wf status`: who is done, running, waiting or failed, and why."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bgpvs_wf.bids.inputs import subjects_and_sessions
from bgpvs_wf.cli.common_options import add_results, add_verbose
from bgpvs_wf.cli.process import set_up_process
from bgpvs_wf.cli.terminal import say
from bgpvs_wf.studies.cohort import find_jobs

if TYPE_CHECKING:
    from bgpvs_wf.engine.standing import Standing

_SHOWN = 20


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "status",
        help="say who is done, running, waiting or failed, and why",
        description="Look at an output folder and, where jobs were submitted, at SLURM's queue.",
        epilog="exit status: 0 all are done, 1 not all, 2 the call cannot be served",
    )
    add_results(parser, "output_dir")
    add_verbose(parser, "list everybody")
    parser.set_defaults(handler=status)


def status(args: argparse.Namespace) -> int:
    """Run the verb; return the exit status."""
    from bgpvs_wf.bids.derivatives import logs_path
    from bgpvs_wf.engine.ledger import Ledger
    from bgpvs_wf.engine.pace import time_left
    from bgpvs_wf.engine.standing import Standing, Tasks, last_config, seconds_to_go, standing

    out = args.output_dir.expanduser().absolute()
    config = last_config(out)
    set_up_process(1, args.verbose)
    cohort, jobs = find_jobs(config)
    ledger, tasks = Ledger.of(out), Tasks.of(logs_path(out))
    if tasks.unseen:
        say(f"The queue cannot be seen from here: {tasks.unseen}")
    standings = [standing(config, job, ledger, tasks) for job in jobs]
    standings += [Standing(p.label, "failed", (p.message,)) for p in cohort.problems]
    _tell(standings, bool(args.verbose))
    left = time_left(seconds_to_go(out, ledger, standings))
    if left:
        say(f"{left.capitalize()}, at the pace since the last run began.")
    return 0 if all(one.state == "done" for one in standings) else 1


def _tell(standings: list[Standing], everybody: bool) -> None:
    from bgpvs_wf.engine.standing import STATES

    counts = [
        f"{sum(one.state == state for one in standings)} {state}"
        for state in STATES
        if any(one.state == state for one in standings)
    ]
    say(f"{subjects_and_sessions(len(standings))}: {', '.join(counts) or 'none'}.")
    for state in STATES[1:]:
        mine = [one for one in standings if one.state == state]
        shown = mine if everybody else mine[:_SHOWN]
        for one in shown:
            say(f"{state}: {one.label}: {one.lines[0]}", *one.lines[1:])
        if len(shown) < len(mine):
            say(f"{state}: {len(mine) - len(shown)} more; -v lists them.")
