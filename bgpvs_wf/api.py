"""What the program does, called from Python: the verbs of the command line, and their results.

Nothing is printed; an `Observer` is told what goes on. What cannot be done raises a `BGPVSError`
with one line that says what is wrong, where, and what to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.config import BOTH_LEVELS, RunConfig
from bgpvs_wf.paths import check_path
from bgpvs_wf.studies.observer import Observer
from bgpvs_wf.studies.single import Segmentation, segment

if TYPE_CHECKING:
    from bgpvs_wf.engine.summary import Report
    from bgpvs_wf.evaluation.score_tables import EvaluationTables
    from bgpvs_wf.learning.training.recipe import Recipe
    from bgpvs_wf.studies.association import Association
    from bgpvs_wf.studies.comparison import Comparison
    from bgpvs_wf.studies.norms import CohortNorms
    from bgpvs_wf.studies.training import Training
    from bgpvs_wf.studies.validation.study import Validation

__all__ = [
    "Observer", "Segmentation", "associate", "compare", "evaluate", "finetune", "norms", "run",
    "segment", "simulate", "train", "validate",
]  # fmt: skip

PathLike = str | os.PathLike[str]


def run(
    config: RunConfig, *, levels: Sequence[str] = BOTH_LEVELS, observer: Observer | None = None
) -> Report:
    """Measure the infants of a BIDS dataset, as `bgpvs-wf run` does: with all files that it writes.

    Who is finished is left alone; a failure stops nobody else.

    Parameters
    ----------
    config : RunConfig
    levels : sequence of str
        `participant`, `group`, or both.
    observer : Observer, optional

    Returns
    -------
    Report
        Who is done, failed (`outcomes`) or in doubt (`warnings`), and where results are. Where the
        table of all could not be written, `group_error` says why.

    Raises
    ------
    UsageError
        If a folder cannot be used, or a participant is unknown.
    """
    from bgpvs_wf.studies.cohort import run_cohort

    return run_cohort(config, levels=levels, observer=observer)


def train(
    recipe: Recipe | PathLike, out: PathLike, *, observer: Observer | None = None, **machine: Any
) -> Training:
    """Train a model by a recipe and write it to ``out/model``, as `bgpvs-wf train` does.

    Parameters
    ----------
    recipe : Recipe or path
        See docs/training.md.
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
        A TOML file; see docs/benchmark.md.
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


def associate(
    results: PathLike,
    formula: str,
    *,
    groups: str = "",
    each: str = "",
    family: str = "auto",
    dataset: PathLike | None = None,
    out: PathLike | None = None,
    observer: Observer | None = None,
) -> Association:
    """Find out what goes with PVS in a cohort, as `bgpvs-wf associate` does.

    Parameters
    ----------
    results : path
        The output folder of a run.
    formula : str
        As ``pvs_volume ~ age + sex + bg_volume``; see docs/associating.md.
    groups : {'', 'subject', 'site'}
        What several rows are of; each then has a level of its own.
    each : {'', 'region'}
        A model of each region, or of the basal ganglia as a whole.
    family : {'auto', 'gaussian', 'negative-binomial'}
        `auto` takes `pvs_count` for a count.
    dataset : path, optional
        With ``participants.tsv``; default: the dataset that the results say they are of.
    out : path, optional
        Of tables and page; default: ``association`` in the results.
    observer : Observer, optional
    """
    from bgpvs_wf.studies.association import Question
    from bgpvs_wf.studies.association import associate as study

    question = Question(
        results=check_path(results, "results").absolute(),
        formula=formula,
        groups=groups,
        each=each,
        family=family,
        dataset=None if dataset is None else check_path(dataset, "dataset").absolute(),
        out=None if out is None else check_path(out, "out").absolute(),
    )
    return study(question, observer=observer)


def norms(
    results: PathLike,
    output: PathLike,
    *,
    dataset: PathLike | None = None,
    by: str | None = None,
    page: PathLike | None = None,
    seed: int = 0,
    observer: Observer | None = None,
) -> CohortNorms:
    """Make centile curves of a cohort, as `bgpvs-wf norms` does.

    Parameters
    ----------
    results : path
        Results of `run`, with the group level.
    output : path
        Where the norms go, JSON; a setting `norms` of other runs.
    dataset : path, optional
        Default: the dataset that the results say they are of.
    by : str, optional
        A column of the dataset, such as `sex`: each level has curves of its own.
    page : path, optional
        Where a page with the curves goes.
    seed : int
        Of the resampling.
    observer : Observer, optional
    """
    from bgpvs_wf.studies.norms import make_cohort_norms

    return make_cohort_norms(
        check_path(results, "results"),
        check_path(output, "output"),
        dataset=None if dataset is None else check_path(dataset, "dataset"),
        by=by,
        page=None if page is None else check_path(page, "page"),
        seed=seed,
        observer=observer,
    )


def simulate(
    out: PathLike,
    *,
    ages: Iterable[float | str],
    preset: str = "bcp",
    subjects: int | None = None,
    fill: tuple[float, float] | None = None,
    seed: int = 1,
    nprocs: int = 1,
) -> Path:
    """Make infants of known truth, a BIDS dataset, as `bgpvs-wf simulate` does.

    Parameters
    ----------
    out : path
    ages : iterable of float or str
        Weeks after conception; or text as ``"40w"``, ``"3m"`` from term. Taken in turn.
    preset : str
        How they are scanned: `dhcp`, `bcp` or `clinical`, or a file of a protocol.
    subjects : int, optional
        Default: one an age.
    fill : pair of float, optional
        Least and largest signal of the fluid in PVS, on its way from the nucleus (0) to a
        ventricle (1); each infant has about one of its own. Default: 0.75 to 1, as on the command
        line; that of real ones is 0.3 to 1.
    seed : int
    nprocs : int
        How many to make at a time.

    Returns
    -------
    Path
        The dataset; what is true of it is in ``derivatives/truth``.
    """
    from bgpvs_wf.anatomy.matching import parse_age
    from bgpvs_wf.phantom import simulate_dataset
    from bgpvs_wf.phantom.fill import FILL
    from bgpvs_wf.phantom.protocol import load_protocol
    from bgpvs_wf.settings import check_number, check_rising

    weeks = [parse_age(age) if isinstance(age, str) else float(age) for age in ages]
    bounds = [check_number(end, "fill", at_least=0.0, at_most=1.0) for end in fill or FILL]
    folder = check_path(out, "out").absolute()
    simulate_dataset(
        folder,
        n_subjects=len(weeks) if subjects is None else subjects,
        ages_weeks=weeks,
        seed=seed,
        protocol=load_protocol(preset),
        jobs=nprocs,
        fill=check_rising(bounds, "fill"),
    )
    return folder
