"""`bgpvs-wf evaluate`: predictions against a reference, as numbers, tables and a page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.cli.common_options import add_seed, add_verbose
from bgpvs_wf.cli.terminal import say
from bgpvs_wf.errors import UsageError

if TYPE_CHECKING:
    from bgpvs_wf.evaluation import EvaluationTables


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score segmentations against a reference",
        description="Score one or more segmentations of a cohort against a reference: overlap, "
        "objects, detection of tubes, agreement of volumes and counts. Files are matched by "
        "subject and session.",
        epilog="exit status: 0 all is scored, 1 some is not, 2 the call cannot be served",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with sub-*_desc-bgpvs_dseg.nii.gz, or desc-nuclei_dseg for the BG alone",
    )
    parser.add_argument(
        "--prediction",
        action="append",
        required=True,
        metavar="[NAME=]DIR",
        help="results to score; repeat it to compare methods (name: that of the folder)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the tables and the page"
    )
    parser.add_argument(
        "--proposed",
        metavar="NAME",
        help="method that the others are compared with (default: the first of several)",
    )
    add_seed(parser, 0, "of the resampling")
    add_verbose(parser)
    parser.set_defaults(handler=_evaluate)


def _evaluate(args: argparse.Namespace) -> int:
    from bgpvs_wf.api import evaluate

    predictions = _predictions(args.prediction)
    proposed = args.proposed or (next(iter(predictions)) if len(predictions) > 1 else None)
    tables = evaluate(args.reference, predictions, out=args.out, proposed=proposed, seed=args.seed)
    say(*_report(tables))
    say("", f"Tables are in {args.out}, the page is {args.out / 'evaluation.html'}")
    return 1 if tables.problems else 0


def _predictions(arguments: list[str]) -> dict[str, Path]:
    predictions: dict[str, Path] = {}
    for argument in arguments:
        name, equals, folder = argument.partition("=")
        if not equals or "/" in name:  # a path that happens to hold a sign of equality
            name, folder = Path(argument).absolute().name, argument
        if not name or not folder:
            raise UsageError(f"--prediction {argument}: give a folder, or NAME=FOLDER.")
        if name in predictions:
            raise UsageError(
                f"Two predictions are called '{name}'; tell them apart: --prediction NAME=FOLDER."
            )
        predictions[name] = Path(folder)
    return predictions


def _report(tables: EvaluationTables) -> list[str]:
    from bgpvs_wf.evaluation import paper_table

    table = paper_table(tables.summary, tables.comparison, tables.agreement)
    lines = ["Mean ± SD", table.set_index("method").T.to_string(), ""]
    if tables.proposed:
        lines[0] += f"; p: against {tables.proposed}, Wilcoxon signed-rank, Holm-corrected"
    lines.append("Agreement with the reference")
    for row in tables.agreement.to_dict("records"):
        r, icc = (
            _interval(row[name], row[f"{name}_low"], row[f"{name}_high"])
            for name in ("pearson_r", "icc2_1")
        )
        lines.append(
            f"{row['method']}, {row['measure']} (n = {row['n']}): r {r}, ICC(2,1) {icc}, "
            f"MAE {_number(row['mae'])}, bias {_number(row['bias'])}, "
            f"limits of agreement {_number(row['loa_low'])} to {_number(row['loa_high'])}"
        )
    if len(tables.smallest):
        lines += ["", "Diameter detected (mm, with 95 % interval)"]
    for row in tables.smallest.to_dict("records"):
        diameter = _interval(row["diameter_mm"], row["ci_low_mm"], row["ci_high_mm"])
        note = f" ({row['note']})" if row["note"] else ""
        lines.append(
            f"{row['method']}, voxels of {row['voxel_mm']:g} mm, with {row['probability']:.0%}"
            f" probability: {diameter}{note}"
        )
    if tables.problems:
        lines += ["", "Not scored", *tables.problems]
    return lines


def _interval(value: float, low: float, high: float) -> str:
    known = f" ({_number(low)} to {_number(high)})" if low == low else ""
    return _number(value) + known


def _number(value: float) -> str:
    return "n/a" if value != value else f"{value:.3g}"
