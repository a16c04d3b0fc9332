"""One hybrid case: the scans of a subject with known perivascular spaces put in."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.phantom.truth import TRUTH, write_truth
from bgpvs_wf.reading import load_json, why_not

_log = logging.getLogger(__name__)


class Nuclei(NamedTuple):
    """Where the nuclei of a scan are: a label map on its grid, and its label table if need be."""

    path: Path
    table: Path | None = None


@dataclass(frozen=True)
class HybridCase:
    """What is told of a case when it is done."""

    label: str
    tubes: int
    pvs_mm3: float
    snr: float


@dataclass(frozen=True)
class Task:
    """A case to be made."""

    root: Path
    bids_dir: Path
    label: str
    inputs: SubjectInputs
    nuclei: Nuclei
    seed: int
    n_tubes: int | None
    diameters_mm: tuple[float, float] | None
    fill: tuple[float, float]


def make_case(task: Task) -> HybridCase:
    """Put tubes into the scans of a subject, and write the images and the truth.

    Raises
    ------
    BadImageError, BadLabelsError
        If a scan or its nuclei cannot be used; names the file or the subject.
    """
    from bgpvs_wf.imaging.files import check_labels_on_grid, load_image
    from bgpvs_wf.phantom.hybrid import insert_tubes

    inputs = task.inputs
    paths = {"T2w": inputs.t2w, "T1w": inputs.t1w}
    scans = {name: load_image(path, what=f"{name} image") for name, path in paths.items() if path}
    home = scans[inputs.home]
    dseg = load_image(task.nuclei.path, what="nuclei")
    check_labels_on_grid(dseg, home, labels_path=task.nuclei.path, image_path=inputs.home_image)
    try:
        hybrid = insert_tubes(
            {name: (np.asanyarray(scan.dataobj), scan.affine) for name, scan in scans.items()},
            _harmonised(np.asanyarray(dseg.dataobj), home.affine, task.nuclei),
            home.affine,
            np.random.default_rng(task.seed),
            n_tubes=task.n_tubes,
            diameters_mm=task.diameters_mm,
            fill=task.fill,
        )
    except BGPVSError as error:
        raise type(error)(f"{inputs.label}: {error}") from error
    for name, image in hybrid.images.items():
        _write_image(task, name, image, paths[name])
    write_truth(
        task.root / TRUTH,
        f"sub-{task.label}",
        dseg=hybrid.dseg,
        bgpvs=hybrid.bgpvs,
        occupancy=hybrid.occupancy,
        affine=home.affine,
        tubes=hybrid.tubes,
        regions=hybrid.regions,
        snr=hybrid.snr,
        ignore=hybrid.ignore,
    )
    volume = sum(tube.volume_mm3 for tube in hybrid.tubes)
    return HybridCase(task.label, len(hybrid.tubes), volume, hybrid.snr)


def _harmonised(labels: np.ndarray, affine: np.ndarray, nuclei: Nuclei) -> np.ndarray:
    from bgpvs_wf.anatomy.harmonisation import detect_table, harmonise

    source = str(nuclei.path)
    table = detect_table(np.unique(labels).tolist(), nuclei.table, source=source)
    return harmonise(labels, table, source=source, affine=affine)


def _write_image(task: Task, name: str, image: np.ndarray, source: Path | None) -> None:
    from bgpvs_wf.bids.derivatives import bids_uri
    from bgpvs_wf.imaging.files import write_json

    assert source is not None
    folder = task.root / f"sub-{task.label}" / "anat"
    save_like(image, source, folder / f"sub-{task.label}_{name}.nii.gz")
    added = {
        "Description": "A real scan with perivascular spaces put in by bgpvs-wf simulate --onto",
        # Not where it lies: the same dataset elsewhere gives the same bytes.
        "Sources": [bids_uri(source, task.root, {"raw": task.bids_dir})],
        "Seed": task.seed,
    }
    write_json(read_sidecar(source) | added, folder / f"sub-{task.label}_{name}.json")


def save_like(image: np.ndarray, source: Path, path: Path) -> Path:
    """Write an image as another one is written: its header, type and scaling of values.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
        In the units that `bgpvs_wf.imaging.files.load_image` returns.
    source, path : Path
        The other image, and where to; ending in ``.nii.gz``.
    """
    import nibabel as nib

    from bgpvs_wf.imaging.files import packed_file

    like = nib.load(source)
    header = like.header.copy()
    kind = header.get_data_dtype()
    slope, inter = like.dataobj.slope, like.dataobj.inter
    raw: Any = image
    if (slope, inter) != (1, 0):
        raw = (image.astype(np.float64) - inter) / slope
    if kind.kind in "iu" and raw.dtype.kind == "f":
        limits = np.iinfo(kind)
        raw = np.clip(np.rint(raw), limits.min, limits.max)
    written = type(like)(raw.astype(kind), like.affine, header)
    # With scaling in the header, nibabel writes the values as they are.
    written.header.set_slope_inter(slope, inter)
    with packed_file(path) as file:
        file.write(written.to_bytes())
    return path


def read_sidecar(image: Path) -> dict[str, Any]:
    """Read the sidecar of an image; without a usable one, warn if need be and return nothing.

    Parameters
    ----------
    image : Path
        Its sidecar has the same name, ending in ``.json``.
    """
    path = image.with_name(image.name.split(".", 1)[0] + ".json")
    try:
        known = load_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _log.warning("Cannot read %s (%s); going on without it.", path, why_not(error, path))
        return {}
    if not isinstance(known, dict):
        _log.warning("%s holds no JSON object; going on without it.", path)
        return {}
    return known
