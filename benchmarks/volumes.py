"""Volumes of tubes of known brightness in real heads, and intervals: one line a case, then tables.

    python benchmarks/volumes.py RESULTS OUT.tsv [--infants 01 02] [--cases 20] [--seed 90500]

RESULTS is what `bgpvs-wf run` made of the infants. Tubes of 0.4 to 1.8 mm, 0.3 to 1 of the way from
nucleus to fluid, are put into the preprocessed images; nuclei are found in them as they are. What
may be PVS of the infant's own is left out. `--voxel-mm 0.86` interpolates the images afterwards, as
resampled scans are; `--inputs T2w` leaves the T1w out; `--usual` draws diameters as infants' are.
`--fill 0.45 0.45` gives the same tubes as `--fill 0.95 0.95`, but fainter.
Needs BGPVS_TEST_DATA, whose reference labels say where the tubes go.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from infants import DATA

from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.evaluation.agreement import agreement
from bgpvs_wf.imaging.geometry import Grid, bounding_box, crop_affine, resample, voxel_volume
from bgpvs_wf.imaging.tubes import fill_grid
from bgpvs_wf.learning.inference.prediction import predict
from bgpvs_wf.learning.models.bundle import Model, find_model
from bgpvs_wf.phantom.hybrid import Hybrid, insert_tubes
from bgpvs_wf.quantification import measure
from bgpvs_wf.quantification.columns import INTERVAL_COLUMNS

FILL, DIAMETERS_MM = (0.3, 1.0), (0.4, 1.8)
REACH_MM = 20.0
TUBE, FLUID, COUNT = "tube", "fluid", "count"


@dataclasses.dataclass(frozen=True)
class Head:
    """An infant's preprocessed images around its nuclei, on one grid."""

    label: str
    images: dict[str, np.ndarray]
    reference: np.ndarray
    anatomy: np.ndarray
    """As the model finds it."""
    affine: np.ndarray


def main() -> None:
    """Score cases and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path, help="a row a case")
    parser.add_argument("--infants", nargs="+", default=["01", "02", "03", "04"])
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--seed", type=int, default=90500)
    parser.add_argument("--inputs", default="both", choices=("both", "T2w", "T1w"))
    parser.add_argument("--model", default="infant")
    parser.add_argument("--voxel-mm", type=float, help="interpolate to cubes of this size")
    parser.add_argument("--fill", nargs=2, type=float, default=FILL, help="least and largest")
    parser.add_argument("--usual", action="store_true", help="diameters as infants' are")
    options = parser.parse_args()
    model = find_model(options.model)
    rows = []
    for label in options.infants:
        head = read_head(options.results, label, options.inputs, model)
        for number in range(options.cases):
            rng = np.random.default_rng([options.seed + number, int(label)])
            sizes = None if options.usual else DIAMETERS_MM
            made = insert_tubes(
                {name: (image, head.affine) for name, image in head.images.items()},
                head.reference,
                head.affine,
                rng,
                diameters_mm=sizes,
                fill=tuple(options.fill),
            )
            rows.append({"infant": label, "case": number, **score(head, made, model, options)})
            print(pd.DataFrame(rows[-1:]).round(2).to_string(index=False, header=len(rows) == 1))
    table = pd.DataFrame(rows)
    table.to_csv(options.out, sep="\t", index=False)
    tell(table)


def read_head(results: Path, label: str, inputs: str, model: Model) -> Head:
    """Read what a run made of an infant, cut to the surroundings of the nuclei."""
    stem = results / f"sub-{label}" / "anat" / f"sub-{label}"
    names = {"T2w": f"{stem}_desc-preproc_T2w.nii.gz"}
    names["T1w"] = f"{stem}_space-T2w_desc-preproc_T1w.nii.gz"
    images = {n: nib.load(p) for n, p in names.items() if inputs in ("both", n)}
    affine = next(iter(images.values())).affine
    arrays = {n: np.asarray(i.dataobj, np.float32) for n, i in images.items()}
    found = predict(model, t2w=arrays.get("T2w"), t1w=arrays.get("T1w"), affine=affine)
    reference = DATA / "reference" / f"sub-{label}_desc-nuclei_dseg.nii.gz"
    labels = np.asarray(nib.load(reference).dataobj).astype(np.int16)
    box = bounding_box(np.isin(labels, BG_LABELS), affine, REACH_MM)
    return Head(
        label,
        {name: np.ascontiguousarray(array[box]) for name, array in arrays.items()},
        labels[box],
        found.anatomy[box],
        crop_affine(affine, box),
    )


def score(head: Head, made: Hybrid, model: Model, options: argparse.Namespace) -> dict[str, Any]:
    """Return Dice of PVS, volumes as measured and true, mm3, and how bright the tubes are."""
    images, anatomy, affine = made.images, head.anatomy, head.affine
    share, ignored = made.occupancy, made.ignore
    if options.voxel_mm:
        grid = cubes(Grid(share.shape, affine), options.voxel_mm)
        images = {n: resample(i, affine, grid, order=3) for n, i in images.items()}
        anatomy, ignored = (resample(a, affine, grid, order=0) for a in (anatomy, ignored))
        share, affine = np.minimum(fill_grid(made.tubes, grid)[0], 1), grid.affine
    given = {name.lower(): image for name, image in images.items()}
    found = predict(
        model, t2w=given.get("t2w"), t1w=given.get("t1w"), affine=affine, anatomy=anatomy
    )
    dseg = np.where((found.dseg == 2) & ignored, 1, found.dseg)
    told = found.record.get("pvs_brightness")
    regions = measure(
        bgpvs=dseg,
        anatomy=found.anatomy,
        affine=affine,
        margin=found.record.get("pvs_volume_margin"),
        **given,
    ).regions
    bg = regions[(regions["region"] == "BG") & (regions["side"] == "both")].iloc[0]
    mm3 = voxel_volume(affine)
    true_voxels, voxels = (share >= 0.4) & ~ignored, dseg == 2
    both = (true_voxels & voxels).sum()
    volumes = np.array([tube.volume_mm3 for tube in made.tubes])
    true, (low, high) = float(share[~ignored].sum() * mm3), bg[list(INTERVAL_COLUMNS)]
    return {
        "fill": float(np.average([tube.fill for tube in made.tubes], weights=volumes)),
        "true": true,
        COUNT: bg["pvs_volume_mm3"],
        TUBE: bg["pvs_volume_tube_mm3"],
        FLUID: bg["pvs_volume_fluid_mm3"],
        "brightness": np.nan if told is None else told,
        "low": low,
        "high": high,
        "covered": np.nan if np.isnan(high) else float(low <= true <= high),
        "dice": 2 * both / max(true_voxels.sum() + voxels.sum(), 1),
        "recall": both / max(true_voxels.sum(), 1),
        "ppv": both / max(voxels.sum(), 1),
    }


def cubes(grid: Grid, voxel_mm: float) -> Grid:
    """Return the grid of cubes over the same space, its first voxel half a voxel off."""
    sizes = np.linalg.norm(grid.affine[:3, :3], axis=0)
    affine = grid.affine.copy()
    affine[:3, :3] *= voxel_mm / sizes
    affine[:3, 3] = (grid.affine @ [0.5, 0.5, 0.5, 1])[:3]
    return Grid(tuple(((np.array(grid.shape) - 1) * sizes / voxel_mm).astype(int)), affine)


def tell(table: pd.DataFrame) -> None:
    """Print agreement by infant and measure; coverage and bias by fifth of brightness, too."""
    for infant, rows in [("all", table), *table.groupby("infant")]:
        bright = rows[rows["fill"] >= 0.6]
        means = rows[["dice", "recall", "ppv"]].mean()
        print(
            f"\n{infant} (n {len(rows)}): PVS Dice {means['dice']:.3f}, from 0.6 of the way on "
            f"{bright['dice'].mean():.3f}; recall {means['recall']:.2f}, PPV {means['ppv']:.2f}"
        )
        fifths = np.array_split(np.argsort(rows["fill"].to_numpy()), 5)
        if rows["covered"].notna().all():
            tell_intervals(rows, fifths)
        for name in (TUBE, FLUID, COUNT):
            true, measured = rows["true"].to_numpy(), rows[name].to_numpy()
            found = agreement(true, measured)
            biases = [100 * (measured[i].sum() / true[i].sum() - 1) for i in fifths if len(i)]
            print(
                f"  {name:6} r {found['pearson_r']:.3f}, ICC(2,1) {found['icc2_1']:.3f}, bias "
                f"{100 * (measured.sum() / true.sum() - 1):+.0f} %; by fifth of brightness "
                + ", ".join(f"{bias:+.0f}" for bias in biases)
            )


def tell_intervals(rows: pd.DataFrame, fifths: list[np.ndarray]) -> None:
    """Print how many true volumes are in their interval, and how wide that is."""
    held = [rows["covered"].iloc[i].mean() for i in fifths if len(i)]
    width = ((rows["high"] - rows["low"]) / rows["true"]).mean()
    print(
        f"  true volumes in their interval: {rows['covered'].mean():.0%}; by fifth of brightness "
        + ", ".join(f"{share:.0%}" for share in held)
        + f"; {width:.0%} of the true volume wide on average"
    )


if __name__ == "__main__":
    main()
