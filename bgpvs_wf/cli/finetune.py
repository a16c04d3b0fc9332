"""`bgpvs-wf finetune`: a model goes on learning from labels drawn by hand."""

from __future__ import annotations

import argparse
from pathlib import Path

from bgpvs_wf.cli.common_options import add_seed, add_verbose
from bgpvs_wf.cli.machine import add_machine_arguments
from bgpvs_wf.cli.parser import decimal, whole
from bgpvs_wf.cli.process import set_up_verb
from bgpvs_wf.cli.terminal import Terminal
from bgpvs_wf.cli.train import EXIT_STATUS, tell_training
from bgpvs_wf.settings import COUNT, HELD_OUT

_DESCRIPTION = """\
Train a model further on scans whose labels were drawn or corrected by hand; five to ten are worth
it (bgpvs-wf suggest says which). The new model goes to OUT/model; the old one stays as it is. Run
the same command again to go on after an interruption.
"""
_STEPS, _LEARNING_RATE = 600, 5e-4
_CHOICES = ("bids_dir", "labels", "name", "steps", "learning_rate", "held_out", "seed")
"""Arguments that `bgpvs_wf.studies.finetuning.finetuning_recipe` takes."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "finetune",
        help="train a model further on your own labels",
        description=_DESCRIPTION,
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("bids_dir", type=Path, metavar="BIDS_DIR", help="dataset of the scans")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the model and its making")
    parser.add_argument(
        "--labels",
        type=Path,
        required=True,
        metavar="DERIV",
        help="folder with sub-*_desc-bgpvs_dseg (0 rest, 1 basal ganglia, 2 PVS), each on the grid "
        "of its T2w; desc-nuclei_dseg beside it if the nuclei are labelled, too",
    )
    parser.add_argument(
        "--model",
        default="",
        metavar="NAME_OR_PATH",
        help="model to start from (default: the one in the box)",
    )
    parser.add_argument(
        "--name", default="", help="name of the new model (default: MODEL-finetuned)"
    )
    parser.add_argument(
        "--steps",
        type=whole(**COUNT),
        default=_STEPS,
        metavar="N",
        help=f"steps of training (default: {_STEPS})",
    )
    parser.add_argument(
        "--learning-rate",
        type=decimal(above=0.0),
        default=_LEARNING_RATE,
        metavar="RATE",
        help=f"learning rate at the start (default: {_LEARNING_RATE:g})",
    )
    parser.add_argument(
        "--held-out",
        type=decimal(**HELD_OUT),
        default=0.0,
        metavar="SHARE",
        help="share of the scans kept for validation (default: none, all are learnt from)",
    )
    add_seed(parser, 1, "of the training")
    add_machine_arguments(parser.add_argument_group("where and how it runs"))
    add_verbose(parser)
    parser.set_defaults(handler=_finetune)


def _finetune(args: argparse.Namespace) -> int:
    from bgpvs_wf.learning.models.bundle import find_model
    from bgpvs_wf.studies.finetuning import finetune

    model = find_model(args.model)
    out, machine = set_up_verb(args)
    choices = {name: getattr(args, name) for name in _CHOICES}
    observer = Terminal()
    return tell_training(
        finetune(model, out, machine, observer=observer, verbose=args.verbose, **choices)
    )
