"""Find and read the files of an evaluation: reference and predictions, subject by subject."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.arrays import Floats, Mask
from bgpvs_wf.bids.inputs import LABEL
from bgpvs_wf.errors import BadImageError, BadLabelsError, BGPVSError, TableError
from bgpvs_wf.evaluation.scoring import ReferenceCase
from bgpvs_wf.imaging.files import check_labels_on_grid, load_image
from bgpvs_wf.imaging.geometry import voxel_volume
from bgpvs_wf.tsv import read_tsv

if TYPE_CHECKING:
    import nibabel as nib
    import pandas as pd

Key = tuple[str, str | None]
"""Labels of subject and session, without ``sub-`` and ``ses-``."""
Files = dict[str, list[Path]]
"""Kind of file, such as ``desc-bgpvs_dseg``, to those found of a subject and session."""

BGPVS, NUCLEI, TUBES = "desc-bgpvs_dseg", "desc-nuclei_dseg", "desc-pvs_dseg"
ANATOMY = "desc-anatomy_dseg"
OBJECTS, OCCUPANCY, IGNORE = "desc-pvs_objects", "label-PVS_probseg", "desc-ignore_mask"
_IMAGES = "|".join((BGPVS, NUCLEI, ANATOMY, TUBES, OCCUPANCY, IGNORE))
_NAME = re.compile(
    rf"^sub-(?P<subject>{LABEL})(?:_ses-(?P<session>{LABEL}))?(?P<more>_\S+)?"
    rf"_(?:(?P<image>{_IMAGES})\.nii(?:\.gz)?|(?P<table>{OBJECTS})\.tsv)$"
)
_OF_TUBES = ("tube", "tree", "diameter_mm", "length_mm", "volume_mm3", "snr")
_NUMBERS = ("tube", "tree", "index")
_OF_VOLUMES = ("index", "volume_tube_mm3")


def find_cases(folder: str | os.PathLike[str]) -> dict[Key, Files]:
    """Find the files of an evaluation in a folder, at any depth.

    Parameters
    ----------
    folder : path-like
        A BIDS derivative, or a folder with the files themselves. Hidden folders are left out,
        links to folders are followed.

    Returns
    -------
    dict of (subject, session) to dict of str to list of Path
        Sorted by subject and session. Of one kind, files with no entities but ``sub`` and
        ``ses`` come before others, which are left out.

    Raises
    ------
    BGPVSError
        If a folder cannot be read.
    """

    def fail(error: OSError) -> None:
        raise BGPVSError(
            f"Cannot read {error.filename}: {error.strerror}; check its permissions."
        ) from error

    found: dict[Key, dict[str, list[tuple[bool, Path]]]] = {}
    seen: set[str] = set()
    for at, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        # A link may lead to where the walk has been.
        real = os.path.realpath(at)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            match = _NAME.match(name)
            if match:
                kinds = found.setdefault((match["subject"], match["session"]), {})
                kind = match["image"] or match["table"]
                kinds.setdefault(kind, []).append((bool(match["more"]), Path(at, name)))
    return {
        key: {kind: _plainest(files) for kind, files in found[key].items()}
        for key in sorted(found, key=lambda key: (key[0], key[1] or ""))
    }


def read_reference(
    key: Key, files: Files, *, what: str = "reference labels"
) -> tuple[ReferenceCase, nib.Nifti1Image]:
    """Read what is true of a scan.

    Parameters
    ----------
    key : (subject, session)
    files : dict of str to list of Path
        Of `find_cases`. ``desc-bgpvs_dseg`` (0 rest, 1 BG, 2 PVS), or ``desc-nuclei_dseg``
        (FreeSurfer's numbers), with which only the BG is scored. Optional beside the former:
        ``label-PVS_probseg`` (share of a voxel that is PVS), ``desc-pvs_dseg`` (number of the
        tube), ``desc-pvs_objects.tsv`` (a row per tube) and ``desc-ignore_mask``.
    what : str
        What messages call the labels.

    Returns
    -------
    ReferenceCase
    Nifti1Image
        The labels, for their grid.

    Raises
    ------
    BGPVSError
        If there is none of the two, one of several cannot be chosen, or a file cannot be read,
        is on another grid, or holds what it should not.
    """
    path = _one(files, BGPVS) or _one(files, NUCLEI)
    if path is None:
        raise BGPVSError(f"no {BGPVS} and no {NUCLEI}; add one.")
    image = _load(path, what)
    bg, pvs = _structures(image, path)
    if not bg.any():
        raise BadLabelsError(f"{what} {path} hold no basal ganglia; check the file.")
    subject, session = key
    if pvs is None:
        return ReferenceCase(subject, session, image.affine, bg), image
    ignore = _beside(files, IGNORE, "ignore mask", image, path)
    occupancy = _beside(files, OCCUPANCY, "PVS occupancy", image, path)
    if occupancy is not None and (occupancy.min() < -1e-3 or occupancy.max() > 1 + 1e-3):
        raise BadImageError(f"{_one(files, OCCUPANCY)} has values beyond 0 to 1; export it again.")
    table = _one(files, OBJECTS)
    reference = ReferenceCase(
        subject,
        session,
        image.affine,
        bg,
        pvs,
        ignore=None if ignore is None else ignore > 0,
        occupancy=occupancy,
        tubes=_beside(files, TUBES, "true tubes", image, path),
        objects=None if table is None else _read_objects(table),
    )
    return reference, image


def read_prediction(
    files: Files, home: nib.Nifti1Image, home_path: str | os.PathLike[str]
) -> tuple[Mask, Mask | None]:
    """Read the labels of a method: BG with the PVS inside, and PVS (None if only nuclei).

    Parameters
    ----------
    files : dict of str to list of Path
        Of `find_cases`; ``desc-bgpvs_dseg``, or else ``desc-nuclei_dseg``.
    home : Nifti1Image
        The reference, whose grid the prediction has to be on.
    home_path : path-like
        Named in messages.

    Returns
    -------
    bg, pvs : ndarray of bool, shape (x, y, z)

    Raises
    ------
    BGPVSError
        As in `read_reference`.
    """
    path = _one(files, BGPVS) or _one(files, NUCLEI)
    if path is None:
        raise BGPVSError(f"no {BGPVS} and no {NUCLEI}; run the subject.")
    image = _load(path, "predicted labels")
    _check_grid(image, home, path, home_path)
    return _structures(image, path)


def read_tube_volumes(
    files: Files, home: nib.Nifti1Image, home_path: str | os.PathLike[str]
) -> Floats | None:
    """Read the volume that a method measured of each PVS, spread evenly over its voxels.

    Parameters
    ----------
    files : dict of str to list of Path
        Of `find_cases`. ``desc-pvs_dseg`` (number of the PVS) and ``desc-pvs_objects.tsv`` with
        the columns ``index`` and ``volume_tube_mm3``, as `bgpvs-wf run` writes them.
    home, home_path
        As in `read_prediction`.

    Returns
    -------
    ndarray, shape (x, y, z), or None
        Voxels that a voxel stands for, summed over a PVS its ``volume_tube_mm3``; None if the
        method did not measure it.

    Raises
    ------
    BGPVSError
        As in `read_reference`.
    """
    path, table = _one(files, TUBES), _one(files, OBJECTS)
    if path is None or table is None:
        return None
    objects = _read_table(table, _OF_VOLUMES)
    if not set(_OF_VOLUMES) <= set(objects) or objects["volume_tube_mm3"].isna().any():
        return None
    image = _load(path, "predicted PVS")
    _check_grid(image, home, path, home_path)
    labels = np.asarray(image.dataobj)
    inside = labels != 0
    numbers, which, counts = np.unique(labels[inside], return_inverse=True, return_counts=True)
    measured = objects.set_index("index")["volume_tube_mm3"] / voxel_volume(home.affine)
    if not measured.index.is_unique or set(numbers) != set(measured.index):
        raise BGPVSError(f"{table} and {path} do not have the same PVS; run the subject again.")
    volumes = np.zeros(labels.shape)
    volumes[inside] = (measured.loc[numbers].to_numpy() / counts)[which]
    return volumes


def _plainest(files: list[tuple[bool, Path]]) -> list[Path]:
    plain = [path for more, path in files if not more]
    return sorted(plain or [path for _, path in files])


def _one(files: Files, kind: str) -> Path | None:
    """Return the only file of a kind."""
    found = files.get(kind, [])
    if len(found) > 1:
        raise BGPVSError(
            f"there are several: {', '.join(map(str, found[:3]))}; give a folder with one."
        )
    return found[0] if found else None


def _beside(
    files: Files, kind: str, what: str, home: nib.Nifti1Image, home_path: Path
) -> NDArray[Any] | None:
    """Read an optional image of the reference, on the grid of its labels."""
    path = _one(files, kind)
    if path is None:
        return None
    image = _load(path, what)
    _check_grid(image, home, path, home_path, labels=kind != OCCUPANCY)
    return np.asarray(image.dataobj)


def _load(path: Path, what: str) -> nib.Nifti1Image:
    return load_image(path, what=what, allow_constant=True)


def _check_grid(
    image: nib.Nifti1Image,
    home: nib.Nifti1Image,
    path: str | os.PathLike[str],
    home_path: str | os.PathLike[str],
    *,
    labels: bool = True,
) -> None:
    if not labels:  # shares of voxels are no whole numbers, and only the grid is looked at
        image = type(image)(np.zeros(image.shape, np.uint8), image.affine)
    check_labels_on_grid(image, home, labels_path=path, image_path=home_path)


def _structures(image: nib.Nifti1Image, path: Path) -> tuple[Mask, Mask | None]:
    """Return BG with the PVS inside, and PVS or None, of either kind of label map."""
    data = np.asarray(image.dataobj)
    if NUCLEI in path.name:
        return np.isin(data, BG_LABELS), None
    if not np.isin(data, (0, 1, 2)).all():
        raise BadLabelsError(
            f"{path} has labels beyond 0 (rest), 1 (BG) and 2 (PVS); it is no {BGPVS}."
        )
    return data > 0, data == 2


def _read_objects(path: Path) -> pd.DataFrame:
    table = _read_table(path, _OF_TUBES)
    if "tube" not in table or table["tube"].isna().any() or table["tube"].duplicated().any():
        raise BGPVSError(f"{path} has no column tube with a number for each row; write it again.")
    return table.astype({"tube": int})


def _read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return those of some columns of numbers that are there."""
    import pandas as pd

    try:
        table = read_tsv(path)
        table.require(())
        # Numbers of tubes and trees, sizes, and signal over noise, if there is any.
        found = {
            name: table.numbers(name, least=0, whole=name in _NUMBERS, infinite=name == "snr")
            for name in columns
            if name in table.columns
        }
    except TableError as error:
        raise TableError(f"{error} It is no table of tubes; write it again.") from error
    return pd.DataFrame(found)
