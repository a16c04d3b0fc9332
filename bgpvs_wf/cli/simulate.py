"""`bgpvs-wf simulate`: infants with known perivascular spaces, drawn or put into real scans."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.cli.common_options import add_seed
from bgpvs_wf.cli.parser import decimal, whole
from bgpvs_wf.cli.terminal import say
from bgpvs_wf.errors import UsageError
from bgpvs_wf.phantom.fill import FILL
from bgpvs_wf.settings import COUNT, check_rising

if TYPE_CHECKING:
    from bgpvs_wf.phantom.dataset import Made
    from bgpvs_wf.phantom.growing.dataset import MadeGrowing

_SYNTHETIC: dict[str, Any] = {
    "subjects": 3,
    "ages": "40w,3m,24m",
    "preset": "bcp",
    "from_dseg": None,
    "table": None,
    "oblique": 0.0,
    "sessions": None,
}
"""Options of synthetic infants, and what they are if not given."""
_ONTO: dict[str, Any] = {"derivatives": None, "cases": 1}
"""Options of tubes in real scans."""
_EPILOG = """\
presets: plain (ideal scanner, 0.8 mm), dhcp (T2w 0.5 mm), bcp (0.8 mm), clinical (0.9 mm). A TOML
file may start from one: base = "bcp", then only what differs, e.g. [t2w] snr = 20.
"""


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Tells the defaults, those that are filled in only later, too."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        later = (_SYNTHETIC | _ONTO).get(action.dest)
        if later is not None:
            return f"{action.help} (default: {later})"
        return action.help if action.default is None else super()._get_help_string(action)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "simulate",
        help="write infants with known perivascular spaces",
        description="Write infants, T1w and T2w, as a BIDS dataset, with the true anatomy and "
        "perivascular spaces in derivatives/truth: synthetic ones, or with --onto real scans that "
        "known tubes are put into.",
        epilog=_EPILOG,
        formatter_class=_Help,
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder, empty or not there yet")
    add_seed(parser, 1, "of all that is drawn; the same gives the same bytes")
    parser.add_argument(
        "--tubes",
        type=whole(at_least=0, at_most=10_000),
        metavar="N",
        help="tubes an infant (default: about 11, 4 to 30)",
    )
    parser.add_argument(
        "--fill",
        type=decimal(at_least=0.0, at_most=1.0),
        nargs=2,
        default=FILL,
        metavar=("LEAST", "LARGEST"),
        help="how far the signal of tubes goes from tissue to fluid; that of an infant's tubes is "
        "alike",
    )
    parser.add_argument(
        "--jobs", type=whole(**COUNT), default=1, metavar="N", help="infants at a time"
    )
    _add_synthetic(parser.add_argument_group("synthetic infants"))
    from bgpvs_wf.cli.simulate_onto import add_onto_arguments

    add_onto_arguments(parser)
    # None tells what was not given; `_fill_in` has the defaults.
    parser.set_defaults(handler=_simulate, **dict.fromkeys(_SYNTHETIC | _ONTO))


def _add_synthetic(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--subjects", type=whole(**COUNT), metavar="N", help="number of infants")
    group.add_argument(
        "--ages",
        metavar="AGE,...",
        help="40w is 40 post-menstrual weeks, 3m three months after birth at term; taken in turn",
    )
    group.add_argument(
        "--sessions",
        metavar="AGE,...",
        help="scan each infant at all of these ages as it grows, instead of at one: 1m,6m,12m",
    )
    group.add_argument("--preset", metavar="NAME|FILE.toml", help="the scanner's protocol")
    group.add_argument(
        "--from-dseg",
        type=Path,
        metavar="FILE",
        help="take the anatomy from this label map, deformed at random, instead of drawing it",
    )
    group.add_argument("--table", metavar="NAME|FILE", help="label table of --from-dseg")
    group.add_argument(
        "--oblique",
        type=decimal(at_least=-180.0, at_most=180.0),
        metavar="DEG",
        help="turn of the voxel grid",
    )


def _simulate(args: argparse.Namespace) -> int:
    _fill_in(args)
    if args.onto is not None:
        from bgpvs_wf.cli.simulate_onto import simulate_onto

        return simulate_onto(args)
    if args.sessions is not None:
        return _simulate_growing(args)
    from bgpvs_wf.anatomy.harmonisation import read_labels
    from bgpvs_wf.phantom import simulate_dataset
    from bgpvs_wf.phantom.growth import parse_ages

    out = simulate_dataset(
        args.out,
        ages_weeks=parse_ages("--ages", args.ages),
        **_asked(args),
        labels=None if args.from_dseg is None else read_labels(args.from_dseg, args.table),
        on_subject=_report,
    )
    say(f"Written to {out}", f"Measure it: bgpvs-wf run {out} {out}-results")
    return 0


def _asked(args: argparse.Namespace) -> dict[str, Any]:
    """Return what infants of one age and those who grow are both made with."""
    from bgpvs_wf.phantom.protocol import load_protocol

    return {
        "n_subjects": args.subjects,
        "seed": args.seed,
        "protocol": load_protocol(args.preset),
        "jobs": args.jobs,
        "n_tubes": args.tubes,
        "fill": args.fill,
        "oblique_deg": args.oblique,
    }


def _simulate_growing(args: argparse.Namespace) -> int:
    from bgpvs_wf.phantom.growing.dataset import parse_sessions, simulate_growing_dataset

    out = simulate_growing_dataset(
        args.out,
        sessions=parse_sessions("--sessions", args.sessions),
        **_asked(args),
        on_subject=_report_growing,
    )
    results = f"{out}-results"
    say(
        f"Written to {out}",
        f"Measure it: bgpvs-wf run {out} {results}",
        f"See what changes: bgpvs-wf change {results}",
    )
    return 0


def _fill_in(args: argparse.Namespace) -> None:
    """Refuse options that would change nothing; give the others their defaults."""
    args.fill = check_rising(args.fill, "--fill")
    onto = args.onto is not None
    unused = _SYNTHETIC if onto else _ONTO
    given = [f"--{x.replace('_', '-')}" for x in unused if getattr(args, x) is not None]
    if given:
        rule = (
            "cannot be given with --onto; leave it out"
            if onto
            else "can only be given with --onto; add that"
        )
        raise UsageError(f"{', '.join(given)} {rule}.")
    if args.sessions is not None:
        fixed = [x for x in ("ages", "from_dseg", "table") if getattr(args, x) is not None]
        if fixed:
            names = ", ".join(f"--{x.replace('_', '-')}" for x in fixed)
            raise UsageError(f"{names} cannot be given with --sessions; leave it out.")
    if args.table is not None and args.from_dseg is None:
        raise UsageError("--table is of the label map of --from-dseg; give that, too.")
    for name, default in (_SYNTHETIC | _ONTO).items():
        if getattr(args, name) is None:
            setattr(args, name, default)


def _report_growing(made: MadeGrowing) -> None:
    shown = ", ".join(
        f"{name} {count} tubes {volume:.0f} mm3" for name, count, volume in made.sessions
    )
    say(f"sub-{made.label}: {shown}")


def _report(made: Made) -> None:
    say(f"sub-{made.label}: {made.age_weeks:.1f} weeks, {made.tubes} tubes, {made.pvs_mm3:.0f} mm3")
