"""Accuracy against the number of labelled subjects: from the model in the box, and from scratch.

    python benchmarks/labels.py OUT [--counts 0,2,5,8,20] [--steps N]

The infants are those of a scanner the model in the box does not know (`SITE`: coarser, noisier,
of another contrast than its protocols). Training seed 13001, test seed 5401, ten test infants. From
the box the model is fine-tuned; from scratch a fine network is trained with as many steps
beside the coarse one of the box. Scores are the Dice of `bgpvs-wf compare`, nuclei found by the
model; the table and a chart go to OUT.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pandas as pd
import tomli_w

SITE = {
    "base": "clinical",
    "description": "A scanner that no preset is like",
    "t2w": {"voxel_mm": [0.7, 0.7, 1.1], "resolution_mm": [0.8, 0.9, 1.2], "snr": 22.0,
            "weighting": 1.2},
    "t1w": {"voxel_mm": [0.9, 0.9, 0.9], "resolution_mm": [0.9, 0.9, 1.0], "snr": 18.0,
            "weighting": 0.85},
}  # fmt: skip
AGES = "36w,40w,1m,2m,4m,6m,8m,11m,15m,22m"
TRAIN_SEED, TEST_SEED = 13001, 5401
TRAINING, TEST = 20, 10


def main() -> None:
    """Train with more and more labels; write `labels.tsv` and `labels.svg`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--counts", default="0,2,5,8,20", help="labelled subjects")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--model", default="infant")
    options = parser.parse_args()
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    protocol = out / "site.toml"
    protocol.write_text(tomli_w.dumps(SITE))
    for name, seed, count in (("train", TRAIN_SEED, TRAINING), ("test", TEST_SEED, TEST)):
        if not (out / name).is_dir():
            program(
                f"simulate {out}/{name} --preset {protocol} --seed {seed} --subjects {count} "
                f"--ages {AGES} --jobs 2"
            )
    models: dict[str, str] = {}
    for count in map(int, options.counts.split(",")):
        for start in ("box", "scratch"):
            if count:
                models[f"{start}_{count}"] = str(learn(out, count, start, options) / "model")
            elif start == "box":
                models["box_0"] = options.model
    table = score(out, models)
    table.round(4).to_csv(out / "labels.tsv", sep="\t", index=False)
    print(table.round(3).to_string(index=False))
    draw(table, out / "labels.svg")


def learn(out: Path, count: int, start: str, options: argparse.Namespace) -> Path:
    """Train a model on the first labelled subjects; return its folder."""
    labels = out / f"labels_{count}"
    truth = out / "train" / "derivatives" / "truth"
    labels.mkdir(exist_ok=True)
    for subject in sorted(truth.glob("sub-*"))[:count]:
        link = labels / subject.name
        if not link.is_symlink():
            link.symlink_to(subject)
    folder = out / f"{start}_{count}"
    work = f"-w {out}/work"
    if start == "box":
        program(
            f"finetune {out}/train {folder} --labels {labels} --model {options.model} "
            f"--steps {options.steps} {work}",
        )
        return folder
    recipe = {
        "name": folder.name,
        "strategy": "manual",
        "held_out": 0.0,
        "cohorts": {
            "labelled": {
                "bids_dir": str(out / "train"),
                "truth": str(labels),
                "anatomy_from": "truth",
            }
        },
        "coarse": {"model": options.model},
        "fine": {"steps": options.steps},
        "pvs": {"steps": options.steps},
    }
    path = out / f"{folder.name}.toml"
    path.write_text(tomli_w.dumps(recipe))
    program(f"train {path} {folder} {work}")
    return folder


def score(out: Path, models: dict[str, str]) -> pd.DataFrame:
    """Run the models on the test infants; return their mean Dice, a row each."""
    truth = out / "test" / "derivatives" / "truth"
    experiment = {
        "proposed": next(iter(models)),
        "cohorts": {"site": {"bids_dir": str(out / "test"), "truth": str(truth)}},
        "strategies": {
            name: {"segmentation": "model", "predict": {"model": model}}
            for name, model in models.items()
        },
    }
    path = out / "experiment.toml"
    path.write_text(tomli_w.dumps(experiment))
    program(f"compare {path} {out}/comparison -w {out}/work")
    cases = pd.read_csv(out / "comparison/site/evaluation/evaluation_cases.tsv", sep="\t")
    means = cases.pivot_table(index="method", columns="structure", values="dice")
    rows = []
    for name in models:
        start, count = name.split("_")
        dice = means.loc[name]
        rows.append([int(count), start, dice["BG"], dice["BG-PVS"]])
    return pd.DataFrame(rows, columns=["labelled", "start", "bg_dice", "pvs_dice"])


def program(arguments: str) -> None:
    """Call the program; stop if it fails."""
    path = Path(sys.executable).with_name("bgpvs-wf")
    subprocess.run([str(path), *arguments.split()], check=True)


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the curves."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for start, colour in (("box", "#0072b2"), ("scratch", "#d55e00")):
        part = table[table["start"] == start]
        for column, line in (("bg_dice", "--"), ("pvs_dice", "-")):
            label = f"{'from the box' if start == 'box' else 'from scratch'}, {column[:-5].upper()}"
            axes.plot(part["labelled"], part[column], line, color=colour, marker="o", label=label)
    axes.set_xticks(sorted(set(table["labelled"])))
    axes.set_xlabel("Labelled subjects")
    axes.set_ylabel("Dice")
    axes.set_ylim(0, 1)
    axes.legend(frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
