"""`bgpvs-wf`: parse, hand over to the verb, turn errors into one line and an exit status."""

from __future__ import annotations

import difflib
import importlib
import io
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from bgpvs_wf._version import __version__
from bgpvs_wf.cli.commonest import commonest_calls
from bgpvs_wf.cli.completion import SHELLS, PrintCompletion
from bgpvs_wf.cli.parser import Parser, spelt_with_hyphens
from bgpvs_wf.config import BOTH_LEVELS
from bgpvs_wf.errors import BGPVSError, UsageError

VERBS = (
    *("run", "segment", "submit", "status", "atlas", "simulate", "evaluate", "compare", "validate"),
    *("associate", "change", "norms", "train", "suggest", "finetune", "doctor", "cite"),
)
"""Modules of `bgpvs_wf.cli`, each with `add_parser(subparsers)`, which sets `handler`."""


def build_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="bgpvs-wf",
        description="Segment and measure perivascular spaces in the basal ganglia of infants.",
    )
    parser.add_argument("--version", action="version", version=f"bgpvs-wf {__version__}")
    parser.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=SHELLS,
        help="print a script that completes verbs, options and paths",
    )
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        importlib.import_module(f"bgpvs_wf.cli.{verb}").add_parser(subparsers)
    return parser


def _with_verb(words: list[str], parser: Parser) -> list[str]:
    """Return the words of a command; one without a verb, as of any BIDS App, is a run."""
    if words and not parser.has_option(words[0]) and parser.leaf(["run"]).has_option(words[0]):
        return words if any(word in VERBS for word in words) else ["run", *words]
    first = next((word for word in words if not word.startswith("-")), None)
    if first is None or first in VERBS or first != words[0]:
        return words
    close = difflib.get_close_matches(first, VERBS, n=1)
    if Path(first).exists() or not close or any(level in words[1:] for level in BOTH_LEVELS):
        return ["run", *words]
    sys.stderr.write(f"bgpvs-wf: unknown verb {first!r}; did you mean {close[0]}?\n")
    raise SystemExit(UsageError.exit_code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        # Names of files may be of any bytes, and terminals of any alphabet.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = build_parser()
    words = list(spelt_with_hyphens(sys.argv[1:] if argv is None else argv))
    words = _with_verb(words, parser)
    commonest = commonest_calls(words)
    if commonest:
        sys.stderr.write(commonest)
        return UsageError.exit_code
    try:
        parser.leaf(words).check_options(words)
        args = parser.parse_args(words)
        logging.basicConfig(
            level=logging.DEBUG if getattr(args, "verbose", 0) else logging.WARNING,
            format="%(levelname)s %(name)s: %(message)s",
            stream=sys.stderr,
        )
        return int(args.handler(args))
    except BGPVSError as error:
        sys.stderr.write(f"bgpvs-wf: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("bgpvs-wf: interrupted; run the same command again to go on.\n")
        return 130
