"""Pictures of synthetic infants from 32 weeks to 24 months, T2w and T1w.

    python benchmarks/gallery.py [--protocol bcp] [--seed 7] [--out docs/img/phantoms.jpg]

Each infant twice: an axial slice through the putamina, a coronal one before the thalami. Grey goes
from nothing to the brightest fluid (T2w) or white matter (T1w), all ages alike.
With `--real` the scans of the shared data are drawn the same way, to look at them side by
side, and tables of the tissues' signals are printed.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import nibabel as nib
import nibabel.processing
import numpy as np
import pandas as pd

from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.phantom.protocol import load_protocol
from bgpvs_wf.phantom.subject import simulate_subject

MONTH_WEEKS = 52.1775 / 12
AGES = {
    "32 weeks": 32.0,
    "40 weeks": 40.0,
    **{f"{m} months": 40 + m * MONTH_WEEKS for m in (3, 6, 9, 12, 24)},
}
DATA = Path(os.environ.get("BGPVS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
REAL_WEEKS = {"01": 48.7, "02": 66.1, "03": 92.2}
LENTIFORM = (12, 13, 51, 52)
HALF_MM = (62.0, 82.0, 62.0)


def views(image: np.ndarray, affine: np.ndarray, dseg: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return an axial and a coronal slice of a RAS+ image, the same field for all ages."""
    middle = np.argwhere(np.isin(dseg, LENTIFORM)).mean(axis=0)
    sizes = np.abs(np.diag(affine)[:3])
    reach = np.round(np.array(HALF_MM) / sizes).astype(int)
    padded = np.pad(image, [(r, r) for r in reach])
    x, y, z = np.round(middle).astype(int) + reach
    a, b, c = reach
    axial = padded[x - a : x + a, y - b - b // 6 : y + b - b // 6, z]
    coronal = padded[x - a : x + a, y, z - c + c // 4 : z + c + c // 4]
    return axial.T, coronal.T


def phantoms(protocol: str, seed: int) -> dict[str, dict[str, tuple[np.ndarray, ...]]]:
    """Return age to contrast to its two slices."""
    drawn = {}
    for name, age in AGES.items():
        infant = simulate_subject(age, seed=seed, protocol=load_protocol(protocol))
        dseg_t1w = nib.processing.resample_from_to(
            nib.Nifti1Image(infant.dseg, infant.affine),
            (infant.t1w.shape, infant.t1w_affine),
            order=0,
        ).get_fdata()
        drawn[name] = {
            "T2w": views(infant.t2w / 1000, infant.affine, infant.dseg),
            "T1w": views(infant.t1w / 1000, infant.t1w_affine, dseg_t1w),
        }
    return drawn


def real() -> dict[str, dict[str, tuple[np.ndarray, ...]]]:
    """Return the same of the real infants, in the units of the phantoms."""
    drawn = {}
    for subject, age in REAL_WEEKS.items():
        labels = _load(DATA / "reference" / f"sub-{subject}_desc-nuclei_dseg.nii.gz")
        dseg = np.asarray(labels.dataobj)
        drawn[f"real, {age:g} weeks"] = {
            name: views(*_scaled(subject, name, dseg), dseg) for name in ("T2w", "T1w")
        }
    return drawn


def _load(path: Path) -> nib.Nifti1Image:
    return nib.as_closest_canonical(nib.load(path))


def _scaled(subject: str, name: str, dseg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    image = _load(DATA / "infants" / f"sub-{subject}" / "anat" / f"sub-{subject}_{name}.nii.gz")
    data = image.get_fdata(dtype=np.float32)
    target = {"T2w": 0.66, "T1w": 0.72}[name]
    return data * (target / np.median(data[np.isin(dseg, BG_LABELS)])), image.affine


def draw(columns: dict[str, dict[str, tuple[np.ndarray, ...]]], path: Path) -> None:
    """Write the picture: a column an infant, T2w above T1w."""
    from matplotlib.figure import Figure

    figure = Figure((2.1 * len(columns), 9.6), facecolor="black")
    axes = figure.subplots(4, len(columns), height_ratios=[1.32, 1, 1.32, 1])
    for column, (name, images) in enumerate(columns.items()):
        for row, (contrast, view) in enumerate((c, v) for c in ("T2w", "T1w") for v in (0, 1)):
            axis = axes[row, column]
            top = 1.05 if contrast == "T2w" else 0.95
            low = 0.25 if contrast == "T2w" else 0.2
            axis.imshow(images[contrast][view], cmap="gray", vmin=low, vmax=top, origin="lower")
            axis.set_axis_off()
            if view == 0:
                axis.set_title(f"{name}, {contrast}", color="white", fontsize=9)
    figure.subplots_adjust(0, 0, 1, 0.97, 0.02, 0.06)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, pil_kwargs={"quality": 85} if path.suffix == ".jpg" else None)


def signals(protocol: str) -> pd.DataFrame:
    """Return quantiles of the nuclei's and the whole brain's signal, phantoms beside infants."""
    rows = []
    for subject, age in REAL_WEEKS.items():
        labels = _load(DATA / "reference" / f"sub-{subject}_desc-nuclei_dseg.nii.gz")
        dseg = np.asarray(labels.dataobj)
        infant = simulate_subject(age, seed=11, protocol=load_protocol(protocol))
        sources = {
            "real": {c: _scaled(subject, c, dseg)[0] for c in ("T2w", "T1w")},
            "phantom": {"T2w": infant.t2w, "T1w": infant.t1w},
        }
        for source, images in sources.items():
            for contrast, image in images.items():
                known = dseg if source == "real" else infant.dseg
                if image.shape != known.shape:
                    continue
                inside = image[np.isin(known, BG_LABELS)]
                scale = float(np.median(inside))
                levels = np.percentile(image[image > 0], [1, 10, 25, 50, 75, 90, 99]) / scale
                spread = np.percentile(inside, [5, 95]) / scale
                rows.append([age, contrast, source, *spread, *levels])
    names = ["weeks", "contrast", "source", "BG 5 %", "BG 95 %"]
    names += [f"brain {q} %" for q in (1, 10, 25, 50, 75, 90, 99)]
    return pd.DataFrame(rows, columns=names).sort_values(["contrast", "weeks", "source"])


def main() -> None:
    """Draw, and compare if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", default="bcp")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("docs/img/phantoms.jpg"))
    parser.add_argument("--real", type=Path, metavar="FILE", help="draw the real infants, too")
    options = parser.parse_args()
    draw(phantoms(options.protocol, options.seed), options.out)
    print(f"written to {options.out}")
    if options.real:
        draw(real(), options.real)
        print(signals(options.protocol).to_string(index=False, float_format="{:.2f}".format))


if __name__ == "__main__":
    main()
