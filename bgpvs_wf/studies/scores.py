"""Score the strategies of an experiment on a cohort, unless nothing changed since."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.engine.record import Record, changes_since, describe, write_record
from bgpvs_wf.errors import TableError
from bgpvs_wf.evaluation.experiment import Experiment
from bgpvs_wf.evaluation.infants import Cohort, HybridInfants
from bgpvs_wf.studies.datasets.cohorts import Dataset
from bgpvs_wf.studies.datasets.sources import evaluated_files
from bgpvs_wf.studies.observer import Observer
from bgpvs_wf.tsv import read_tsv

if TYPE_CHECKING:
    import pandas as pd

    from bgpvs_wf.evaluation.multi_cohort import CohortScores

PAGE = "evaluation.html"
_PAPER = "evaluation_paper.tsv"
_MADE_FROM = "made_from.json"
_FOUND = {"infants": int, "scans": (int, None), "problems": [str, ...]}


def score_cohort(
    experiment: Experiment,
    cohort: Cohort,
    dataset: Dataset,
    folder: Path,
    unfinished: Mapping[str, Collection[str]],
    observer: Observer | None = None,
) -> CohortScores:
    """Score all strategies against the truth; write tables and page.

    Parameters
    ----------
    experiment : Experiment
    cohort : Cohort
    dataset : Dataset
    folder : Path
        Of the cohort: the results of a strategy are in the folder of its name, tables and page go
        to `evaluation`.
    unfinished : mapping of str to collection of str
        Strategy to the labels of those it did not finish: they are not scored. Nor is a strategy
        that is not in it.
    observer : Observer, optional

    Raises
    ------
    BGPVSError
        If nothing at all can be scored, or the folder cannot be written to.
    """
    from bgpvs_wf.evaluation.multi_cohort import CohortScores

    out = folder / "evaluation"
    truth = dataset.known_truth
    predictions = {name: folder / name for name in experiment.strategies if name in unfinished}
    made_from = describe(
        {
            "seed": experiment.seed,
            "proposed": experiment.proposed,
            "strategies": {name: experiment.run_settings(cohort, name) for name in predictions},
        },
        {"unfinished": {name: sorted(labels) for name, labels in unfinished.items()}},
        evaluated_files([truth, *predictions.values()]),
    )
    found = _found_before(out, made_from)
    if not found:
        (observer or Observer()).say(f"Scoring {cohort.name} ...")
        found = _evaluate(experiment, cohort, dataset, predictions, unfinished, out)
        write_record(made_from, out / _MADE_FROM, found)
    return CohortScores(
        cohort.name,
        found["infants"],
        cohort.nuclei_given,
        _read_paper(out / _PAPER),
        tuple(found["problems"]),
        found["scans"],
    )


def _evaluate(
    experiment: Experiment,
    cohort: Cohort,
    dataset: Dataset,
    predictions: Mapping[str, Path],
    unfinished: Mapping[str, Collection[str]],
    out: Path,
) -> dict[str, Any]:
    from bgpvs_wf.evaluation import evaluate, paper_table, write_tables
    from bgpvs_wf.evaluation.multi_cohort import HYBRIDS_NOTE, scan_of, without_unfinished
    from bgpvs_wf.imaging.files import write_table
    from bgpvs_wf.reports.evaluation_page import write_evaluation_page

    seed = experiment.seed
    proposed = experiment.proposed if experiment.proposed in predictions else None
    tables = evaluate(dataset.known_truth, predictions, proposed=proposed, seed=seed)
    tables = without_unfinished(tables, unfinished, seed)
    # What is remembered is not to outlive what it stands for.
    (out / _MADE_FROM).unlink(missing_ok=True)
    write_tables(tables, out)
    paper = paper_table(tables.summary, tables.comparison, tables.agreement)
    write_table(paper, out / _PAPER)
    infants = tables.cases[["subject", "session"]].drop_duplicates()
    hybrids = isinstance(cohort.infants, HybridInfants)
    scans = len({scan_of(label) for label in infants["subject"]}) if hybrids else None
    settings = {
        "Dataset": str(dataset.bids_dir),
        "Truth": str(dataset.truth),
        "Nuclei": "given" if cohort.nuclei_given else "found by the pipeline",
        "Seed": seed,
        **({} if scans is None else {"Scans": scans, "Hybrids": HYBRIDS_NOTE}),
        **{name: experiment.run_settings(cohort, name) for name in predictions},
    }
    write_evaluation_page(tables, out, title=cohort.name, settings=settings)
    return {"infants": len(infants), "scans": scans, "problems": list(tables.problems)}


def _found_before(out: Path, made_from: Record) -> Mapping[str, Any]:
    """Return what was found the last time; nothing if it was made from something else."""
    if not ((out / PAGE).is_file() and (out / _PAPER).is_file()):
        return {}
    _, found = changes_since(out / _MADE_FROM, made_from, _FOUND)
    try:
        _read_paper(out / _PAPER)
    except TableError:
        return {}  # damaged since: it is scored again
    return found


def _read_paper(path: Path) -> pd.DataFrame:
    import pandas as pd

    table = read_tsv(path)
    table.require(("method",))
    rows = [table.row(number) for number in range(len(table))]
    return pd.DataFrame(rows, columns=list(table.columns), dtype=str)
