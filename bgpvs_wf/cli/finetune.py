"""`bgpvs-wf finetune`: a model goes on learning from labels drawn by hand."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.cli.machine import add_machine_arguments
from bgpvs_wf.cli.parser import decimal, whole
from bgpvs_wf.errors import UsageError
from bgpvs_wf.settings import COUNT, HELD_OUT, SEED

if TYPE_CHECKING:
    from bgpvs_wf.learning.bundle import Model
    from bgpvs_wf.learning.recipe import Recipe

_DESCRIPTION = """\
Train a model further on scans whose labels were drawn or corrected by hand; five to ten are worth
it (bgpvs-wf suggest says which). The new model goes to OUT/model; the old one stays as it is. Run
the same command again to go on after an interruption.
"""
_STEPS, _LEARNING_RATE = 600, 5e-4


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "finetune",
        help="train a model further on your own labels",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("bids_dir", type=Path, metavar="BIDS_DIR", help="the scans")
    parser.add_argument("out", type=Path, metavar="OUT", help="model, cases, checkpoints, logs")
    parser.add_argument(
        "--labels",
        type=Path,
        required=True,
        metavar="DERIV",
        help="folder with sub-*_desc-bgpvs_dseg (0 rest, 1 basal ganglia, 2 PVS), each on the grid "
        "of its T2w; desc-nuclei_dseg beside it if the nuclei are labelled, too",
    )
    parser.add_argument(
        "--model", default="", metavar="MODEL", help="to start from (default: the one in the box)"
    )
    parser.add_argument("--name", default="", help="of the new model (default: MODEL-finetuned)")
    parser.add_argument(
        "--steps",
        type=whole(**COUNT),
        default=_STEPS,
        metavar="N",
        help=f"of training (default: {_STEPS})",
    )
    parser.add_argument(
        "--learning-rate",
        type=decimal(above=0.0),
        default=_LEARNING_RATE,
        metavar="RATE",
        help=f"(default: {_LEARNING_RATE:g})",
    )
    parser.add_argument(
        "--held-out",
        type=decimal(**HELD_OUT),
        default=0.0,
        metavar="SHARE",
        help="share of the scans kept for validation (default: none, all are learnt from)",
    )
    parser.add_argument("--seed", type=whole(**SEED), default=1, metavar="N")
    add_machine_arguments(parser.add_argument_group("where and how it runs"))
    parser.add_argument("-v", "--verbose", action="count", default=0, help="log more")
    parser.set_defaults(handler=_finetune)


def _finetune(args: argparse.Namespace) -> int:
    from bgpvs_wf.cli.levels import set_up_verb
    from bgpvs_wf.cli.training import train
    from bgpvs_wf.learning.bundle import find_model

    out = args.out.expanduser().absolute()
    model = find_model(args.model)
    if (out / "model").resolve() == model.folder.resolve():
        raise UsageError(f"{out} holds the model to start from; choose another folder.")
    recipe = finetuning_recipe(model, args)
    _, machine = set_up_verb(args)
    return train(recipe, out, machine, args.verbose)


def finetuning_recipe(model: Model, args: argparse.Namespace) -> Recipe:
    """Return the recipe that trains a model further.

    Raises
    ------
    UsageError
        If a folder is missing, a number is absurd, or the model is not one to train further.
    """
    from bgpvs_wf.evaluation.infants import Cohort, OwnInfants
    from bgpvs_wf.learning.augmentation import AugmentationConfig
    from bgpvs_wf.learning.recipe import (
        GIVEN,
        CoarseConfig,
        FineConfig,
        HeadConfig,
        PVSConfig,
        Recipe,
        TrainingCohort,
        check_recipe,
    )
    from bgpvs_wf.learning.training import TrainingConfig

    for what, folder in (("The dataset", args.bids_dir), ("--labels", args.labels)):
        if not folder.is_dir():
            raise UsageError(f"{what} {folder} is no folder; correct the path.")
    infants = OwnInfants(
        bids_dir=args.bids_dir.expanduser().absolute(),
        truth=args.labels.expanduser().absolute(),
    )
    if len(model.fine[0]) < 2:
        raise UsageError(
            f"The model {model.name} has one network for nuclei and PVS, which is there to compare "
            "with; give another one to start from."
        )
    anatomy, pvs = (file.network for file in model.fine[0])
    recipe = Recipe(
        name=args.name or f"{model.name}-finetuned",
        strategy="manual",
        seed=args.seed,
        cohorts=(TrainingCohort(Cohort("labelled", infants, {}), GIVEN, args.held_out),),
        head=HeadConfig(model=str(model.folder) if model.head else ""),
        coarse=CoarseConfig(model=str(model.folder)),
        fine=dataclasses.replace(
            FineConfig(),
            filters=anatomy.filters,
            steps=args.steps,
            members=len(model.fine),
            start=str(model.folder),
        ),
        pvs=dataclasses.replace(
            PVSConfig(), filters=pvs.filters, steps=args.steps, start=str(model.folder)
        ),
        training=TrainingConfig(learning_rate=args.learning_rate),
        augmentation=AugmentationConfig(),
        coarse_augmentation=AugmentationConfig(),
        # A hand draws what is basal ganglia; which nucleus it is, the model says.
        settings={"segmentation": "model", "predict": {"model": str(model.folder)}},
    )
    check_recipe(recipe)
    return recipe
