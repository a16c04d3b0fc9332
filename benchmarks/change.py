"""Change between sessions on infants who grow: what is matched rightly, new, gone, and how much.

    python benchmarks/change.py OUT [--subjects 20] [--presets bcp dhcp] [--results FOLDER]

Makes growing phantoms, three sessions each, measures the TRUE label maps as the pipeline would,
runs `bgpvs_wf.studies.longitudinal.write_changes` on them, and compares with the truth. Numbers of
the spaces are shuffled first. With `--results`, the results of `bgpvs-wf run` on OUT/PRESET/bids
take the place of the true label maps; a space is then the true tube that it has most voxels of, and
what is not found, or is no tube, counts against what is new and gone.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
_OBJECTS = ["index", "region", "side", "volume_mm3", "volume_tube_mm3", "mean_diameter_mm"]
_BRIGHTNESS = 0.87
"""Of the fluid in tubes, which are filled 75 to 100 %; in a run a network tells it."""
LEAST_VOXELS = 2
"""Smaller tubes are not scored: a voxel has no line."""


def main() -> None:
    """Print a table, a row a preset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--subjects", type=int, default=20)
    parser.add_argument(
        "--skip", type=int, default=0, help="so many infants, of which none is scored"
    )
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
            n_subjects=options.skip + options.subjects,
            sessions=sessions,
            seed=options.seed,
            protocol=load_protocol(preset),
            jobs=options.jobs,
        )
    results = options.results or folder / "true"
    subjects = sorted(path.name for path in bids.glob("sub-*"))[options.skip :]
    subjects = subjects[: options.subjects]
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
    write_table(pd.DataFrame(rows, columns=_OBJECTS), target / f"{stem}_desc-pvs_objects.tsv")


def one_object(
    read: dict[str, np.ndarray], pvs: np.ndarray, number: int, image: nib.Nifti1Image
) -> dict[str, object]:
    """Measure one tube as the pipeline does, where all others are left out of the background."""
    bgpvs = np.where(read["bgpvs"] > 0, 1, 0).astype(np.uint8)
    bgpvs[pvs == number] = 2
    data = np.asarray(image.dataobj).astype(np.float32)
    data[(pvs > 0) & (pvs != number)] = np.median(data[bgpvs == 1])
    found = measure(
        bgpvs=bgpvs, anatomy=read["anatomy"], affine=image.affine, t2w=data, brightness=_BRIGHTNESS
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


@dataclass
class Tally:
    """What was counted over steps between sessions."""

    right: int = 0
    scored: int = 0
    found: int = 0
    there: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    true: Counter[str] = field(default_factory=Counter)
    errors: list[float] = field(default_factory=list)
    """Of the change of an infant's tubes together, as a share of their later volume."""
    totals: list[float] = field(default_factory=list)
    """The same of all that is in the table, found or not."""
    ratios: list[float] = field(default_factory=list)
    """Error of the change of a tube over the standard deviation that is told."""
    called: list[bool] = field(default_factory=list)
    """Whether a tube that hardly changed is called grown or shrunk."""

    def result(self) -> dict[str, object]:
        """Return what is printed."""
        told: dict[str, object] = {
            "tubes there, in all sessions": self.there,
            "found": self.found / max(self.there, 1),
            "tubes scored": self.scored,
            "matched rightly": self.right / max(self.scored, 1),
        }
        for kind in ("new", "gone"):
            told[f"{kind}: precision"] = self.hits[kind] / max(self.said[kind], 1)
            told[f"{kind}: recall"] = self.hits[kind] / max(self.true[kind], 1)
            told[f"{kind}: true"] = self.true[kind]
        return {
            **told,
            "change of volume of what is matched, error of an infant (median)": np.median(
                np.abs(self.errors)
            ),
            "its bias": np.mean(self.errors),
            "change of volume of all PVS, error of an infant (median)": np.median(
                np.abs(self.totals)
            ),
            "bias of that": np.mean(self.totals),
            "change of volume, error of a tube / SD told": np.std(self.ratios),
            "unchanged tubes called changed": np.mean(self.called) if self.called else np.nan,
        }


@dataclass(frozen=True)
class Session:
    """What is said of an infant in a session, and what is true."""

    tubes: dict[int, int]
    """Number of a space to the true tube that it has most voxels of; 0 for none."""
    sizes: dict[int, int]
    """Number of a space to its voxels."""
    true: dict[int, int]
    """True tube to its voxels."""
    volumes: pd.Series
    """True tube to its volume, mm3."""

    @property
    def big(self) -> set[int]:
        """True tubes that are scored."""
        return {tube for tube, size in self.true.items() if size >= LEAST_VOXELS}

    def of(self, row: dict[str, Any], key: str) -> set[int]:
        """Return the true tubes of a row's spaces."""
        text = row[key]
        return {self.tubes[int(n)] for n in text.split("+")} if isinstance(text, str) else set()

    def false(self, row: dict[str, Any], key: str) -> bool:
        """Return whether a row's spaces, of some size, are no tube at all."""
        text = row[key]
        numbers = [int(n) for n in text.split("+")] if isinstance(text, str) else []
        size = sum(self.sizes[n] for n in numbers)
        return size >= LEAST_VOXELS and not any(self.tubes[n] for n in numbers)


def compare(
    bids: Path, results: Path, subjects: list[str], sessions: list[str]
) -> dict[str, object]:
    """Score steps between sessions against the truth."""
    tally = Tally()
    text = {"index_from": str, "index_to": str}
    for subject in subjects:
        truth = pd.read_csv(
            bids / "derivatives" / "truth" / subject / f"{subject}_tubes.tsv", sep="\t"
        )
        told = pd.read_csv(
            results / subject / f"{subject}_desc-pvs_change.tsv", sep="\t", dtype=text
        )
        known = {k: read_session(bids, results, subject, k, truth) for k in sessions}
        for one in known.values():
            tally.there += len(one.big)
            tally.found += len(one.big & set(one.tubes.values()))
        for a, b in itertools.pairwise(sessions):
            step = told[told["session_from"] == f"ses-{a}"].to_dict("records")
            score_matches(step, known[a], known[b], tally)
            score_volumes(step, known[a], known[b], tally)
    return tally.result()


def read_session(
    bids: Path, results: Path, subject: str, session: str, truth: pd.DataFrame
) -> Session:
    """Read what is said and what is true of a session."""
    stem, parts = f"{subject}_ses-{session}", (subject, f"ses-{session}", "anat")
    name = f"{stem}_desc-pvs_dseg.nii.gz"
    said = np.asarray(nib.load(results.joinpath(*parts, name)).dataobj).astype(int)
    true = np.asarray(nib.load(bids.joinpath("derivatives", "truth", *parts, name)).dataobj).astype(
        int
    )
    tubes, sizes = {}, {}
    for number in np.unique(said[said > 0]).tolist():
        inside = true[said == number]
        tubes[number] = int(np.bincount(inside[inside > 0]).argmax()) if inside.any() else 0
        sizes[number] = len(inside)
    counts = np.bincount(true.ravel())
    volumes = truth[truth["session_id"] == f"ses-{session}"].set_index("tube")["volume_mm3"]
    there = {int(tube): int(counts[tube]) for tube in np.flatnonzero(counts) if tube}
    return Session(tubes, sizes, there, volumes)


def score_matches(
    step: list[dict[str, Any]], first: Session, second: Session, tally: Tally
) -> None:
    """Score which is which, what is new, and what is gone, in one step of one infant."""
    partner: dict[int, tuple[set[int], set[int]]] = {}
    said: dict[str, set[int]] = {"new": set(), "gone": set()}
    for row in step:
        olds, news = first.of(row, "index_from"), second.of(row, "index_to")
        kind = row["change"]
        if kind == "persisted":
            partner.update(dict.fromkeys(olds, (olds, news)))
        elif kind in said:
            said[kind] |= olds | news
            one, key = (second, "index_to") if kind == "new" else (first, "index_from")
            tally.said[kind] += one.false(row, key)
    seen = [set(one.tubes.values()) - {0} for one in (first, second)]
    big = first.big | second.big
    for tube in seen[0] & big:
        if tube in second.true and tube not in seen[1]:
            continue  # Nobody can match what is not found.
        there = partner.get(tube) == ({tube}, {tube})
        tally.right += there if tube in second.true else tube in said["gone"]
        tally.scored += 1
    comes, goes = second.true.keys() - first.true.keys(), first.true.keys() - second.true.keys()
    for kind, true in (("new", comes), ("gone", goes)):
        told = said[kind] & big
        tally.hits[kind] += len(told & true)
        tally.said[kind] += len(told)
        tally.true[kind] += len(true & big)


def score_volumes(
    step: list[dict[str, Any]], first: Session, second: Session, tally: Tally
) -> None:
    """Score the change of volume of tubes that are matched rightly, and of all."""
    error, base, change = 0.0, 0.0, 0.0
    for row in step:
        change += row["volume_change_mm3"]
        olds, news = first.of(row, "index_from"), second.of(row, "index_to")
        if row["change"] != "persisted" or olds != news or len(olds) != 1 or 0 in olds:
            continue
        (tube,) = olds
        if tube not in first.volumes or tube not in second.volumes:
            continue
        true = float(second.volumes[tube] - first.volumes[tube])
        deviation = row["volume_change_limit_mm3"] / 1.96
        error += row["volume_change_mm3"] - true
        base += float(second.volumes[tube])
        tally.ratios.append((row["volume_change_mm3"] - true) / deviation)
        if abs(true) < 0.3 * deviation:
            tally.called.append(row["size"] != "same")
    if base:
        tally.errors.append(error / base)
    total = float(second.volumes.sum())
    if total:
        tally.totals.append((change - total + float(first.volumes.sum())) / total)


if __name__ == "__main__":
    main()
