"""Arguments that several verbs have, each with one name, one meaning and one line of help."""

from __future__ import annotations

import argparse
from pathlib import Path

from bgpvs_wf.cli.parser import whole
from bgpvs_wf.settings import SEED

WHY_AND_LOG = "say why each subject runs; log more"
"""What `-v` does where subjects are run."""


def add_verbose(parser: argparse._ActionsContainer, what: str = "log what is done") -> None:
    """Add `-v`, which may be given twice."""
    parser.add_argument("-v", "--verbose", action="count", default=0, help=what)


def add_results(parser: argparse.ArgumentParser, name: str, note: str = "") -> None:
    """Add the output folder of a run, that a verb goes on with."""
    what = "output folder of bgpvs-wf run" + (f", {note}" if note else "")
    parser.add_argument(name, type=Path, metavar="OUT_DIR", help=what)


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Add the dataset that the results of a run are of, where its tables have moved."""
    parser.add_argument(
        "--dataset",
        type=Path,
        metavar="BIDS_DIR",
        help="dataset with participants.tsv and sessions.tsv (default: that of the results)",
    )


def add_participants(group: argparse._ActionsContainer) -> None:
    """Add a choice of subjects, as `run` has it."""
    group.add_argument(
        "--participant-label",
        nargs="+",
        action="extend",
        default=[],
        metavar="LABEL",
        help="subjects, with or without sub- (default: all)",
    )


def add_seed(group: argparse._ActionsContainer, default: int | None, what: str) -> None:
    """Add a seed."""
    told = "" if default is None else " (default: %(default)s)"
    group.add_argument(
        "--seed", type=whole(**SEED), default=default, metavar="N", help=f"seed {what}{told}"
    )
