"""`hybrid_dataset`: real scans with known perivascular spaces put in, as a BIDS dataset."""

from __future__ import annotations

import logging
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.errors import BadImageError, BadLabelsError, BGPVSError, UsageError
from bgpvs_wf.phantom.bids_folder import building, write_tables
from bgpvs_wf.phantom.dataset import run_all
from bgpvs_wf.phantom.fill import FILL
from bgpvs_wf.phantom.hybrid_case import HybridCase, Nuclei, Task, make_case
from bgpvs_wf.phantom.truth import TRUTH

__all__ = ["HybridCase", "Nuclei", "find_nuclei", "hybrid_dataset"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Failure:
    scan: str
    error: BGPVSError


def find_nuclei(
    bids_dir: Path,
    derivatives: Mapping[str, Path],
    out: Path,
    participants: Sequence[str] = (),
) -> dict[str, Nuclei]:
    """Find the nuclei of each subject and session of a dataset in derivatives.

    Parameters
    ----------
    bids_dir : Path
    derivatives : mapping
        Name to folder: a derivative dataset, such as the output of ``bgpvs-wf run``, or a folder
        in which files such as ``sub-01_desc-nuclei_dseg.nii.gz`` lie.
    out : Path
        Where the cases will go.
    participants : sequence of str
        Labels of the subjects to look at; none means all.

    Returns
    -------
    dict of str to Nuclei
        By `SubjectInputs.label`; those without are not in it.

    Raises
    ------
    UsageError
        See `bgpvs_wf.bids.query.find_subjects`.
    """
    return {
        inputs.label: Nuclei(inputs.dseg, inputs.dseg_table)
        for inputs in _scans(bids_dir, out, derivatives, participants)
        if inputs.dseg is not None
    }


def hybrid_dataset(
    bids_dir: str | os.PathLike[str],
    nuclei: Mapping[str, Nuclei],
    out: str | os.PathLike[str],
    *,
    cases_per_scan: int,
    seed: int,
    participants: Sequence[str] = (),
    n_tubes: int | None = None,
    diameters_mm: tuple[float, float] | None = None,
    fill: tuple[float, float] = FILL,
    jobs: int = 1,
    on_case: Callable[[HybridCase], None] | None = None,
    on_failure: Callable[[str], None] | None = None,
) -> Path:
    """Write hybrid cases of all scans of a BIDS dataset.

    Parameters
    ----------
    bids_dir : path-like
        T2w, T1w or both of each subject; the raw ones are taken.
    nuclei : mapping
        By ``sub-X`` or ``sub-X_ses-Y``; see `find_nuclei`. On the grid of the T2w.
    out : path-like
        A folder that is empty or not there yet. It is filled at the end, whole or not at all.
    cases_per_scan : int
        Each has other tubes.
    seed : int
        The same call writes the same bytes, however many `jobs`, and whatever other subjects
        there are.
    participants : sequence of str
        Labels of the subjects to take; none means all.
    n_tubes, diameters_mm, fill : optional
        See `bgpvs_wf.phantom.trees.draw_pvs`.
    jobs : int
        Cases made at a time, each in a process of its own.
    on_case : callable, optional
        Told of each case as it is done, in order.
    on_failure : callable, optional
        Told, in one line, of each scan that cannot be used; it is left out. Without this, the
        first such scan stops all.

    Returns
    -------
    Path
        Of the dataset. Case 3 of sub-01 is sub-01h03, of its session a sub-01sesah03; the images
        keep grid and type. ``derivatives/truth`` is as `bgpvs_wf.phantom.simulate_dataset` writes
        it, with ``desc-ignore_mask``: voxels that may be the scan's own spaces.

    Raises
    ------
    UsageError
        If a subject has no nuclei, the folder is not empty, a number is absurd, or two cases would
        have one label.
    BadImageError, BadLabelsError
        If a scan or its nuclei cannot be used; names the file. With `on_failure`, only if none can.
    BGPVSError
        If a worker is killed.
    """
    out = Path(out).expanduser().absolute()
    if cases_per_scan < 1 or jobs < 1 or seed < 0 or (n_tubes or 0) < 0:
        raise UsageError(
            f"{cases_per_scan} cases, {jobs} jobs, seed {seed}, {n_tubes} tubes asked for; "
            "cases and jobs are 1 or more, the others not negative."
        )
    bids_dir = Path(os.path.abspath(Path(bids_dir).expanduser()))
    scans = _scans(bids_dir, out, {}, participants)
    missing = [inputs.label for inputs in scans if inputs.label not in nuclei]
    if missing:
        raise UsageError(
            f"No nuclei of {', '.join(missing)} found for {bids_dir}; "
            "run `bgpvs-wf run` first and give its output with --derivatives."
        )
    cases = [
        (label, own_seed, inputs)
        for inputs in scans
        for label, own_seed in _cases(inputs, cases_per_scan, seed)
    ]
    _check_labels([label for label, _, _ in cases], bids_dir)
    with building(out) as partial:
        tasks = [
            Task(
                root=partial,
                bids_dir=bids_dir,
                label=label,
                inputs=inputs,
                nuclei=nuclei[inputs.label],
                seed=own_seed,
                n_tubes=n_tubes,
                diameters_mm=diameters_mm,
                fill=fill,
            )
            for label, own_seed, inputs in cases
        ]
        if on_failure:
            tasks = _make_those_possible(tasks, jobs, on_case, on_failure)
        else:
            run_all(make_case, tasks, jobs, on_case)
        _write_tables(partial, tasks, bids_dir)
    return out


def _scans(
    bids_dir: Path, out: Path, derivatives: Mapping[str, Path], participants: Sequence[str]
) -> tuple[SubjectInputs, ...]:
    from bgpvs_wf.bids.query import find_subjects
    from bgpvs_wf.config import RunConfig

    config = RunConfig(
        bids_dir=bids_dir,
        output_dir=out,
        work_dir=out,
        derivatives=derivatives,
        participant_label=tuple(participants),
    )
    cohort = find_subjects(config)
    for problem in cohort.problems:
        _log.warning("%s", problem.message)
    if not cohort.subjects:
        raise UsageError(f"{bids_dir} has no T2w and no T1w image; give a dataset with some.")
    return cohort.subjects


def _cases(inputs: SubjectInputs, count: int, seed: int) -> list[tuple[str, int]]:
    """Return the label and seed of each case of a scan."""
    # Without "ses" between, session 11 of subject 1 would be session 1 of subject 11.
    stem = f"{inputs.subject}ses{inputs.session}" if inputs.session else inputs.subject
    width = max(2, len(str(count)))
    own = zlib.crc32(inputs.label.encode())
    return [
        (
            f"{stem}h{i:0{width}d}",
            int(np.random.SeedSequence([seed, own, i]).generate_state(1)[0]),
        )
        for i in range(1, count + 1)
    ]


def _check_labels(labels: Sequence[str], bids_dir: Path) -> None:
    twice = sorted(label for label, count in Counter(labels).items() if count > 1)
    if twice:
        raise UsageError(
            f"Two scans of {bids_dir} would both become sub-{twice[0]}; rename one of them."
        )


def _make_those_possible(
    tasks: Sequence[Task],
    jobs: int,
    on_case: Callable[[HybridCase], None] | None,
    on_failure: Callable[[str], None],
) -> list[Task]:
    """Make the cases of all scans that can be used, and return those."""
    failures: dict[str, BGPVSError] = {}

    def tell(result: HybridCase | _Failure) -> None:
        if isinstance(result, HybridCase):
            if on_case:
                on_case(result)
        elif result.scan not in failures:
            failures[result.scan] = result.error
            on_failure(str(result.error))

    run_all(_try_to_make, tasks, jobs, tell)
    made = [task for task in tasks if task.inputs.label not in failures]
    if not made:
        raise next(iter(failures.values()))
    for task in tasks:
        if task.inputs.label in failures:
            for root in (task.root, task.root / TRUTH):
                shutil.rmtree(root / f"sub-{task.label}", ignore_errors=True)
    return made


def _try_to_make(task: Task) -> HybridCase | _Failure:
    try:
        return make_case(task)
    except (BadImageError, BadLabelsError) as error:
        return _Failure(task.inputs.label, error)


def _write_tables(root: Path, tasks: list[Task], bids_dir: Path) -> None:
    import pandas as pd

    rows = [
        {"participant_id": f"sub-{task.label}", "age": task.inputs.age_weeks, "seed": task.seed}
        for task in tasks
    ]
    participants = pd.DataFrame(rows).astype({"age": float}).round({"age": 2})
    write_tables(
        root,
        participants,
        name=f"Hybrid infants made of {bids_dir.name}",
        readme="Real scans with perivascular spaces of known geometry put in, made by bgpvs-wf\n"
        "simulate --onto. The truth is in derivatives/truth; desc-ignore_mask has the voxels\n"
        "that may be spaces of the scans' own. These are data of real persons: the terms\n"
        f"of their source hold ({bids_dir.name}).\n",
    )
