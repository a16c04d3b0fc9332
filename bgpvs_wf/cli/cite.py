"""`bgpvs-wf cite`: what to cite, for some results or in general."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.cli.terminal import say

if TYPE_CHECKING:
    from bgpvs_wf.studies.citing import Citations


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "cite",
        help="say what to cite",
        description="Say what to cite for the results in a folder: the program, its method, and "
        "what these results were made with. Without a folder, all that may be to cite. "
        "Pages of infants have the same list, with a text to copy.",
    )
    parser.add_argument(
        "results", type=Path, nargs="?", metavar="OUT_DIR", help="results of `bgpvs-wf run`"
    )
    parser.add_argument(
        "--format", choices=("text", "bibtex"), default="text", help="default: text"
    )
    parser.set_defaults(handler=_cite)


def _cite(args: argparse.Namespace) -> int:
    from bgpvs_wf.studies.citing import what_to_cite

    found = what_to_cite(args.results)
    say(*(_bibtex(found) if args.format == "bibtex" else _text(found)))
    return 0


def _text(found: Citations) -> list[str]:
    from bgpvs_wf.reports.references import program_text

    lines = [f"the program: {program_text(', '.join(found.versions))}"]
    lines += [f"{one.what}: {one.text}" for one in found.references.values()]
    return lines + _atlas_lines(found)


def _bibtex(found: Citations) -> list[str]:
    from bgpvs_wf.reports.references import program_bibtex

    entries = [program_bibtex(", ".join(found.versions))]
    entries += [one.bibtex(key) for key, one in found.references.items()]
    return entries + [f"% {line}" for line in _atlas_lines(found)]


def _atlas_lines(found: Citations) -> list[str]:
    lines = [
        f"the atlas {name}: {' '.join(citation.split()) or 'see where it is from'}"
        for name, citation in found.atlases.items()
    ]
    if found.unnamed_atlases:
        lines.append(
            "the atlas: as each infant's page names it; `bgpvs-wf atlas list` says what to cite"
        )
    return lines
