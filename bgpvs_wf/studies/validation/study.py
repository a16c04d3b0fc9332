"""Validate on a lab's own scans: find the nuclei, put tubes in, run, score, answer."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.record import describe
from bgpvs_wf.errors import BadImageError, BadLabelsError, BGPVSError
from bgpvs_wf.studies.cohort import run_both_levels
from bgpvs_wf.studies.datasets.once import jobs_here, make_once, tell_case
from bgpvs_wf.studies.datasets.sources import hybrid_sources
from bgpvs_wf.studies.observer import Observer
from bgpvs_wf.studies.validation.answer import PAGE, find_answer
from bgpvs_wf.studies.validation.plan import Plan

if TYPE_CHECKING:
    from bgpvs_wf.bids.inputs import SubjectInputs
    from bgpvs_wf.phantom.hybrid_dataset import Nuclei


@dataclass(frozen=True)
class Validation:
    """What a validation came to."""

    answer: tuple[str, ...]
    """What is seen, and how far off volumes and counts are, in lines."""
    problems: tuple[str, ...]
    """A line for each scan that was not scored."""
    failures: tuple[str, ...]
    """A line for each scan that was left out or could not be run."""
    page: Path

    @property
    def complete(self) -> bool:
        """Whether everything ran and was scored."""
        return not self.failures and not self.problems


def validate(
    plan: Plan,
    machine: Mapping[str, Any],
    *,
    observer: Observer | None = None,
    verbose: int = 0,
) -> Validation:
    """Put tubes into scans, run the pipeline on them, and answer in lines and on a page.

    Parameters
    ----------
    plan : Plan
    machine : mapping
        Settings of `RunConfig` that say where and how it runs; `nprocs` and `work_dir` are there
        (see `bgpvs_wf.studies.process.machine_for_scoring`).
    observer : Observer, optional
    verbose : int
        As for `bgpvs_wf.studies.cohort.run_cohort`.

    Raises
    ------
    UsageError
        If a folder or participant is not there.
    BGPVSError
        If no scan at all can be used or measured.
    """
    from bgpvs_wf.engine.resources import require_writable
    from bgpvs_wf.phantom.hybrid_dataset import find_nuclei

    observer = observer or Observer()
    scans, failures = _scans(plan, machine["work_dir"], observer)
    nuclei = find_nuclei(plan.bids_dir, plan.derivatives, plan.hybrids, plan.participants)
    given = all(scan.label in nuclei for scan in scans)
    require_writable(plan.out, "output folder")
    if not given:
        found, problems = _find_nuclei(plan, scans, nuclei, machine, observer, verbose)
        nuclei = found | nuclei
        failures += [line for line in problems if line not in failures]
    usable, without = _usable(plan, scans, nuclei, failures, observer)
    left_out = [*failures, *without]
    _make_hybrids(plan, usable, nuclei, jobs_here(machine["nprocs"]), observer)
    unfinished, problems = _run_hybrids(plan, given, machine, observer, verbose)
    found_out = find_answer(plan, len(usable), given, left_out, unfinished, observer)
    return Validation(
        answer=tuple(found_out["answer"]),
        problems=tuple(found_out["problems"]),
        failures=(*left_out, *problems),
        page=plan.out / PAGE,
    )


def _scans(
    plan: Plan, work_dir: Path, observer: Observer
) -> tuple[tuple[SubjectInputs, ...], list[str]]:
    """Return the scans, and a line for each that cannot be used."""
    from bgpvs_wf.bids.query import find_subjects

    config = RunConfig(
        bids_dir=plan.bids_dir,
        output_dir=plan.hybrids,
        work_dir=work_dir,
        participant_label=plan.participants,
    )
    cohort = find_subjects(config)
    if not cohort.subjects:
        raise BGPVSError(f"No scan can be used: {cohort.problems[0].message}")
    left_out = [
        f"{problem.label}: {problem.message.removeprefix(f'{problem.label} ')}"
        for problem in cohort.problems
    ]
    observer.say(*(f"Left out: {line}" for line in left_out))
    return cohort.subjects, left_out


def _find_nuclei(
    plan: Plan,
    scans: Sequence[SubjectInputs],
    given: Mapping[str, Nuclei],
    machine: Mapping[str, Any],
    observer: Observer,
    verbose: int,
) -> tuple[dict[str, Nuclei], list[str]]:
    """Run the pipeline on the scans whose nuclei are not given; return also what failed."""
    from bgpvs_wf.phantom.hybrid_dataset import find_nuclei

    lacking = sorted({scan.subject for scan in scans if scan.label not in given})
    observer.say(f"Looking for the nuclei in {len(lacking)} subject{'s' * (len(lacking) != 1)} ...")
    out = plan.out / "nuclei"
    # Without the derivatives: what is found is to be on the grid of the scans themselves.
    anatomy = {"source": plan.finds_nuclei_by}
    config = _run_config(plan, machine, plan.bids_dir, out, lacking, anatomy)
    report, failures = run_both_levels(config, observer, verbose)
    if not out.is_dir():
        return {}, failures
    found = find_nuclei(plan.bids_dir, {"nuclei": out}, plan.hybrids, lacking)
    done = {*report.labels("done"), *report.finished_before}
    return {label: where for label, where in found.items() if label in done}, failures


def _usable(
    plan: Plan,
    scans: Sequence[SubjectInputs],
    nuclei: Mapping[str, Nuclei],
    failures: Sequence[str],
    observer: Observer,
) -> tuple[list[SubjectInputs], list[str]]:
    """Return the scans of all subjects with nuclei in each session, and a line for each other."""
    lacking = {scan.label: scan.subject for scan in scans if scan.label not in nuclei}
    causes = {line.partition(":")[0]: line for line in failures}
    usable = [scan for scan in scans if scan.subject not in lacking.values()]
    if not usable:
        told = [causes[label] for label in lacking if label in causes]
        cause = f" ({told[0].rstrip('.')})" if told else ""
        raise BGPVSError(
            f"No nuclei were found in the scans of {plan.bids_dir}{cause}; "
            "give another --atlas, or the nuclei with --derivatives."
        )
    left_out = []
    for scan in scans:
        if scan.label in lacking and scan.label not in causes:
            left_out.append(f"{scan.label}: no nuclei were found.")
        elif scan.subject in lacking.values() and scan.label not in lacking:
            left_out.append(f"{scan.label}: another session of it has no nuclei.")
    observer.say(*(f"Left out: {line}" for line in left_out))
    return usable, left_out


def _make_hybrids(
    plan: Plan,
    scans: Sequence[SubjectInputs],
    nuclei: Mapping[str, Nuclei],
    jobs: int,
    observer: Observer,
) -> None:
    made_from = describe(
        {
            "onto": plan.bids_dir,
            "cases": plan.cases,
            "seed": plan.seed,
            "diameters_mm": plan.diameters_mm,
            "fill": plan.fill,
        },
        inputs=hybrid_sources(plan.bids_dir, scans, nuclei),
    )
    subjects = sorted({scan.subject for scan in scans})
    make = functools.partial(_insert_tubes, plan, subjects, nuclei, jobs, observer)
    try:
        make_once(plan.hybrids, made_from, make, observer)
    except (BadImageError, BadLabelsError) as error:
        raise type(error)(f"{error} Or leave it out with --participant-label.") from error


def _insert_tubes(
    plan: Plan,
    subjects: Sequence[str],
    nuclei: Mapping[str, Nuclei],
    jobs: int,
    observer: Observer,
    out: Path,
) -> None:
    from bgpvs_wf.phantom.hybrid_dataset import hybrid_dataset

    hybrid_dataset(
        plan.bids_dir,
        nuclei,
        out,
        participants=subjects,
        cases_per_scan=plan.cases,
        seed=plan.seed,
        diameters_mm=plan.diameters_mm,
        fill=plan.fill,
        jobs=jobs,
        on_case=functools.partial(tell_case, observer),
    )


def _run_hybrids(
    plan: Plan, given: bool, machine: Mapping[str, Any], observer: Observer, verbose: int
) -> tuple[list[str], list[str]]:
    """Run the pipeline on the hybrids; return who is not done, and what failed."""
    observer.say("Running the pipeline on the scans with tubes ...")
    # The given nuclei of a scan are in the truth of its hybrids, which have labels of their own.
    anatomy = {"source": "derivatives" if given else plan.finds_nuclei_by}
    derivatives = {"truth": plan.truth} if given else {}
    config = _run_config(plan, machine, plan.hybrids, plan.results, (), anatomy, derivatives)
    report, failures = run_both_levels(config, observer, verbose)
    if not report.labels("done") and not report.finished_before:
        raise BGPVSError(f"No scan with tubes could be measured: {failures[0]}")
    return [o.label for o in report.outcomes if o.state != "done"], failures


def _run_config(
    plan: Plan,
    machine: Mapping[str, Any],
    bids_dir: Path,
    out: Path,
    participants: Sequence[str],
    anatomy: Mapping[str, Any],
    derivatives: Mapping[str, Path] | None = None,
) -> RunConfig:
    return RunConfig.from_mapping(
        {
            **plan.settings,
            **machine,
            "bids_dir": bids_dir,
            "output_dir": out,
            "work_dir": machine["work_dir"] / "validate" / out.name,
            "participant_label": participants,
            "derivatives": derivatives or {},
            "anatomy": {**anatomy, "atlases": plan.atlases},
        }
    )
