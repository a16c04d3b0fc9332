"""Make the cohorts of an experiment: once, and again only if their settings change."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bgpvs_wf.bids.folders import check_dataset, check_outside_raw
from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.record import Record, describe
from bgpvs_wf.errors import UsageError
from bgpvs_wf.evaluation.infants import (
    TRUTH,
    Cohort,
    HybridInfants,
    OwnInfants,
    SyntheticInfants,
)
from bgpvs_wf.studies.datasets.once import jobs_here, make_once, tell_case
from bgpvs_wf.studies.datasets.sources import hybrid_sources
from bgpvs_wf.studies.observer import Observer


@dataclass(frozen=True)
class Dataset:
    """Where a cohort is."""

    bids_dir: Path
    truth: Path | None
    derivatives: Mapping[str, Path]
    """What its runs are given."""

    @property
    def known_truth(self) -> Path:
        """The truth of a cohort that has one.

        Raises
        ------
        UsageError
        """
        if self.truth is None:
            raise UsageError(f"There is no truth for {self.bids_dir}; say where it is.")
        return self.truth


def check_cohort(cohort: Cohort, written: Mapping[str, Path]) -> None:
    """Make sure that a cohort can be made, before anything is.

    Parameters
    ----------
    cohort : Cohort
    written : mapping of str to Path
        What a folder is ("output") to a folder that will be written to.

    Raises
    ------
    UsageError
        If a folder, protocol or participant does not exist, an age is out of range, or a folder
        to write to is inside the cohort's raw dataset.
    """
    infants = cohort.infants
    if isinstance(infants, SyntheticInfants):
        from bgpvs_wf.phantom.growth import parse_ages
        from bgpvs_wf.phantom.protocol import load_protocol

        load_protocol(infants.preset)
        parse_ages(f"cohorts.{cohort.name}.ages", ",".join(infants.ages))
        return
    raw = infants.onto if isinstance(infants, HybridInfants) else infants.bids_dir
    check_dataset(raw)
    for what, folder in written.items():
        check_outside_raw(what, folder, raw)
    folders = dict(infants.derivatives)
    if isinstance(infants, OwnInfants) and infants.truth is not None:
        folders[TRUTH] = infants.truth
    for name, folder in folders.items():
        if not folder.is_dir():
            raise UsageError(
                f"cohorts.{cohort.name}: '{name}' is not at {folder}; correct the path."
            )
    if isinstance(infants, HybridInfants):
        for label in infants.participants:
            if not _subject(infants, label).is_dir():
                raise UsageError(
                    f"cohorts.{cohort.name}.participants: {_subject(infants, label)} does not "
                    "exist; correct the label."
                )


def make_cohort(
    cohort: Cohort, folder: Path, nprocs: int, observer: Observer | None = None
) -> Dataset:
    """Make a cohort's dataset if it is not there, and say where it is.

    Parameters
    ----------
    cohort : Cohort
    folder : Path
        Its dataset goes to `bids` in it; see `bgpvs_wf.studies.datasets.once.make_once`.
    nprocs : int
        Processors asked for; see `bgpvs_wf.studies.datasets.once.jobs_here`.
    observer : Observer, optional

    Raises
    ------
    BGPVSError
        If an infant cannot be made, or the folder holds another's dataset.
    """
    observer = observer or Observer()
    infants = cohort.infants
    if isinstance(infants, OwnInfants):
        known = infants.truth if infants.anatomy_from == TRUTH else None
        truth = {TRUTH: known} if known is not None else {}
        return Dataset(infants.bids_dir, infants.truth, {**infants.derivatives, **truth})
    bids_dir = folder / "bids"
    jobs = jobs_here(nprocs)
    if isinstance(infants, SyntheticInfants):
        make = functools.partial(_make_synthetic, infants, jobs, observer)
    else:
        make = functools.partial(_make_hybrid, infants, jobs, observer)
    make_once(bids_dir, _made_from(infants, bids_dir), make, observer)
    truth_dir = bids_dir / "derivatives" / "truth"
    # A case of a scan has another label than the scan; its truth has the nuclei it was given.
    return Dataset(bids_dir, truth_dir, {TRUTH: truth_dir} if cohort.nuclei_given else {})


def _made_from(infants: SyntheticInfants | HybridInfants, bids_dir: Path) -> Record:
    """Return what a dataset depends on."""
    settings = dataclasses.asdict(infants)
    del settings["anatomy_from"]
    if isinstance(infants, HybridInfants):
        return describe(settings, inputs=_sources(infants, bids_dir))
    from bgpvs_wf.phantom.protocol import load_protocol, to_mapping

    settings["protocol"] = to_mapping(load_protocol(settings.pop("preset")))
    if infants.maps is None:
        del settings["maps"], settings["map_names"]
    else:
        settings["maps"] = [path.name for path in _label_maps(infants)]
    return describe(settings)


def _sources(infants: HybridInfants, bids_dir: Path) -> list[Path]:
    from bgpvs_wf.bids.query import find_subjects
    from bgpvs_wf.phantom.hybrid_dataset import find_nuclei

    config = RunConfig(
        bids_dir=infants.onto,
        output_dir=bids_dir,
        work_dir=bids_dir,
        participant_label=infants.participants,
    )
    nuclei = find_nuclei(infants.onto, infants.derivatives, bids_dir, infants.participants)
    return hybrid_sources(infants.onto, find_subjects(config).subjects, nuclei)


def _make_synthetic(
    infants: SyntheticInfants, jobs: int, observer: Observer, bids_dir: Path
) -> None:
    from bgpvs_wf.anatomy.matching import parse_age
    from bgpvs_wf.phantom import simulate_dataset
    from bgpvs_wf.phantom.protocol import load_protocol

    simulate_dataset(
        bids_dir,
        n_subjects=infants.subjects,
        ages_weeks=[parse_age(age) for age in infants.ages],
        seed=infants.seed,
        protocol=load_protocol(infants.preset),
        label_maps=_label_maps(infants),
        fill=infants.fill,
        jobs=jobs,
        on_subject=functools.partial(tell_case, observer),
    )


def _label_maps(infants: SyntheticInfants) -> list[Path]:
    from bgpvs_wf.phantom.label_maps import find_label_maps

    return [] if infants.maps is None else find_label_maps(infants.maps, infants.map_names)


def _make_hybrid(infants: HybridInfants, jobs: int, observer: Observer, bids_dir: Path) -> None:
    from bgpvs_wf.phantom.hybrid_dataset import find_nuclei, hybrid_dataset

    hybrid_dataset(
        infants.onto,
        find_nuclei(infants.onto, infants.derivatives, bids_dir, infants.participants),
        bids_dir,
        participants=infants.participants,
        cases_per_scan=infants.cases,
        seed=infants.seed,
        diameters_mm=infants.diameters_mm,
        fill=infants.fill,
        jobs=jobs,
        on_case=functools.partial(tell_case, observer),
    )


def _subject(infants: HybridInfants, label: str) -> Path:
    return infants.onto / f"sub-{label.removeprefix('sub-')}"
