"""Run an experiment: make the cohorts, run the strategies, score them, put all in one table."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.evaluation.experiment import Experiment, read_experiment
from bgpvs_wf.evaluation.infants import Cohort
from bgpvs_wf.evaluation.multi_cohort import (
    COMPARISON_FILE,
    CohortScores,
    comparison_table,
    describe_columns,
)
from bgpvs_wf.studies.cohort import run_both_levels
from bgpvs_wf.studies.datasets.cohorts import Dataset, check_cohort, make_cohort
from bgpvs_wf.studies.observer import Observer
from bgpvs_wf.studies.scores import PAGE, score_cohort

_SHARED = ("prepare", "anatomy", "random_seed")
"""Settings of the stages that strategies share."""


@dataclass(frozen=True)
class Comparison:
    """What an experiment came to."""

    proposed: str
    """The strategy that the others are compared with."""
    scores: tuple[CohortScores, ...]
    """Of each cohort that could be scored."""
    failures: tuple[str, ...]
    """A line for each run, or cohort, that is not complete."""
    table: Path | None = None
    """Of all cohorts; None, as the page, if none could be scored."""
    page: Path | None = None

    @property
    def complete(self) -> bool:
        """Whether everything ran and was scored."""
        return not self.failures and not any(one.problems for one in self.scores)


def compare(
    path: Path,
    out: Path,
    machine: Mapping[str, Any],
    *,
    observer: Observer | None = None,
    verbose: int = 0,
) -> Comparison:
    """Run an experiment.

    Parameters
    ----------
    path : Path
        See `bgpvs_wf.evaluation.experiment.read_experiment`.
    out : Path
        Where datasets, results, `comparison.tsv` and `comparison.html` go.
    machine : mapping
        Settings of `RunConfig` that say where and how it runs; `nprocs` and `work_dir` are there
        (see `bgpvs_wf.studies.process.machine_for_scoring`).
    observer : Observer, optional
    verbose : int
        As for `bgpvs_wf.studies.cohort.run_cohort`.

    Raises
    ------
    UsageError
        If the experiment is wrong, or needs what is not there. What goes wrong later is told,
        and stops no other strategy or cohort.
    """
    from bgpvs_wf.engine.resources import require_writable

    observer = observer or Observer()
    experiment = read_experiment(path)
    for cohort in experiment.cohorts:
        check_cohort(cohort, {"output": out, "work": machine["work_dir"]})
    require_writable(out, "output folder")
    scores: list[CohortScores] = []
    failures: list[str] = []
    for cohort in experiment.cohorts:
        try:
            one, incomplete = _run_cohort(experiment, cohort, out, machine, observer, verbose)
        except BGPVSError as error:
            failures.append(f"{cohort.name}: {error}")
            observer.say(f"Failed: {error}")
            continue
        if one is not None:
            scores.append(one)
        failures += [f"{cohort.name}, {text}" for text in incomplete]
    places = _write(experiment, scores, out, path.stem, failures) if scores else ()
    return Comparison(experiment.proposed, tuple(scores), tuple(failures), *places)


def _run_cohort(
    experiment: Experiment,
    cohort: Cohort,
    out: Path,
    machine: Mapping[str, Any],
    observer: Observer,
    verbose: int,
) -> tuple[CohortScores | None, list[str]]:
    """Make, run and score a cohort; return also what is not complete.

    A strategy that cannot run at all is not scored, the others are; None if none can run.
    """
    observer.say("", f"Cohort {cohort.name}")
    folder = out / cohort.name
    dataset = make_cohort(cohort, folder, machine["nprocs"], observer)
    unfinished: dict[str, Collection[str]] = {}
    incomplete: list[str] = []
    for strategy in experiment.strategies:
        observer.say(f"Strategy {strategy} on {cohort.name}")
        try:
            config = _run_config(experiment, cohort, strategy, dataset, out, machine)
            report, problems = run_both_levels(config, observer, verbose)
        except BGPVSError as error:
            observer.say(f"Failed: {error}")
            incomplete.append(f"{strategy}: {error}")
            continue
        unfinished[strategy] = [o.label for o in report.outcomes if o.state != "done"]
        incomplete += [f"{strategy}, {line}" for line in problems]
    if not unfinished:
        return None, incomplete
    scores = score_cohort(experiment, cohort, dataset, folder, unfinished, observer)
    return scores, incomplete


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
) -> tuple[Path, Path]:
    """Write the table and the page of all cohorts."""
    from bgpvs_wf.imaging.files import write_json, write_table
    from bgpvs_wf.reports.experiment_page import write_comparison_page

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
    return path, page
