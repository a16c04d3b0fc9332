"""`bgpvs-wf segment`: the images of one infant, without a BIDS dataset."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.cli.common_options import add_verbose
from bgpvs_wf.cli.terminal import Terminal
from bgpvs_wf.errors import BGPVSError

if TYPE_CHECKING:
    from bgpvs_wf.studies.single import Segmentation

_DESCRIPTION = """\
Segment and measure the basal ganglia of one infant and the perivascular spaces in them. For many
infants, bgpvs-wf run goes on after failures and runs again only what has changed.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "segment",
        help="measure one infant: a T2w, a T1w, or both",
        description=_DESCRIPTION,
        epilog="exit status: 0 done, 1 failed, 2 the call cannot be served",
    )
    parser.add_argument("t2w", nargs="?", type=Path, metavar="T2W", help="NIfTI file, as scanned")
    parser.add_argument("--t1w", type=Path, metavar="T1W", help="NIfTI file, beside T2W or alone")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FOLDER", help="folder for the results"
    )
    parser.add_argument(
        "--brain-mask", type=Path, metavar="FILE", help="mask of the brain (default: it is found)"
    )
    parser.add_argument(
        "--age", metavar="AGE", help="age: post-menstrual weeks as 44w, months from term as 3m"
    )
    parser.add_argument(
        "--model",
        metavar="NAME_OR_PATH",
        help="trained model, by name or folder (default: the one in the box)",
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where the model runs"
    )
    parser.add_argument(
        "--label", default="infant", metavar="NAME", help="name of the infant, for files and page"
    )
    add_verbose(parser)
    parser.set_defaults(handler=_segment)


def _segment(args: argparse.Namespace) -> int:
    from bgpvs_wf.engine.resources import require_writable
    from bgpvs_wf.studies.single import segment

    out = args.out.expanduser().absolute()
    new = not out.exists()
    require_writable(out, "folder of results")
    terminal = Terminal()
    try:
        found = segment(
            args.t2w,
            args.t1w,
            brain_mask=args.brain_mask,
            age=args.age,
            model=args.model,
            device=args.device,
            label=args.label,
            observer=terminal,
        )
    except BGPVSError:
        if new:
            # Nothing is in it; if somebody else has put something there, it stays.
            with contextlib.suppress(OSError):
                out.rmdir()
        raise
    found.save(out)
    terminal.say(*_lines(found), f"Results: {out}", f"Page: {out / f'sub-{args.label}.html'}")
    return 0


def _lines(found: Segmentation) -> list[str]:
    """Return the numbers of the whole, and what is in doubt."""
    from bgpvs_wf.quantification.columns import told_volume

    table = found.regions.set_index("name").loc[["BG"]]
    whole = table.iloc[0]
    volume = whole[f"pvs_volume{told_volume(table)}_mm3"]
    lines = [
        f"Basal ganglia: {whole['volume_mm3']:.0f} mm3",
        f"Perivascular spaces in them: {whole['pvs_count']}, {volume:.1f} mm3",
    ]
    return lines + [f"In doubt: {text}" for text in found.warnings]
