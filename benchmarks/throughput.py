"""MultiProc against Linear on synthetic infants, each step on one thread.

    python benchmarks/throughput.py OUT [--subjects 4]

Infants of `bcp` (0.8 mm, T2w), their nuclei given, pseudo-labels: the ratio of the times of the
whole command, first with one process, then with two.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from cohort import PROCESSES, timed


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--subjects", type=int, default=4)
    options = parser.parse_args()
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    program = [sys.executable, "-m", "bgpvs_wf.cli.main"]
    bids = out / "bids"
    if not bids.exists():
        count = str(options.subjects)
        timed(
            [*program, "simulate", str(bids), "--subjects", count, "--seed", "5701"],
            out / "simulate.log",
        )
        for path in bids.glob("sub-*/**/*_T1w.*"):
            path.unlink()
    command = [*program, "run", str(bids), "--segmentation", "pseudolabel", "--omp-nthreads", "1"]
    command += ["--anatomy", "derivatives", "--derivatives", f"truth={bids}/derivatives/truth"]
    seconds = {}
    for plugin in ("Linear", "MultiProc"):
        folders = [str(out / f"{what}-{plugin}") for what in ("out", "work")]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        words = [folders[0], "-w", folders[1], "--plugin", plugin, "--nprocs", str(PROCESSES)]
        seconds[plugin], _ = timed([*command, *words], out / f"{plugin}.log")
        print(f"{plugin}: {seconds[plugin]:.0f} s", flush=True)
    print(f"{seconds['Linear'] / seconds['MultiProc']:.2f} times as fast")


if __name__ == "__main__":
    main()
