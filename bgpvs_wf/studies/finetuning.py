"""A model goes on learning from labels drawn by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.errors import UsageError
from bgpvs_wf.studies.observer import Observer
from bgpvs_wf.studies.training import Training, train

if TYPE_CHECKING:
    from bgpvs_wf.learning.models.bundle import Model
    from bgpvs_wf.learning.training.recipe import Recipe


def finetune(
    model: Model,
    out: Path,
    machine: Mapping[str, Any],
    *,
    observer: Observer | None = None,
    verbose: int = 0,
    **choices: Any,
) -> Training:
    """Train a model further and write the new one to ``OUT/model``; the old one stays as it is.

    Parameters
    ----------
    model : Model
        To start from; see `bgpvs_wf.learning.models.bundle.find_model`.
    out, machine, observer, verbose
        As for `bgpvs_wf.studies.training.train`.
    **choices
        Scans, labels and how to learn; see `finetuning_recipe`.

    Raises
    ------
    BGPVSError
        See `finetuning_recipe` and `train`; or if the new model would take the old one's place.
    """
    if (out / "model").resolve() == model.folder.resolve():
        raise UsageError(f"{out} holds the model to start from; choose another folder.")
    recipe = finetuning_recipe(model, **choices)
    return train(recipe, out, machine, observer=observer, verbose=verbose)


def finetuning_recipe(
    model: Model,
    *,
    bids_dir: Path,
    labels: Path,
    name: str = "",
    steps: int = 600,
    learning_rate: float = 5e-4,
    held_out: float = 0.0,
    seed: int = 1,
) -> Recipe:
    """Return the recipe that trains a model further.

    Parameters
    ----------
    model : Model
        To start from.
    bids_dir : Path
        The scans.
    labels : Path
        Folder with ``sub-*_desc-bgpvs_dseg``, each on the grid of its T2w.
    name : str
        Of the new model; empty means that of the old one with `-finetuned`.
    steps : int
        Of training.
    learning_rate : float
    held_out : float
        Share of the scans that is kept for validation.
    seed : int

    Raises
    ------
    UsageError
        If a folder is missing, a number is absurd, or the model is not one to train further.
    """
    from bgpvs_wf.evaluation.infants import Cohort, OwnInfants
    from bgpvs_wf.learning.data.augmentation import AugmentationConfig
    from bgpvs_wf.learning.training.loop import TrainingConfig
    from bgpvs_wf.learning.training.recipe import (
        GIVEN,
        CoarseConfig,
        FineConfig,
        HeadConfig,
        PVSConfig,
        Recipe,
        TrainingCohort,
        check_recipe,
    )

    for what, folder in (("The dataset", bids_dir), ("--labels", labels)):
        if not folder.is_dir():
            raise UsageError(f"{what} {folder} is no folder; correct the path.")
    infants = OwnInfants(
        bids_dir=bids_dir.expanduser().absolute(),
        truth=labels.expanduser().absolute(),
    )
    if len(model.fine[0]) < 2:
        raise UsageError(
            f"The model {model.name} has one network for nuclei and PVS, which is there to compare "
            "with; give another one to start from."
        )
    anatomy, pvs = (file.network for file in model.fine[0])
    recipe = Recipe(
        name=name or f"{model.name}-finetuned",
        strategy="manual",
        seed=seed,
        cohorts=(TrainingCohort(Cohort("labelled", infants, {}), GIVEN, held_out),),
        head=HeadConfig(model=str(model.folder) if model.head else ""),
        coarse=CoarseConfig(model=str(model.folder)),
        fine=dataclasses.replace(
            FineConfig(),
            filters=anatomy.filters,
            steps=steps,
            members=len(model.fine),
            start=str(model.folder),
        ),
        pvs=dataclasses.replace(
            PVSConfig(), filters=pvs.filters, steps=steps, start=str(model.folder)
        ),
        training=TrainingConfig(learning_rate=learning_rate),
        augmentation=AugmentationConfig(),
        coarse_augmentation=AugmentationConfig(),
        # A hand draws what is basal ganglia; which nucleus it is, the model says.
        settings={"segmentation": "model", "predict": {"model": str(model.folder)}},
    )
    check_recipe(recipe)
    return recipe
