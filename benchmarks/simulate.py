"""Time and memory of `bgpvs-wf simulate`: 30 infants of a preset on two cores.

    python benchmarks/simulate.py [--preset bcp] [--subjects 30] [--jobs 2]

Peak memory is the resident memory of the command and its workers together.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from infants import watch_memory


def main() -> None:
    """Run the command, print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="bcp")
    parser.add_argument("--subjects", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bgpvs_wf", "simulate", str(Path(folder, "bids"))]
        command += ["--subjects", str(options.subjects), "--preset", options.preset]
        command += ["--ages", "1m,2m,4m,6m,8m,10m,12m,15m,19m,24m", "--jobs", str(options.jobs)]
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            peak = watch_memory(process)
        seconds = time.perf_counter() - start
        if process.returncode:
            sys.exit(process.returncode)
    each = seconds / options.subjects
    print(
        f"{options.subjects} infants of {options.preset}, {options.jobs} jobs: "
        f"{seconds:.0f} s ({each:.1f} s each), peak {peak:.2f} GB"
    )


if __name__ == "__main__":
    main()
