"""`bgpvs-wf norms`: centile curves of a cohort, to compare other infants with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.cli.common_options import add_dataset, add_results, add_seed, add_verbose
from bgpvs_wf.cli.terminal import Terminal, say

if TYPE_CHECKING:
    from bgpvs_wf.studies.norms import CohortNorms


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "norms",
        help="make centile curves of a cohort",
        description="Make centile curves over the age of what was measured in a cohort, and keep "
        "them: with `bgpvs-wf run --norms FILE` other infants are told their centiles. "
        "See docs/how-to/growth.md for how many infants are needed.",
        epilog="exit status: 0 all is done, 1 a table is not there or cannot be read, 2 no curve "
        "can be made, or the call cannot be served",
    )
    add_results(parser, "results", "with the group level")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE.json", help="file for the curves"
    )
    parser.add_argument(
        "--by",
        metavar="COLUMN",
        help="column of participants.tsv or sessions.tsv, such as sex: curves for each level",
    )
    add_dataset(parser)
    parser.add_argument(
        "--page",
        type=Path,
        metavar="FILE.html",
        help="page with curves and infants",
    )
    parser.add_argument(
        "--marks",
        type=Path,
        metavar="FILE.tsv",
        help="show published values on the page, which never enter the curves: columns measure, "
        "age_weeks, value, source; see docs/how-to/growth.md",
    )
    add_seed(parser, 0, "of the resampling")
    add_verbose(parser)
    parser.set_defaults(handler=_norms)


def _norms(args: argparse.Namespace) -> int:
    from bgpvs_wf.studies.norms import make_cohort_norms

    done = make_cohort_norms(
        args.results,
        args.output,
        dataset=args.dataset,
        by=args.by,
        page=args.page,
        marks=args.marks,
        seed=args.seed,
        observer=Terminal() if args.verbose else None,
    )
    say(*_report(done))
    return 0


def _report(done: CohortNorms) -> list[str]:
    lines = []
    for one in done.norms.measures:
        for level, curve in one.curves.items():
            named = f"{one.measure.name}, {level}" if done.norms.by else one.measure.name
            spans = ", ".join(f"{low:.4g} to {high:.4g}" for low, high in curve.spans)
            lines.append(
                f"{named}: {curve.subjects} infants, {spans} weeks, centiles "
                + " ".join(map(str, curve.told))
            )
        for level, why in one.missing.items():
            named = f"{one.measure.name}, {level}" if done.norms.by else one.measure.name
            lines.append(f"{named}: no curve, {why}")
    lines += ["", *(f"In doubt: {doubt}" for doubt in done.doubts)]
    lines.append(f"Norms: {done.path}")
    if done.page is not None:
        lines.append(f"Page: {done.page}")
    return lines
