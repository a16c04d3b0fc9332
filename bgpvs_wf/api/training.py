"""Models, made and judged: training, finetuning, scores, comparisons, validation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bgpvs_wf.paths import PathLike, check_path
from bgpvs_wf.studies.observer import Observer

if TYPE_CHECKING:
    from bgpvs_wf.evaluation.score_tables import EvaluationTables
    from bgpvs_wf.learning.training.recipe import Recipe
    from bgpvs_wf.studies.comparison import Comparison
    from bgpvs_wf.studies.training import Training
    from bgpvs_wf.studies.validation.study import Validation


def train(
    recipe: Recipe | PathLike, out: PathLike, *, observer: Observer | None = None, **machine: Any
) -> Training:
    """Train a model by a recipe and write it to ``out/model``, as `bgpvs-wf train` does.

    Parameters
    ----------
    recipe : Recipe or path
        See docs/how-to/training.md.
    out : path
        Of model, cases, checkpoints, logs. The same call goes on after an interruption.
    observer : Observer, optional
    **machine
        Settings of `RunConfig` that say where and how it runs: `nprocs`, `work_dir`, `plugin`, ...
    """
    from bgpvs_wf.learning.training.recipe import Recipe, read_recipe
    from bgpvs_wf.studies.process import machine_for_scoring
    from bgpvs_wf.studies.training import train as study

    read = recipe if isinstance(recipe, Recipe) else read_recipe(check_path(recipe, "recipe"))
    folder = check_path(out, "out").absolute()
    settings, _ = machine_for_scoring(machine, folder)
    return study(read, folder, settings, observer=observer)


def finetune(
    bids_dir: PathLike,
    out: PathLike,
    *,
    labels: PathLike,
    model: PathLike = "",
    observer: Observer | None = None,
    machine: Mapping[str, Any] | None = None,
    **choices: Any,
) -> Training:
    """Train a model further on labels drawn by hand, as `bgpvs-wf finetune` does.

    Parameters
    ----------
    bids_dir : path
        The scans.
    out : path
        Of model, cases, checkpoints, logs.
    labels : path
        Folder with ``sub-*_desc-bgpvs_dseg``: 0 rest, 1 basal ganglia, 2 PVS.
    model : path or str
        To start from; default: the one in the box.
    observer : Observer, optional
    machine : mapping, optional
        As for `train`.
    **choices
        `name`, `steps`, `learning_rate`, `held_out`, `seed`; see
        `bgpvs_wf.studies.finetuning.finetuning_recipe`.
    """
    from bgpvs_wf.learning.models.bundle import find_model
    from bgpvs_wf.studies.finetuning import finetune as study
    from bgpvs_wf.studies.process import machine_for_scoring

    folder = check_path(out, "out").absolute()
    settings, _ = machine_for_scoring(machine or {}, folder)
    return study(
        find_model(os.fspath(model)),
        folder,
        settings,
        bids_dir=check_path(bids_dir, "bids_dir").absolute(),
        labels=check_path(labels, "labels").absolute(),
        observer=observer,
        **choices,
    )


def evaluate(
    reference: PathLike,
    predictions: Mapping[str, PathLike],
    *,
    out: PathLike | None = None,
    proposed: str | None = None,
    seed: int = 0,
) -> EvaluationTables:
    """Score segmentations of a cohort against a reference, as `bgpvs-wf evaluate` does.

    Parameters
    ----------
    reference : path
        Folder with ``sub-*_desc-bgpvs_dseg.nii.gz``, or ``desc-nuclei_dseg`` for the BG alone.
    predictions : mapping of str to path
        Name of a method to the folder of its results.
    out : path, optional
        Where tables and page go; default: nothing is written.
    proposed : str, optional
        Method that the others are compared with.
    seed : int
        Of the resampling.
    """
    from bgpvs_wf.evaluation import evaluate as score
    from bgpvs_wf.evaluation import write_tables
    from bgpvs_wf.reports.evaluation_page import write_evaluation_page

    folders = {name: check_path(path, name) for name, path in predictions.items()}
    known = check_path(reference, "reference")
    tables = score(known, folders, proposed=proposed, seed=seed)
    if out is not None:
        folder = check_path(out, "out")
        write_tables(tables, folder)
        settings = {
            "Reference": str(known),
            **{f"Prediction {name}": str(path) for name, path in folders.items()},
            "Seed": str(seed),
        }
        write_evaluation_page(tables, folder, title="Evaluation", settings=settings)
    return tables


def compare(
    experiment: PathLike, out: PathLike, *, observer: Observer | None = None, **machine: Any
) -> Comparison:
    """Run and score strategies on cohorts of known truth, as `bgpvs-wf compare` does.

    Parameters
    ----------
    experiment : path
        A TOML file; see docs/how-to/comparing.md.
    out : path
        Of datasets, results, tables and page.
    observer : Observer, optional
    **machine
        As for `train`.
    """
    from bgpvs_wf.studies.comparison import compare as study
    from bgpvs_wf.studies.process import machine_for_scoring

    folder = check_path(out, "out").absolute()
    settings, _ = machine_for_scoring(machine, folder)
    return study(check_path(experiment, "experiment"), folder, settings, observer=observer)


def validate(
    bids_dir: PathLike,
    out: PathLike,
    *,
    observer: Observer | None = None,
    machine: Mapping[str, Any] | None = None,
    **choices: Any,
) -> Validation:
    """Find out what is seen on your own scanner, as `bgpvs-wf validate` does.

    Parameters
    ----------
    bids_dir : path
        Your scans; read only.
    out : path
        Of scans with known tubes, and of what is found in them.
    observer : Observer, optional
    machine : mapping, optional
        As for `train`.
    **choices
        `participants`, `cases`, `seed`, `derivatives`, `atlases`, `settings`; see
        `bgpvs_wf.studies.validation.plan.Plan`.
    """
    from bgpvs_wf.studies.process import machine_for_scoring
    from bgpvs_wf.studies.validation.plan import Plan
    from bgpvs_wf.studies.validation.study import validate as study

    folder = check_path(out, "out").absolute()
    settings, _ = machine_for_scoring(machine or {}, folder)
    plan = Plan(bids_dir=check_path(bids_dir, "bids_dir").absolute(), out=folder, **choices)
    return study(plan, settings, observer=observer)
