"""Toy subjects and training cases: a few thousand voxels whose labels can be told from images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bgpvs_wf.learning.data.case import TrainingCase, write_case
from bgpvs_wf.learning.data.tissues import TISSUES

# Label, centre and radii in mm of the right side; later ones over earlier ones.
_PARTS = (
    (24, (0, 0, 0), (17, 20, 16)),
    (42, (0, 0, 0), (15, 18, 14)),
    (41, (0, 0, 0), (13, 16, 12)),
    (43, (3, 0, 5), (2.5, 7, 2.5)),
    (49, (5, -7, 0), (3, 4, 3)),
    (50, (6, 4, 4), (2.5, 5, 3)),
    (52, (7, 0, -2), (2.5, 4, 3)),
    (51, (10, 0, -1), (2.5, 6, 5)),
    (58, (5, 7, -4), (2, 2.5, 2)),
)
_LEFT = {41: 2, 42: 3, 43: 4, 49: 10, 50: 11, 51: 12, 52: 13, 58: 26}
_SIGNAL = {"WM": (60, 90), "cortex": (70, 70), "thalamus": (65, 75), "BG": (75, 65)}
_FLUID = (150, 20)


def toy_subject(voxel_mm: float = 1.5, whole: bool = True) -> dict[str, Any]:
    """Paint a head, axes right, anterior, superior; the arguments of `make_case`."""
    shape = np.round(np.array((36, 42, 34)) / voxel_mm).astype(int)
    affine = np.diag([voxel_mm] * 3 + [1.0])
    affine[:3, 3] = -voxel_mm * (shape - 1) / 2 + (0.1, -0.2, 0.3)
    place = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    sided = np.abs(place) * (1, 0, 0) + place * (0, 1, 1)
    anatomy = np.zeros(shape, np.int16)
    for label, centre, radii in _PARTS:
        inside = (((sided - centre) / radii) ** 2).sum(-1) < 1
        anatomy[inside] = np.where(place[inside, 0] < 0, _LEFT.get(label, label), label)
    if not whole:
        anatomy[np.isin(anatomy, (24, 41, 42, 2, 3))] = 0
    images = []
    for channel in (0, 1):
        image = np.zeros(shape, np.float32)
        for label in np.unique(anatomy[anatomy > 0]):
            image[anatomy == label] = _SIGNAL.get(_tissue(label), _FLUID)[channel]
        if not whole:
            image[((sided / (17, 20, 16)) ** 2).sum(-1) < 1] += 30
        images.append(image)
    bg = np.isin(anatomy, (11, 12, 13, 26, 50, 51, 52, 58))
    across = np.hypot(sided[..., 0] - 10, sided[..., 1])
    bgpvs = bg.astype(np.uint8) + (bg & (across < 0.8 * voxel_mm))
    for image, signal in zip(images, _FLUID, strict=True):
        image[bgpvs == 2] = signal
    return {
        "t2w": images[0],
        "t1w": images[1],
        "affine": affine,
        "anatomy": anatomy,
        "bgpvs": bgpvs,
    }


def _tissue(label: int) -> str:
    from bgpvs_wf.anatomy.labels import REGIONS

    return REGIONS[int(label)].tissue


def toy_case(
    folder: Path,
    shape: tuple[int, int, int] = (20, 18, 16),
    seed: int = 0,
    pvs: bool = True,
    **facts: Any,
) -> TrainingCase:
    """Write a case of stripes, a class each, with a tube in the second; images tell the class."""
    rng = np.random.default_rng(seed)
    along = np.arange(shape[0])[:, None, None]
    classes = np.broadcast_to(along * 7 // shape[0], shape).astype(float)
    tube = np.zeros(shape)
    tube[shape[0] * 5 // 14, shape[1] // 2, 2:-2] = pvs
    noise = rng.normal(0, 0.1, (2, *shape))
    images = np.stack([classes - 3 + 5 * tube, 3 - classes - 5 * tube]) + noise
    labels = np.array([41, 50, 51, 52, 49, 43, 42])
    tissue = np.array([TISSUES[n] for n in labels[[0, 1, 2, 3, 3, 4, 5]]])[classes.astype(int)]
    fine = np.stack([*images, classes, np.ones(shape), tube, tissue])
    head = np.zeros((14, 15, 16))
    head[2:-2, 2:-2, 2:-2] = 1
    head[5:9, 5:9, 5:9] = 2
    head[3:5, 5:9, 5:9] = 3
    head[9:11, 5:9, 5:9] = 4
    head_tissue = np.array([0, *(TISSUES[label] for label in (41, 43, 12, 51))])[head.astype(int)]
    values = {
        "subject": folder.name,
        "present": (True, True),
        "ventricles": True,
        "voxel_mm": (1.0, 1.0, 1.0),
        "own_to_fine": np.eye(4).tolist(),
        "by_hand": True,
    }
    arrays = {
        "fine": fine,
        "own": np.stack([*images, classes, tube, np.ones(shape)]),
        "coarse": np.stack([head - 2 + noise.mean(), 2 - head, head, head_tissue]),
    }
    return write_case(folder, arrays, {**values, **facts})


def rewritten(case: TrainingCase, **arrays: np.ndarray) -> TrainingCase:
    """Write a case anew with other arrays."""
    import dataclasses

    whole = {name: np.array(getattr(case, name)()) for name in ("fine", "own", "coarse")}
    facts = dataclasses.asdict(case)
    for name in ("folder", "pvs_voxels", "digest"):
        del facts[name]
    return write_case(case.folder, whole | arrays, facts)
