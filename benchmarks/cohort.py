"""What it costs to orchestrate a cohort, beside one plain Nipype graph; what caching saves.

    python benchmarks/cohort.py OUT [--subjects 20 80 353] [--plain 20 80 353]

Subjects are tiny heads (20 x 24 x 16 voxels of 2 mm, nuclei given) that go through the whole way
of pseudo-labels, `prepare` to page. Overhead is the time of the command, times two processes, less
what the steps themselves took, by subject. Plain is `init_subjects_wf` of all as one graph,
run by Nipype's own MultiProc. Beside that: all again when finished, and one subject more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from bgpvs_wf.imaging.files import save_image, write_text

PROCESSES = 2
PROGRAM = (sys.executable, "-m", "bgpvs_wf")
_PLAIN = """
import sys
from bgpvs_wf.bids.query import find_subjects
from bgpvs_wf.config import RunConfig
from bgpvs_wf.settings_files import read_toml
from bgpvs_wf.workflows.base import init_subjects_wf
config = RunConfig.from_mapping(read_toml(sys.argv[1]))
workflow = init_subjects_wf(config, find_subjects(config).subjects)
workflow.run(plugin="MultiProc", plugin_args={"n_procs": config.nprocs})
"""


def make_dataset(folder: Path, count: int) -> None:
    """Write subjects that differ in their noise only, with their nuclei as derivatives."""
    bids = folder / "bids"
    shape, affine = (20, 24, 16), np.diag([2.0, 2.0, 2.0, 1.0])
    places = np.indices(shape).astype(float)
    head = _ball(places, (9.5, 11.5, 7.5), (9, 11, 7))
    dseg = np.zeros(shape, np.int16)
    for label, x in ((11, 6), (12, 4), (13, 5), (50, 13), (51, 15), (52, 14)):
        y = 15 if label in (11, 50) else 11
        dseg[_ball(places, (x, y, 8), (1.2, 3, 3)) & (dseg == 0)] = label
    for root, name in ((bids, "tiny heads"), (folder / "nuclei", "their nuclei")):
        text = {"Name": name, "BIDSVersion": "1.10.0", "DatasetType": "raw"}
        write_text(json.dumps(text), root / "dataset_description.json")
    labels = [f"{i:04d}" for i in range(count)]
    rows = ["participant_id\tage", *(f"sub-{label}\t6" for label in labels), ""]
    write_text("\n".join(rows), bids / "participants.tsv")
    write_text(json.dumps({"age": {"Units": "month"}}), bids / "participants.json")
    for number, label in enumerate(labels):
        image = bids / f"sub-{label}" / "anat" / f"sub-{label}_T2w.nii.gz"
        if image.exists():
            continue
        noise = np.random.default_rng(number).normal(0, 3, shape)
        signal = np.where(head, 100 + 40 * (dseg > 0) + noise, 0).astype(np.float32)
        save_image(signal, affine, image)
        name = f"sub-{label}_desc-aseg_dseg.nii.gz"
        save_image(dseg, affine, folder / "nuclei" / f"sub-{label}" / "anat" / name, labels=True)


def _ball(places: np.ndarray, centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    scaled = [(p - c) / r for p, c, r in zip(places, centre, radii, strict=True)]
    return np.asarray(sum(part**2 for part in scaled) <= 1)


def settings(folder: Path, name: str, disk: Path | None = None) -> Path:
    """Write the settings of a run, with results and work in another folder; return their file."""
    disk = disk or folder
    path = folder / f"{name}.toml"
    lines = {
        "bids_dir": folder / "bids",
        "output_dir": disk / f"out-{name}",
        "work_dir": disk / f"work-{name}",
        "plugin": "MultiProc",
        "segmentation": "pseudolabel",
    }
    text = "".join(f'{key} = "{value}"\n' for key, value in lines.items())
    text += f"nprocs = {PROCESSES}\nomp_nthreads = 1\n[derivatives]\n"
    text += f'nuclei = "{folder / "nuclei"}"\n[anatomy]\nsource = "derivatives"\n'
    write_text(text + "[prepare]\nbias_correction = false\n", path)
    return path


def timed(command: list[str], log: Path) -> tuple[float, float]:
    """Run a command; return its seconds and the peak memory of its first process, GB."""
    start, peak = time.perf_counter(), 0.0
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        while process.poll() is None:
            peak = max(peak, _resident_gb(process.pid))
            time.sleep(0.2)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed; see {log}")
    return time.perf_counter() - start, peak


def _resident_gb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 2**20


def step_seconds(work: Path) -> float:
    """Return what the steps of a run took by themselves."""
    from nipype.utils.filemanip import loadpkl

    return sum(
        getattr(loadpkl(path).runtime, "duration", 0.0) for path in work.rglob("result_*.pklz")
    )


def ours(config: Path, log: Path) -> tuple[float, float]:
    """Run the program."""
    return timed([*PROGRAM, "run", "--config", str(config)], log)


def plain(config: Path, log: Path) -> tuple[float, float]:
    """Run all subjects as one graph of Nipype's."""
    return timed([sys.executable, "-c", _PLAIN, str(config)], log)


def measure(out: Path, count: int, with_plain: bool) -> list[dict[str, object]]:
    """Measure a cohort of some size."""
    folder = out / f"n{count}"
    make_dataset(folder, count)
    rows = []
    for name, run in (("ours", ours), ("plain", plain)):
        if name == "plain" and not with_plain:
            continue
        config = settings(folder, name)
        seconds, peak = run(config, folder / f"{name}.log")
        steps = step_seconds(folder / f"work-{name}")
        overhead = (PROCESSES * seconds - steps) / count
        rows.append(
            {
                "subjects": count,
                "what": name,
                "seconds": seconds,
                "steps, s": steps,
                "overhead a subject, s": overhead,
                "peak, GB": peak,
            }
        )
    again, _ = ours(folder / "ours.toml", folder / "again.log")
    rows.append({"subjects": count, "what": "again, finished", "seconds": again})
    make_dataset(folder, count + 1)
    more, _ = ours(folder / "ours.toml", folder / "more.log")
    rows.append({"subjects": count, "what": "one more", "seconds": more})
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--subjects", type=int, nargs="+", default=[20, 80, 353])
    parser.add_argument("--plain", type=int, nargs="*", default=[20, 80, 353])
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    out = options.out.absolute()
    rows = []
    for count in options.subjects:
        rows += measure(out, count, count in options.plain)
        print(pd.DataFrame(rows).round(2).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
