"""What the probability of PVS and the interval of their volume are worth, on scans of known truth.

    python benchmarks/calibration.py COMPARISON [--strategy model]

COMPARISON is where `bgpvs-wf compare` (benchmarks/model.toml) put its results. For each cohort:
the expected calibration error of the probability in the basal ganglia, true or found (where it is
0.1 or more), the share of scans whose true volume of tubes is in the interval of their table of
regions, and all widths over all true volumes. Scans of which some is ignored do not count in these
two: their table measures that as well. Writes `reliability.svg` there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from bgpvs_wf.evaluation.case_files import BGPVS, IGNORE, OCCUPANCY, find_cases
from bgpvs_wf.imaging.geometry import voxel_volume
from bgpvs_wf.learning.inference.calibration import calibration_error, reliability
from bgpvs_wf.quantification.columns import INTERVAL_COLUMNS
from bgpvs_wf.quantification.group import read_regions

MORPH = "desc-bgpvs_morph.tsv"


def main() -> None:
    """Print a row for each cohort; draw the reliability."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("comparison", type=Path)
    parser.add_argument("--strategy", default="model")
    options = parser.parse_args()
    rows, curves = [], {}
    for folder in sorted(options.comparison.glob(f"*/{options.strategy}")):
        known = folder.parent / "bids" / "derivatives" / "truth"
        scans = read_scans(known, folder)
        name = folder.parent.name
        probability, truth = (np.concatenate(parts) for parts in zip(*scans, strict=True))
        curves[name] = reliability(probability, truth)
        rows.append([name, len(scans), calibration_error(curves[name]), *coverage(known, folder)])
    columns = ["cohort", "scans", "calibration_error", "covered", "relative_width"]
    print(pd.DataFrame(rows, columns=columns).round(3).to_string(index=False))
    draw(curves, options.comparison / "reliability.svg")


def read_scans(truth: Path, found: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return probability and truth of the voxels in the basal ganglia, for each scan."""
    known, scans = find_cases(truth), []
    for key, files in find_cases(found).items():
        read = {
            "true": known[key][BGPVS][0],
            "found": files[BGPVS][0],
            "share": files[OCCUPANCY][0],
            **({"ignore": known[key][IGNORE][0]} if IGNORE in known[key] else {}),
        }
        arrays = {name: np.asarray(nib.load(path).dataobj) for name, path in read.items()}
        kept = (arrays["true"] > 0) | (arrays["found"] > 0)
        if "ignore" in arrays:
            kept &= arrays["ignore"] == 0
        scans.append((arrays["share"][kept].astype(float), arrays["true"][kept] == 2))
    return scans


def coverage(truth: Path, found: Path) -> tuple[float, float]:
    """Return the share of scans in their interval, and all widths over all true volumes."""
    known, ends = find_cases(truth), []
    for key, files in find_cases(found).items():
        path = files[BGPVS][0]
        regions = read_regions(path.with_name(path.name.replace(f"{BGPVS}.nii.gz", MORPH)))
        whole = (regions["region"] == "BG") & (regions["side"] == "both")
        low, high = regions.loc[whole, list(INTERVAL_COLUMNS)].to_numpy().ravel()
        if IGNORE in known[key] or np.isnan(high):
            continue
        image = nib.load(known[key][OCCUPANCY][0])
        true = float(np.sum(image.dataobj, dtype=float)) * voxel_volume(image.affine)
        ends.append((low, true, high))
    if not ends:
        return np.nan, np.nan
    low, true, high = np.array(ends).T
    held = (low <= true) & (true <= high)
    return float(held.mean()), float((high - low).sum() / true.sum())


def draw(curves: dict[str, pd.DataFrame], path: Path) -> None:
    """Draw how often voxels are PVS by their probability."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name, curve in curves.items():
        axes.plot(curve["probability"], curve["share"], marker="o", markersize=4, label=name)
    axes.set(xlabel="Probability of PVS", ylabel="Share of voxels that are PVS", aspect="equal")
    axes.legend(frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
