"""The main job on the three real infants: Dice against the reference nuclei, time, memory.

    python benchmarks/infants.py [--atlas NAME_OR_PATH] [--inputs both,T2w,T1w] [--out DIR]

Reads the scans where they lie (environment variable BGPVS_TEST_DATA, default ../shared/data), and
imports M-CRIB from there as the only atlas unless another is named. One subject at a time, as
a user with two cores and one infant sees it. The reference was made with M-CRIB by registration,
so a method that registers M-CRIB scores a little too well on it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from bgpvs_wf.anatomy.labels import BG_LABELS

DATA = Path(os.environ.get("BGPVS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
STRUCTURES = {
    "BG": BG_LABELS,
    "caudate": (11, 50),
    "putamen": (12, 51),
    "pallidum": (13, 52),
    "accumbens": (26, 58),
    "thalamus": (10, 49),
}


def main() -> None:
    """Run, score, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atlas", help="default: M-CRIB")
    parser.add_argument("--inputs", default="both,T2w,T1w")
    parser.add_argument("--out", type=Path, help="keep datasets and results here")
    args = parser.parse_args()
    out = args.out or Path(tempfile.mkdtemp(prefix="bgpvs-infants-"))
    atlas = args.atlas or import_mcrib(out)
    rows = []
    for kept in args.inputs.split(","):
        dataset = make_dataset(out / f"bids_{kept}", kept)
        for subject in ("01", "02", "03"):
            rows.append(run(dataset, out / f"out_{kept}", out / f"work_{kept}", subject, atlas))
            print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(out / "infants.tsv", sep="\t", index=False)
    print(f"\n{out / 'infants.tsv'}\n\n{table.to_string(index=False)}")
    if args.out is None:
        shutil.rmtree(out)


def import_mcrib(out: Path) -> str:
    """Import M-CRIB into an atlas folder of its own."""
    os.environ["BGPVS_WF_ATLASES"] = str(out / "atlases")
    if not (out / "atlases" / "mcrib").exists():
        command = [sys.executable, "-m", "bgpvs_wf", "atlas", "add", DATA / "mcrib"]
        subprocess.run([*command, "--name", "mcrib"], check=True)
    return "mcrib"


def make_dataset(folder: Path, kept: str) -> Path:
    """Link the infants' scans, both contrasts or one, into a dataset."""
    source = DATA / "infants"
    for path in sorted(source.rglob("*")):
        other = kept != "both" and path.suffix in (".gz", ".json") and f"_{kept}." not in path.name
        if path.is_dir() or (other and path.parent.name == "anat"):
            continue
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(path)
    return folder


def run(dataset: Path, out: Path, work: Path, subject: str, atlas: str) -> dict[str, object]:
    """Run one subject on two cores; return its row."""
    command = [sys.executable, "-m", "bgpvs_wf", "run", dataset, out, "participant"]
    options = ["-w", work, "--participant-label", subject, "--atlas", atlas]
    start = time.perf_counter()
    with subprocess.Popen(
        [*map(str, command), *map(str, options), "--nprocs", "2"], stdout=subprocess.DEVNULL
    ) as process:
        peak = watch_memory(process)
    row: dict[str, object] = {
        "inputs": out.name.removeprefix("out_"),
        "subject": subject,
        "seconds": round(time.perf_counter() - start),
        "peak_GB": round(peak, 2),
    }
    name = f"sub-{subject}_desc-nuclei_dseg.nii.gz"
    found = np.asarray(nib.load(out / f"sub-{subject}" / "anat" / name).dataobj)
    truth = np.asarray(nib.load(DATA / "reference" / name).dataobj)
    for structure, labels in STRUCTURES.items():
        a, b = np.isin(found, labels), np.isin(truth, labels)
        row[structure] = round(2 * np.count_nonzero(a & b) / (a.sum() + b.sum()), 3)
    table = pd.read_csv(
        out / f"sub-{subject}" / "anat" / f"sub-{subject}_desc-bgpvs_morph.tsv", sep="\t"
    )
    total = table[(table["region"] == "BG") & (table["side"] == "both")].iloc[0]
    return {**row, "PVS": int(total["pvs_count"]), "PVS_mm3": round(total["pvs_volume_mm3"], 1)}


def watch_memory(process: subprocess.Popen[bytes]) -> float:
    """Wait for a process; return the peak memory of it and its children together, GB.

    What several of them share counts once.
    """
    peak = 0.0
    done = threading.Event()
    while not done.wait(0.3):
        peak = max(peak, sum(map(_share_gb, _family(process.pid))))
        if process.poll() is not None:
            done.set()
    return peak


def _family(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [pid, *(kin for child in text.split() for kin in _family(int(child)))]


def _share_gb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1e6


if __name__ == "__main__":
    main()
