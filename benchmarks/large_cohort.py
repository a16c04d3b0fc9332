"""What the group level costs where a cohort is large: time, memory, and the size of the page.

    python benchmarks/large_cohort.py RESULTS OUT [--subjects 1000]

RESULTS are those of a run, which are copied under other names, with ages and numbers at random: the
group level reads tables, sidecars and thumbnails, no images. Then one subject more is added.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

PROGRAM = (sys.executable, "-m", "bgpvs_wf")
COPIED = ("_desc-bgpvs_morph.tsv", "_desc-bgpvs_quality.tsv", "_desc-bgpvs_dseg.json")
FIGURES = ("_desc-bgpvs_figure.svg", "_desc-bgpvs_thumbnail.jpg")
_RECORD = "logs/ledger/{}.json"


def add(results: Path, out: Path, number: int) -> None:
    """Write the results of a made-up subject."""
    rng = np.random.default_rng(number)
    known = sorted(path.parent.name for path in results.glob("sub-*/anat"))
    source = known[number % len(known)]
    label = f"sub-m{number:04d}"
    anat, figures = out / label / "anat", out / label / "figures"
    anat.mkdir(parents=True)
    figures.mkdir()
    for end in COPIED:
        path = results / source / "anat" / f"{source}{end}"
        if end.endswith(".tsv"):
            table = pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)
            numbers = table.select_dtypes("float").columns.difference(["index", "pvs_count"])
            table[numbers] *= rng.normal(1, 0.05, (len(table), len(numbers)))
            share = [name for name in numbers if "share" in name or "fraction" in name]
            table[share] = table[share].clip(0, 1)
            table.to_csv(anat / f"{label}{end}", sep="\t", index=False, na_rep="n/a")
        else:
            shutil.copy(path, anat / f"{label}{end}")
    for end in FIGURES:
        shutil.copy(results / source / "figures" / f"{source}{end}", figures / f"{label}{end}")
    record = json.loads((results / _RECORD.format(source)).read_text())
    record["facts"]["age_weeks"] = float(rng.uniform(30, 144))
    path = out / _RECORD.format(label)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(re.sub(rf"\b{source}\b", label, json.dumps(record)))


def timed(bids: Path, out: Path) -> tuple[float, float]:
    """Run the group level; return its seconds, and the peak memory of all runs so far, GB."""
    start = time.perf_counter()
    subprocess.run([*PROGRAM, "run", str(bids), str(out), "group"], check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return time.perf_counter() - start, peak


def main() -> None:
    """Print what it takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--subjects", type=int, default=1000)
    options = parser.parse_args()
    bids, out = options.out / "bids", options.out / "results"
    bids.mkdir(parents=True)
    (bids / "dataset_description.json").write_text('{"Name": "made up", "BIDSVersion": "1.10.0"}')
    for number in range(options.subjects):
        add(options.results, out, number)
    seconds, peak = timed(bids, out)
    size = (out / "group.html").stat().st_size / 1e6
    print(f"{options.subjects} subjects: {seconds:.1f} s, {peak:.2f} GB, page of {size:.1f} MB")
    add(options.results, out, options.subjects)
    print(f"one more: {timed(bids, out)[0]:.1f} s")


if __name__ == "__main__":
    main()
