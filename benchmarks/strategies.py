"""The strategies of training side by side: small budgets, the same for each.

    python benchmarks/strategies.py OUT [--steps N] [--subjects N] [--cases N] [--scans FOLDER]

Trains a network for PVS by each strategy on the same synthetic infants (seeds 12001 to 12003, eight
of each protocol; nuclei given, PVS by the strategy's own labels; `manual` has the true labels of
two infants of each protocol and no others), all with the same number of steps. Nuclei are found by
the networks of the model in the box, but by `joint`: one network for nuclei and PVS together, as
was published, which takes the place of them with as many steps. Then `bgpvs-wf compare` scores all,
the box beside them, on test infants (seeds 5301 to 5303) and, with `--scans`, on known tubes in the
real infants (seed 6301). What is finished is not done again: run the same command to go on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import tomli_w

AGES = {
    "dhcp": ["33w", "36w", "38w", "40w", "41w", "42w", "43w", "45w"],
    "bcp": ["41w", "1m", "3m", "5m", "7m", "10m", "14m", "20m"],
    "clinical": ["36w", "40w", "2m", "4m", "7m", "11m", "16m", "22m"],
}
TEST_AGES = {
    "dhcp": ["34w", "37w", "39w", "40w", "41w", "43w", "44w"],
    "bcp": ["40w", "2m", "4m", "6m", "9m", "12m", "18m", "24m"],
    "clinical": ["35w", "40w", "1m", "3m", "6m", "9m", "12m", "24m"],
}
TRAIN_SEED, TEST_SEED, HYBRID_SEED = 12001, 5301, 6301
LABELLED = 2
"""Infants of each protocol whose true labels `manual` learns from."""
BOX, PROPOSED = "box", "anatomy"
STRATEGIES: dict[str, dict[str, Any]] = {
    "anatomy": {"strategy": "anatomy"},
    "self_training": {"strategy": "anatomy", "fine": {"self_training": 1}},
    "filter": {"strategy": "filter"},
    "manual": {"strategy": "manual"},
    "joint": {"strategy": "joint"},
}


def main() -> None:
    """Train all, then compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=1500, help="of the networks for PVS")
    parser.add_argument("--subjects", type=int, default=10, help="test infants a protocol")
    parser.add_argument("--cases", type=int, default=4, help="hybrids of each real infant")
    parser.add_argument("--scans", type=Path, help="folder with infants/ and reference/")
    parser.add_argument("--nuclei", default="infant", help="model that finds the nuclei")
    parser.add_argument("--only", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    options = parser.parse_args()
    out = options.out.absolute()
    work = out / "work"
    for number, preset in enumerate(AGES):
        ages = AGES[preset]
        for name, count in ((preset, len(ages)), (f"labelled_{preset}", LABELLED)):
            if not (out / "infants" / name).is_dir():
                seed = TRAIN_SEED + number
                command = f"simulate {out}/infants/{name} --preset {preset} --seed {seed} --jobs 2"
                run(f"{command} --subjects {count} --ages {','.join(ages)}")
    for name in options.only:
        recipe = make_recipe(name, STRATEGIES[name], out, options)
        path = out / "recipes" / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(tomli_w.dumps(recipe))
        run(f"train {path} {out}/models/{name} -w {work}")
    experiment = out / "experiment.toml"
    experiment.write_text(tomli_w.dumps(make_experiment(out, options)))
    run(f"compare {experiment} {out}/comparison -w {work}")


def make_recipe(
    name: str, changes: dict[str, Any], out: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """Return the recipe of a strategy."""
    cohorts = {}
    for preset in AGES:
        folder = out / "infants" / (f"labelled_{preset}" if name == "manual" else preset)
        cohorts[preset] = {
            "bids_dir": str(folder),
            "truth": str(folder / "derivatives" / "truth"),
            "anatomy_from": "truth",
        }
    networks: dict[str, Any] = {
        "fine": {"start": options.nuclei, "steps": 0, **changes.get("fine", {})},
        "pvs": {"steps": options.steps},
    }
    if name == "joint":
        networks = {"fine": {"steps": options.steps}}
    return {
        "name": name,
        "strategy": changes["strategy"],
        "seed": 1,
        "held_out": 0.0,
        "cohorts": cohorts,
        "coarse": {"model": options.nuclei},
        **networks,
    }


def make_experiment(out: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the experiment that scores them."""
    cohorts: dict[str, Any] = {
        preset: {
            "preset": preset,
            "subjects": options.subjects,
            "ages": TEST_AGES[preset],
            "seed": TEST_SEED + number,
        }
        for number, preset in enumerate(AGES)
    }
    if options.scans is not None:
        cohorts["hybrids"] = {
            "onto": str(options.scans / "infants"),
            "derivatives": {"reference": str(options.scans / "reference")},
            "cases": options.cases,
            "seed": HYBRID_SEED,
        }
    models = {name: str(out / "models" / name / "model") for name in options.only}
    return {
        "proposed": PROPOSED if PROPOSED in models else BOX,
        "cohorts": cohorts,
        "strategies": {
            name: {"segmentation": "model", "predict": {"model": model}}
            for name, model in (models | {BOX: options.nuclei}).items()
        },
    }


def run(arguments: str) -> None:
    """Call the program; stop if it cannot serve the call."""
    program = Path(sys.executable).with_name("bgpvs-wf")
    subprocess.run([str(program), *arguments.split()], check=True)


if __name__ == "__main__":
    main()
