"""`bgpvs-wf simulate`: synthetic infants with known perivascular spaces, as a BIDS dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.cli.terminal import say
from bgpvs_wf.errors import AgeError, UsageError

if TYPE_CHECKING:
    from bgpvs_wf.phantom import SyntheticInfant


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "simulate",
        help="write synthetic infants with known perivascular spaces",
        description="Write synthetic infants, T1w and T2w, as a BIDS dataset, with the true "
        "anatomy and perivascular spaces in derivatives/truth.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder, empty or not there yet")
    parser.add_argument("--subjects", type=int, default=3, metavar="N", help="number of infants")
    parser.add_argument(
        "--ages",
        default="40w,3m,24m",
        metavar="AGE,...",
        help="40w is 40 post-menstrual weeks, 3m three months after birth at term; taken in turn",
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes")
    parser.add_argument(
        "--voxel-size", default="0.8", metavar="MM", help="one number, or three: 0.5,0.5,1.0"
    )
    parser.add_argument("--noise", type=float, default=0.02, help="relative to fluid on T2w")
    parser.add_argument("--bias", type=float, default=0.1, help="strength of the bias field")
    parser.add_argument(
        "--tubes", type=int, metavar="N", help="perivascular spaces an infant, instead of 4 to 30"
    )
    parser.add_argument(
        "--oblique", type=float, default=0.0, metavar="DEG", help="turn of the voxel grid"
    )
    parser.add_argument(
        "--misalign",
        default="0,0",
        metavar="MM,DEG",
        help="how far the T1w is off the T2w: shift and turn",
    )
    parser.add_argument(
        "--no-hindbrain", action="store_true", help="leave cerebellum and brainstem out"
    )
    parser.set_defaults(handler=_simulate)


def _simulate(args: argparse.Namespace) -> int:
    from bgpvs_wf.phantom import simulate_dataset

    ages = _ages(args.ages)
    sizes = _numbers("--voxel-size", args.voxel_size, (1, 3))
    shift, turn = _numbers("--misalign", args.misalign, (2,))
    if args.noise < 0 or args.bias < 0 or (args.tubes or 0) < 0:
        raise UsageError("--noise, --bias and --tubes cannot be negative.")
    out = simulate_dataset(
        args.out,
        n_subjects=args.subjects,
        ages_weeks=ages,
        seed=args.seed,
        voxel_mm=sizes[0] if len(sizes) == 1 else (sizes[0], sizes[1], sizes[2]),
        n_tubes=args.tubes,
        noise=args.noise,
        bias=args.bias,
        oblique_deg=args.oblique,
        misalignment=(shift, turn),
        hindbrain=not args.no_hindbrain,
        on_subject=_report,
    )
    say(f"Written to {out}", f"Measure it: bgpvs-wf run {out} {out}-results")
    return 0


def _report(label: str, infant: SyntheticInfant) -> None:
    volume = infant.tubes["volume_mm3"].sum()
    say(
        f"sub-{label}: {infant.age_weeks:.1f} weeks, {len(infant.tubes)} perivascular spaces,"
        f" {volume:.0f} mm3"
    )


def _ages(text: str) -> list[float]:
    from bgpvs_wf.anatomy.matching import parse_age
    from bgpvs_wf.phantom.growth import growth_at

    ages = []
    for item in text.split(","):
        try:
            ages.append(parse_age(item))
            growth_at(ages[-1])
        except AgeError as error:
            raise UsageError(f"--ages {text}: {error}") from error
    return ages


def _numbers(option: str, text: str, counts: tuple[int, ...]) -> list[float]:
    try:
        numbers = [float(item) for item in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in counts:
        wanted = " or ".join(str(count) for count in counts)
        raise UsageError(f"{option} is '{text}'; give {wanted} numbers with commas between.")
    return numbers
