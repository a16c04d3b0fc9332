"""Make the training cases of a recipe: the infants, their labels, what the networks see of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.evaluation.case_files import BGPVS, IGNORE, OBJECTS, OCCUPANCY
from bgpvs_wf.learning.training.recipe import GIVEN, Recipe, TrainingCohort
from bgpvs_wf.studies.cohort import run_jobs
from bgpvs_wf.studies.datasets.cohorts import Dataset, make_cohort
from bgpvs_wf.studies.observer import Observer
from bgpvs_wf.tsv import read_tsv

if TYPE_CHECKING:
    from bgpvs_wf.bids.inputs import SubjectInputs
    from bgpvs_wf.engine.jobs import Job
    from bgpvs_wf.workflows.cases import GivenLabels


_LEARNT = (BGPVS, IGNORE, OCCUPANCY)
"""Kinds of files that are learnt from."""


@dataclass(frozen=True)
class Cases:
    """The files ``case.json`` to learn from, and those kept for validation."""

    training: tuple[Path, ...]
    held_out: tuple[Path, ...]
    problems: tuple[str, ...]
    """A line for each scan that could not be made a case."""


def make_cases(
    recipe: Recipe,
    folder: Path,
    machine: Mapping[str, Any],
    *,
    observer: Observer | None = None,
    verbose: int = 0,
) -> Cases:
    """Make all cases of a recipe that are not there.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        Datasets go to ``cohorts``, cases to ``cases`` in it.
    machine : mapping
        Settings of `RunConfig` that say where and how it runs.
    observer : Observer, optional
    verbose : int

    Raises
    ------
    UsageError
        If there is nothing to learn from.
    BGPVSError
        If a cohort cannot be made.
    """
    observer = observer or Observer()
    training: list[Path] = []
    held_out: list[Path] = []
    problems: list[str] = []
    for cohort in recipe.cohorts:
        name = cohort.cohort.name
        observer.say(f"Cohort {name}, labels: {cohort.labels}")
        dataset = make_cohort(cohort.cohort, folder / "cohorts" / name, machine["nprocs"], observer)
        made, missing = _make(recipe, cohort, dataset, folder, machine, observer, verbose)
        kept, left_out = split(made, cohort.held_out)
        training += kept
        held_out += left_out
        problems += [f"{name}, {line}" for line in missing]
    if not training:
        raise UsageError(_no_case(problems, observer))
    return Cases(tuple(training), tuple(held_out), tuple(problems))


def _no_case(problems: Sequence[str], observer: Observer) -> str:
    """Return why there is nothing to learn from; all reasons but the first are said before."""
    if not problems:
        return "There is no case to learn from: no scan has labels, and none failed."
    if len(problems) > 1:
        observer.say("Cannot be learnt from:", *(f"  {line}" for line in problems))
    others = f" ({len(problems)} such, listed above)" if len(problems) > 1 else ""
    return f"There is no case to learn from. {problems[0].rstrip('.')}{others}."


def split(cases: Sequence[Path], held_out: float) -> tuple[list[Path], list[Path]]:
    """Take a share of the cases out, evenly over their order; of few cases none.

    Examples
    --------
    >>> split([Path(c) for c in "abcdef"], 0.3)[1]
    [PosixPath('c'), PosixPath('f')]
    """
    count = math.floor(held_out * len(cases) + 0.5)
    chosen = {math.ceil((i + 1) * len(cases) / count) - 1 for i in range(count)}
    return (
        [case for i, case in enumerate(cases) if i not in chosen],
        [case for i, case in enumerate(cases) if i in chosen],
    )


def _make(
    recipe: Recipe,
    cohort: TrainingCohort,
    dataset: Dataset,
    folder: Path,
    machine: Mapping[str, Any],
    observer: Observer,
    verbose: int,
) -> tuple[list[Path], list[str]]:
    """Make a cohort's cases; return them, and a line for each that could not be made."""
    from bgpvs_wf.bids.query import find_subjects
    from bgpvs_wf.engine.jobs import Job
    from bgpvs_wf.learning.data.case import read_case
    from bgpvs_wf.workflows.cases import init_cases_wf

    name = cohort.cohort.name
    derivatives = dict(dataset.derivatives)
    if cohort.labels == GIVEN:
        derivatives["labels"] = dataset.known_truth
    out = folder / "cases" / f"{name}_{cohort.labels}"
    config = RunConfig.from_mapping(
        {
            **recipe.run_settings(cohort),
            **machine,
            "bids_dir": dataset.bids_dir,
            "output_dir": out,
            "work_dir": machine["work_dir"] / "cases" / name,
            "derivatives": derivatives,
        }
    )
    found = find_subjects(config)
    subjects = list(found.subjects)
    problems = [problem.message for problem in found.problems]
    labels = None
    if cohort.labels == GIVEN:
        labels = given_labels(dataset.known_truth)
        if not labels:
            raise UsageError(
                f"{dataset.known_truth} holds no labels; put them there as "
                "sub-X[_ses-Y]_desc-bgpvs_dseg.nii.gz."
            )
        known = {subject.label for subject in subjects} | {one.label for one in found.problems}
        problems += [
            f"{label}: there are labels, {given.bgpvs}, but no scan in {dataset.bids_dir}; name "
            "them as the scan, or remove them"
            for label, given in labels.items()
            if label not in known
        ]
        subjects = [subject for subject in subjects if subject.label in labels]
        _name_unchanged({one.label: labels[one.label] for one in subjects}, observer)
    jobs = [
        Job(subject, {"case": out / subject.label / "case.json"})
        for subject in _with_labels(subjects, labels)
    ]
    truth = None if labels is None else dataset.known_truth
    jobs, unusable = _usable(config, jobs, truth, observer)
    problems += unusable
    factory = functools.partial(init_cases_wf, folder=out, labels=labels)
    report = run_jobs(config, jobs, factory, observer=observer, verbose=verbose)
    failed = [o for o in report.outcomes if o.state != "done"]
    problems += [f"{o.label}: {o.failures[0].cause if o.failures else o.state}" for o in failed]
    lost = {out / o.label / "case.json" for o in failed}
    cases = []
    for job in jobs:
        case = job.outputs["case"]
        if case in lost:
            continue
        try:
            read_case(case)
            cases.append(case)
        except BGPVSError as error:
            problems.append(f"{job.label}: {error}")
    return cases, problems


def _usable(
    config: RunConfig, jobs: Sequence[Job], truth: Path | None, observer: Observer
) -> tuple[list[Job], list[str]]:
    """Return the jobs whose labels can be learnt from, and a line for each other.

    Those of finished cases were looked at when these were made.
    """
    from bgpvs_wf.engine.ledger import Ledger
    from bgpvs_wf.evaluation.case_files import find_cases

    if truth is None:
        return list(jobs), []
    ledger, files = Ledger.of(config.output_dir), find_cases(truth)
    usable, problems, without = [], [], []
    for job in jobs:
        subject = job.subject
        try:
            if ledger.reasons(config, subject, job.outputs):
                mine = files[subject.subject, subject.session]
                if not _has_pvs(subject, {kind: mine.get(kind, []) for kind in _LEARNT}):
                    without.append(job.label)
            usable.append(job)
        except BGPVSError as error:
            problems.append(f"{job.label}: {error}")
    if without:
        observer.say(f"Labels without any PVS (2), as where there are none: {', '.join(without)}.")
    return usable, problems


def _has_pvs(subject: SubjectInputs, files: Mapping[str, list[Path]]) -> bool:
    """Tell whether labels of a subject have PVS.

    Raises
    ------
    BGPVSError
        If they cannot be learnt from: unreadable, empty, on another grid than the image, with
        labels that nobody knows.
    """
    from bgpvs_wf.evaluation.case_files import read_reference
    from bgpvs_wf.imaging.files import check_labels_on_grid, load_image

    key = (subject.subject, subject.session)
    reference, labels = read_reference(key, dict(files), what="labels")
    try:
        home = load_image(subject.home_image)
    except BGPVSError:
        return True  # the subject's own workflow says so, and names the image
    check_labels_on_grid(labels, home, labels_path=files[BGPVS][0], image_path=subject.home_image)
    return reference.pvs is None or bool(reference.pvs.any())


def given_labels(folder: Path) -> dict[str, GivenLabels]:
    """Find the labels of all subjects in a folder.

    Returns
    -------
    dict of str to GivenLabels
        By ``sub-X[_ses-Y]``; those without ``desc-bgpvs_dseg`` are left out.
    """
    from bgpvs_wf.bids.inputs import label_of
    from bgpvs_wf.evaluation.case_files import find_cases
    from bgpvs_wf.workflows.cases import GivenLabels

    return {
        label_of(*key): GivenLabels(
            bgpvs=files[BGPVS][0],
            fluid=files[OCCUPANCY][0] if OCCUPANCY in files else None,
            ignore=files[IGNORE][0] if IGNORE in files else None,
            brightness=_brightness(files[OBJECTS][0]) if OBJECTS in files else None,
        )
        for key, files in find_cases(folder).items()
        if BGPVS in files
    }


def _brightness(table: Path) -> float | None:
    """Return how bright the fluid in PVS is by a table of them, where it says so."""
    rows = read_tsv(table)
    if not {"fill", "volume_mm3"} <= set(rows.columns) or not len(rows):
        return None
    fill, volumes = (rows.numbers(name, least=0) for name in ("fill", "volume_mm3"))
    known = np.isfinite(fill) & (volumes > 0)
    # Where it is not known of all, nobody knows it of the infant.
    return round(float(np.average(fill, weights=volumes)), 4) if known.all() else None


def _name_unchanged(labels: Mapping[str, GivenLabels], observer: Observer) -> None:
    """Say whose labels a model suggested and nobody changed: it would learn its own mistakes."""
    from bgpvs_wf.bids.suggested import is_as_suggested

    unchanged = [label for label, given in labels.items() if is_as_suggested(given.bgpvs)]
    if unchanged:
        observer.say(
            f"Labels just as suggest wrote them: {', '.join(unchanged)}. They are learnt from as "
            "the truth; delete those that nobody has looked at, and run again."
        )


def _with_labels(
    subjects: Sequence[SubjectInputs], labels: Mapping[str, GivenLabels] | None
) -> list[SubjectInputs]:
    """Tell the ledger which labels a subject has: new ones make a new case."""
    import dataclasses

    if labels is None:
        return list(subjects)
    return [dataclasses.replace(s, labels=labels[s.label].bgpvs) for s in subjects]
