"""Train a model: the cases of a recipe, then its networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import BGPVSError, ModelError, UsageError
from bgpvs_wf.learning.training.recipe import Recipe
from bgpvs_wf.studies.datasets.cohorts import check_cohort
from bgpvs_wf.studies.observer import Observer
from bgpvs_wf.studies.process import workflow_process
from bgpvs_wf.studies.training_cases import make_cases


@dataclass(frozen=True)
class Training:
    """What a training came to."""

    model: Path
    """The folder of the model."""
    problems: tuple[str, ...]
    """A line for each scan that was not learnt from."""


def train(
    recipe: Recipe,
    out: Path,
    machine: Mapping[str, Any],
    *,
    observer: Observer | None = None,
    verbose: int = 0,
) -> Training:
    """Train a model and write it to ``OUT/model``.

    The same call goes on after an interruption: cases that are there are not made again, and a
    training goes on from its last checkpoint.

    Parameters
    ----------
    recipe : Recipe
    out : Path
    machine : mapping
        Settings of `RunConfig` that say where and how it runs; `nprocs` and `work_dir` are there
        (see `bgpvs_wf.studies.process.machine_for_scoring`).
    observer : Observer, optional
    verbose : int
        As for `bgpvs_wf.studies.cohort.run_cohort`.

    Raises
    ------
    BGPVSError
        If there is nothing to learn from, or the training fails.
    """
    from bgpvs_wf.bids.derivatives import logs_path
    from bgpvs_wf.engine.logs import RunLogs, logged_to
    from bgpvs_wf.engine.plugins import runs_here
    from bgpvs_wf.engine.resources import require_writable

    observer = observer or Observer()
    _check(recipe, out, machine)
    require_writable(out, "output folder")
    cases = make_cases(recipe, out, machine, observer=observer, verbose=verbose)
    observer.say(
        "",
        f"Learning from {len(cases.training)} cases; {len(cases.held_out)} held out.",
    )
    config = RunConfig(bids_dir=out, output_dir=out, stop_on_first_crash=True, **machine)
    if runs_here(config.plugin):
        # One network learns after the other, with all processors, in this process.
        config = dataclasses.replace(config, plugin="Linear")
    logs = RunLogs.create(logs_path(out), _settings(recipe))
    with (
        workflow_process(config.threads),
        logged_to(logs.log_file, verbose=verbose > 1),
        observer.watch_training(out / "training"),
    ):
        model = _run(recipe, cases.training, cases.held_out, out, config, logs)
    return Training(model, cases.problems)


def _check(recipe: Recipe, out: Path, machine: Mapping[str, Any]) -> None:
    """Make sure that cohorts and models are there, before hours are spent and files written."""
    from bgpvs_wf.learning.models.bundle import find_model, head_file
    from bgpvs_wf.learning.training.recipe_tables import find_maps

    for cohort in recipe.cohorts:
        check_cohort(cohort.cohort, {"output": out, "work": machine["work_dir"]})
    if recipe.head.maps:
        find_maps(recipe.head)
    for setting, name in (
        ("head.model", recipe.head.model),
        ("head.start", recipe.head.start),
        ("coarse.model", recipe.coarse.model),
        ("coarse.start", recipe.coarse.start),
        ("fine.start", recipe.fine.start),
        ("pvs.start", recipe.pvs.start),
    ):
        try:
            model = find_model(name) if name else None
            if model is not None and setting.startswith("head."):
                head_file(model)
        except (ModelError, UsageError) as error:
            raise UsageError(f"{setting}: {error}") from error


def _run(
    recipe: Recipe,
    cases: tuple[Path, ...],
    held_out: tuple[Path, ...],
    out: Path,
    config: RunConfig,
    logs: Any,
) -> Path:
    """Run the workflow of the training; return the folder of the model."""
    from bgpvs_wf.engine.crashes import read_crashes
    from bgpvs_wf.engine.plugins import arguments_for, load_plugin, request_resources
    from bgpvs_wf.engine.runner import execution_settings
    from bgpvs_wf.workflows.train import init_train_wf

    workflow = init_train_wf(
        recipe,
        cases,
        held_out,
        folder=out,
        work_dir=config.work_dir,
        threads=config.threads,
    )
    workflow.config["execution"] |= {
        **execution_settings(config, logs.folder),
        "remove_unnecessary_outputs": "false",
    }
    metadata = out / "model" / "configs" / "metadata.json"
    # Nipype looks at its work folder and not at results.
    workflow.get_node("assemble").overwrite = None if metadata.is_file() else True
    request_resources(workflow, config.plugin, config.plugin_args)
    arguments = arguments_for(config, logs.log_file)
    try:
        workflow.run(plugin=load_plugin(config.plugin, arguments))
    except Exception as error:
        crashes = read_crashes(logs.folder)
        said = str(error) or type(error).__name__
        cause = crashes[0].cause if crashes else said.splitlines()[0]
        raise BGPVSError(
            f"The training failed: {cause} Details: {logs.folder}; run the same command again to "
            "go on."
        ) from error
    if not metadata.is_file():
        raise BGPVSError(f"The training ended without a model; see {logs.log_file}.")
    return out / "model"


def _settings(recipe: Recipe) -> str:
    """Return the recipe as TOML, to be kept beside the log."""
    import tomli_w

    from bgpvs_wf.learning.training.recipe import to_mapping

    return tomli_w.dumps(to_mapping(recipe))
