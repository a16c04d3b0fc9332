"""`hybrid_dataset`: real scans with known perivascular spaces put in, as a BIDS dataset."""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.phantom.bids_folder import claim, publish, write_tables
from bgpvs_wf.phantom.dataset import run_all
from bgpvs_wf.phantom.truth import TRUTH, write_truth

_log = logging.getLogger(__name__)


class Nuclei(NamedTuple):
    """Where the nuclei of a scan are: a label map on its grid, and its label table if need be."""

    path: Path
    table: Path | None = None


@dataclass(frozen=True)
class HybridCase:
    """What is told of a case when it is done."""

    label: str
    tubes: int
    pvs_mm3: float
    snr: float


@dataclass(frozen=True)
class _Task:
    root: Path
    label: str
    inputs: SubjectInputs
    nuclei: Nuclei
    seed: int
    n_tubes: int | None
    diameters_mm: tuple[float, float] | None


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
    jobs: int = 1,
    on_case: Callable[[HybridCase], None] | None = None,
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
    n_tubes, diameters_mm : optional
        See `bgpvs_wf.phantom.trees.draw_pvs`.
    jobs : int
        Cases made at a time, each in a process of its own.
    on_case : callable, optional
        Told of each case as it is done, in order.

    Returns
    -------
    Path
        Of the dataset. Case 3 of sub-01 is sub-01h03, of its session a sub-01ah03; the images keep
        grid and type. ``derivatives/truth`` is as `bgpvs_wf.phantom.simulate_dataset` writes it,
        with ``desc-ignore_mask``: voxels that may be the scan's own spaces.

    Raises
    ------
    UsageError
        If a subject has no nuclei, the folder is not empty, or a number is absurd.
    BadImageError, BadLabelsError
        If a scan or its nuclei cannot be used; names the file.
    """
    out = Path(out).expanduser().absolute()
    if cases_per_scan < 1 or jobs < 1 or seed < 0 or (n_tubes or 0) < 0:
        raise UsageError(
            f"{cases_per_scan} cases, {jobs} jobs, seed {seed}, {n_tubes} tubes asked for; "
            "cases and jobs are 1 or more, the others not negative."
        )
    scans = _scans(Path(bids_dir), out, {}, participants)
    missing = [inputs.label for inputs in scans if inputs.label not in nuclei]
    if missing:
        raise UsageError(
            f"No nuclei of {', '.join(missing)} found for {bids_dir}; "
            "run `bgpvs-wf run` first and give its output with --derivatives."
        )
    partial = claim(out)
    tasks = [
        _Task(partial, label, inputs, nuclei[inputs.label], own_seed, n_tubes, diameters_mm)
        for inputs in scans
        for label, own_seed in _cases(inputs, cases_per_scan, seed)
    ]
    run_all(_make, tasks, jobs, on_case)
    _write_tables(partial, tasks, Path(bids_dir))
    publish(partial, out)
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
    stem = f"{inputs.subject}{inputs.session or ''}"
    width = max(2, len(str(count)))
    own = zlib.crc32(inputs.label.encode())
    return [
        (
            f"{stem}h{i:0{width}d}",
            int(np.random.SeedSequence([seed, own, i]).generate_state(1)[0]),
        )
        for i in range(1, count + 1)
    ]


def _make(task: _Task) -> HybridCase:
    from bgpvs_wf.imaging.files import check_labels_on_grid, load_image
    from bgpvs_wf.phantom.hybrid import insert_tubes

    inputs = task.inputs
    paths = {"T2w": inputs.t2w, "T1w": inputs.t1w}
    scans = {name: load_image(path, what=f"{name} image") for name, path in paths.items() if path}
    home = scans[inputs.home]
    dseg = load_image(task.nuclei.path, what="nuclei")
    check_labels_on_grid(dseg, home, labels_path=task.nuclei.path, image_path=inputs.home_image)
    try:
        hybrid = insert_tubes(
            {name: (np.asanyarray(scan.dataobj), scan.affine) for name, scan in scans.items()},
            _harmonised(np.asanyarray(dseg.dataobj), home.affine, task.nuclei),
            home.affine,
            np.random.default_rng(task.seed),
            n_tubes=task.n_tubes,
            diameters_mm=task.diameters_mm,
        )
    except BGPVSError as error:
        raise type(error)(f"{inputs.label}: {error}") from error
    for name, image in hybrid.images.items():
        _write_image(task, name, image, paths[name])
    write_truth(
        task.root / TRUTH,
        f"sub-{task.label}",
        dseg=hybrid.dseg,
        bgpvs=hybrid.bgpvs,
        occupancy=hybrid.occupancy,
        affine=home.affine,
        tubes=hybrid.tubes,
        regions=hybrid.regions,
        snr=hybrid.snr,
        ignore=hybrid.ignore,
    )
    volume = sum(tube.volume_mm3 for tube in hybrid.tubes)
    return HybridCase(task.label, len(hybrid.tubes), volume, hybrid.snr)


def _harmonised(labels: np.ndarray, affine: np.ndarray, nuclei: Nuclei) -> np.ndarray:
    from bgpvs_wf.anatomy.tables import detect_table, harmonise

    source = str(nuclei.path)
    table = detect_table(np.unique(labels).tolist(), nuclei.table, source=source)
    return harmonise(labels, table, source=source, affine=affine)


def _write_image(task: _Task, name: str, image: np.ndarray, source: Path | None) -> None:
    from bgpvs_wf.imaging.files import write_json

    assert source is not None
    folder = task.root / f"sub-{task.label}" / "anat"
    save_like(image, source, folder / f"sub-{task.label}_{name}.nii.gz")
    sidecar = source.with_name(source.name.split(".", 1)[0] + ".json")
    known = json.loads(sidecar.read_text(encoding="utf-8-sig")) if sidecar.is_file() else {}
    added = {
        "Description": "A real scan with perivascular spaces put in by bgpvs-wf simulate --onto",
        "Sources": [str(source)],
        "Seed": task.seed,
    }
    write_json(known | added, folder / f"sub-{task.label}_{name}.json")


def save_like(image: np.ndarray, source: Path, path: Path) -> Path:
    """Write an image as another one is written: its header, type and scaling of values.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
        In the units that `bgpvs_wf.imaging.files.load_image` returns.
    source, path : Path
        The other image, and where to; ending in ``.nii.gz``.
    """
    import gzip

    import nibabel as nib

    from bgpvs_wf.imaging.files import write_bytes

    like = nib.load(source)
    header = like.header.copy()
    kind = header.get_data_dtype()
    slope, inter = like.dataobj.slope, like.dataobj.inter
    raw: Any = image
    if (slope, inter) != (1, 0):
        raw = (image.astype(np.float64) - inter) / slope
    if kind.kind in "iu" and raw.dtype.kind == "f":
        limits = np.iinfo(kind)
        raw = np.clip(np.rint(raw), limits.min, limits.max)
    written = type(like)(raw.astype(kind), like.affine, header)
    # With scaling in the header, nibabel writes the values as they are.
    written.header.set_slope_inter(slope, inter)
    return write_bytes(gzip.compress(written.to_bytes(), compresslevel=6, mtime=0), path)


def _write_tables(root: Path, tasks: list[_Task], bids_dir: Path) -> None:
    import pandas as pd

    rows = [
        {"participant_id": f"sub-{task.label}", "age": task.inputs.age_weeks, "seed": task.seed}
        for task in tasks
    ]
    participants = pd.DataFrame(rows).astype({"age": float}).round({"age": 2})
    write_tables(
        root,
        participants,
        name=f"Hybrid infants made of {bids_dir.absolute().name}",
        readme="Real scans with perivascular spaces of known geometry put in, made by bgpvs-wf\n"
        "simulate --onto. The truth is in derivatives/truth; desc-ignore_mask has the voxels\n"
        "that may be spaces of the scans' own. These are data of real persons: the terms\n"
        f"of their source hold ({bids_dir.absolute()}).\n",
    )
