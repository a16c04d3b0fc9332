"""Train a model: the cases of a recipe, then its networks, watched while they learn."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bgpvs_wf.cli.cohorts import check_cohort
from bgpvs_wf.cli.terminal import say
from bgpvs_wf.cli.training_cases import make_cases
from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import BGPVSError, ModelError, UsageError
from bgpvs_wf.learning.recipe import Recipe

_POLL_SECONDS = 1.0
_LINE_SECONDS = 60.0
"""Where the output is no terminal a line is written this often."""


def train(recipe: Recipe, out: Path, machine: Mapping[str, Any], verbose: int = 0) -> int:
    """Train a model and write it to ``OUT/model``; return the exit status.

    The same command goes on after an interruption: cases that are there are not made again, and a
    training goes on from its last checkpoint.

    Parameters
    ----------
    recipe : Recipe
    out : Path
    machine : mapping
        Settings of `RunConfig` that say where and how it runs; `nprocs` and `work_dir` are there.
    verbose : int

    Raises
    ------
    BGPVSError
        If there is nothing to learn from, or the training fails.
    """
    from bgpvs_wf.bids.derivatives import logs_path
    from bgpvs_wf.engine.logs import RunLogs, logged_to
    from bgpvs_wf.engine.plugins import runs_here
    from bgpvs_wf.engine.resources import require_writable

    _check(recipe, out, machine)
    require_writable(out, "output folder")
    cases = make_cases(recipe, out, machine, verbose)
    say(
        "",
        f"Learning from {len(cases.training)} cases; {len(cases.held_out)} held out.",
    )
    config = RunConfig(bids_dir=out, output_dir=out, stop_on_first_crash=True, **machine)
    if runs_here(config.plugin):
        # One network learns after the other, with all processors, in this process.
        config = dataclasses.replace(config, plugin="Linear")
    logs = RunLogs.create(logs_path(out), _settings(recipe))
    with logged_to(logs.log_file, verbose=verbose > 1), _watched(out / "training"):
        model = _run(recipe, cases.training, cases.held_out, out, config, logs)
    say(f"Model: {model}", f"Use it: bgpvs-wf run BIDS_DIR OUT_DIR --model {model}")
    if cases.problems:
        say("", "Not learnt from:", *(f"  {line}" for line in cases.problems))
    return 1 if cases.problems else 0


def _check(recipe: Recipe, out: Path, machine: Mapping[str, Any]) -> None:
    """Make sure that cohorts and models are there, before hours are spent and files written."""
    from bgpvs_wf.learning.bundle import find_model, head_file
    from bgpvs_wf.learning.recipe_tables import find_maps

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

    from bgpvs_wf.learning.recipe import to_mapping

    return tomli_w.dumps(to_mapping(recipe))


@contextlib.contextmanager
def _watched(folder: Path) -> Iterator[None]:
    """Show how far the trainings below a folder are, from what they write there."""
    end = threading.Event()
    watch = _show_bar if sys.stdout.isatty() else _write_lines
    watcher = threading.Thread(target=watch, args=(folder, end), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        end.set()
        watcher.join()


def _running(folder: Path, since: float) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give the name and state of each training that was written about since a time."""
    from bgpvs_wf.learning.monitor import FILE, read_monitor

    for path in sorted(folder.glob(f"*/*/{FILE}")):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime >= since and (state := read_monitor(path)):
                yield path.parent.parent.name, state


def _show_bar(folder: Path, end: threading.Event) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    since = time.time()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Bars(*columns) as bars:
        shown: dict[str, Any] = {}
        while True:
            last = end.wait(_POLL_SECONDS)
            for name, state in _running(folder, since):
                if name not in shown:
                    shown[name] = bars.add_task(name, total=state["steps"], state="")
                bars.update(shown[name], completed=state["step"], state=describe_state(state))
            if last:
                return


def _write_lines(folder: Path, end: threading.Event) -> None:
    since = time.time()
    told: dict[str, int] = {}
    pause = 2.0  # the first line soon, to show that something happens
    while True:
        last = end.wait(pause)
        pause = _LINE_SECONDS if told else pause
        for name, state in _running(folder, since):
            if told.get(name) != state["step"]:
                told[name] = state["step"]
                say(f"  {name}: step {state['step']} of {state['steps']}, {describe_state(state)}")
        if last:
            return


def describe_state(state: Mapping[str, Any]) -> str:
    """Return loss, last scores and the time left of a training, in words.

    Examples
    --------
    >>> describe_state({"loss": 0.5, "seconds_left": 90, "scores": {"step": 2, "bg_dice": 0.9}})
    'loss 0.500, bg_dice 0.900, 2 min left'
    """
    numbers = {"loss": state["loss"], **state["scores"]}
    parts = [
        f"{key} n/a" if value is None else f"{key} {value:.3f}"
        for key, value in numbers.items()
        if key != "step"
    ]
    left = state.get("seconds_left")
    if left:
        parts.append(f"{left:.0f} s left" if left < 60 else f"{left / 60:.0f} min left")
    return ", ".join(parts)
