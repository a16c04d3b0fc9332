"""What the model card says of accuracy on test infants: by protocol, voxel size and age.

    python benchmarks/accuracy.py COMPARISON [--strategy model] [--card MODEL/docs/README.md]

COMPARISON is where `bgpvs-wf compare` (benchmarks/model.toml) put its results; cohorts without
ages, such as known tubes in real scans, are left out. Prints the table; with `--card`, puts it into
the card, in the place of the one that is there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

AGES = {"to 40 weeks": 40.0, "to 3 months": 53.0, "to 12 months": 92.2, "to 24 months": 145.0}
"""Upper end of each group, weeks of post-menstrual age."""
SECTION, NEXT = "## Accuracy on test infants", "## Limits"
COLUMNS = {"bg": "BG Dice", "dice": "PVS Dice", "recall": "PVS recall", "ppv": "PVS PPV"}


def main() -> None:
    """Print the table; put it into a card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("comparison", type=Path)
    parser.add_argument("--strategy", default="model")
    parser.add_argument("--card", type=Path)
    options = parser.parse_args()
    cohorts = sorted(options.comparison.glob("*/evaluation/evaluation_cases.tsv"))
    scores = pd.concat([read_scores(path, options.strategy) for path in cohorts])
    lines = [
        SECTION,
        "",
        f"{len(scores)} synthetic infants that no network has learnt from, nobody told where the",
        "nuclei are (`benchmarks/model.toml`); mean (standard deviation). Months are those after a",
        "birth at 40 weeks:",
        "",
        *table(scores),
        "",
    ]
    print("\n".join(lines))
    if options.card is not None:
        start, _, rest = options.card.read_text().partition(NEXT)
        start = start.partition(SECTION)[0]
        options.card.write_text(start + "\n".join([*lines, NEXT]) + rest)


def read_scores(path: Path, strategy: str) -> pd.DataFrame:
    """Return a row per infant of a cohort; none if their ages are not known."""
    people = path.parents[1] / "bids" / "participants.tsv"
    cases = pd.read_csv(path, sep="\t", dtype={"subject": str}, na_values=["n/a"])
    cases = cases[cases["method"] == strategy]
    tubes = pd.read_csv(path.with_name("evaluation_tubes.tsv"), sep="\t", dtype={"subject": str})
    ages = pd.read_csv(people, sep="\t", na_values=["n/a"]) if people.is_file() else pd.DataFrame()
    if "age" not in ages:
        return pd.DataFrame()
    known = ages.set_index("participant_id")["age"]
    rows = cases[cases["structure"] == "BG-PVS"].set_index("subject")
    return rows.assign(
        cohort=path.parents[1].name,
        voxel=f"{tubes['voxel_mm'].median():.2f}",
        bg=cases[cases["structure"] == "BG"].set_index("subject")["dice"],
        age=pd.cut(known[[f"sub-{who}" for who in rows.index]], [0, *AGES.values()], labels=[*AGES])
        .astype(str)
        .to_numpy(),
    )


def table(scores: pd.DataFrame) -> list[str]:
    """Return the lines of the table."""
    titles = ("protocol", "voxel, mm", "age", "infants", *COLUMNS.values())
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for (cohort, voxel), of_cohort in scores.groupby(["cohort", "voxel"], sort=False):
        for name in AGES:
            some = of_cohort[of_cohort["age"] == name]
            if len(some):
                cells = (f"{some[c].mean():.2f} ({some[c].std(ddof=0):.2f})" for c in COLUMNS)
                line = (cohort, voxel, name, str(len(some)), *cells)
                lines.append("| " + " | ".join(line) + " |")
    return lines


if __name__ == "__main__":
    main()
