"""A training case: what the networks see of a labelled subject, on disk, cut and standardised.

Arrays are kept as float16 files that are mapped into memory, so that a patch costs the reading of
a patch, and many cases take no memory.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bgpvs_wf.anatomy.labels import NUCLEI, VENTRICLE_LABELS
from bgpvs_wf.errors import BadLabelsError
from bgpvs_wf.imaging.files import atomic_file, write_json
from bgpvs_wf.imaging.geometry import crop_affine, resample, voxel_sizes
from bgpvs_wf.imaging.intensity import foreground
from bgpvs_wf.learning.classes import coarse_classes, fine_classes
from bgpvs_wf.learning.tissues import all_named, named_tissues, with_unnamed
from bgpvs_wf.learning.views import Scan, canonical

FINE_CHANNELS = ("T2w", "T1w", "classes", "pvs", "confidence", "fluid", "tissue")
"""Channels of the fine array: images; class; PVS; how sure the label is; share of a voxel that a
PVS fills, as far as known; tissue, see `bgpvs_wf.learning.tissues`."""
_SITES = 4000
COARSE_CHANNELS = ("T2w", "T1w", "classes")


@dataclass(frozen=True, kw_only=True)
class TrainingCase:
    """A labelled subject as the networks see it; `folder` holds the arrays."""

    subject: str
    folder: Path
    present: tuple[bool, bool]
    """Whether there are a T2w and a T1w."""
    ventricles: bool
    """Whether the labels know ventricles; the class is not learnt from the case if not."""
    voxel_mm: tuple[float, float, float]
    """Of the scan, before it was brought to the networks' grids."""
    pvs_voxels: int
    by_hand: bool
    """Whether the labels were given, rather than made by a program."""
    digest: str
    """Of the arrays' bytes: what was learnt from other arrays was another training."""

    def fine(self) -> np.ndarray:
        """Return the mapped array of the box, float16, shape (channels, x, y, z)."""
        return np.asarray(np.load(self.folder / "fine.npy", mmap_mode="r"))

    def sites(self) -> Mapping[str, np.ndarray]:
        """Return voxels to put patches around, int16, shape (n, 3): of `pvs`, and of `nuclei`."""
        with np.load(self.folder / "sites.npz") as sites:
            return {name: sites[name] for name in sites.files}

    def coarse(self) -> np.ndarray:
        """Return the mapped array of the head at 2 mm, float16, shape (channels, x, y, z)."""
        return np.asarray(np.load(self.folder / "coarse.npy", mmap_mode="r"))


def make_case(
    folder: Path,
    subject: str,
    *,
    t2w: np.ndarray | None,
    t1w: np.ndarray | None,
    affine: np.ndarray,
    anatomy: np.ndarray,
    bgpvs: np.ndarray,
    confidence: np.ndarray | None = None,
    fluid: np.ndarray | None = None,
    by_hand: bool = True,
) -> TrainingCase:
    """Cut a labelled subject as the networks see it, and write it into a folder.

    Parameters
    ----------
    folder : Path
    subject : str
    t2w, t1w : ndarray or None, shape (x, y, z)
        Preprocessed, on one grid; one may be missing.
    affine : ndarray, shape (4, 4)
    anatomy : ndarray of int, shape (x, y, z)
        Harmonised labels; nuclei are needed.
    bgpvs : ndarray of int, shape (x, y, z)
        0 rest, 1 BG, 2 BG-PVS.
    confidence : ndarray, optional, shape (x, y, z)
        How sure the labels are, 0 (not learnt from) to 1.
    fluid : ndarray, optional, shape (x, y, z)
        Share of each voxel that a PVS fills; default: the labelled voxels, whole.
    by_hand : bool
        Whether the labels were given, rather than made by a program.

    Raises
    ------
    BadLabelsError
        If the labels have another shape than the images, or lack nuclei.
    """
    scan = Scan.from_arrays(t2w, t1w, affine)
    given = {"anatomy": anatomy, "labels": bgpvs, "confidence": confidence, "fluid": fluid}
    for name, array in given.items():
        if array is not None and array.shape != scan.home.shape:
            raise BadLabelsError(
                f"{subject}: the {name} has shape {array.shape} but the image {scan.home.shape}; "
                "bring it onto the image's grid."
            )
    anatomy_classes = fine_classes(anatomy)
    dseg = canonical(anatomy, affine)[0]
    box = scan.box_around(np.isin(dseg, list(NUCLEI)), scan.grid)
    images, grid = scan.fine(box)
    from_affine = crop_affine(scan.grid.affine, box)

    def fine(array: np.ndarray, order: int) -> np.ndarray:
        return resample(canonical(array, affine)[0][box], from_affine, grid, order)

    pvs = (bgpvs == 2).astype(np.uint8)
    named = named_tissues(anatomy)
    whole = all_named(named)
    tissue = fine(named, 0)
    if not whole:
        tissue = with_unnamed(tissue, images)
    channels = [
        *images,
        fine(anatomy_classes, 0),
        fine(pvs, 0),
        np.ones(grid.shape) if confidence is None else fine(confidence, 1),
        fine(pvs if fluid is None else fluid, 0 if fluid is None else 1),
        tissue,
    ]
    head, head_grid = scan.coarse()
    brain = dseg > 0 if whole else foreground(scan.images[0 if scan.present[0] else 1])
    known, within = (resample(part, scan.grid.affine, head_grid, 0) for part in (dseg, brain))
    classes = coarse_classes(known, within > 0)
    x, y, z = (float(v) for v in voxel_sizes(scan.grid.affine))
    facts: dict[str, Any] = {
        "subject": subject,
        "present": scan.present,
        "ventricles": bool(np.isin(anatomy, VENTRICLE_LABELS).any()),
        "voxel_mm": (x, y, z),
        "by_hand": by_hand,
    }
    return write_case(folder, np.stack(channels), np.stack([*head, classes]), facts)


def write_case(
    folder: Path, fine: np.ndarray, coarse: np.ndarray, facts: Mapping[str, Any]
) -> TrainingCase:
    """Write arrays with the channels `FINE_CHANNELS` and `COARSE_CHANNELS` as a case.

    Parameters
    ----------
    folder : Path
    fine, coarse : ndarray, shape (channels, x, y, z)
    facts : mapping
        The other fields of `TrainingCase`, without `folder`, `pvs_voxels` and `digest`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"fine.npy": fine.astype(np.float16), "coarse.npy": coarse.astype(np.float16)}
    digest = hashlib.sha256()
    for name, array in arrays.items():
        with atomic_file(folder / name) as file:
            np.save(file, array)
        digest.update(np.ascontiguousarray(array).tobytes())
    _save_sites(fine[3] > 0, fine[2] > 0, folder / "sites.npz")
    case = TrainingCase(
        **{**facts, "pvs_voxels": int(fine[3].sum())}, folder=folder, digest=digest.hexdigest()
    )
    write_json({**dataclasses.asdict(case), "folder": "."}, folder / "case.json")
    return case


def read_case(path: Path) -> TrainingCase:
    """Read the ``case.json`` of a training case."""
    facts = json.loads(Path(path).read_text(encoding="utf-8"))
    for name in ("present", "voxel_mm"):
        facts[name] = tuple(facts[name])
    return TrainingCase(**{**facts, "folder": Path(path).parent})


def _save_sites(pvs: np.ndarray, nuclei: np.ndarray, path: Path) -> None:
    """Write the voxels of PVS and of nuclei, some thousand of each at most."""
    rng = np.random.default_rng(0)
    sites = {}
    for name, mask in (("pvs", pvs), ("nuclei", nuclei)):
        places = np.argwhere(mask).astype(np.int16)
        kept = rng.choice(len(places), min(len(places), _SITES), replace=False)
        sites[name] = places[np.sort(kept)]
    with atomic_file(path) as file:
        np.savez(file, allow_pickle=False, **sites)
