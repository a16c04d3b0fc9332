"""Whether results that cannot be are noticed: junk, toy heads and damaged scans, and right scans.

    python benchmarks/credible.py [--model MODEL] [--only {junk,right,real}]

Phantoms of seeds that nothing else uses (7300 and up), most of them on a grid of 1 mm, and what is
made of them or of nothing: noise, shapes, heads of another size, heads that lack a part, images
that were shuffled, label maps that are absurd. Each goes through `predict` (label maps straight to
the check) and `bgpvs_wf.quantification.credible.judge`, told the age of the phantom it was made of,
or that of a newborn. Nothing is corrected for bias or noise first. So do right scans, and scans
that are worse than usual but right (benchmarks/robustness.py). The real infants come last, where
they are at hand; no bound was set on them. Prints a row each: what it is, the volume of the basal
ganglia, the verdict, the first sentence, and how many more there are.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import nibabel as nib
import numpy as np
import pandas as pd
from pseudolabels import DATA, MONTH_WEEKS
from robustness import CHANGES, Infant
from scipy import ndimage

from bgpvs_wf.anatomy.labels import (
    BG_LABELS,
    BRAINSTEM_LABELS,
    CEREBELLUM_LABELS,
    MIRROR,
    NUCLEI,
    SIDES,
    WM_LABELS,
)
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.imaging.geometry import Grid, resample
from bgpvs_wf.learning.inference.prediction import predict
from bgpvs_wf.learning.models.bundle import Model, find_model
from bgpvs_wf.phantom.protocol import load_protocol
from bgpvs_wf.phantom.subject import simulate_subject
from bgpvs_wf.quantification.bounds import Result
from bgpvs_wf.quantification.credible import judge

SEED = 7300
AGES_WEEKS = {
    "dhcp": (32.0, 34.0, 36.0, 38.0, 40.0, 42.0, 44.0),
    "bcp": tuple(40 + m * MONTH_WEEKS for m in (1, 2, 4, 6, 9, 12, 18, 24)),
    "clinical": (36.0, 40.0, *(40 + m * MONTH_WEEKS for m in (2, 4, 7, 12, 24))),
}
WORSE = (
    *("contrast flat", "bias field", "motion", "noise", "field of view cropped"),
    *("no cerebellum", "wide ventricles"),
)
_CUBE = (110, 130, 110)
Images = tuple[np.ndarray | None, np.ndarray | None]


@dataclass(frozen=True)
class Head:
    """Images on one grid, or labels alone, and what is said of them."""

    name: str
    images: Images
    """T2w and T1w."""
    affine: np.ndarray
    age_weeks: float | None
    dseg: np.ndarray
    """Harmonised labels: the truth."""
    labels_only: bool = False
    """Judge `dseg` itself, as if a model or a registration had made it."""


@cache
def phantom(preset: str, age_weeks: float, seed: int, voxel_mm: float | None = 1.0) -> Head:
    """Simulate an infant; `voxel_mm` None is the preset's own grid."""
    protocol = load_protocol(preset)
    if voxel_mm is not None:
        scans = {
            name: dataclasses.replace(
                getattr(protocol, name), voxel_mm=(voxel_mm,) * 3, resolution_mm=(), slice_mm=0.0
            )
            for name in ("t2w", "t1w")
        }
        protocol = dataclasses.replace(protocol, **scans)
    made = simulate_subject(age_weeks, seed=seed, protocol=protocol)
    grid = Grid(made.t2w.shape, made.affine)
    t1w = np.maximum(resample(made.t1w, made.t1w_affine, grid, order=1), 0)
    name = f"{preset}, {age_weeks:.0f} weeks"
    return Head(name, (made.t2w, t1w), made.affine, age_weeks, made.dseg)


def right_heads() -> Iterator[Head]:
    """Return heads that nothing is wrong with, by both images or by one."""
    number = 0
    for preset, ages in AGES_WEEKS.items():
        for i, age in enumerate(ages):
            number += 1
            head = phantom(preset, age, SEED + number)
            yield head
            if i % 2 == 0:
                t2w, t1w = head.images
                yield dataclasses.replace(head, name=f"{head.name}, T2w alone", images=(t2w, None))
                if i % 4 == 0:
                    name = f"{head.name}, T1w alone"
                    yield dataclasses.replace(head, name=name, images=(None, t1w))
    for preset, age in (("dhcp", 41.0), ("bcp", 60.0), ("clinical", 90.0)):
        number += 1
        head = phantom(preset, age, SEED + number, None)
        yield dataclasses.replace(head, name=f"{head.name}, own grid", age_weeks=None)


def worse_heads() -> Iterator[Head]:
    """Return right heads, scanned worse than usual or with a part missing."""
    for k, (preset, age) in enumerate((("dhcp", 40.0), ("bcp", 66.1), ("clinical", 100.0))):
        head = phantom(preset, age, SEED + 99 - k)
        bg = np.isin(head.dseg, BG_LABELS)
        t2w, t1w = head.images
        assert t2w is not None
        assert t1w is not None
        infant = Infant(head.name, (t2w, t1w), head.affine, head.dseg, bg)
        for change in WORSE:
            made = CHANGES[change](infant)
            name = f"{head.name}, {change}"
            yield Head(name, made.images, made.affine, age, made.dseg)


def real_heads() -> Iterator[Head]:
    """Read the real infants, if they are there."""
    ages = {"01": 46.0, "02": 66.1, "03": 92.2, "04": 144.4}
    for subject, age in ages.items() if DATA.is_dir() else ():
        read = [
            nib.load(DATA / f"infants/sub-{subject}/anat/sub-{subject}_{name}.nii.gz")
            for name in ("T2w", "T1w")
        ]
        grid = Grid(read[0].shape, read[0].affine)
        t2w, t1w = (
            np.maximum(resample(i.get_fdata(dtype=np.float32), i.affine, grid), 0) for i in read
        )
        empty = np.zeros(grid.shape, np.int16)
        yield Head(f"sub-{subject}", (t2w, t1w), grid.affine, age, empty)


def each(head: Head, change: Callable[[np.ndarray], np.ndarray]) -> Head:
    """Change all images there are."""
    t2w, t1w = (None if i is None else change(i).astype(np.float32) for i in head.images)
    return dataclasses.replace(head, images=(t2w, t1w))


def _made(function: Callable[[tuple[np.ndarray, ...]], np.ndarray], both: bool = False) -> Head:
    """Return a head that is a function of the distance from the middle, mm along each axis."""
    places = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in _CUBE), indexing="ij")
    image = np.maximum(function(tuple(places)), 0).astype(np.float32)
    affine = np.eye(4)
    affine[:3, 3] = -(np.array(_CUBE) - 1) / 2
    empty = np.zeros(_CUBE, np.int16)
    return Head("", (image, image.max() - image if both else None), affine, 40.0, empty)


def _radius(p: tuple[np.ndarray, ...], *radii: float) -> np.ndarray:
    return np.sqrt(sum((x / r) ** 2 for x, r in zip(p, radii, strict=True)))


def _noise(radius: float, smooth: float, spread: float, ball: bool = True) -> Head:
    """Return a ball or a cube of noise around 100."""
    rng = np.random.default_rng(SEED)

    def noise(p: tuple[np.ndarray, ...]) -> np.ndarray:
        field = ndimage.gaussian_filter(rng.normal(size=_CUBE), smooth)
        inside = _radius(p, radius, radius, radius) < 1
        if not ball:
            inside = np.maximum.reduce([abs(x) for x in p]) < radius
        return inside * np.maximum(100 + spread * field / field.std(), 1)

    return _made(noise)


def _shells(p: tuple[np.ndarray, ...]) -> np.ndarray:
    r = _radius(p, 45, 58, 45)
    return np.asarray((r < 1) * (80 + 50 * np.sin(18 * r)))


def _fruit(p: tuple[np.ndarray, ...]) -> np.ndarray:
    """Draw an orange: peel, segments, a core."""
    r, angle = _radius(p, 44, 44, 40), np.arctan2(p[1], p[0])
    flesh = 120 + 40 * (np.abs(np.sin(5 * angle)) > 0.15)
    return np.where(r < 0.15, 60.0, np.where(r < 0.9, flesh, 70.0)) * (r < 1)


def _nested(p: tuple[np.ndarray, ...]) -> np.ndarray:
    """Draw a brain as a child does: cortex, white matter, two ventricles, two round nuclei."""
    image = np.where(_radius(p, 45, 58, 42) < 1, 100.0, 0)
    image[_radius(p, 40, 53, 37) < 1] = 120
    x, y, z = p
    side = (np.abs(x) - 5, y, z - 5)
    image[_radius(side, 4, 20, 8) < 1] = 220
    image[_radius((np.abs(x) - 20, y - 5, z), 9, 15, 11) < 1] = 95
    return image


def newborn() -> Head:
    """Return the newborn that junk is made of."""
    return phantom("dhcp", 40.0, SEED + 90)


def infant() -> Head:
    """Return the infant of nine months that junk is made of."""
    return phantom("bcp", 40 + 9 * MONTH_WEEKS, SEED + 91)


def _sized(head: Head, factor: float) -> Head:
    """Let the header's voxels be larger or smaller, about the middle."""
    affine = head.affine.copy()
    affine[:3, :3] *= factor
    return dataclasses.replace(head, affine=affine)


def _painted(head: Head, where: np.ndarray, like: np.ndarray) -> Head:
    """Paint some voxels with what other voxels of the same image have, at random."""
    rng = np.random.default_rng(SEED)
    at = where & (head.dseg >= 0)
    return each(head, lambda i: _replaced(i, at, rng.choice(i[like], int(at.sum()))))


def _replaced(image: np.ndarray, at: np.ndarray, values: np.ndarray | float) -> np.ndarray:
    new = image.copy()
    new[at] = values
    return new


def _without(head: Head, labels: tuple[int, ...]) -> Head:
    return _painted(head, np.isin(head.dseg, labels), np.isin(head.dseg, WM_LABELS))


def _side(head: Head, side: str) -> np.ndarray:
    """Return the voxels of a half of the head, told by the labels' nearest side."""
    x = head.affine[0, 3] + np.arange(head.dseg.shape[0]) * head.affine[0, 0]
    middle = [
        float(x[np.argwhere(np.isin(head.dseg, SIDES[s]))[:, 0]].mean()) for s in ("left", "right")
    ]
    half = x < np.mean(middle) if side == "left" else x > np.mean(middle)
    return np.broadcast_to(half[:, None, None], head.dseg.shape)


def _mirrored_halves(head: Head) -> Head:
    """Put the left half, mirrored and moved up by 30 mm, in place of the right."""
    return each(
        head, lambda i: np.where(_side(head, "right"), np.roll(i[::-1], (0, 25, 30), (0, 1, 2)), i)
    )


def _shuffled(head: Head, axis: int) -> Head:
    order = np.random.default_rng(SEED).permutation(head.dseg.shape[axis])
    return each(head, lambda i: np.take(i, order, axis))


def _unequal_slices(head: Head, axis: int) -> Head:
    gain = np.exp(np.random.default_rng(SEED).normal(0, 0.6, head.dseg.shape[axis]))
    shape = [-1 if a == axis else 1 for a in range(3)]
    return each(head, lambda i: i * gain.reshape(shape))


def _noisy(head: Head, share: float) -> Head:
    rng = np.random.default_rng(SEED)

    def change(image: np.ndarray) -> np.ndarray:
        sigma = share * np.median(image[image > 0])
        return np.where(image > 0, np.abs(image + rng.normal(0, sigma, image.shape)), 0)

    return each(head, change)


def _inverted(head: Head) -> Head:
    return each(
        head, lambda i: np.where(i > 0, np.clip(np.percentile(i, 99.9) * 1.05 - i, 1, None), 0)
    )


def _only(head: Head, labels: tuple[int, ...]) -> Head:
    near = ndimage.binary_dilation(np.isin(head.dseg, labels), iterations=3)
    return each(head, lambda i: np.where(near, i, 0))


def _upside_down(head: Head) -> Head:
    """Stretch the lower half over the upper one: no turn takes it back."""

    def change(image: np.ndarray) -> np.ndarray:
        n = image.shape[2]
        z = np.linspace(0, 1, n)
        source = (1 - z**2.5) * (n - 1)
        grid = np.meshgrid(*(np.arange(k) for k in image.shape[:2]), source, indexing="ij")
        return ndimage.map_coordinates(image, grid, order=1)

    return each(head, change)


def _pitched(head: Head, degrees: float) -> Head:
    """Let the header be turned about left-right."""
    turn = np.eye(4)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn[1:3, 1:3] = [[c, -s], [s, c]]
    return dataclasses.replace(head, affine=turn @ head.affine)


def _relabelled(head: Head, change: Callable[[np.ndarray], np.ndarray]) -> Head:
    return dataclasses.replace(head, dseg=change(head.dseg.copy()), labels_only=True)


def _label(dseg: np.ndarray, label: int, where: np.ndarray) -> np.ndarray:
    dseg[where] = label
    return dseg


def _grown(dseg: np.ndarray, label: int, times: float) -> np.ndarray:
    """Grow a label, over whatever is there, until it has so many times its voxels."""
    wanted, mask = times * (dseg == label).sum(), dseg == label
    while mask.sum() < wanted:
        mask = ndimage.binary_dilation(mask)
    return _label(dseg, label, mask)


def _moved(dseg: np.ndarray, by: tuple[int, int, int]) -> np.ndarray:
    nuclei = np.where(np.isin(dseg, tuple(NUCLEI)), dseg, 0)
    moved = np.roll(nuclei, by, (0, 1, 2))
    return np.where(moved > 0, moved, np.where(nuclei > 0, 2, dseg))


def _scattered(dseg: np.ndarray) -> np.ndarray:
    """Put the same number of voxels of each nucleus anywhere in the head."""
    rng = np.random.default_rng(SEED)
    free = np.argwhere(dseg > 0)
    for label in NUCLEI:
        count = int((dseg == label).sum())
        dseg[dseg == label] = 2
        dseg[tuple(rng.permutation(free)[:count].T)] = label
    return dseg


def _exchanged_sides(dseg: np.ndarray) -> np.ndarray:
    new = dseg.copy()
    for label, other in MIRROR.items():
        new[dseg == label] = other
    return new


def _t2w(head: Head) -> Head:
    return dataclasses.replace(head, images=(head.images[0], None))


JUNK: dict[str, Callable[[], Head]] = {
    "ball of white noise": lambda: _noise(45, 0, 30),
    "ball of faint white noise": lambda: _noise(45, 0, 5),
    "small ball of white noise": lambda: _noise(22, 0, 30),
    "ball of noise, smooth by 2 mm": lambda: _noise(45, 2, 30),
    "ball of noise, smooth by 5 mm": lambda: _noise(45, 5, 30),
    "ball of noise, smooth by 10 mm": lambda: _noise(48, 10, 40),
    "cube of white noise": lambda: _noise(40, 0, 30, ball=False),
    "cube of noise, smooth by 4 mm": lambda: _noise(45, 4, 30, ball=False),
    "ellipsoid of shells": lambda: _made(_shells),
    "gradient in an ellipsoid": lambda: _made(
        lambda p: (_radius(p, 45, 58, 42) < 1) * (100 + p[1])
    ),
    "checkerboard": lambda: _made(
        lambda p: 50 + 100 * ((np.floor(p[0] / 8) + np.floor(p[1] / 8) + np.floor(p[2] / 8)) % 2)
    ),
    "orange": lambda: _made(_fruit),
    "bottle of water": lambda: _made(
        lambda p: (np.hypot(p[0], p[1]) < 35) * (np.abs(p[2]) < 50) * 200.0 + 1
    ),
    "brain as drawn by a child": lambda: _made(_nested, both=True),
    "infant's head 1.6 times the size": lambda: _sized(infant(), 1.6),
    "infant's head half the size": lambda: _sized(infant(), 0.5),
    "voxels of a mouse": lambda: _sized(infant(), 0.1),
    "voxels ten times too large": lambda: _sized(infant(), 10),
    "left half of a brain": lambda: each(
        infant(), lambda i: np.where(_side(infant(), "left"), i, 0)
    ),
    "right hemisphere blank but for noise": lambda: each(
        infant(), lambda i: np.where(_side(infant(), "right") & (i > 0), np.median(i[i > 0]), i)
    ),
    "left half mirrored, displaced": lambda: _mirrored_halves(infant()),
    "basal ganglia cut out": lambda: _without(infant(), BG_LABELS),
    "basal ganglia and thalami cut out": lambda: _without(infant(), tuple(NUCLEI)),
    "basal ganglia cut out, newborn": lambda: _without(newborn(), tuple(NUCLEI)),
    "left basal ganglia cut out": lambda: _without(newborn(), (11, 12, 13, 26)),
    "left pallidum painted as WM": lambda: _without(newborn(), (13,)),
    "left pallidum and putamen as WM": lambda: _without(newborn(), (12, 13)),
    "upside down by stretching": lambda: _upside_down(infant()),
    "cerebellum and brainstem alone": lambda: _only(
        infant(), (*CEREBELLUM_LABELS, *BRAINSTEM_LABELS)
    ),
    "noise of 60 %": lambda: _noisy(infant(), 0.6),
    "noise of 150 %": lambda: _noisy(newborn(), 1.5),
    "blurred by 4 mm": lambda: each(infant(), lambda i: ndimage.gaussian_filter(i, 4)),
    "blurred by 8 mm": lambda: each(newborn(), lambda i: ndimage.gaussian_filter(i, 8)),
    "slices of unequal intensity": lambda: _unequal_slices(infant(), 2),
    "axial slices permuted": lambda: _shuffled(infant(), 2),
    "sagittal slices permuted": lambda: _shuffled(newborn(), 0),
    "contrast inverted": lambda: _inverted(infant()),
    "contrast inverted, T2w alone": lambda: _t2w(_inverted(infant())),
    "header pitched by 50 degrees": lambda: _pitched(infant(), 50),
    "header pitched by 70 degrees": lambda: _pitched(newborn(), -70),
    "voxels shuffled": lambda: each(
        infant(), lambda i: np.random.default_rng(SEED).permutation(i.ravel()).reshape(i.shape)
    ),
    "labels: left pallidum missing": lambda: _relabelled(
        newborn(), lambda d: _label(d, 2, d == 13)
    ),
    "labels: right thalamus ten times the left": lambda: _relabelled(
        newborn(), lambda d: _grown(d, 49, 10)
    ),
    "labels: left putamen three times the right": lambda: _relabelled(
        infant(), lambda d: _grown(d, 12, 3)
    ),
    "labels: scattered in the head": lambda: _relabelled(infant(), _scattered),
    "labels: 60 mm too high": lambda: _relabelled(infant(), lambda d: _moved(d, (0, 0, 60))),
    "labels: 30 mm to the right": lambda: _relabelled(infant(), lambda d: _moved(d, (30, 0, 0))),
    "labels: sides exchanged": lambda: _relabelled(infant(), _exchanged_sides),
    "labels: everything is caudate": lambda: _relabelled(
        newborn(), lambda d: _label(_label(d, 50, np.isin(d, (51, 52, 58))), 11, d == 12)
    ),
    "left basal ganglia cut out, nine months": lambda: _without(infant(), (11, 12, 13, 26)),
}
"""What must not be reported as done without doubt."""


def verdict_of(head: Head, model: Model) -> dict[str, object]:
    """Segment a head and judge what comes of it."""
    images = {n: i for n, i in zip(("T2w", "T1w"), head.images, strict=True) if i is not None}
    anatomy, bgpvs = head.dseg, np.isin(head.dseg, BG_LABELS).astype(np.uint8)
    record, doubts = None, ()
    if not head.labels_only:
        try:
            found = predict(model, t2w=head.images[0], t1w=head.images[1], affine=head.affine)
        except BGPVSError as error:
            return _row(head, float("nan"), "refused", [str(error)])
        anatomy, bgpvs, record, doubts = found.anatomy, found.dseg, found.record, found.doubts
    findings = judge(
        Result(
            anatomy=anatomy,
            bgpvs=bgpvs,
            affine=head.affine,
            images=images,
            age_weeks=head.age_weeks,
            record=record,
        )
    )
    bg = float(np.isin(anatomy, BG_LABELS).sum() * abs(np.linalg.det(head.affine[:3, :3])))
    failed = any(finding.failure for finding in findings)
    verdict = "failed" if failed else "doubt" if findings else "doubt (header)" if doubts else "-"
    return _row(head, bg, verdict, [*(finding.sentence for finding in findings), *doubts])


def _row(head: Head, bg: float, verdict: str, sentences: list[str]) -> dict[str, object]:
    return {
        "what": head.name,
        "BG mm3": "" if np.isnan(bg) else f"{bg:.0f}",
        "verdict": verdict,
        "sentence": sentences[0] if sentences else "",
        "more": max(len(sentences) - 1, 0),
    }


def heads(kind: str) -> Iterator[Head]:
    """Return the heads of a kind: `junk`, `right` or `real`."""
    if kind == "junk":
        for name, make in JUNK.items():
            yield dataclasses.replace(make(), name=name)
    elif kind == "right":
        yield from right_heads()
        yield from worse_heads()
    else:
        yield from real_heads()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="infant", help="name or folder")
    parser.add_argument("--only", choices=("junk", "right", "real"))
    options = parser.parse_args()
    model = find_model(options.model)
    for kind in (options.only,) if options.only else ("junk", "right", "real"):
        rows = []
        for head in heads(kind):
            rows.append(verdict_of(head, model))
            print(rows[-1], file=sys.stderr, flush=True)
        print(f"\n{kind}: {len(rows)}")
        print(pd.DataFrame(rows).to_csv(sep="|", index=False))


if __name__ == "__main__":
    main()
