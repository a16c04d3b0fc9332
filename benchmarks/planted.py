"""What is said of a cohort in which some infants have faults that were put there.

    python benchmarks/planted.py OUT [--tuning]

Synthetic infants of three protocols, 30 weeks to 24 months; 80, of which 32 have one fault each, or
with `--tuning` others, by which bounds were chosen: all as they are, and copies with faults. Goes
on where it was. Prints how many faults are said, for the right reason, and of how many of the
others anything is said.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage

from bgpvs_wf.anatomy.labels import NUCLEI
from bgpvs_wf.imaging.files import save_image, write_text
from bgpvs_wf.imaging.geometry import Grid, crop_affine, resample, voxel_sizes
from bgpvs_wf.phantom.acquisition import move

PROGRAM = (sys.executable, "-m", "bgpvs_wf")
AGES = {
    False: "32w,35w,37w,39w,41w,44w,4m,7m,10m,13m,16m,19m,22m",
    True: "30w,34w,38w,42w,2m,4m,6m,9m,12m,15m,18m,24m",
}
PRESETS = {
    False: {"bcp": (27, 88301), "dhcp": (27, 88302), "clinical": (26, 88303)},
    True: {"bcp": (12, 88101), "dhcp": (12, 88102), "clinical": (12, 88103)},
}
"""Infants, and the seed of the first."""
MONTHS_WRONG = 6


@dataclasses.dataclass
class Infant:
    """Images of a synthetic infant, on one grid each."""

    images: dict[str, np.ndarray]
    affines: dict[str, np.ndarray]
    nuclei: nib.Nifti1Image
    age_weeks: float
    rng: np.random.Generator
    other: Path
    """Folder of another infant of the protocol."""


def moved(infant: Infant) -> None:
    """Let the head move while it is scanned, by 1.5 mm."""
    for name, image in infant.images.items():
        mm = float(voxel_sizes(infant.affines[name])[1])
        infant.images[name] = move(image, infant.rng, 1.5, mm)


def blurred(infant: Infant) -> None:
    """Blur by 2.4 mm, full width at half maximum."""
    for name, image in infant.images.items():
        sigma = 2.4 / 2.355 / voxel_sizes(infant.affines[name])
        infant.images[name] = ndimage.gaussian_filter(image, sigma)


def noisy(infant: Infant) -> None:
    """Add noise of 12 % of the median signal."""
    for name, image in infant.images.items():
        sigma = 0.12 * np.median(image[image > 0])
        noisy = np.abs(image + infant.rng.normal(0, sigma, image.shape))
        infant.images[name] = np.where(image > 0, noisy, 0)


def turned(infant: Infant) -> None:
    """Turn the head by 35 degrees about an axis at random; nothing tells it."""
    axis = infant.rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    angle = np.radians(35.0)
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    for name, image in infant.images.items():
        affine = infant.affines[name]
        middle = nib.affines.apply_affine(affine, np.argwhere(image > 0).mean(axis=0))
        about = np.eye(4)
        about[:3, :3], about[:3, 3] = turn, middle - turn @ middle
        there = Grid(image.shape, about @ affine)
        infant.images[name] = np.clip(resample(image, affine, there), 0, None)


def exchanged(infant: Infant) -> None:
    """Take the T1w of another infant."""
    image = nib.load(infant.other / "anat" / f"{infant.other.name}_T1w.nii.gz")
    infant.images["T1w"] = image.get_fdata(dtype=np.float32)
    infant.affines["T1w"] = image.affine


def misdated(infant: Infant) -> None:
    """Say that it is six months younger, or older if it is not that old."""
    change = MONTHS_WRONG * 52.18 / 12
    infant.age_weeks += -change if infant.age_weeks - change > 40 else change


def cropped(infant: Infant) -> None:
    """End the field of view where it cuts off the sixth part of the nuclei from one side."""
    labels = np.asanyarray(infant.nuclei.dataobj)
    places = nib.affines.apply_affine(
        infant.nuclei.affine, np.argwhere(np.isin(labels, list(NUCLEI)))
    )
    axis, side = int(infant.rng.integers(3)), int(infant.rng.choice([-1, 1]))
    end = np.quantile(side * places[:, axis], 5 / 6)
    for name, image in infant.images.items():
        affine = infant.affines[name]
        along = int(np.argmax(np.abs(affine[axis, :3])))
        steps = np.zeros((image.shape[along], 3))
        steps[:, along] = np.arange(image.shape[along])
        kept = np.flatnonzero(side * nib.affines.apply_affine(affine, steps)[:, axis] < end)
        part = [slice(0, n) for n in image.shape]
        part[along] = slice(int(kept[0]), int(kept[-1]) + 1)
        infant.images[name] = image[tuple(part)]
        infant.affines[name] = crop_affine(affine, tuple(part))


def mirrored(infant: Infant) -> None:
    """Let the header of the T1w exchange left and right."""
    image = infant.images["T1w"]
    along = int(np.argmax(np.abs(infant.affines["T1w"][0, :3])))
    infant.images["T1w"] = np.flip(image, axis=along)


FAULTS: dict[str, Callable[[Infant], None]] = {
    "motion": moved,
    "blur": blurred,
    "noise": noisy,
    "turned": turned,
    "exchanged": exchanged,
    "age": misdated,
    "cropped": cropped,
    "mirrored": mirrored,
}
RIGHT = {
    "motion": "ripples",
    "blur": "blurred",
    "noise": "nois",
    "turned": "turned by",
    "exchanged": "different heads",
    "age": "check the age",
    "cropped": "cut off",
    "mirrored": "left and right are exchanged",
}
"""What a right reason says."""


def make(out: Path, tuning: bool) -> pd.DataFrame:
    """Write the dataset, unless it is there; return which infant has which fault."""
    table = out / "planted.tsv"
    if table.exists():
        return pd.read_csv(table, sep="\t", keep_default_na=False)
    rows, ages = [], []
    bids = out / "bids"
    shutil.rmtree(bids, ignore_errors=True)
    for preset, (count, seed) in PRESETS[tuning].items():
        simulated = out / preset
        if not (simulated / "participants.tsv").exists():
            words = ["simulate", simulated, "--preset", preset, "--subjects", count]
            words += ["--ages", AGES[tuning], "--seed", seed, "--jobs", 2]
            subprocess.run([*PROGRAM, *map(str, words)], check=True)
        people = pd.read_csv(simulated / "participants.tsv", sep="\t")
        faults = planned(count, tuning)
        for number, fault in enumerate(faults):
            row = people.iloc[number % count]
            label = f"{preset}{number + 1:02d}"
            other = people.iloc[(number + 1) % count].participant_id
            age = plant(
                simulated, row, fault, bids / f"sub-{label}", simulated / other, seed + number
            )
            rows.append((f"sub-{label}", preset, fault))
            ages.append((f"sub-{label}", age))
    frame = pd.DataFrame(ages, columns=["participant_id", "age"])
    frame.to_csv(bids / "participants.tsv", sep="\t", index=False)
    shutil.copy(simulated / "participants.json", bids)
    text = {"Name": "planted faults", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    write_text(json.dumps(text), bids / "dataset_description.json")
    found = pd.DataFrame(rows, columns=["participant_id", "preset", "fault"])
    found.to_csv(table, sep="\t", index=False)
    return found


def planned(count: int, tuning: bool) -> list[str]:
    """Return the faults of a protocol's infants; empty is none."""
    if tuning:
        return [""] * count + list(FAULTS)
    # Of each five infants, two have a fault.
    names = list(FAULTS)
    faults, given = [], 0
    for number in range(count):
        has = number % 5 in (1, 3)
        faults.append(names[given % len(names)] if has else "")
        given += has
    return faults


def plant(
    simulated: Path, row: pd.Series, fault: str, folder: Path, other: Path, seed: int
) -> float:
    """Write an infant with a fault; return the age that is said."""
    label = row.participant_id
    source = simulated / label / "anat"
    target = folder / "anat"
    target.mkdir(parents=True)
    scans = {name: nib.load(source / f"{label}_{name}.nii.gz") for name in ("T2w", "T1w")}
    truth = simulated / "derivatives" / "truth" / label / "anat"
    nuclei = truth / f"{label}_desc-anatomy_dseg.nii.gz"
    infant = Infant(
        images={name: scan.get_fdata(dtype=np.float32) for name, scan in scans.items()},
        affines={name: scan.affine for name, scan in scans.items()},
        nuclei=nib.load(nuclei),
        age_weeks=float(row.age),
        rng=np.random.default_rng(seed),
        other=other,
    )
    if fault:
        FAULTS[fault](infant)
    for name, image in infant.images.items():
        path = target / f"{folder.name}_{name}.nii.gz"
        save_image(image, infant.affines[name], path, dtype=np.float32)
        shutil.copy(source / f"{label}_{name}.json", target / f"{folder.name}_{name}.json")
    return infant.age_weeks


def score(results: Path, planted: pd.DataFrame) -> pd.DataFrame:
    """Return for each infant what is advised and whether the fault is said for the right reason."""
    found = pd.read_csv(results / "group_qc.tsv", sep="\t", dtype={"subject": str})
    found["participant_id"] = "sub-" + found["subject"]
    table = planted.merge(
        found[["participant_id", "advice", "reasons"]], on="participant_id", how="left"
    )
    table["advice"] = table["advice"].fillna("failed")
    table["reasons"] = table["reasons"].fillna("")
    table["right"] = [
        bool(row.fault) and RIGHT[row.fault] in row.reasons for row in table.itertuples()
    ]
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--tuning", action="store_true", help="infants that bounds were chosen by")
    options = parser.parse_args()
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    planted = make(out, options.tuning)
    words = ["run", out / "bids", out / "results", "-w", out / "work"]
    subprocess.run([*PROGRAM, *map(str, words)], check=False)
    table = score(out / "results", planted)
    told = table["advice"] != "good"
    for row in table[told | (table["fault"] != "")].itertuples():
        print(f"{row.participant_id} {row.fault or '-'}: {row.advice}: {row.reasons}")
    faulty = table["fault"] != ""
    summary = table[faulty].assign(told=told).groupby("fault")[["told", "right"]].sum()
    print(summary.assign(of=table[faulty].groupby("fault").size()).to_string())
    print(f"for the right reason: {table['right'].sum()} of {faulty.sum()}")
    print(f"others told: {(told & ~faulty).sum()} of {(~faulty).sum()}")


if __name__ == "__main__":
    main()
