"""Time of every stage of a run with the model, and the peak memory: one infant on two cores.

    python benchmarks/stages.py [--scans FOLDER] [--images T2w,T1w] [--model NAME]

The infant is a synthetic one of the protocol bcp (T1w, T2w, 0.8 mm, 12 months), or with `--scans`
each of a BIDS dataset. `--images` takes some of the images only. The last rows are from the log of
the stage `predict`: finding the nuclei at 2 mm, and all networks together.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from infants import watch_memory

_DONE = re.compile(r"(sub-\S+): (\w+) done after (?:(\d+) min )?(\d+) s")
_LOGGED = re.compile(r"(Nuclei found in|All networks on \w+:) ([\d.]+) s")


def main() -> None:
    """Run, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=Path, help="a BIDS dataset")
    parser.add_argument("--images", default="T2w,T1w")
    parser.add_argument("--model", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bids = folder / "bids"
        if options.scans is None:
            program("simulate", str(bids), "--subjects", "1", "--ages", "12m", "--seed", "5501")
        else:
            shutil.copytree(options.scans, bids)
        for kind in {"T2w", "T1w"} - set(options.images.split(",")):
            for path in bids.glob(f"sub-*/**/*_{kind}.*"):
                path.unlink()
        command = [sys.executable, "-m", "bgpvs_wf", "run", str(bids)]
        command += [str(folder / "out"), "-w", str(folder / "work"), "--plugin", "Linear"]
        command += ["--nprocs", "2", "--omp-nthreads", "2"]
        command += ["--model", options.model] if options.model else []
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=False) as process:
            peak = watch_memory(process)
            assert process.stdout is not None
            text = process.stdout.read().decode()
        seconds = time.perf_counter() - start
        if process.returncode:
            sys.exit(text)
        logs = "".join(path.read_text() for path in folder.glob("out/logs/*/run.log"))
    subjects = len(set(re.findall(r"(sub-\S+): all stages done", text)))
    for subject, stage, took in stage_seconds(text):
        print(f"{subject} {stage:<12} {took:4d} s")
    for what, logged in _LOGGED.findall(logs):
        print(f"  {what} {float(logged):.1f} s")
    print(
        f"{options.images}: {seconds / max(subjects, 1):.0f} s a subject, start included; "
        f"peak {peak:.2f} GB"
    )


def stage_seconds(text: str) -> list[tuple[str, str, int]]:
    """Return subject, stage and seconds of every stage that a run says is done."""
    return [
        (subject, stage, 60 * int(minutes or 0) + int(rest))
        for subject, stage, minutes, rest in _DONE.findall(text)
    ]


def program(*arguments: str) -> None:
    """Call the program quietly."""
    command = [sys.executable, "-m", "bgpvs_wf", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
