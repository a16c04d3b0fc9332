"""MultiProc against Linear on synthetic infants, each step on one thread.

    python benchmarks/throughput.py OUT [--subjects 12]

Infants of `bcp` (0.8 mm, T2w), their nuclei given, pseudo-labels: the times of the whole command,
first with one process, then with two. What the machine can give is told by two runs with one
process each, side by side, of one half of the infants each: memory is shared, whoever computes.
"""

from __future__ import annotations

import argparse
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cohort import PROCESSES, PROGRAM, timed


def make_infants(out: Path, count: int) -> Path:
    """Make the infants, without T1w, where they are not there yet."""
    bids = out / "bids"
    if not bids.exists():
        command = [*PROGRAM, "simulate", str(bids), "--subjects", str(count), "--seed", "5701"]
        timed(command, out / "simulate.log")
        for path in bids.glob("sub-*/**/*_T1w.*"):
            path.unlink()
    return bids


def seconds(bids: Path, name: str, plugin: str, labels: list[str]) -> float:
    """Return the seconds of a run of some infants from the beginning."""
    out, work = (bids.parent / f"{what}-{name}" for what in ("out", "work"))
    for folder in (out, work):
        shutil.rmtree(folder, ignore_errors=True)
    command = [*PROGRAM, "run", str(bids), str(out), "-w", str(work), "--plugin", plugin]
    command += ["--nprocs", str(PROCESSES), "--omp-nthreads", "1", "--segmentation", "pseudolabel"]
    command += ["--anatomy", "derivatives", "--derivatives", f"truth={bids}/derivatives/truth"]
    return timed([*command, "--participant-label", *labels], bids.parent / f"{name}.log")[0]


def main() -> None:
    """Print the times and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--subjects", type=int, default=12)
    options = parser.parse_args()
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    bids = make_infants(out, options.subjects)
    labels = sorted(path.name.removeprefix("sub-") for path in bids.glob("sub-*"))
    linear = seconds(bids, "linear", "Linear", labels)
    print(f"Linear: {linear:.0f} s", flush=True)
    both = seconds(bids, "multiproc", "MultiProc", labels)
    print(f"MultiProc: {both:.0f} s, {linear / both:.2f} times as fast", flush=True)
    halves = [("half0", "Linear", labels[::2]), ("half1", "Linear", labels[1::2])]
    with ThreadPoolExecutor() as pool:
        aside = max(pool.map(lambda half: seconds(bids, *half), halves))
    print(f"two Linear side by side: {aside:.0f} s, {linear / aside:.2f} times as fast")


if __name__ == "__main__":
    main()
