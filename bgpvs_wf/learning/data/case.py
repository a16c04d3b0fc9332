"""A training case: what the networks see of a labelled subject, on disk, cut and standardised.

Arrays are kept as float16 files that are mapped into memory, so that a patch costs the reading of
a patch, and many cases take no memory.
"""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bgpvs_wf.anatomy.labels import NUCLEI, VENTRICLE_LABELS
from bgpvs_wf.errors import BadLabelsError, BGPVSError
from bgpvs_wf.imaging.files import atomic_file, write_json
from bgpvs_wf.imaging.geometry import Grid, coarse_labels, coarsen, voxel_sizes, voxel_volume
from bgpvs_wf.imaging.intensity import foreground
from bgpvs_wf.json_shapes import check_shape
from bgpvs_wf.learning.data.classes import (
    BG_CLASSES,
    SURE,
    coarse_classes,
    divide_bg,
    fine_classes,
)
from bgpvs_wf.learning.data.painted_tubes import ScanSignals, scan_signals
from bgpvs_wf.learning.data.pvs_input import UNTOLD
from bgpvs_wf.learning.data.scan import BoxImages, Scan, canonical
from bgpvs_wf.learning.data.tissues import all_named, named_tissues, with_unnamed
from bgpvs_wf.reading import load_json, why_not

FINE_CHANNELS = ("T2w", "T1w", "classes", "confidence", "fluid", "tissue")
"""Channels of the fine array: images; class; how sure the label is; share of a voxel that a PVS
fills, as far as known; tissue, see `bgpvs_wf.learning.data.tissues`."""
OWN_CHANNELS = ("T2w", "T1w", "classes", "pvs", "confidence")
"""Channels of the array on the scan's own grid: images; class; PVS; how sure the labels are."""
COARSE_CHANNELS = ("T2w", "T1w", "classes", "tissue")
_SITES = 4000
_FACTS = {
    "subject": str, "present": [bool, bool], "ventricles": bool, "voxel_mm": [float] * 3,
    "own_to_fine": [[float] * 4] * 4, "pvs_voxels": int, "by_hand": bool, "brightness": float,
    "digest": str,
}  # fmt: skip


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
    own_to_fine: tuple[tuple[float, ...], ...]
    """Affine from voxels of the scan's own grid to those of the fine one."""
    pvs_voxels: int
    """Of the scan."""
    by_hand: bool
    """Whether the labels were given, rather than made by a program."""
    brightness: float = UNTOLD
    """Of the fluid in the PVS, on its way from tissue to a ventricle's, where it is known."""
    digest: str
    """Of the arrays' bytes: what was learnt from other arrays was another training."""

    def fine(self) -> np.ndarray:
        """Return the mapped array of the box, float16, shape (channels, x, y, z)."""
        return np.asarray(np.load(self.folder / "fine.npy", mmap_mode="r"))

    def fine_classes(self) -> np.ndarray:
        """Return the classes of the box at 1 mm, uint8, shape (x, y, z)."""
        return self.fine()[FINE_CHANNELS.index("classes")].astype(np.uint8)

    def own(self) -> np.ndarray:
        """Return the mapped array of the box on the scan's own grid, float16."""
        return np.asarray(np.load(self.folder / "own.npy", mmap_mode="r"))

    def boxed(self) -> BoxImages:
        """Return the images of the box; its first voxel on the scan's own grid is the origin."""
        fine, own = (np.asarray(array[:2], np.float32) for array in (self.fine(), self.own()))
        affine, fine_affine = self._affines()
        return BoxImages(fine, Grid(fine.shape[1:], fine_affine), own, Grid(own.shape[1:], affine))

    def signals(self) -> ScanSignals:
        """Measure fluid and blur of the scan in the box."""
        own = dict(zip(OWN_CHANNELS, np.asarray(self.own(), np.float32), strict=True))
        bg = np.isin(own["classes"], BG_CLASSES)
        images = np.stack([own["T2w"], own["T1w"]])
        return scan_signals(images, bg, np.diag([*self.voxel_mm, 1.0]))

    def pvs_volume_mm3(self) -> float:
        """Return the volume that PVS fill, as far as known, where the labels are believed."""
        fine = dict(zip(FINE_CHANNELS, self.fine(), strict=True))
        share = fine["fluid"][fine["confidence"] > SURE]
        return float(share.sum(dtype=float)) * voxel_volume(self._affines()[1])

    def sites(self) -> Mapping[str, np.ndarray]:
        """Return voxels of the scan to put patches around, int16, shape (n, 3): `pvs`, `nuclei`."""
        with np.load(self.folder / "sites.npz") as sites:
            return {name: sites[name] for name in sites.files}

    def coarse(self) -> np.ndarray:
        """Return the mapped array of the head at 2 mm, float16, shape (channels, x, y, z)."""
        return np.asarray(np.load(self.folder / "coarse.npy", mmap_mode="r"))

    def _affines(self) -> tuple[np.ndarray, np.ndarray]:
        """Return those of the scan's own grid and of the fine one."""
        affine = np.diag([*self.voxel_mm, 1.0])
        return affine, affine @ np.linalg.inv(np.array(self.own_to_fine))


def make_case(
    folder: Path,
    subject: str,
    *,
    t2w: np.ndarray | None,
    t1w: np.ndarray | None,
    affine: np.ndarray,
    brain: np.ndarray | None = None,
    anatomy: np.ndarray,
    bgpvs: np.ndarray,
    confidence: np.ndarray | None = None,
    fluid: np.ndarray | None = None,
    by_hand: bool = True,
    brightness: float = UNTOLD,
) -> TrainingCase:
    """Cut a labelled subject as the networks see it, and write it into a folder.

    Parameters
    ----------
    folder : Path
    subject : str
    t2w, t1w : ndarray or None, shape (x, y, z)
        Preprocessed, on one grid; one may be missing.
    affine : ndarray, shape (4, 4)
    brain : ndarray of bool, optional, shape (x, y, z)
        What of the images is brain, where there is more.
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
    brightness : float
        Of the fluid in the PVS, as far as it is known.

    Raises
    ------
    BadLabelsError
        If the labels have another shape than the images, or lack nuclei.
    """
    scan = Scan.from_arrays(t2w, t1w, affine, brain)
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
    boxed = scan.boxed(box)
    grid, own_grid = boxed.fine_grid, boxed.own_grid

    def own(array: np.ndarray) -> np.ndarray:
        return canonical(array, affine)[0][box]

    def fine(array: np.ndarray) -> np.ndarray:
        return coarsen(own(array), own_grid.affine, grid)

    pvs = (bgpvs == 2).astype(np.uint8)
    named = named_tissues(anatomy)
    whole = all_named(named)
    tissue = coarse_labels(own(named), own_grid.affine, grid)
    if not whole:
        tissue = with_unnamed(tissue, boxed.fine)
    channels = [
        *boxed.fine,
        coarse_labels(own(anatomy_classes), own_grid.affine, grid),
        np.ones(grid.shape) if confidence is None else fine(confidence),
        fine(pvs if fluid is None else fluid),
        tissue,
    ]
    head, head_grid = scan.coarse()
    brain = dseg > 0 if whole else foreground(scan.images[0 if scan.present[0] else 1])
    # The nearest label would move the nuclei by up to half a voxel of the scan.
    classes, head_tissue = (
        coarse_labels(labels, scan.grid.affine, head_grid)
        for labels in (coarse_classes(dseg, brain), canonical(named, affine)[0])
    )
    x, y, z = (float(v) for v in voxel_sizes(scan.grid.affine))
    facts: dict[str, Any] = {
        "subject": subject,
        "present": scan.present,
        "ventricles": bool(np.isin(anatomy, VENTRICLE_LABELS).any()),
        "voxel_mm": (x, y, z),
        "own_to_fine": (np.linalg.inv(grid.affine) @ own_grid.affine).tolist(),
        "by_hand": by_hand,
        "brightness": float(brightness),
    }
    arrays = {
        "fine": np.stack(channels),
        "own": np.stack(
            [
                *boxed.own,
                own(anatomy_classes),
                own(pvs),
                np.ones(own_grid.shape) if confidence is None else own(confidence),
            ]
        ),
        # No label names skull and skin.
        "coarse": np.stack([*head, classes, with_unnamed(head_tissue, head)]),
    }
    return write_case(folder, arrays, facts)


def case_of_labels(
    folder: Path,
    subject: str,
    *,
    affine: np.ndarray,
    anatomy: np.ndarray,
    bgpvs: np.ndarray,
    confidence: np.ndarray | None = None,
    ignore: np.ndarray | None = None,
    **others: Any,
) -> TrainingCase:
    """Make a case whose basal ganglia are those of the labels, whatever the anatomy says.

    Parameters
    ----------
    folder, subject, affine, anatomy, bgpvs, confidence, **others
        See `make_case`; the anatomy only tells the nuclei apart.
    ignore : ndarray, optional, shape (x, y, z)
        Voxels (above 0) about which nothing is known: they are not learnt from.
    """
    if ignore is not None:
        confidence = np.ones(ignore.shape, np.float32) if confidence is None else confidence
        confidence = np.where(ignore > 0, 0, confidence)
    return make_case(
        folder,
        subject,
        affine=affine,
        anatomy=divide_bg(anatomy, bgpvs > 0, affine),
        bgpvs=bgpvs,
        confidence=confidence,
        **others,
    )


def write_case(
    folder: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
) -> TrainingCase:
    """Write the arrays of a case, and what is known of it.

    Parameters
    ----------
    folder : Path
    arrays : mapping of str to ndarray, shape (channels, x, y, z)
        `fine`, `own` and `coarse`, with the channels of this module.
    facts : mapping
        The other fields of `TrainingCase`, without `folder`, `pvs_voxels` and `digest`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    for name in ("fine", "own", "coarse"):
        array = np.ascontiguousarray(arrays[name], np.float16)
        with atomic_file(folder / f"{name}.npy") as file:
            np.save(file, array)
        digest.update(array.tobytes())
    if brightness := facts.get("brightness", UNTOLD):
        digest.update(repr(brightness).encode())
    classes, pvs = (arrays["own"][OWN_CHANNELS.index(name)] for name in ("classes", "pvs"))
    _save_sites(pvs > 0, classes > 0, folder / "sites.npz")
    known = {
        "pvs_voxels": int(pvs.sum()),
        "folder": folder,
        "digest": digest.hexdigest(),
    }
    case = _case({**facts, **known})
    write_json({**dataclasses.asdict(case), "folder": "."}, folder / "case.json")
    return case


def read_case(path: Path) -> TrainingCase:
    """Read the ``case.json`` of a training case, and make sure that its arrays are there.

    Raises
    ------
    BGPVSError
        If it is damaged, or an array is.
    """
    path = Path(path)
    try:
        facts = load_json(path)
        check_shape(facts, _FACTS)
        case = _case({**{name: facts[name] for name in _FACTS}, "folder": path.parent})
        for array in (case.fine, case.own, case.coarse, case.sites):
            array()
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BGPVSError(
            f"The training case {path} is damaged ({why_not(error, path)}); remove the folder "
            f"{path.parent} and run again."
        ) from error
    return case


def _case(facts: Mapping[str, Any]) -> TrainingCase:
    rows = tuple(tuple(row) for row in facts["own_to_fine"])
    tuples = {name: tuple(facts[name]) for name in ("present", "voxel_mm")}
    return TrainingCase(**{**facts, **tuples, "own_to_fine": rows})


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
