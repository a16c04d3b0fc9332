"""`bgpvs-wf suggest`: whom to annotate next, and what is needed for it."""

from __future__ import annotations

import argparse
from pathlib import Path

from bgpvs_wf.cli.common_options import add_results, add_seed, add_verbose
from bgpvs_wf.cli.parser import whole
from bgpvs_wf.cli.terminal import Terminal, say
from bgpvs_wf.settings import COUNT


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "suggest",
        help="say whom to annotate next",
        description="Rank the subjects of a finished run: those that the model is unsure of and "
        "that differ from one another, and from those labelled. Export them with their labels to "
        "correct in ITK-SNAP or 3D Slicer (see docs/how-to/annotating.md).",
        epilog="exit status: 0 all is done, 1 some could not be read, 2 the call cannot be served",
    )
    add_results(parser, "out_dir", "read only")
    parser.add_argument("export", type=Path, metavar="EXPORT", help="folder for what to annotate")
    parser.add_argument(
        "--number", type=whole(**COUNT), default=5, metavar="N", help="subjects (default: 5)"
    )
    parser.add_argument(
        "--labelled",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="DERIV",
        help="folders with the desc-bgpvs_dseg of those that are labelled; EXPORT may be one",
    )
    add_seed(parser, None, "that decides between equals")
    add_verbose(parser)
    parser.set_defaults(handler=_suggest)


def _suggest(args: argparse.Namespace) -> int:
    from bgpvs_wf.studies.annotation import suggest

    done = suggest(
        args.out_dir.expanduser().absolute(),
        args.export.expanduser().absolute(),
        number=args.number,
        labelled=args.labelled,
        seed=args.seed,
        observer=Terminal(),
    )
    say(f"How to go on: {done.readme}")
    if done.problems:
        say("", "Left out", *(f"  {line}" for line in done.problems))
    return 1 if done.problems else 0
