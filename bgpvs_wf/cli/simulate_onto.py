"""`bgpvs-wf simulate --onto`: tubes of known geometry in real scans."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.cli.parser import whole
from bgpvs_wf.cli.run_options import named_folders
from bgpvs_wf.cli.terminal import say
from bgpvs_wf.errors import UsageError
from bgpvs_wf.settings import COUNT

if TYPE_CHECKING:
    from bgpvs_wf.phantom.hybrid_dataset import HybridCase


def add_onto_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of hybrid cases."""
    group = parser.add_argument_group("tubes in real scans")
    group.add_argument(
        "--onto",
        type=Path,
        metavar="BIDS_DIR",
        help="put tubes into the scans of this dataset instead of drawing infants",
    )
    group.add_argument(
        "--derivatives",
        nargs="+",
        action="extend",
        metavar="NAME=PATH",
        help="folders with the nuclei of these scans, by name, such as the output of bgpvs-wf run",
    )
    group.add_argument(
        "--cases", type=whole(**COUNT), default=1, metavar="N", help="cases of each scan"
    )


def simulate_onto(args: argparse.Namespace) -> int:
    """Write hybrid cases; return the exit status, 1 if scans had to be left out.

    Raises
    ------
    UsageError
        If no derivatives are given, or see `bgpvs_wf.phantom.hybrid_dataset.hybrid_dataset`.
    """
    from bgpvs_wf.phantom.hybrid_dataset import find_nuclei, hybrid_dataset

    if not args.derivatives:
        raise UsageError(
            "--onto needs the nuclei of the scans; run `bgpvs-wf run` first and give its output "
            "with --derivatives."
        )
    nuclei = find_nuclei(args.onto, named_folders(args.derivatives), args.out)
    failures: list[str] = []
    out = hybrid_dataset(
        args.onto,
        nuclei,
        args.out,
        cases_per_scan=args.cases,
        seed=args.seed,
        n_tubes=args.tubes,
        fill=args.fill,
        jobs=args.jobs,
        on_case=_report,
        on_failure=failures.append,
    )
    say(f"Written to {out}", f"Measure it: bgpvs-wf run {out} {out}-results")
    if failures:
        say("", "Left out:", *(f"  {failure}" for failure in failures))
    return 1 if failures else 0


def _report(case: HybridCase) -> None:
    say(f"sub-{case.label}: {case.tubes} tubes, {case.pvs_mm3:.0f} mm3, SNR {case.snr:.0f}")
