"""Image files in and out: what cannot be measured is refused, what is written appears whole."""

from __future__ import annotations

import errno
import gzip
import json
import logging
import os
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.errors import BadImageError, BadLabelsError, BGPVSError
from bgpvs_wf.imaging.geometry import Grid, same_grid, voxel_sizes
from bgpvs_wf.reading import load_json, read_bytes, why_not

if TYPE_CHECKING:
    import nibabel as nib
    import pandas as pd

VOXEL_LIMITS_MM = (0.1, 5.0)
"""Voxel edges believed (chosen): ex-vivo resolutions below, thick clinical slices above."""
SHEAR_LIMIT = 1e-3
"""Largest cosine between two voxel axes (chosen): 0.1 mm over 100 mm. ANTs knows no shear."""

_log = logging.getLogger(__name__)


def load_image(
    path: str | os.PathLike[str], *, what: str = "image", allow_constant: bool = False
) -> nib.Nifti1Image:
    """Read a 3D NIfTI image whole into memory; what is only suspicious about it is logged.

    As `read_image`, which has the parameters and errors.
    """
    image, doubts = read_image(path, what=what, allow_constant=allow_constant)
    for doubt in doubts:
        _log.warning("%s", doubt)
    return image


def read_image(
    path: str | os.PathLike[str], *, what: str = "image", allow_constant: bool = False
) -> tuple[nib.Nifti1Image, tuple[str, ...]]:
    """Read a 3D NIfTI image whole into memory, or say in one line why that cannot be.

    Parameters
    ----------
    path : path-like
        A ``.nii`` or ``.nii.gz`` file.
    what : str
        What the message calls it: "T2w image", "brain mask", ...
    allow_constant : bool
        Accept an image with one value everywhere, as an empty label map has.

    Returns
    -------
    image : Nifti1Image
        Shape (x, y, z), trailing axes of length one removed. Integers stay what they are on
        disk, all else is float32.
    doubts : tuple of str
        What is only suspicious; see `check_image`.

    Raises
    ------
    BadImageError
        If the file is missing, truncated, no NIfTI, or holds what `check_image` refuses.
    """
    path = Path(path)
    image = _parse(_read_whole(path, what), path, what)
    _check_affine(image, f"{what} {path}")
    try:
        data = np.asanyarray(image.dataobj)
    except (OSError, ValueError) as error:
        raise BadImageError(
            f"{what} {path} is truncated: fewer voxels than its header says; "
            "copy it again from its source."
        ) from error
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.dtype.kind == "f":
        data = data.astype(np.float32, copy=False)
    squeezed = type(image)(data, image.affine, image.header, dtype=data.dtype)
    return squeezed, check_image(squeezed, path, what=what, allow_constant=allow_constant)


def check_image(
    image: nib.Nifti1Image,
    path: str | os.PathLike[str],
    *,
    what: str = "image",
    allow_constant: bool = False,
) -> tuple[str, ...]:
    """Refuse an image that cannot be measured; return notes on what is only suspicious.

    Parameters
    ----------
    image : Nifti1Image
    path : path-like
        Named in the messages.
    what, allow_constant
        As in `load_image`.

    Returns
    -------
    tuple of str
        One line each: no orientation in the header, or two that contradict each other (both
        are accepted, as fMRIPrep and nibabies do).

    Raises
    ------
    BadImageError
        If it is not one volume, is empty, has NaN or infinite voxels or one value
        everywhere, or its affine has absurd voxel sizes, shear, or no inverse.
    """
    where = f"{what} {path}"
    _check_shape(image.shape, where)
    _check_affine(image, where)
    data = np.asanyarray(image.dataobj)
    if data.dtype.kind not in "biuf":
        raise BadImageError(
            f"{where} holds {data.dtype} voxels, not real numbers; export it as a magnitude image."
        )
    bad = data.size - int(np.isfinite(data).sum())
    if bad:
        raise BadImageError(
            f"{where} has {bad} NaN or infinite voxels; replace them (by 0 in the background)."
        )
    if not allow_constant and data.min() == data.max():
        value = "all-zero" if data.flat[0] == 0 else f"{data.flat[0]:g} everywhere"
        raise BadImageError(f"{where} is {value}; there is nothing to measure, export it again.")
    return _orientation_notes(image, where)


def check_labels_on_grid(
    labels: nib.Nifti1Image,
    image: nib.Nifti1Image,
    *,
    labels_path: str | os.PathLike[str] = "labels",
    image_path: str | os.PathLike[str] = "its image",
    tolerance_mm: float = 0.1,
) -> None:
    """Make sure that a label map lies voxel by voxel on its image.

    Parameters
    ----------
    labels, image : Nifti1Image
    labels_path, image_path : path-like
        Named in the message.
    tolerance_mm : float
        Accepted distance between the two positions of a voxel (chosen: rounding in headers
        stays far below, half a voxel far above).

    Raises
    ------
    BadLabelsError
        If shapes or affines differ, or the map holds anything but whole numbers.
    """
    ours, theirs = Grid(labels.shape, labels.affine), Grid(image.shape, image.affine)
    if not same_grid(ours, theirs, tolerance_mm):
        differ = "" if tuple(labels.shape) != tuple(image.shape) else "elsewhere in space: "
        raise BadLabelsError(
            f"{labels_path} is on another grid than {image_path} "
            f"({differ}{_describe(ours)} against {_describe(theirs)}); "
            "resample the labels to the image with nearest neighbour."
        )
    data = np.asanyarray(labels.dataobj)
    if data.dtype.kind == "f" and not np.array_equal(data, np.round(data)):
        raise BadLabelsError(
            f"{labels_path} has values between whole numbers; "
            "it is no label map, or was resampled with interpolation: use nearest neighbour."
        )


def save_image(
    data: np.ndarray,
    affine: np.ndarray,
    path: str | os.PathLike[str],
    *,
    labels: bool = False,
    dtype: np.dtype | type | str | None = None,
) -> Path:
    """Write a NIfTI file that appears whole or not at all, the same bytes for the same data.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel index to mm, RAS+. Becomes qform and sform, both with code "scanner".
    path : path-like
        Ending in ``.nii`` or ``.nii.gz``; its folder is made.
    labels : bool
        Set the label intent; the data must be whole numbers.
    dtype : dtype, optional
        On disk. Default: float32 for floats; for integers and labels the smallest of uint8,
        int16 and int32 that holds them.

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    BGPVSError
        If the folder cannot be written to or the disk is full.
    """
    import nibabel as nib

    path = Path(path)
    data = np.asarray(data)
    if data.ndim != 3:
        raise ValueError(f"expected a volume of shape (x, y, z), not {data.shape}")
    if labels and data.dtype.kind == "f" and not np.array_equal(data, np.round(data)):
        raise ValueError("labels must be whole numbers")
    kind = np.dtype(dtype) if dtype is not None else _disk_type(data, labels)
    image = nib.Nifti1Image(data.astype(kind, copy=False), None)
    image.set_qform(affine, "scanner")
    image.set_sform(affine, "scanner")
    image.header.set_xyzt_units("mm", "sec")
    if labels:
        image.header.set_intent("label")
    raw = image.to_bytes()
    packed = gzip.compress(raw, compresslevel=6, mtime=0) if path.suffix == ".gz" else raw
    return write_bytes(packed, path)


def write_bytes(content: bytes, path: str | os.PathLike[str]) -> Path:
    """Write a file that appears whole or not at all; see `atomic_file`."""
    with atomic_file(path) as handle:
        handle.write(content)
    return Path(path)


def write_text(text: str, path: str | os.PathLike[str]) -> Path:
    """Write UTF-8 text that appears whole or not at all; see `atomic_file`."""
    return write_bytes(text.encode("utf-8"), path)


def write_json(content: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write strict JSON in the order given; paths become text, NaN and infinity null."""
    text = json.dumps(_jsonable(content), indent=2, ensure_ascii=False, allow_nan=False)
    return write_text(text + "\n", path)


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the mapping in a JSON file; empty if there is none that can be read."""
    try:
        content = load_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_table(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a BIDS TSV: tabs, no index, ``n/a`` for what is missing."""
    return write_text(table.to_csv(sep="\t", index=False, na_rep="n/a", lineterminator="\n"), path)


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a binary file beside `path` that takes its place on success and vanishes on failure.

    Raises
    ------
    BGPVSError
        If the folder cannot be made or written to, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "xb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise BGPVSError(_why_not_written(error, path)) from error


def _why_not_written(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"No space left in {path.parent} for {path.name}; free some and run again."
    reason = error.strerror or str(error)
    return f"Cannot write {path.name} into {path.parent}: {reason}; check the folder and run again."


def _read_whole(path: Path, what: str) -> bytes:
    """Return the uncompressed file, its checksum verified, which nibabel does not do."""
    if not path.name.endswith((".nii", ".nii.gz")):
        raise BadImageError(f"{what} {path} is not NIfTI by its name; convert it to .nii.gz.")
    try:
        content = read_bytes(path)
    except FileNotFoundError as error:
        kind = "is a broken link" if path.is_symlink() else "does not exist"
        raise BadImageError(
            f"{what} {path} {kind}; check the path (datalad users: get the file first)."
        ) from error
    except OSError as error:
        raise BadImageError(
            f"{what} {path} cannot be read: {why_not(error, path)}; check the path and its "
            "permissions."
        ) from error
    if not content:
        raise BadImageError(f"{what} {path} is empty (0 bytes); copy it again from its source.")
    gzipped = content.startswith(b"\x1f\x8b")
    if path.suffix != ".gz" and not gzipped:
        return content
    if path.suffix != ".gz":
        raise BadImageError(f"{what} {path} is gzip-compressed; rename it to .nii.gz.")
    if not gzipped:
        raise BadImageError(f"{what} {path} is not gzip-compressed; rename it to .nii or gzip it.")
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise BadImageError(
            f"{what} {path} is truncated or damaged; copy it again from its source."
        ) from error


def _parse(content: bytes, path: Path, what: str) -> nib.Nifti1Image:
    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    # The magic words of the NIfTI standards; other formats get here by a wrong name.
    kind = {b"n+1": nib.Nifti1Image, b"n+2": nib.Nifti2Image}.get(
        content[4:7] if content[4:7] == b"n+2" else content[344:347]
    )
    if kind is None:
        raise BadImageError(f"{what} {path} is not NIfTI; convert it to .nii.gz.")
    try:
        return kind.from_bytes(content)
    except (ImageFileError, HeaderDataError, WrapStructError, OSError, ValueError) as error:
        raise BadImageError(
            f"{what} {path} has a damaged header; copy it again from its source."
        ) from error


def _check_shape(shape: tuple[int, ...], where: str) -> None:
    text = " x ".join(map(str, shape))
    if len(shape) > 3 and all(n > 0 for n in shape):
        raise BadImageError(
            f"{where} has {len(shape)} dimensions ({text}), not one volume; "
            "extract or average the volumes into one 3D image."
        )
    if len(shape) < 3 or min(shape) < 2:
        raise BadImageError(f"{where} is no volume ({text or 'no'} voxels); export it again as 3D.")


def _check_affine(image: nib.Nifti1Image, where: str) -> None:
    affine = np.asarray(image.affine, float)
    if not np.isfinite(affine).all():
        raise BadImageError(f"{where} has NaN or infinity in its affine; repair its header.")
    sizes = voxel_sizes(affine)
    low, high = VOXEL_LIMITS_MM
    if (sizes < low * (1 - 1e-3)).any() or (sizes > high * (1 + 1e-3)).any():
        raise BadImageError(
            f"{where} has voxels of {_by(sizes)} mm, outside {low:g} to {high:g} mm"
            f"{_unit_hint(sizes, (low, high))}; repair its header."
        )
    cosines = affine[:3, :3] / sizes
    # Unit columns: the determinant is the volume they span, 1 if at right angles, 0 if flat.
    if abs(np.linalg.det(cosines)) < 1e-3:
        raise BadImageError(
            f"{where} has an affine without inverse (two of its axes coincide); repair its header."
        )
    shear = np.abs(cosines.T @ cosines - np.eye(3)).max()
    if shear > SHEAR_LIMIT:
        angle = np.degrees(np.arcsin(min(shear, 1.0)))
        raise BadImageError(
            f"{where} has a sheared affine (axes {angle:.2g} degrees off right angles); "
            "resample it onto an orthogonal grid."
        )


def _unit_hint(sizes: np.ndarray, limits: tuple[float, float]) -> str:
    for unit, factor in (("metres", 1e3), ("micrometres", 1e-3), ("centimetres", 10.0)):
        if (sizes * factor >= limits[0]).all() and (sizes * factor <= limits[1]).all():
            return f" (are these {unit}?)"
    return ""


def _orientation_notes(image: nib.Nifti1Image, where: str) -> tuple[str, ...]:
    header = image.header
    qcode, scode = int(header["qform_code"]), int(header["sform_code"])
    if qcode == 0 and scode == 0:
        return (f"{where} has no orientation in its header; left and right cannot be trusted.",)
    if qcode and scode:
        grids = [Grid(image.shape, image.get_qform()), Grid(image.shape, image.get_sform())]
        if not same_grid(grids[0], grids[1], tolerance_mm=1.0):
            return (f"{where} has a qform and an sform that differ; the sform is used.",)
    return ()


def _disk_type(data: np.ndarray, labels: bool) -> np.dtype:
    if data.dtype.kind == "f" and not labels:
        return np.dtype(np.float32)
    low, high = (int(data.min()), int(data.max())) if data.size else (0, 0)
    for kind in (np.uint8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return np.dtype(kind)
    raise ValueError(f"no NIfTI label type holds {low} to {high}")


def _describe(grid: Grid) -> str:
    return f"{'x'.join(map(str, grid.shape))} voxels of {_by(voxel_sizes(grid.affine))} mm"


def _by(sizes: np.ndarray) -> str:
    return " x ".join(f"{size:.4g}" for size in sizes)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _jsonable(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_jsonable(item) for item in items]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
