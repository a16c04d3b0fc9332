"""Each real infant segmented by a model that never saw it: one command, which goes on where it was.

    python benchmarks/leave_one_out.py OUT [--infants 02 04] [--start MODEL]
    python benchmarks/leave_one_out.py OUT --pvs

A model is trained for each infant on synthetic ones and on known tubes in the other infants, from
where a model stands that never saw it: `--start`, or one that this trains on synthetic infants
alone first. Steps are set below and not by the infant left out. Then the infant is segmented, told
nothing, as `benchmarks/heads.py` does, and its basal ganglia are held against the reference.
`--nothing-new` only scores the model to start from. Needs BGPVS_TEST_DATA.

`--pvs` trains the network for PVS alone, the others are those of the box: on synthetic infants
(OUT/synthetic), and from there with known tubes in real ones: in all of them (OUT/all, which is
what goes into the box), and without two at a time (OUT/without_01_03, OUT/without_02_04), for
`benchmarks/volumes.py` to score on these two.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from heads import INFANTS, MODALITIES, OTHER_T1W, found_in, subjects, usable
from pseudolabels import DATA

from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.learning.models.bundle import Model, find_model
from bgpvs_wf.learning.training.tasks import dice

SEEN = {"infant": ("01", "03")}
"""Infants that a model in the box has learnt from."""
PHANTOMS: dict[str, dict[str, Any]] = {
    "dhcp": {"ages": ["31w", "35w", "38w", "40w", "42w", "44w", "46w"], "seed": 12001},
    "bcp": {"ages": ["40w", "2m", "5m", "8m", "12m", "18m", "24m"], "seed": 12002},
    "clinical": {"ages": ["37w", "1m", "3m", "6m", "12m", "24m"], "seed": 12003},
}
HYBRID_SEED, CASES = 21000, 4
ALONE = {"coarse": 2500, "fine": 2000, "pvs": 2500}
"""Steps on synthetic infants alone."""
FURTHER = {"coarse": 500, "fine": 500, "pvs": 0}
"""Steps from there, with real infants (set beforehand)."""
PVS_PHANTOMS: dict[str, dict[str, Any]] = {
    "dhcp": {"ages": ["32w", "35w", "37w", "39w", "40w", "42w", "43w", "45w"], "seed": 12101},
    "bcp": {
        "ages": [
            *("40w", "1m", "2m", "3m", "4m", "6m", "7m"),
            *("9m", "11m", "13m", "16m", "19m", "22m", "24m"),
        ],
        "seed": 12102,
    },
    "clinical": {
        "ages": [
            *("35w", "38w", "41w", "1m", "3m", "5m"),
            *("7m", "9m", "12m", "15m", "18m", "24m"),
        ],
        "seed": 12103,
    },
}
"""Infants whose tubes are 0.2 to 1 of the way."""
PVS_FILL, PVS_CASES = [0.2, 1.0], 5
PVS_LEFT_OUT: dict[str, tuple[str, ...]] = {
    "all": (),
    "without_01_03": ("01", "03"),
    "without_02_04": ("02", "04"),
}
PVS_ALONE, PVS_AGAIN, PVS_FURTHER = (9000, 29), (5000, 30), (2000, 31)
"""Steps and seed on synthetic infants, from there again, and from there with real ones (set
beforehand)."""


def main() -> None:
    """Train and print a line an infant and modality."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--infants", nargs="+", default=list(INFANTS), choices=INFANTS)
    parser.add_argument("--start", default="", help="model in the box that never saw them")
    parser.add_argument("--nothing-new", action="store_true", help="only score that model")
    parser.add_argument("--pvs", action="store_true", help="train networks for PVS alone")
    parser.add_argument("--only", nargs="+", default=list(PVS_LEFT_OUT), choices=PVS_LEFT_OUT)
    options = parser.parse_args()
    out = options.out.absolute()
    if options.pvs:
        first = train(out, "synthetic", pvs_recipe(out, "synthetic", (), "", *PVS_ALONE))
        start = train(out, "again", pvs_recipe(out, "again", (), first, *PVS_AGAIN))
        for name in options.only:
            infants = [label for label in INFANTS if label not in PVS_LEFT_OUT[name]]
            train(out, name, pvs_recipe(out, name, infants, start, *PVS_FURTHER))
        return
    known = sorted(set(SEEN.get(options.start, ())) & set(options.infants))
    if known:
        parser.error(f"the model {options.start} has learnt from {', '.join(known)}.")
    start = options.start or train(out, "phantoms", make_recipe(out, "phantoms", (), ""))
    for left_out in options.infants:
        others = [label for label in INFANTS if label != left_out]
        name, model = f"without_{left_out}", start
        if not options.nothing_new:
            model = train(out, name, make_recipe(out, name, others, start))
        score(left_out, find_model(model))


def train(out: Path, name: str, content: dict[str, Any]) -> str:
    """Train a model by a recipe, unless it is there; return its folder."""
    folder = out / name
    for shared in ("cohorts", "cases"):
        # A cohort is made once for all trainings.
        (out / shared).mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        if not (folder / shared).is_symlink():
            (folder / shared).symlink_to(Path("..") / shared)
    recipe = folder / "recipe.toml"
    recipe.write_text(tomli_w.dumps(content))
    program = Path(sys.executable).with_name("bgpvs-wf")
    command = [program, "train", recipe, folder, "-w", out / "work"]
    subprocess.run(list(map(str, command)), check=True)
    return str(folder / "model")


def make_recipe(out: Path, name: str, infants: Sequence[str], start: str) -> dict[str, Any]:
    """Return the recipe of a training on synthetic infants and tubes in these real ones."""
    cohorts = synthetic(PHANTOMS, held_out=0.15)
    cohorts |= {f"infant{label}": known_tubes(out, label, CASES) for label in infants}
    steps = FURTHER if start else ALONE
    networks = {
        table: {"steps": count, **({"start": start} if start else {})}
        for table, count in steps.items()
    }
    return {
        "name": name,
        "strategy": "manual",
        "seed": 17,
        "held_out": 0.0,
        "cohorts": cohorts,
        **networks,
        "training": {"batch": 1, "learning_rate": 0.001 if start else 0.003, "validate_steps": 250},
        "augmentation": {"bending": 0.15, "scaling": 0.2, "contrast": 0.4},
    }


def pvs_recipe(
    out: Path, name: str, infants: Sequence[str], start: str, steps: int, seed: int
) -> dict[str, Any]:
    """Return the recipe of a training of the network for PVS, the others being the box's."""
    cohorts = synthetic(PVS_PHANTOMS, fill=PVS_FILL)
    for label in infants:
        cohorts[f"tubes{label}"] = {**known_tubes(out, label, PVS_CASES), "fill": PVS_FILL}
    return {
        "name": name,
        "strategy": "manual",
        "seed": seed,
        "held_out": 0.16,
        "cohorts": cohorts,
        "coarse": {"model": "infant"},
        "fine": {"start": "infant", "steps": 0},
        "pvs": {"steps": steps, **({"start": start} if start else {})},
        "training": {"learning_rate": 0.002 if start else 0.003, "validate_steps": 1000},
    }


def synthetic(infants: dict[str, dict[str, Any]], **options: Any) -> dict[str, Any]:
    """Return cohorts of synthetic infants, by preset."""
    return {
        preset: {
            "preset": preset,
            "subjects": len(content["ages"]),
            "anatomy_from": "truth",
            **options,
            **content,
        }
        for preset, content in infants.items()
    }


def known_tubes(out: Path, label: str, cases: int) -> dict[str, Any]:
    """Return the cohort of known tubes in a real infant."""
    return {
        "onto": str(scans(out)),
        "derivatives": {"reference": str(DATA / "reference")},
        "participants": [label],
        "cases": cases,
        "seed": HYBRID_SEED + int(label),
        "anatomy_from": "reference",
    }


def scans(out: Path) -> Path:
    """Return the folder of the infants, without the T1w that is of another head."""
    folder = out / "infants"
    for path in (DATA / "infants").rglob("*"):
        if path.is_file() and not any(path.name.startswith(f"{name}_T1w") for name in OTHER_T1W):
            there = folder / path.relative_to(DATA / "infants")
            there.parent.mkdir(parents=True, exist_ok=True)
            if not there.exists():
                there.symlink_to(path)
    return folder


def score(label: str, model: Model) -> None:
    """Print the Dice of the basal ganglia of an infant by a model."""
    for one in subjects((), [label]):
        for name in usable(one, list(MODALITIES)):
            _, prediction = found_in(one, MODALITIES[name], model)
            found = np.isin(prediction.anatomy, BG_LABELS)
            print(f"{one.name} {name:4} {model.label}: BG {dice(found, one.bg):.3f}", flush=True)


if __name__ == "__main__":
    main()
