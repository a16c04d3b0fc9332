"""`bgpvs-wf associate`: what goes with PVS in a cohort, as tables, sentences and a page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.cli.common_options import add_dataset, add_results, add_verbose
from bgpvs_wf.cli.terminal import Terminal, say

if TYPE_CHECKING:
    from bgpvs_wf.studies.association import Association

_DESCRIPTION = """\
Fit a model to the results of a cohort: PVS explained by age, sex, volume of the basal ganglia, and
by whatever participants.tsv and sessions.tsv tell. What would give wrong numbers is refused.
"""
_EPILOG = (
    "exit status: 0 all is done, 1 no model for some region or at all, 2 the call cannot be served"
)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "associate",
        help="find out what goes with PVS in a cohort",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_results(parser, "results")
    parser.add_argument(
        "--formula",
        required=True,
        metavar="TEXT",
        help='what is explained by what: "pvs_volume ~ age + sex + bg_volume"; age is in weeks',
    )
    parser.add_argument(
        "--groups",
        choices=("subject", "site"),
        default="",
        help="what several rows are of: sessions of a subject, or infants of a site",
    )
    parser.add_argument(
        "--each",
        choices=("region",),
        default="",
        help="a model of each region, p values corrected (default: the basal ganglia as a whole)",
    )
    parser.add_argument(
        "--family",
        choices=("auto", "gaussian", "negative-binomial"),
        default="auto",
        help="how the outcome is spread (default: auto: negative binomial for pvs_count)",
    )
    parser.add_argument(
        "--harmonise",
        choices=("site",),
        default="",
        help="make the outcome alike over sites first, by ComBat, keeping the effects of the "
        "formula (default: as it was measured)",
    )
    add_dataset(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for tables and page (default: OUT_DIR/association)",
    )
    add_verbose(parser)
    parser.set_defaults(handler=_associate)


def _associate(args: argparse.Namespace) -> int:
    from bgpvs_wf.api import associate

    found = associate(
        args.results,
        args.formula,
        groups=args.groups,
        each=args.each,
        family=args.family,
        harmonise=args.harmonise,
        dataset=args.dataset,
        out=args.out,
        observer=Terminal() if args.verbose else None,
    )
    say(*_report(found))
    return 1 if found.refused else 0


def _report(found: Association) -> list[str]:
    from bgpvs_wf.cohort.association.telling.words import left_out_lines

    lines = list(found.sentences)
    left_out = {line for model in found.models for line in left_out_lines(model)}
    for heading, told in (
        ("Left out", sorted(left_out)),
        ("In doubt", found.doubts),
        ("Not fitted", [f"{region}: {why}" for region, why in found.refused.items()]),
        ("Methods", [found.methods]),
    ):
        if told:
            lines += ["", heading, *(f"  {line}" for line in told)]
    return [*lines, "", f"Tables are in {found.page.parent}, the page is {found.page}"]
