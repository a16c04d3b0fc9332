"""`bgpvs-wf`: parse, hand over to the verb, turn errors into one line and an exit status."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from bgpvs_wf._version import __version__
from bgpvs_wf.errors import BGPVSError

VERBS = (
    *("run", "submit", "status", "atlas", "simulate", "evaluate", "compare", "validate"),
    *("train", "suggest", "finetune", "doctor"),
)
"""Modules of `bgpvs_wf.cli`, each with `add_parser(subparsers)`, which sets `handler`."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="bgpvs-wf",
        description="Segment and measure perivascular spaces in the basal ganglia of infants.",
    )
    parser.add_argument("--version", action="version", version=f"bgpvs-wf {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        importlib.import_module(f"bgpvs_wf.cli.{verb}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    args = build_parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if getattr(args, "verbose", 0) else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        return int(args.handler(args))
    except BGPVSError as error:
        sys.stderr.write(f"bgpvs-wf: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("bgpvs-wf: interrupted; run the same command again to go on.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
