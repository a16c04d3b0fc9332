"""Whether wrong results are in doubt, and right ones are not.

    python benchmarks/doubts.py OUT.tsv [--tuning] [--kind {wrong,right}]

Heads are broken in twelve ways, by little and by much; results whose basal ganglia then have a Dice
below 0.75 are wrong, and are to be in doubt or to fail. Heads as they are, turned, and put into
whole heads of label maps (adult-13 to -16, which no training saw) are to be without doubt, where
their Dice is 0.85 and more. Nothing is corrected for bias or noise first. A row for each goes to
OUT.tsv, which the same command goes on with; counts are printed last.

`--tuning` takes other phantoms and no real infant: bounds are chosen on these.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from heads import (
    INFANTS,
    MAPS,
    MODALITIES,
    PHANTOMS,
    Subject,
    found_in,
    in_a_head,
    subjects,
    turned,
)
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.imaging.geometry import voxel_sizes
from bgpvs_wf.learning.training.tasks import dice
from bgpvs_wf.quantification.bounds import Result
from bgpvs_wf.quantification.credible import judge

WRONG, RIGHT = 0.75, 0.85
SEEDS = {False: 7300, True: 7500}
TUNING = (("dhcp", 39.0), ("bcp", 75.0), ("clinical", 60.0), ("bcp", 105.0))
STRENGTHS = (1, 2, 3)

Break = Callable[[Subject, int, np.random.Generator], Subject]


def _each(one: Subject, change: Callable[[np.ndarray], np.ndarray]) -> Subject:
    images = tuple(np.maximum(change(i), 0).astype(np.float32) for i in one.images)
    return dataclasses.replace(one, images=images)


def _noise(one: Subject, k: int, rng: np.random.Generator) -> Subject:
    def change(image: np.ndarray) -> np.ndarray:
        sigma = (0.3, 0.6, 1.2)[k - 1] * np.median(image[image > 0])
        return np.abs(image + rng.normal(0, sigma, image.shape)) * (image > 0)

    return _each(one, change)


def _blur(one: Subject, k: int, rng: np.random.Generator) -> Subject:
    sigma = (2.0, 3.5, 6.0)[k - 1] / voxel_sizes(one.affine)
    return _each(one, lambda i: ndimage.gaussian_filter(i, sigma))


def _thick(one: Subject, k: int, rng: np.random.Generator) -> Subject:
    """Scan slices of 6, 12 and 20 mm."""
    n = max(1, round((6, 12, 20)[k - 1] / voxel_sizes(one.affine)[2]))

    def change(image: np.ndarray) -> np.ndarray:
        thick = ndimage.uniform_filter1d(image, n, axis=2)[:, :, ::n]
        return np.repeat(thick, n, axis=2)[:, :, : image.shape[2]]

    return _each(one, change)


def _bias(one: Subject, k: int, rng: np.random.Generator) -> Subject:
    waves = [np.cos(np.linspace(0, np.pi * 2, n) + rng.uniform(0, 6)) for n in one.dseg.shape]
    field = waves[0][:, None, None] + waves[1][None, :, None] + waves[2][None, None]
    return _each(one, lambda i: i * np.exp((0.5, 0.9, 1.5)[k - 1] * field))


def _gamma(one: Subject, k: int, rng: np.random.Generator) -> Subject:
    """Flatten the contrast, darken or invert it."""

    def change(image: np.ndarray) -> np.ndarray:
        top = np.percentile(image[image > 0], 99.5)
        flat = 0.9 * top + 0.1 * np.minimum(image, top)
        inverted = np.maximum(1.05 * top - image, 0.02 * top)
        dark = top * (np.minimum(image, top) / top) ** 5
        return np.where(image > 0, (flat, dark, inverted)[k - 1], 0)

    return _each(one, change)


def _cropped(one: Subject, k: int, rng: np.random.Generator) -> Subject:
    """End the field of view in the nuclei, from below, above or behind."""
    places = np.argwhere(one.bg)
    axis, low = ((2, True), (2, False), (1, True))[int(rng.integers(3))]
    share = (0.15, 0.35, 0.6)[k - 1]
    cut = int(np.quantile(places[:, axis], share if low else 1 - share))
    kept = [slice(None)] * 3
    kept[axis] = slice(None, cut) if low else slice(cut, None)

    def change(image: np.ndarray) -> np.ndarray:
        image = image.copy()
        image[tuple(kept)] = 0
        return image

    return _each(one, change)


def _torn(one: Subject, k: int, rng: np.random.Generator) -> Subject:
    """Take balls of the brain away, as a bad extraction does."""
    places = np.argwhere(one.brain)
    gone = np.zeros(one.dseg.shape, bool)
    grid = np.moveaxis(np.indices(one.dseg.shape), 0, -1) * voxel_sizes(one.affine)
    for _ in range((2, 4, 7)[k - 1]):
        middle = places[int(rng.integers(len(places)))] * voxel_sizes(one.affine)
        gone |= np.linalg.norm(grid - middle, axis=-1) < rng.uniform(20, 35)
    return _each(one, lambda i: np.where(gone, 0, i))


def _motion(one: Subject, k: int, rng: np.random.Generator) -> Subject:
    """Lay moved copies of the head over each other."""

    def change(image: np.ndarray) -> np.ndarray:
        moved = [
            ndimage.shift(image, rng.normal(0, (3, 6, 10)[k - 1], 3), order=1) for _ in range(3)
        ]
        return np.mean([image * 0.5, *moved], axis=0)

    return _each(one, change)


def _apart(one: Subject, k: int, rng: np.random.Generator) -> Subject:
    """Move the T1w away from the T2w, as if they had not been aligned."""
    shift = rng.choice([-1, 1], 3) * (4, 8, 16)[k - 1] / voxel_sizes(one.affine)
    moved = np.maximum(ndimage.shift(one.images[1], shift, order=1), 0)
    return dataclasses.replace(one, images=(one.images[0], moved))


def _hole(one: Subject, k: int, rng: np.random.Generator) -> Subject:
    """Fill the nuclei of one side or both with what is around them, or with fluid."""
    side = one.dseg * one.bg
    x = np.argwhere(one.bg)[:, 0].mean()
    half = np.arange(one.dseg.shape[0])[:, None, None] < x
    gone = ndimage.binary_dilation(side > 0, iterations=2)
    gone &= half if k < 3 else True

    def change(image: np.ndarray) -> np.ndarray:
        around = ndimage.binary_dilation(gone, iterations=4) & ~gone & (image > 0)
        level = np.percentile(image[around], 50 if k == 1 else 95)
        noise = rng.normal(0, 0.03 * level, image.shape)
        return np.where(gone, level + noise, image)

    return _each(one, change)


def _stretched(one: Subject, k: int, rng: np.random.Generator) -> Subject:
    """Let the header tell voxels 1.6 to 3 times as long as they are, along one axis."""
    axis = int(rng.integers(3))
    affine = one.affine.copy()
    affine[:3, axis] *= (1.6, 2.2, 3.0)[k - 1]
    return dataclasses.replace(one, affine=affine)


def _shuffled(one: Subject, k: int, rng: np.random.Generator) -> Subject:
    """Put stacks of slices into a wrong order."""
    n = (20, 10, 4)[k - 1]
    axis = int(rng.integers(1, 3))
    count = one.dseg.shape[axis]
    stacks = [np.arange(i, min(i + n, count)) for i in range(0, count, n)]
    order = np.concatenate([stacks[i] for i in rng.permutation(len(stacks))])
    # What is true moves with the slices.
    dseg = np.take(one.dseg, order, axis)
    return _each(dataclasses.replace(one, dseg=dseg), lambda i: np.take(i, order, axis))


BREAKS: dict[str, Break] = {
    "noise": _noise,
    "blur": _blur,
    "thick slices": _thick,
    "bias field": _bias,
    "contrast": _gamma,
    "field of view": _cropped,
    "torn extraction": _torn,
    "motion": _motion,
    "T1w apart": _apart,
    "nuclei gone": _hole,
    "voxel size": _stretched,
    "slices shuffled": _shuffled,
}


def broken(cases: list[Subject], seed: int) -> Iterator[tuple[str, Subject, str]]:
    """Give broken heads in an order that is drawn, by both images and by the T2w alone."""
    ways = list(itertools.product(STRENGTHS, range(len(cases)), range(len(BREAKS))))
    for way in np.random.default_rng(seed).permutation(len(ways)):
        k, number, place = ways[way]
        one, (name, change) = cases[number], list(BREAKS.items())[place]
        rng = np.random.default_rng([seed, number, place, k])
        which = "T2w" if (number + place + k) % 3 == 0 and name != "T1w apart" else "both"
        yield f"{one.name}, {name} {k}, {which}", change(one, k, rng), which


def right(cases: list[Subject], seed: int) -> Iterator[tuple[str, Subject, str]]:
    """Give heads that nothing is wrong with, and such as scanners and programs give them."""
    for number, one in enumerate(cases):
        rng = np.random.default_rng([seed, number])
        for which in MODALITIES:
            yield f"{one.name}, {which}", one, which
        whole = in_a_head(one, MAPS[number % len(MAPS)], seed + number)
        for which in MODALITIES:
            yield f"{one.name}, in a head, {which}", whole, which
        turn = Rotation.from_rotvec(np.radians(rng.normal(0, 25, 3))).as_matrix()
        yield f"{one.name}, turned, both", turned(one, turn), "both"


def judged(one: Subject, which: str) -> dict[str, object]:
    """Segment a head and judge what comes of it."""
    try:
        found, prediction = found_in(one, MODALITIES[which])
    except BGPVSError as error:
        return {"dice": 0.0, "verdict": "refused", "said": str(error)}
    given = zip(("T2w", "T1w"), one.images, MODALITIES[which], strict=True)
    findings = judge(
        Result(
            anatomy=prediction.anatomy,
            bgpvs=prediction.dseg,
            affine=one.affine,
            images={name: image * found.mask for name, image, there in given if there},
            age_weeks=one.age_weeks,
            record=prediction.record,
        )
    )
    said = [*(f.sentence for f in findings), *prediction.doubts, *found.doubts]
    failed = any(finding.failure for finding in findings)
    numbers = {k: v for k, v in prediction.record.items() if isinstance(v, int | float)}
    return {
        "dice": round(dice(np.isin(prediction.anatomy, BG_LABELS), one.bg), 3),
        "verdict": "failed" if failed else "doubt" if said else "",
        "said": " ".join(said),
        **numbers,
    }


def main() -> None:
    """Write a row a head, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--kind", choices=("wrong", "right"))
    parser.add_argument("--wrong", type=int, default=40, help="enough of these")
    parser.add_argument("--right", type=int, default=60)
    options = parser.parse_args()
    seed = SEEDS[options.tuning]
    infants, phantoms = ((), TUNING) if options.tuning else (INFANTS, PHANTOMS)
    cases = list(subjects(phantoms, infants, seed))
    rows = pd.read_csv(options.out, sep="\t").to_dict("records") if options.out.exists() else []
    known = {row["what"]: row for row in rows}
    makers = {"right": (right, options.right), "wrong": (broken, options.wrong)}
    for kind, (make, enough) in makers.items():
        if options.kind not in (None, kind):
            continue
        kept = 0
        for what, one, which in make(cases, seed):
            if kept >= enough:
                break
            if what not in known:
                known[what] = {"what": what, "kind": kind, **judged(one, which)}
                pd.DataFrame(known.values()).to_csv(options.out, sep="\t", index=False)
            value = known[what]["dice"]
            kept += value < WRONG if kind == "wrong" else value >= RIGHT
    table = pd.DataFrame(known.values()).fillna({"verdict": ""})
    wrong = table[(table.kind == "wrong") & (table.dice < WRONG)]
    fine = table[(table.kind == "right") & (table.dice >= RIGHT)]
    print(f"wrong: {len(wrong)}, of which nothing was said: {sum(wrong.verdict == '')}")
    print(f"right: {len(fine)}, of which in doubt or failed: {sum(fine.verdict != '')}")


if __name__ == "__main__":
    main()
