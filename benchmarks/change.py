"""Change between sessions on infants who grow: what is matched rightly, new, gone, and how much.

    python benchmarks/change.py OUT [--subjects 20] [--presets bcp dhcp] [--results FOLDER]

Makes growing phantoms, three sessions each, measures the TRUE label maps as the pipeline would,
runs `bgpvs_wf.studies.longitudinal.write_changes` on them, and compares with the truth. Numbers of
the spaces are shuffled first. With `--results`, the results of `bgpvs-wf run` on OUT/PRESET/bids
take the place of the true label maps; a space is then the true tube that it has most voxels of.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from bgpvs_wf.config import RunConfig
from bgpvs_wf.imaging.files import save_image, write_table
from bgpvs_wf.phantom.growing.dataset import parse_sessions, simulate_growing_dataset
from bgpvs_wf.phantom.protocol import load_protocol
from bgpvs_wf.quantification.measures import measure
from bgpvs_wf.studies.longitudinal import write_changes

SESSIONS = "1m,6m,12m"
LEAST_VOXELS = 2
"""Smaller tubes are not scored: a voxel has no line."""


def main() -> None:
    """Print a table, a row a preset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--subjects", type=int, default=20)
    parser.add_argument("--presets", nargs="+", default=["bcp", "dhcp"])
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--results", type=Path, help="of bgpvs-wf run, instead of the truth")
    options = parser.parse_args()
    rows = [score(preset, options) for preset in options.presets]
    print(pd.DataFrame(rows).round(3).T.to_string(header=False))


def score(preset: str, options: argparse.Namespace) -> dict[str, object]:
    """Make infants of a preset, measure and match them; return what came of it."""
    sessions = parse_sessions("SESSIONS", SESSIONS)
    folder = options.out.absolute() / preset
    bids = folder / "bids"
    if not (bids / "dataset_description.json").exists():
        simulate_growing_dataset(
            bids,
            n_subjects=options.subjects,
            sessions=sessions,
            seed=options.seed,
            protocol=load_protocol(preset),
            jobs=options.jobs,
        )
    results = options.results or folder / "true"
    subjects = sorted(path.name for path in bids.glob("sub-*"))[: options.subjects]
    stems = [f"{s}_ses-{k}" for s, k in itertools.product(subjects, sessions)]
    if options.results is None:
        for stem in stems:
            measure_truth(bids, results, stem)
    ages = {f"{s}_ses-{k}": age for s, (k, age) in itertools.product(subjects, sessions.items())}
    config = RunConfig(
        bids_dir=bids, output_dir=results, work_dir=folder / "work", plugin="Linear", nprocs=1
    )
    write_changes(config, subjects=[s.removeprefix("sub-") for s in subjects], ages_weeks=ages)
    return {"preset": preset, **compare(bids, results, subjects, list(sessions))}


def measure_truth(bids: Path, results: Path, stem: str) -> None:
    """Write the truth of a session as results, its numbers shuffled, volumes measured."""
    parts = stem.split("_")
    target = results.joinpath(*parts, "anat")
    if (target / f"{stem}_desc-pvs_objects.tsv").exists():
        return
    target.mkdir(parents=True, exist_ok=True)
    truth = bids.joinpath("derivatives", "truth", *parts, "anat")
    image = nib.load(bids.joinpath(*parts, "anat", f"{stem}_T2w.nii.gz"))
    read = {
        name: np.asarray(nib.load(truth / f"{stem}_desc-{name}_dseg.nii.gz").dataobj)
        for name in ("anatomy", "bgpvs", "pvs")
    }
    numbers = [n for n in np.unique(read["pvs"]).tolist() if n]
    rng = np.random.default_rng(sum(map(ord, stem)))
    shuffled = np.zeros(max(numbers, default=0) + 1, np.int32)
    shuffled[numbers] = rng.permutation(len(numbers)) + 1
    pvs = shuffled[read["pvs"]]
    shutil.copy(
        bids.joinpath(*parts, "anat", f"{stem}_T2w.nii.gz"),
        target / f"{stem}_desc-preproc_T2w.nii.gz",
    )
    save_image(
        read["anatomy"], image.affine, target / f"{stem}_desc-nuclei_dseg.nii.gz", labels=True
    )
    save_image(pvs, image.affine, target / f"{stem}_desc-pvs_dseg.nii.gz", labels=True)
    rows = [one_object(read, pvs, n, image) for n in sorted(shuffled[numbers].tolist())]
    columns = (
        None
        if rows
        else ["index", "region", "side", "volume_mm3", "volume_tube_mm3", "mean_diameter_mm"]
    )
    write_table(pd.DataFrame(rows, columns=columns), target / f"{stem}_desc-pvs_objects.tsv")


def one_object(
    read: dict[str, np.ndarray], pvs: np.ndarray, number: int, image: nib.Nifti1Image
) -> dict[str, object]:
    """Measure one tube as the pipeline does, where all others are left out of the background."""
    bgpvs = np.where(read["bgpvs"] > 0, 1, 0).astype(np.uint8)
    bgpvs[pvs == number] = 2
    data = np.asarray(image.dataobj).astype(np.float32)
    data[(pvs > 0) & (pvs != number)] = np.median(data[bgpvs == 1])
    found = measure(
        bgpvs=bgpvs, anatomy=read["anatomy"], affine=image.affine, t2w=data, brightness=0.87
    )
    objects = found.objects
    volume = float(objects["volume_tube_mm3"].sum())
    length = float(objects["total_length_mm"].sum())
    return {
        "index": number,
        "region": objects["region"][0],
        "side": objects["side"][0],
        "volume_mm3": float(objects["volume_mm3"].sum()),
        "volume_tube_mm3": volume,
        "mean_diameter_mm": 2 * np.sqrt(max(volume, 0) / (np.pi * length)),
    }


def compare(
    bids: Path, results: Path, subjects: list[str], sessions: list[str]
) -> dict[str, object]:
    """Score steps between sessions against the truth."""
    counts = dict.fromkeys(
        (
            "right",
            "scored",
            "new_hit",
            "new_said",
            "new_true",
            "gone_hit",
            "gone_said",
            "gone_true",
        ),
        0,
    )
    totals, unchanged, ratios = [], [], []
    for subject in subjects:
        truth = pd.read_csv(
            bids / "derivatives" / "truth" / subject / f"{subject}_tubes.tsv", sep="\t"
        )
        told = pd.read_csv(
            results / subject / f"{subject}_desc-pvs_change.tsv",
            sep="\t",
            dtype={"index_from": str, "index_to": str},
        )
        maps = {k: true_numbers(bids, results, subject, k) for k in sessions}
        for a, b in itertools.pairwise(sessions):
            part = told[told["session_from"] == f"ses-{a}"]
            true = {k: truth[truth["session_id"] == f"ses-{k}"].set_index("tube") for k in (a, b)}
            score_step(part, true[a], true[b], maps[a], maps[b], counts, totals, unchanged, ratios)
    share = lambda hit, of: counts[hit] / max(counts[of], 1)  # noqa: E731
    return {
        "tubes scored": counts["scored"],
        "matched rightly": share("right", "scored"),
        "new: precision": share("new_hit", "new_said"),
        "new: recall": share("new_hit", "new_true"),
        "new: true": counts["new_true"],
        "gone: precision": share("gone_hit", "gone_said"),
        "gone: recall": share("gone_hit", "gone_true"),
        "gone: true": counts["gone_true"],
        "change of volume, error of an infant (median)": float(np.median(np.abs(totals))),
        "change of volume, bias": float(np.mean(totals)),
        "change of volume, error of a tube / SD told": float(np.std(ratios)),
        "unchanged tubes called changed": float(np.mean(unchanged)) if unchanged else float("nan"),
    }


def true_numbers(
    bids: Path, results: Path, subject: str, session: str
) -> dict[int, tuple[int, int]]:
    """Return number of a space to the true tube it has most voxels of, and that one's voxels."""
    stem, parts = f"{subject}_ses-{session}", (subject, f"ses-{session}", "anat")
    name = f"{stem}_desc-pvs_dseg.nii.gz"
    said = np.asarray(nib.load(results.joinpath(*parts, name)).dataobj).astype(int)
    true = np.asarray(nib.load(bids.joinpath("derivatives", "truth", *parts, name)).dataobj).astype(
        int
    )
    sizes = np.bincount(true.ravel())
    found = {}
    for number in np.unique(said[said > 0]).tolist():
        inside = true[said == number]
        best = int(np.bincount(inside[inside > 0]).argmax()) if inside.any() else 0
        found[number] = (best, int(sizes[best]) if best else 0)
    return found


def score_step(part, before, after, first, second, counts, totals, unchanged, ratios) -> None:  # noqa: ANN001
    """Score one step of one infant; add to what is counted."""
    big = {tube for tube, size in (*first.values(), *second.values()) if size >= LEAST_VOXELS}
    seen_a, seen_b = ({tube for tube, _ in one.values() if tube} for one in (first, second))
    partner, said = {}, {"new": set(), "gone": set()}
    change_told, change_true, base = 0.0, 0.0, 0.0
    for row in part.to_dict("records"):
        olds, news = (
            [known[int(n)][0] for n in str(row[key]).split("+")]
            if isinstance(row[key], str)
            else []
            for key, known in (("index_from", first), ("index_to", second))
        )
        if row["change"] != "persisted":
            said[row["change"]].update(olds or news)
            continue
        partner.update({old: (set(olds), set(news)) for old in olds})
        if set(olds) == set(news) and len(set(olds)) == 1:
            tube = olds[0]
            true = after.volume_mm3[tube] - before.volume_mm3[tube]
            change_told += row["volume_change_mm3"]
            change_true += true
            base += after.volume_mm3[tube]
            sd = row["volume_change_limit_mm3"] / 1.96
            ratios.append((row["volume_change_mm3"] - true) / sd)
            if abs(true) < 0.3 * sd:
                unchanged.append(row["size"] != "same")
    for tube in sorted(seen_a & big):
        there = tube in seen_b
        right = (partner.get(tube) == ({tube}, {tube})) if there else tube in said["gone"]
        counts["scored"] += 1
        counts["right"] += int(right)
    for kind, true in (("new", (seen_b - seen_a) & big), ("gone", (seen_a - seen_b) & big)):
        told = said[kind] & big
        counts[f"{kind}_hit"] += len(told & true)
        counts[f"{kind}_said"] += len(told)
        counts[f"{kind}_true"] += len(true)
    if base:
        totals.append((change_told - change_true) / base)


if __name__ == "__main__":
    main()
