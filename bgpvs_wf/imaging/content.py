"""The bytes of a NIfTI file: the header is judged before the rest is read or room made for it."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import IO

from isal import igzip
from isal.isal_zlib import IsalError

from bgpvs_wf.errors import BadImageError
from bgpvs_wf.imaging.header import HEAD_BYTES, MOST_BYTES, Header, judge_header
from bgpvs_wf.reading import open_regular, why_not

_CHUNK = 2**22


def read_header(path: str | os.PathLike[str], what: str = "image") -> Header:
    """Read and judge the header of an image, and no more of it.

    Raises
    ------
    BadImageError
        As `read_content`, for what the first bytes tell.
    """
    path = Path(path)
    where = f"{what} {path}"
    with _opened(path, where) as file:
        return judge_header(_read(_unpacked(file, path, where), HEAD_BYTES, where), where)


def read_content(path: str | os.PathLike[str], what: str = "image") -> tuple[Header, bytearray]:
    """Read an image up to its last voxel, its checksum verified, which nibabel does not do.

    Parameters
    ----------
    path : path-like
        A ``.nii`` or ``.nii.gz`` file.
    what : str
        What the message calls it.

    Returns
    -------
    header : Header
    content : bytearray
        Uncompressed.

    Raises
    ------
    BadImageError
        If the file is missing, truncated, damaged or no NIfTI, or `judge_header` refuses it.
    """
    path = Path(path)
    where = f"{what} {path}"
    with _opened(path, where) as file:
        unpacked = _unpacked(file, path, where)
        head = _read(unpacked, HEAD_BYTES, where)
        header = judge_header(head, where)
        if unpacked is file:
            _check_length(header, os.fstat(file.fileno()).st_size, where)
        # Piece by piece: a header may promise more than there is memory for.
        content, length = bytearray(head), len(head)
        while part := _read(unpacked, _CHUNK, where):
            if length < header.n_bytes:
                content += part
            elif unpacked is file:
                break
            length += len(part)
            if length > MOST_BYTES:
                raise BadImageError(
                    f"{where} holds more than {MOST_BYTES / 2**30:.3g} GiB, the most that is "
                    "read; copy it again from its source."
                )
    _check_length(header, length, where)
    return header, content


def _opened(path: Path, where: str) -> IO[bytes]:
    if not path.name.endswith((".nii", ".nii.gz")):
        raise BadImageError(f"{where} is not NIfTI by its name; convert it to .nii.gz.")
    try:
        return open_regular(path)
    except FileNotFoundError as error:
        kind = "is a broken link" if path.is_symlink() else "does not exist"
        raise BadImageError(
            f"{where} {kind}; check the path (datalad users: get the file first)."
        ) from error
    except OSError as error:
        raise BadImageError(
            f"{where} cannot be read: {why_not(error, path)}; check the path and its permissions."
        ) from error


def _unpacked(file: IO[bytes], path: Path, where: str) -> IO[bytes] | gzip.GzipFile:
    """Return the file itself, or what it holds compressed, as its name says."""
    first = _read(file, 2, where)
    file.seek(0)
    if not first:
        raise BadImageError(f"{where} is empty (0 bytes); copy it again from its source.")
    gzipped = first == b"\x1f\x8b"
    if path.suffix != ".gz" and not gzipped:
        return file
    if path.suffix != ".gz":
        raise BadImageError(f"{where} is gzip-compressed; rename it to .nii.gz.")
    if not gzipped:
        raise BadImageError(f"{where} is not gzip-compressed; rename it to .nii or gzip it.")
    return igzip.IGzipFile(fileobj=file)  # type: ignore[no-untyped-call]


def _read(file: IO[bytes] | gzip.GzipFile, size: int, where: str) -> bytes:
    try:
        return file.read(size)
    except (EOFError, IsalError, gzip.BadGzipFile) as error:  # type: ignore[misc]
        raise BadImageError(
            f"{where} is truncated or damaged; copy it again from its source."
        ) from error
    except OSError as error:
        raise BadImageError(
            f"{where} cannot be read: {why_not(error, where)}; check the disk it is on."
        ) from error


def _check_length(header: Header, length: int, where: str) -> None:
    if length < header.n_bytes:
        raise BadImageError(
            f"{where} is truncated or has a damaged header: fewer voxels than it says "
            f"({length} bytes, not {header.n_bytes}); copy it again from its source."
        )
