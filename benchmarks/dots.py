"""Every bright dot in the basal ganglia of the real infants, and what each method says of it.

    python benchmarks/dots.py RESULTS OUT [--infants 01 02 03 04] [--model M]

RESULTS is what `bgpvs-wf run` made of the infants. A dot is a maximum of the T2w, smoothed by a
third of a voxel, in the nuclei that the model finds, that goes a seventh of the way to the
ventricles' signal or more, and four deviations of the noise. Writes OUT/dots.tsv, and a picture an
infant: T2w and T1w through the clearest of its dots. Nobody has labelled them: the list lets you
judge. Needs BGPVS_TEST_DATA.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage
from volumes import Head, read_head

from bgpvs_wf.anatomy.labels import BG_LABELS, REGIONS, VENTRICLE_LABELS
from bgpvs_wf.config import PseudolabelConfig
from bgpvs_wf.imaging.geometry import voxel_sizes, voxel_volume
from bgpvs_wf.imaging.intensity import median_and_spread
from bgpvs_wf.imaging.morphology import distance_mm, distance_to_mm
from bgpvs_wf.learning.inference.prediction import predict
from bgpvs_wf.learning.models.bundle import Model, find_model
from bgpvs_wf.phantom.scan_facts import bulk_fluid
from bgpvs_wf.pseudolabels import synthesise_pseudolabels
from bgpvs_wf.quantification.occupancy import occupancy

LEAST_SHARE, LEAST_NOISE, SMOOTH_VOXELS = 1 / 7, 4.0, 1 / 3
RIM_MM, BESIDE_MM, REACH, SHOWN = 1.2, 1.7, 9, 18
CUBE = np.ones((3, 3, 3), bool)


def main() -> None:
    """List and draw the dots of each infant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--infants", nargs="+", default=["01", "02", "03", "04"])
    parser.add_argument("--model", default="infant")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    model = find_model(options.model)
    tables = []
    for label in options.infants:
        head = read_head(options.results, label, "both", model)
        table = dots(head, model)
        draw(head, table, options.out / f"dots_{label}.png")
        tables.append(table.assign(infant=label))
    table = pd.concat(tables)
    table.to_csv(options.out / "dots.tsv", sep="\t", index=False)
    tell(table)


def dots(head: Head, model: Model) -> pd.DataFrame:
    """Return a row a dot, the clearest first, those beside a ventricle or cistern last."""
    bg = np.isin(head.anatomy, BG_LABELS)
    shares = {name: share_of_fluid(head, image, bg) for name, image in head.images.items()}
    smooth = ndimage.gaussian_filter(np.where(bg, shares["T2w"], 0), SMOOTH_VOXELS)
    _, noise = median_and_spread(smooth[bg])
    peaks = (smooth == ndimage.maximum_filter(smooth, footprint=CUBE)) & bg
    peaks &= smooth >= max(LEAST_SHARE, LEAST_NOISE * noise)
    given = {name.lower(): image for name, image in head.images.items()}
    found = predict(model, **given, affine=head.affine, anatomy=head.anatomy)
    methods = {"model": found.dseg == 2} | {
        name: synthesise_pseudolabels(
            **given,
            affine=head.affine,
            anatomy=head.anatomy,
            config=PseudolabelConfig(strategy=name),
        ).dseg
        == 2
        for name in ("anatomy", "filter")
    }
    depth = distance_mm(bg, head.affine)
    fluid = distance_to_mm(bulk_fluid(head.images["T2w"], bg, head.affine, 1), head.affine)
    rows = []
    for place in np.argwhere(peaks):
        at, near = tuple(place), tuple(slice(max(i - 1, 0), i + 2) for i in place)
        row: dict[str, Any] = dict(zip("ijk", map(int, place), strict=True))
        row["nucleus"] = REGIONS[int(head.anatomy[at])].name
        row["rim"] = bool(depth[at] <= RIM_MM)
        row["beside_fluid"] = bool(fluid[at] <= BESIDE_MM)
        row["share"] = float(smooth[at])
        row["width_mm"] = width(smooth, place, head.affine)
        # Fluid is dark on T1w: its share is of the same sign there.
        row["t1w_share"] = float(shares["T1w"][near].max())
        row["probability"] = float(found.pvs_probability[near].max())
        rows.append(row | {name: bool(mask[near].any()) for name, mask in methods.items()})
    order = {"by": ["beside_fluid", "share"], "ascending": [True, False]}
    return pd.DataFrame(rows).sort_values(**order)


def share_of_fluid(head: Head, image: np.ndarray, bg: np.ndarray) -> np.ndarray:
    """Return how far each voxel of the nuclei is on its way to the ventricles' signal."""
    found = occupancy(
        image,
        head.affine,
        parcels=np.where(bg, head.anatomy, 0),
        pvs=np.zeros(bg.shape, bool),
        ventricles=np.isin(head.anatomy, VENTRICLE_LABELS),
    )
    return np.nan_to_num(found.share)


def width(share: np.ndarray, place: np.ndarray, affine: np.ndarray) -> float:
    """Return the diameter, mm, of a ball as large as what is half as bright around a dot."""
    box = tuple(slice(max(i - 3, 0), i + 4) for i in place)
    labels, _ = ndimage.label(share[box] >= share[tuple(place)] / 2, CUBE)
    middle = tuple(int(i - s.start) for i, s in zip(place, box, strict=True))
    volume = (labels == labels[middle]).sum() * voxel_volume(affine)
    return float(2 * (3 * volume / (4 * np.pi)) ** (1 / 3))


def draw(head: Head, table: pd.DataFrame, path: Path) -> None:
    """Draw an axial cut of T2w and T1w through each of the clearest dots."""
    from matplotlib.figure import Figure

    clearest = table.head(SHOWN)
    figure = Figure(figsize=(18, 5.4), layout="constrained")
    axes = figure.subplots(4, SHOWN // 2, squeeze=False)
    step = voxel_sizes(head.affine)
    bg = np.isin(head.anatomy, BG_LABELS)
    windows = {n: np.percentile(i[bg], [1, 99.7]) for n, i in head.images.items()}
    for axis in axes.flat:
        axis.axis("off")
    for number, row in enumerate(clearest.to_dict("records")):
        for line, (name, image) in enumerate(head.images.items()):
            axis = axes[2 * (number // (SHOWN // 2)) + line, number % (SHOWN // 2)]
            i, j, k = (row[x] for x in "ijk")
            part = image[max(i - REACH, 0) : i + REACH + 1, max(j - REACH, 0) : j + REACH + 1, k]
            low, high = windows[name]
            aspect = step[1] / step[0]
            axis.imshow(part.T, cmap="gray", origin="lower", vmin=low, vmax=high, aspect=aspect)
            axis.plot(min(i, REACH), min(j, REACH), "o", mfc="none", mec="tab:orange", ms=13)
            if line == 0:
                says = [x for x in ("model", "anatomy", "filter") if row[x]]
                axis.set_title(
                    f"{row['nucleus']}{' rim' if row['rim'] else ''}, {row['share']:.2f}, "
                    f"{row['width_mm']:.1f} mm\n{', '.join(says) or 'none'}",
                    fontsize=8,
                )
    figure.savefig(path, dpi=80)


def tell(table: pd.DataFrame) -> None:
    """Print how many dots there are, and how many of them each method calls PVS."""
    kinds = pd.cut(table["share"], [0, 0.2, 0.3, 0.45, 2], labels=["to 0.2", "0.3", "0.45", "more"])
    told = table.assign(dark_on_t1w=table["t1w_share"] > LEAST_SHARE, way=kinds, dots=1).groupby(
        ["infant", "way"], observed=True
    )
    columns = ["dots", "beside_fluid", "rim", "dark_on_t1w", "model", "anatomy", "filter"]
    print(told[columns].sum().to_string())


if __name__ == "__main__":
    main()
