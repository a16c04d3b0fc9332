"""The model in scans that are worse, or lie otherwise, than those it was trained on.

    python benchmarks/robustness.py [--model MODEL] [--infants N]

N phantoms a preset of seeds that nothing is tuned on (5700 and up), and the three real infants
where they are at hand, each changed in one way after the other. The model is told nothing but the
images; they are not corrected for bias or noise first. Prints the mean Dice of the basal ganglia
(in real infants against the reference) and of PVS, and in how many scans the header or the names
of the images were said to be wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import nibabel as nib
import numpy as np
import pandas as pd
from pseudolabels import DATA, MONTH_WEEKS
from scipy import ndimage

from bgpvs_wf.anatomy.labels import (
    BG_LABELS,
    BRAINSTEM_LABELS,
    CEREBELLUM_LABELS,
    NUCLEI,
    VENTRICLE_LABELS,
)
from bgpvs_wf.anatomy.starts import half_turn
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.imaging.geometry import Grid, bounding_box, crop_affine, resample, voxel_sizes
from bgpvs_wf.learning.inference.prediction import predict
from bgpvs_wf.learning.models.bundle import Model, find_model
from bgpvs_wf.learning.training.tasks import dice
from bgpvs_wf.phantom.acquisition import move
from bgpvs_wf.phantom.protocol import load_protocol
from bgpvs_wf.phantom.subject import simulate_subject

AGES_WEEKS = {
    "dhcp": (38.0, 43.0),
    "bcp": (40 + 6 * MONTH_WEEKS, 40 + 18 * MONTH_WEEKS),  # the first in the isointense window
    "clinical": (40.0, 40 + 12 * MONTH_WEEKS),
}
SEED = 5700
HINDBRAIN = (*CEREBELLUM_LABELS, *BRAINSTEM_LABELS)


@dataclass(frozen=True)
class Infant:
    """Images on one grid, and what is known of them."""

    name: str
    images: tuple[np.ndarray, np.ndarray]
    """T2w and T1w."""
    affine: np.ndarray
    dseg: np.ndarray
    bg: np.ndarray
    pvs: np.ndarray | None = None


def phantoms(count: int) -> Iterator[Infant]:
    """Simulate infants of each preset."""
    for number, (preset, ages) in enumerate(AGES_WEEKS.items()):
        for i in range(count):
            seed = SEED + 10 * number + i
            made = simulate_subject(ages[i % len(ages)], seed=seed, protocol=load_protocol(preset))
            grid = Grid(made.t2w.shape, made.affine)
            t1w = np.maximum(resample(made.t1w, made.t1w_affine, grid, order=1), 0)
            bgpvs = made.bgpvs
            yield Infant(preset, (made.t2w, t1w), made.affine, made.dseg, bgpvs > 0, bgpvs == 2)


def real_infants() -> Iterator[Infant]:
    """Read the three real infants, if they are there."""
    for subject in ("01", "02", "03") if DATA.is_dir() else ():
        labels = nib.load(DATA / f"reference/sub-{subject}_desc-nuclei_dseg.nii.gz")
        grid = Grid(labels.shape, labels.affine)
        dseg = np.asarray(labels.dataobj).astype(np.int16)
        images = []
        for name in ("T2w", "T1w"):
            image = nib.load(DATA / f"infants/sub-{subject}/anat/sub-{subject}_{name}.nii.gz")
            data = image.get_fdata(dtype=np.float32)
            images.append(np.maximum(resample(data, image.affine, grid, order=1), 0))
        bg = np.isin(dseg, BG_LABELS)
        yield Infant("real", (images[0], images[1]), labels.affine, dseg, bg)


def each(infant: Infant, change: Callable[[np.ndarray], np.ndarray]) -> Infant:
    """Change both images."""
    t2w, t1w = (change(image).astype(np.float32) for image in infant.images)
    return dataclasses.replace(infant, images=(t2w, t1w))


def inverted(infant: Infant) -> Infant:
    """Make what is bright dark, inside the head."""
    return each(
        infant, lambda i: np.where(i > 0, np.clip(np.percentile(i, 99.9) * 1.05 - i, 1, None), 0)
    )


def exchanged(infant: Infant) -> Infant:
    """Call the T2w T1w and the T1w T2w."""
    return dataclasses.replace(infant, images=infant.images[::-1])


def flat(infant: Infant) -> Infant:
    """Take three quarters of the contrast between middle intensities away; fluid stays bright."""

    def change(image: np.ndarray) -> np.ndarray:
        low, middle, high = np.percentile(image[image > 0], (20, 50, 85))
        return np.where((image > low) & (image < high), middle + (image - middle) / 4, image)

    return each(infant, change)


def biased(infant: Infant) -> Infant:
    """Add a bias field: half to twice the signal from one end to the other."""
    ramps = np.meshgrid(*(np.linspace(-1, 1, n) for n in infant.bg.shape), indexing="ij")
    field = np.exp(np.log(2) * (0.6 * ramps[0] + 0.4 * ramps[1] ** 2 - 0.3 * ramps[2]))
    return each(infant, lambda image: image * field)


def moved(infant: Infant) -> Infant:
    """Let the head move while it is scanned."""
    rng, mm = np.random.default_rng(1), float(voxel_sizes(infant.affine).min())
    return each(infant, lambda image: move(image, rng, 1.0, mm))


def noisy(infant: Infant) -> Infant:
    """Add noise of 6 % of the median signal."""
    rng = np.random.default_rng(1)

    def change(image: np.ndarray) -> np.ndarray:
        sigma = 0.06 * np.median(image[image > 0])
        return np.where(image > 0, np.abs(image + rng.normal(0, sigma, image.shape)), 0)

    return each(infant, change)


def turned(axis: int) -> Callable[[Infant], Infant]:
    """Let the header be wrong by half a turn about an axis."""
    turn = half_turn(axis)
    return lambda infant: dataclasses.replace(infant, affine=turn @ infant.affine)


def cropped(infant: Infant) -> Infant:
    """Cut the field of view to 12 mm around the nuclei along the axis that is nearest to up."""
    box = bounding_box(np.isin(infant.dseg, list(NUCLEI)), infant.affine, 12.0)
    up = int(np.argmax(np.abs(infant.affine[2, :3])))
    part = tuple(
        s if axis == up else slice(0, n)
        for axis, (s, n) in enumerate(zip(box, infant.bg.shape, strict=True))
    )
    return Infant(
        infant.name,
        (infant.images[0][part], infant.images[1][part]),
        crop_affine(infant.affine, part),
        infant.dseg[part],
        infant.bg[part],
        None if infant.pvs is None else infant.pvs[part],
    )


def without_hindbrain(infant: Infant) -> Infant:
    """Remove cerebellum and brainstem."""
    return each(infant, lambda image: np.where(np.isin(infant.dseg, HINDBRAIN), 0, image))


def wide(infant: Infant) -> Infant:
    """Let the lateral ventricles take 4 mm of the white matter around them."""
    fluid = np.isin(infant.dseg, VENTRICLE_LABELS)
    far = ndimage.distance_transform_edt(~fluid, sampling=voxel_sizes(infant.affine))
    grown = (far < 4) & ~np.isin(infant.dseg, list(NUCLEI)) & (infant.images[0] > 0)
    return each(infant, lambda image: np.where(grown, np.median(image[fluid]), image))


CHANGES: dict[str, Callable[[Infant], Infant]] = {
    "none": lambda infant: infant,
    "T2w and T1w exchanged": exchanged,
    "contrast inverted": inverted,
    "contrast flat": flat,
    "bias field": biased,
    "motion": moved,
    "noise": noisy,
    "header turned about left-right": turned(0),
    "header turned about front-back": turned(1),
    "header turned about up-down": turned(2),
    "field of view cropped": cropped,
    "no cerebellum": without_hindbrain,
    "wide ventricles": wide,
}
ONLY_PHANTOMS = ("no cerebellum", "wide ventricles")
"""The real infants have no cerebellum, and their reference no ventricles."""


def row(infant: Infant, change: str, model: Model) -> dict[str, object]:
    """Change an infant, segment it, score it."""
    changed = CHANGES[change](infant)
    scored: dict[str, object] = {
        "change": change,
        "infants": infant.name,
        "noticed": 0,
        "refused": 0,
    }
    try:
        found = predict(model, t2w=changed.images[0], t1w=changed.images[1], affine=changed.affine)
    except BGPVSError:
        return scored | {"BG": 0.0, "PVS": np.nan if changed.pvs is None else 0.0, "refused": 1}
    scored |= {"BG": dice(found.dseg > 0, changed.bg), "noticed": int(bool(found.doubts))}
    if changed.pvs is not None:
        scored["PVS"] = dice(found.dseg == 2, changed.pvs)
    return scored


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="infant", help="name or folder")
    parser.add_argument("--infants", type=int, default=2, metavar="N", help="a preset")
    options = parser.parse_args()
    model = find_model(options.model)
    rows = []
    for infant in (*phantoms(options.infants), *real_infants()):
        for change in CHANGES:
            if infant.name != "real" or change not in ONLY_PHANTOMS:
                rows.append(row(infant, change, model))
                print(rows[-1], file=sys.stderr, flush=True)
    table = pd.DataFrame(rows).groupby(["change", "infants"], sort=False)
    shown = table[["BG", "PVS"]].mean().round(2)
    counts = table[["noticed", "refused"]].sum().astype(int)
    print(shown.join(counts).unstack("infants").dropna(axis=1, how="all").to_string())


if __name__ == "__main__":
    main()
