"""`bgpvs-wf train`: a model from a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.cli.common_options import add_verbose
from bgpvs_wf.cli.machine import add_machine_arguments
from bgpvs_wf.cli.process import set_up_verb
from bgpvs_wf.cli.terminal import Terminal, say

if TYPE_CHECKING:
    from bgpvs_wf.studies.training import Training

EXIT_STATUS = (
    "exit status: 0 all is done, 1 something was not learnt from, 2 the call cannot be served"
)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "train",
        help="train a model",
        description="Train a model by a recipe (see docs/how-to/training.md) and write it to "
        "OUT/model, a MONAI bundle. Run the same command again to go on after an interruption.",
        epilog=EXIT_STATUS,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE.toml", help="what to learn, and how")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the model and its making")
    add_machine_arguments(parser)
    add_verbose(parser)
    parser.set_defaults(handler=_train)


def _train(args: argparse.Namespace) -> int:
    from bgpvs_wf.learning.training.recipe import read_recipe
    from bgpvs_wf.studies.training import train

    recipe = read_recipe(args.recipe)
    out, machine = set_up_verb(args)
    return tell_training(train(recipe, out, machine, observer=Terminal(), verbose=args.verbose))


def tell_training(done: Training) -> int:
    """Say where the model is, and what was not learnt from; return the exit status."""
    say(f"Model: {done.model}", f"Use it: bgpvs-wf run BIDS_DIR OUT_DIR --model {done.model}")
    if done.problems:
        say("", "Not learnt from:", *(f"  {line}" for line in done.problems))
    return 1 if done.problems else 0
