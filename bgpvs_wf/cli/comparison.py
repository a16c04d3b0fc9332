"""Run an experiment: make the cohorts, run the strategies, score them, put all in one table."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from bgpvs_wf.cli.cohort_scores import PAGE, score_cohort
from bgpvs_wf.cli.cohorts import Dataset, check_cohort, make_cohort
from bgpvs_wf.cli.levels import run_both_levels
from bgpvs_wf.cli.terminal import say
from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.evaluation.across import (
    COMPARISON_FILE,
    CohortScores,
    comparison_table,
    describe_columns,
)
from bgpvs_wf.evaluation.experiment import Experiment, read_experiment
from bgpvs_wf.evaluation.infants import Cohort

_SHARED = ("prepare", "anatomy", "random_seed")
"""Settings of the stages that strategies share."""


def compare(path: Path, out: Path, machine: Mapping[str, Any], verbose: int = 0) -> int:
    """Run an experiment; return the exit status.

    Parameters
    ----------
    path : Path
        See `bgpvs_wf.evaluation.experiment.read_experiment`.
    out : Path
        Where datasets, results, `comparison.tsv` and `comparison.html` go.
    machine : mapping
        Settings of `RunConfig` that say where and how it runs; `nprocs` and `work_dir` are there.
    verbose : int

    Raises
    ------
    UsageError
        If the experiment is wrong, or needs what is not there. What goes wrong later is told,
        and stops no other strategy or cohort.
    """
    from bgpvs_wf.engine.resources import require_writable

    experiment = read_experiment(path)
    for cohort in experiment.cohorts:
        check_cohort(cohort, {"output": out, "work": machine["work_dir"]})
    require_writable(out, "output folder")
    scores: list[CohortScores] = []
    failures: list[str] = []
    for cohort in experiment.cohorts:
        try:
            one, incomplete = _run_cohort(experiment, cohort, out, machine, verbose)
        except BGPVSError as error:
            failures.append(f"{cohort.name}: {error}")
            say(f"Failed: {error}")
            continue
        if one is not None:
            scores.append(one)
        failures += [f"{cohort.name}, {text}" for text in incomplete]
    if scores:
        _write(experiment, scores, out, path.stem, failures)
    if failures:
        say("", "Failed; run the same command again to go on:", *(f"  {x}" for x in failures))
    return 1 if failures or any(one.problems for one in scores) else 0


def _run_cohort(
    experiment: Experiment, cohort: Cohort, out: Path, machine: Mapping[str, Any], verbose: int
) -> tuple[CohortScores | None, list[str]]:
    """Make, run and score a cohort; return also what is not complete.

    A strategy that cannot run at all is not scored, the others are; None if none can run.
    """
    say("", f"Cohort {cohort.name}")
    folder = out / cohort.name
    dataset = make_cohort(cohort, folder, machine["nprocs"])
    unfinished: dict[str, Collection[str]] = {}
    incomplete: list[str] = []
    for strategy in experiment.strategies:
        say(f"Strategy {strategy} on {cohort.name}")
        try:
            config = _run_config(experiment, cohort, strategy, dataset, out, machine)
            report, problems = run_both_levels(config, verbose)
        except BGPVSError as error:
            say(f"Failed: {error}")
            incomplete.append(f"{strategy}: {error}")
            continue
        unfinished[strategy] = [o.label for o in report.outcomes if o.state != "done"]
        incomplete += [f"{strategy}, {line}" for line in problems]
    if not unfinished:
        return None, incomplete
    return score_cohort(experiment, cohort, dataset, folder, unfinished), incomplete


def _run_config(
    experiment: Experiment,
    cohort: Cohort,
    strategy: str,
    dataset: Dataset,
    out: Path,
    machine: Mapping[str, Any],
) -> RunConfig:
    """Return the configuration of a run.

    Strategies that agree on the stages before the labels have one work folder: what the first of
    them made there, Nipype takes for the others. So a cohort is registered once, and all see the
    same images and the same anatomy (of which the nuclei in the results are but a part).
    """
    settings = experiment.run_settings(cohort, strategy)
    shared = {key: settings.get(key) for key in _SHARED}
    first = next(
        name
        for name in experiment.strategies
        if {key: experiment.run_settings(cohort, name).get(key) for key in _SHARED} == shared
    )
    return RunConfig.from_mapping(
        {
            **settings,
            **machine,
            "bids_dir": dataset.bids_dir,
            "output_dir": out / cohort.name / strategy,
            "work_dir": machine["work_dir"] / cohort.name / first,
            "derivatives": dataset.derivatives,
        }
    )


def _write(
    experiment: Experiment,
    scores: Sequence[CohortScores],
    out: Path,
    title: str,
    failures: Sequence[str],
) -> None:
    """Write the table and the page of all cohorts, and print the table."""
    from bgpvs_wf.imaging.files import write_json, write_table
    from bgpvs_wf.reports.comparison import write_comparison_page

    table = comparison_table(scores)
    path = write_table(table, out / COMPARISON_FILE)
    write_json(describe_columns(table.columns), path.with_suffix(".json"))
    page = write_comparison_page(
        scores,
        out / "comparison.html",
        title=re.sub(r"[-_]+", " ", title).capitalize(),
        proposed=experiment.proposed,
        pages={one.cohort: f"{one.cohort}/evaluation/{PAGE}" for one in scores},
        warnings=[*failures, *(f"{one.cohort}: {note}" for one in scores for note in one.notes)],
    )
    say("", f"Mean ± SD; p: against {experiment.proposed}, Wilcoxon signed-rank, Holm-corrected")
    for one in scores:
        say("", one.heading, one.table.set_index("method").T.to_string())
        say(*one.notes, *(f"Not scored: {problem}" for problem in one.problems))
    say("", f"Table: {path}", f"Page: {page}")
