"""The strategies on phantoms, nuclei given with an error: fast enough to try a change of a setting.

    python benchmarks/pseudolabels.py [--test | --hybrids | --found COMPARISON]
                                      [--anatomy-error MM] [--jobs N]

Each phantom is given its true nuclei, displaced smoothly by `--anatomy-error` on average, as real
anatomy is never perfect; no registration, no files. Eight phantoms a preset of the tuning seeds
(3000 to 3029) are what pseudo-labels are tuned on. `--test` takes thirty a preset of the test seeds
(5000 to 5229), which nothing is tuned on. `--hybrids` puts known tubes into the three real infants
instead, twenty cases each, nuclei as the reference has them (seeds 6000 to 6219). `--found` takes
the infants of a comparison (benchmarks/model.toml), their nuclei as its model found them, and sets
the model's own PVS beside the pseudo-labels. Prints the paper table for each preset, infant or
cohort, p against `anatomy` or the model (paired Wilcoxon, Holm).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage

from bgpvs_wf.config import PseudolabelConfig
from bgpvs_wf.evaluation.case_files import (
    NUCLEI,
    Files,
    Key,
    find_cases,
    read_prediction,
    read_reference,
    read_tube_volumes,
)
from bgpvs_wf.evaluation.cohort import tables_from_cases
from bgpvs_wf.evaluation.publication_table import paper_table
from bgpvs_wf.evaluation.scoring import ReferenceCase, score_case
from bgpvs_wf.imaging.geometry import Grid, bounding_box, crop_affine, resample, voxel_sizes
from bgpvs_wf.phantom.hybrid import insert_tubes
from bgpvs_wf.phantom.protocol import load_protocol
from bgpvs_wf.phantom.subject import simulate_subject
from bgpvs_wf.phantom.truth import instance_labels, tube_table
from bgpvs_wf.pseudolabels import synthesise_pseudolabels
from bgpvs_wf.pseudolabels.region import nuclei_mask

MONTH_WEEKS = 52.1775 / 12
AGES_WEEKS = {
    "dhcp": tuple(range(32, 45, 2)),
    "bcp": tuple(40 + m * MONTH_WEEKS for m in (1, 2, 4, 6, 9, 12, 18, 24)),
    "clinical": (36, 40, *(40 + m * MONTH_WEEKS for m in (2, 4, 7, 12, 24))),
}
TUNING_SEED, TEST_SEED, HYBRID_SEED = 3000, 5000, 6000
DATA = Path(os.environ.get("BGPVS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
IMAGES = ("T2w", "T1w")
TUNING_AGES_WEEKS = {
    "dhcp": (32, 36, 40, 44),
    "bcp": tuple(40 + m * MONTH_WEEKS for m in (1, 4, 9, 18)),
    "clinical": (36, *(40 + m * MONTH_WEEKS for m in (3, 12, 24))),
}
STRATEGIES = ("anatomy", "vesselness", "filter")
MODEL = "model"
"""Name of the strategy of a comparison that found the nuclei."""
Rows = list[dict[str, Any]]
Task = tuple[str, int, float, float]
"""Preset, seed, age in weeks, error of the anatomy in mm."""


def displace_labels(
    labels: np.ndarray, affine: np.ndarray, error_mm: float, seed: int
) -> np.ndarray:
    """Move labels by a smooth random field whose length is `error_mm` on average."""
    if error_mm == 0:
        return labels
    rng = np.random.default_rng(seed)
    sizes = voxel_sizes(affine)
    field = rng.standard_normal((3, *labels.shape))
    field = np.stack([ndimage.gaussian_filter(part, 6.0 / sizes) for part in field])
    field *= error_mm / np.sqrt((field**2).sum(axis=0)).mean()
    place = np.indices(labels.shape) + field / sizes[:, None, None, None]
    return ndimage.map_coordinates(labels, place, order=0, mode="nearest")


def phantom_rows(task: Task) -> tuple[Rows, Rows]:
    """Make one phantom, label it in every way, score it around the nuclei."""
    preset, seed, age, error_mm = task
    infant = simulate_subject(age, seed=seed, protocol=load_protocol(preset))
    box = bounding_box(nuclei_mask(infant.dseg), infant.affine, 15.0)
    affine = crop_affine(infant.affine, box)
    dseg = infant.dseg[box]
    grid = Grid(dseg.shape, affine)
    images = {
        "t2w": infant.t2w[box],
        "t1w": resample(infant.t1w, infant.t1w_affine, grid, order=3),
    }
    truth = ReferenceCase(
        subject=str(seed),
        session=None,
        affine=affine,
        bg=infant.bgpvs[box] > 0,
        pvs=infant.bgpvs[box] == 2,
        occupancy=infant.occupancy[box],
        tubes=instance_labels(infant.tubes, grid),
        objects=tube_table(infant.tubes, infant.regions, infant.snr),
    )
    return score_all(truth, images, displace_labels(dseg, affine, error_mm, seed))


def hybrid_rows(task: tuple[str, int]) -> tuple[Rows, Rows]:
    """Put tubes into one real scan, label it in every way, score it."""
    subject, seed = task
    anat = DATA / "infants" / f"sub-{subject}" / "anat"
    scans = {name: _load(f"{anat}/sub-{subject}_{name}") for name in IMAGES}
    nuclei = _load(f"{DATA}/reference/sub-{subject}_desc-nuclei_dseg")
    home = scans["T2w"][1]
    labels = nuclei[0].astype(np.int16)
    hybrid = insert_tubes(scans, labels, home, np.random.default_rng(seed))
    truth = ReferenceCase(
        subject=str(seed),
        session=None,
        affine=home,
        bg=hybrid.bgpvs > 0,
        pvs=hybrid.bgpvs == 2,
        ignore=hybrid.ignore,
        occupancy=hybrid.occupancy,
        tubes=instance_labels(hybrid.tubes, Grid(labels.shape, home)),
        objects=tube_table(hybrid.tubes, hybrid.regions, hybrid.snr),
    )
    t1w = resample(hybrid.images["T1w"], scans["T1w"][1], Grid(labels.shape, home), order=3)
    return score_all(truth, {"t2w": hybrid.images["T2w"], "t1w": t1w}, labels)


def found_rows(task: tuple[Key, Files, Files]) -> tuple[Rows, Rows]:
    """Label one infant of a comparison in every way in the nuclei that the model found; score."""
    key, true, found = task
    truth, home = read_reference(key, true)
    stem = str(found[NUCLEI][0]).removesuffix(f"{NUCLEI}.nii.gz")
    images = {
        "t2w": _load(f"{stem}desc-preproc_T2w")[0],
        "t1w": _load(f"{stem}space-T2w_desc-preproc_T1w")[0],
    }
    anatomy = _load(f"{stem}{NUCLEI}")[0].astype(np.int16)
    bg, pvs = read_prediction(found, home, "the truth")
    assert pvs is not None
    fluid = read_tube_volumes(found, home, "the truth")
    rows, tubes = score_case(truth, MODEL, bg, pvs, fluid)
    more_rows, more_tubes = score_all(truth, images, anatomy)
    return rows + more_rows, tubes + more_tubes


def score_all(
    truth: ReferenceCase, images: dict[str, np.ndarray], anatomy: np.ndarray
) -> tuple[Rows, Rows]:
    """Label in every way and score."""
    cases, tubes = [], []
    for strategy in STRATEGIES:
        found = synthesise_pseudolabels(
            **images,
            affine=truth.affine,
            anatomy=anatomy,
            config=PseudolabelConfig(strategy=strategy),
        )
        scored = score_case(truth, strategy, found.dseg > 0, found.dseg == 2)
        cases += scored[0]
        tubes += scored[1]
    return cases, tubes


def _load(stem: str) -> tuple[np.ndarray, np.ndarray]:
    image = nib.load(f"{stem}.nii.gz")
    return image.get_fdata(dtype=np.float32), np.asarray(image.affine)


def tasks(preset: str, number: int, test: bool, error_mm: float) -> Iterator[Task]:
    """Name the phantoms of a preset."""
    ages = (AGES_WEEKS if test else TUNING_AGES_WEEKS)[preset]
    first, count = (TEST_SEED + 100 * number, 30) if test else (TUNING_SEED + 10 * number, 8)
    for i in range(count):
        yield preset, first + i, float(ages[i % len(ages)]), error_mm


def report(
    name: str,
    function: Callable[[Any], tuple[Rows, Rows]],
    wanted: list[Any],
    jobs: int,
    proposed: str = "anatomy",
) -> None:
    """Score many cases and print their tables."""
    with ProcessPoolExecutor(jobs) as pool:
        scored = list(pool.map(function, wanted))
    cases = pd.DataFrame([row for rows, _ in scored for row in rows])
    tubes = pd.DataFrame([row for _, rows in scored for row in rows])
    tables = tables_from_cases(cases, tubes, proposed)
    paper = paper_table(tables.summary, tables.comparison, tables.agreement)
    print(f"\n{name}, {len(scored)} cases")
    print(paper.set_index("method").T.to_string())
    print(tables.smallest.to_string(index=False, float_format="{:.2f}".format), flush=True)


def main() -> None:
    """Print tables for each preset, or each infant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--test", action="store_true", help="the test seeds, 30 a preset")
    which.add_argument("--hybrids", action="store_true", help="tubes in the real infants")
    which.add_argument("--found", type=Path, metavar="COMPARISON", help="infants of a comparison")
    parser.add_argument("--anatomy-error", type=float, default=0.7, metavar="MM")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if options.hybrids:
        for number, subject in enumerate(("01", "02", "03")):
            seeds = range(HYBRID_SEED + 100 * number, HYBRID_SEED + 100 * number + 20)
            cases = [(subject, seed) for seed in seeds]
            report(f"hybrids of sub-{subject}", hybrid_rows, cases, options.jobs)
        return
    if options.found:
        for folder in sorted(options.found.glob(f"*/{MODEL}")):
            known = find_cases(folder.parent / "bids" / "derivatives" / "truth")
            wanted = [(key, known[key], files) for key, files in find_cases(folder).items()]
            report(folder.parent.name, found_rows, wanted, options.jobs, MODEL)
        return
    for number, preset in enumerate(AGES_WEEKS):
        wanted = list(tasks(preset, number, options.test, options.anatomy_error))
        report(preset, phantom_rows, wanted, options.jobs)


if __name__ == "__main__":
    main()
