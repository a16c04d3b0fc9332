"""What a run costs at an old commit and now: processor seconds, wall, memory, stages, results.

    python benchmarks/against.py COMMIT [--scans BIDS] [--subjects 1] [--nprocs 2] [--rounds 2]

The infants are synthetic ones of the protocol bcp (T1w, T2w, 0.8 mm), or with `--scans` those of a
BIDS dataset. Both programs run on them in turn, from the beginning each time, with the packages of
this Python; what is printed is the best of the rounds, and the ratios. Needs git.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from infants import watch_memory
from stages import stage_seconds

from bgpvs_wf.learning.training.tasks import dice

ROOT = Path(__file__).resolve().parent.parent


class Cost(NamedTuple):
    """What a run took."""

    processor_s: float
    wall_s: float
    peak_gb: float
    stages_s: dict[str, float]
    """Wall of each stage, the mean of the infants."""


def main() -> None:
    """Run both in turn, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit")
    parser.add_argument("--scans", type=Path, help="a BIDS dataset")
    parser.add_argument("--subjects", type=int, default=1)
    parser.add_argument("--nprocs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = {"before": unpack(options.commit, folder / "before"), "now": ROOT}
        bids = options.scans or folder / "bids"
        if options.scans is None:
            made = ["simulate", str(bids), "--subjects", str(options.subjects), "--seed", "5501"]
            call(programs["now"], [*made, "--ages", "12m"])
        costs: dict[str, list[Cost]] = {name: [] for name in programs}
        for turn in range(options.rounds):
            for name in sorted(programs, reverse=bool(turn % 2)):
                out = folder / f"out-{name}"
                costs[name].append(run(programs[name], bids.absolute(), out, options.nprocs))
        infants = len(list(folder.glob("out-now/sub-*.html")))
        tell({name: best(found) for name, found in costs.items()}, infants)
        compare(folder / "out-before", folder / "out-now")


def unpack(commit: str, folder: Path) -> Path:
    """Write the files of a commit into a folder."""
    packed = subprocess.run(
        ["git", "archive", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="tar")
    return folder


def call(program: Path, arguments: list[str]) -> tuple[str, float]:
    """Call a program; return what it prints, and its peak memory in GB."""
    command = [sys.executable, "-m", "bgpvs_wf", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(program)}
    with tempfile.TemporaryFile() as log:
        # Python looks for modules in the folder it is called from, before all others.
        options = {"stdout": log, "stderr": log, "env": environment, "cwd": program}
        with subprocess.Popen(command, **options) as process:
            peak = watch_memory(process)
        log.seek(0)
        text = log.read().decode()
    if process.returncode:
        sys.exit(text)
    return text, peak


def run(program: Path, bids: Path, out: Path, nprocs: int) -> Cost:
    """Run all infants from the beginning."""
    arguments = ["run", str(bids), str(out), "--plugin", "MultiProc" if nprocs > 1 else "Linear"]
    shutil.rmtree(out, ignore_errors=True)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with tempfile.TemporaryDirectory() as work:
        arguments += ["-w", work, "--nprocs", str(nprocs)]
        text, peak = call(program, arguments)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    stages: dict[str, list[int]] = {}
    for _, stage, seconds in stage_seconds(text):
        stages.setdefault(stage, []).append(seconds)
    means = {stage: statistics.mean(found) for stage, found in stages.items()}
    return Cost(processor, wall, peak, means)


def best(costs: list[Cost]) -> Cost:
    """Return the least of everything."""
    stages = {stage: min(cost.stages_s[stage] for cost in costs) for stage in costs[0].stages_s}
    return Cost(*(min(column) for column in list(zip(*costs, strict=True))[:3]), stages)


def tell(costs: dict[str, Cost], infants: int) -> None:
    """Print both and their ratios."""
    before, now = costs["before"], costs["now"]
    rows = [
        ("processor seconds", before.processor_s, now.processor_s),
        ("wall, s", before.wall_s, now.wall_s),
        ("peak memory, GB", before.peak_gb, now.peak_gb),
        ("infants an hour", 3600 * infants / before.wall_s, 3600 * infants / now.wall_s),
        *((f"  {s}, s", before.stages_s.get(s, np.nan), t) for s, t in now.stages_s.items()),
    ]
    print(f"{infants} infants      before      now  now/before")
    for name, old, new in rows:
        print(f"{name:<18} {old:8.2f} {new:8.2f} {new / old if old else np.nan:8.2f}")


def compare(before: Path, now: Path) -> None:
    """Print how results differ: Dice of both labels, and their volumes now as a share of before."""
    for path in sorted(before.rglob("*_desc-bgpvs_dseg.nii.gz")):
        other = now / path.relative_to(before)
        old, new = (np.asarray(nib.load(p).dataobj) for p in (path, other))
        line = []
        for name, labels in (("BG", (1, 2)), ("PVS", (2,))):
            a, b = np.isin(old, labels), np.isin(new, labels)
            line.append(f"{name} Dice {dice(a, b):.4f}, volume {b.sum() / max(a.sum(), 1):.4f}")
        print(path.name.split("_")[0], "; ".join(line))


if __name__ == "__main__":
    main()
