"""`simulate_dataset`: synthetic infants as a BIDS dataset, the truth as derivatives."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.phantom.bids_folder import building, write_tables
from bgpvs_wf.phantom.growth import growth_at
from bgpvs_wf.phantom.label_maps import infant_of_map
from bgpvs_wf.phantom.protocol import ProtocolConfig, plain, to_mapping
from bgpvs_wf.phantom.subject import SyntheticInfant, simulate_subject
from bgpvs_wf.phantom.truth import TRUTH, write_truth


@dataclass(frozen=True)
class Made:
    """What is told of an infant when it is done."""

    label: str
    age_weeks: float
    tubes: int
    pvs_mm3: float


@dataclass(frozen=True)
class _Task:
    root: Path
    label: str
    age_weeks: float
    seed: int
    protocol: ProtocolConfig
    settings: dict[str, Any]
    label_map: Path | None = None


def simulate_dataset(
    out: str | os.PathLike[str],
    *,
    n_subjects: int,
    ages_weeks: Sequence[float],
    seed: int,
    protocol: ProtocolConfig | None = None,
    label_maps: Sequence[Path] = (),
    jobs: int = 1,
    on_subject: Callable[[Made], None] | None = None,
    **settings: Any,
) -> Path:
    """Write synthetic infants as a BIDS dataset.

    Parameters
    ----------
    out : path-like
        A folder that is empty or not there yet. It is filled at the end, whole or not at all.
    n_subjects : int
    ages_weeks : sequence of float
        Post-menstrual ages, weeks; the subjects take them in turn.
    seed : int
        The same call writes the same bytes, however many `jobs`.
    protocol : ProtocolConfig, optional
        By default `bgpvs_wf.phantom.protocol.plain`.
    label_maps : sequence of Path
        Of whole heads, to take the anatomy from instead of drawing it; the subjects take them in
        turn, each in the size of its age (`bgpvs_wf.phantom.label_maps`).
    jobs : int
        Infants made at a time, each in a process of its own.
    on_subject : callable, optional
        Told of each infant as it is done, in order.
    **settings
        Further arguments of `simulate_subject`.

    Returns
    -------
    Path
        Of the dataset. ``sub-*/anat`` has T1w and T2w; ``derivatives/truth`` has, for each, the
        anatomy, ``desc-bgpvs_dseg``, ``label-PVS_probseg`` (occupancy), ``desc-pvs_dseg`` (a
        number a tube) and ``desc-pvs_objects``.

    Raises
    ------
    AgeError
        If an age is out of range.
    UsageError
        If the folder is not empty, or a number is absurd.
    BGPVSError
        If the folder cannot be written to, or a worker is killed.
    """
    out = Path(out).expanduser().absolute()
    check_asked(n_subjects, jobs, seed)
    if not ages_weeks:
        raise UsageError("No ages given; give one or more, such as 40w or 3m.")
    for age in ages_weeks:
        growth_at(age)
    protocol = protocol or plain()
    with building(out) as partial:
        tasks = [
            _Task(
                root=partial,
                label=label_of(i, n_subjects),
                age_weeks=float(ages_weeks[i % len(ages_weeks)]),
                seed=seed_of(seed, i),
                protocol=protocol,
                settings=settings,
                label_map=label_maps[i % len(label_maps)] if label_maps else None,
            )
            for i in range(n_subjects)
        ]
        run_all(_make, tasks, jobs, on_subject)
        _write_tables(partial, tasks)
    return out


def check_asked(n_subjects: int, jobs: int, seed: int) -> None:
    """Refuse numbers that no dataset can be made with.

    Raises
    ------
    UsageError
    """
    if n_subjects < 1 or jobs < 1:
        raise UsageError(f"{n_subjects} subjects, {jobs} jobs asked for; ask for one or more.")
    if seed < 0:
        raise UsageError(f"The seed is {seed}; give a number from 0 up.")


def label_of(place: int, n_subjects: int) -> str:
    """Return the label of a subject by its place from 0: as many digits as the last one has."""
    return f"{place + 1:0{max(2, len(str(n_subjects)))}d}"


def seed_of(seed: int, place: int) -> int:
    """Return the seed of a subject of its own, from that of the dataset."""
    return int(np.random.SeedSequence([seed, place]).generate_state(1)[0])


def run_all(
    make: Callable[[Any], Any],
    tasks: Sequence[Any],
    jobs: int,
    on_done: Callable[[Any], None] | None = None,
) -> None:
    """Call a function on each task, several at a time; tell of each result, in order.

    Raises
    ------
    BGPVSError
        If a worker is killed; and what the function raises.
    """
    if jobs == 1:
        for task in tasks:
            result = make(task)
            if on_done:
                on_done(result)
        return
    try:
        with ProcessPoolExecutor(min(jobs, len(tasks))) as pool:
            for result in pool.map(make, tasks):
                if on_done:
                    on_done(result)
    except BrokenProcessPool as error:
        raise BGPVSError(
            "A worker was killed, out of memory probably; give fewer --jobs."
        ) from error


def _make(task: _Task) -> Made:
    settings = task.settings
    if task.label_map is not None:
        from bgpvs_wf.imaging.files import load_image

        image = load_image(task.label_map, what="label map")
        labels = np.asarray(image.dataobj).astype(np.int16)
        settings = {**settings, "labels": infant_of_map(labels, image.affine, task.age_weeks)}
    infant = simulate_subject(task.age_weeks, seed=task.seed, protocol=task.protocol, **settings)
    write_infant(task.root, f"sub-{task.label}", infant, task.protocol, task.seed)
    return Made(task.label, infant.age_weeks, len(infant.tubes), infant.pvs_mm3)


def write_infant(
    root: Path,
    stem: str,
    infant: SyntheticInfant,
    protocol: ProtocolConfig,
    seed: int,
    numbers: Sequence[int] | None = None,
) -> None:
    """Write T1w and T2w of an infant, with their sidecars, and the truth.

    Parameters
    ----------
    root : Path
        Of the dataset.
    stem : str
        ``sub-X`` or ``sub-X_ses-Y``.
    infant : SyntheticInfant
    protocol, seed
        What it was made with.
    numbers : sequence of int, optional
        Of its tubes; see `bgpvs_wf.phantom.truth.write_truth`.
    """
    _write_images(root, stem, infant, protocol, seed)
    write_truth(
        root / TRUTH,
        stem,
        dseg=infant.dseg,
        bgpvs=infant.bgpvs,
        occupancy=infant.occupancy,
        affine=infant.affine,
        tubes=infant.tubes,
        regions=infant.regions,
        snr=infant.snr,
        numbers=numbers,
    )


def _write_images(
    root: Path, stem: str, infant: SyntheticInfant, protocol: ProtocolConfig, seed: int
) -> None:
    from bgpvs_wf.imaging.files import save_image, write_json

    folder = root.joinpath(*stem.split("_"), "anat")
    images = (("T1w", infant.t1w, infant.t1w_affine), ("T2w", infant.t2w, infant.affine))
    for suffix, image, affine in images:
        path = folder / f"{stem}_{suffix}.nii.gz"
        # Whole numbers, as scanners write them: a quarter of the bytes, far below the noise.
        save_image(np.round(image).astype(np.int16), affine, path, dtype=np.int16)
        sidecar = {
            "Description": f"Synthetic, made by bgpvs-wf simulate. {protocol.description}",
            "SkullStripped": not protocol.skull,
            "Seed": seed,
            "Protocol": to_mapping(protocol),
        }
        write_json(sidecar, folder / f"{stem}_{suffix}.json")


def _write_tables(root: Path, tasks: Sequence[_Task]) -> None:
    import pandas as pd

    rows = [(f"sub-{task.label}", round(task.age_weeks, 2), task.seed) for task in tasks]
    write_tables(
        root,
        pd.DataFrame(rows, columns=["participant_id", "age", "seed"]),
        name="Synthetic infants",
        readme="Synthetic infants with perivascular spaces of known geometry, made by bgpvs-wf\n"
        "simulate. The truth is in derivatives/truth. No person was scanned.\n",
    )
