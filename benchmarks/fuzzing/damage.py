"""Ways to damage files, by the kind of damage; each takes what it needs and changes one file."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

Random = np.random.Generator
PAGE = b"<!DOCTYPE html>\n<html><body>404: not found</body></html>\n"


# --- bytes ---------------------------------------------------------------------------------------


def truncate(path: Path, rng: Random) -> None:
    """Cut a file off somewhere."""
    content = path.read_bytes()
    path.write_bytes(content[: max(1, int(len(content) * rng.uniform(0.05, 0.9)))])


def empty(path: Path, rng: Random) -> None:
    """Leave nothing."""
    path.write_bytes(b"")


def randomise(path: Path, rng: Random) -> None:
    """Write random bytes, none of which a text or a gzip file begins with."""
    path.write_bytes(b"\xfe\x00" + rng.bytes(int(rng.integers(100, 3000))))


def flip(path: Path, rng: Random) -> None:
    """Change some bytes."""
    content = bytearray(path.read_bytes())
    for place in rng.integers(0, len(content), int(rng.integers(1, 9))):
        content[place] ^= int(rng.integers(1, 256))
    path.write_bytes(bytes(content))


def web_page(path: Path, rng: Random) -> None:
    """Write what a download that failed leaves."""
    path.write_bytes(PAGE)


def wrong_gzip(path: Path, rng: Random) -> None:
    """Write gzip whose inside is damaged, or nothing, or text."""
    whole = gzip.compress(bytes(2000))
    path.write_bytes(
        [whole[:20], gzip.compress(b""), gzip.compress(PAGE), whole[:10] + rng.bytes(300)][
            rng.integers(4)
        ]
    )


# --- in place of a file --------------------------------------------------------------------------


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the address of a socket has 108 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("s")
        os.rename("s", path.name)
    finally:
        os.chdir(here)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _broken_link(path: Path) -> None:
    path.symlink_to(path.parent / "moved-away")


def _locked(path: Path) -> None:
    path.touch()
    path.chmod(0)


SPECIAL: dict[str, Callable[[Path], None]] = {
    "pipe": _fifo,
    "device": _device,
    "socket": _socket,
    "folder": Path.mkdir,
    "link loop": _loop,
    "broken link": _broken_link,
    "no permission": _locked,
}
"""What stands in place of a file; for the last, the program must not run as root."""


def replace_by(path: Path, what: str) -> None:
    """Put something that is no regular file in place of one."""
    if what == "no permission":
        path.chmod(0)
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    SPECIAL[what](path)


# --- NIfTI headers -------------------------------------------------------------------------------

FIELDS: dict[str, tuple[int, str]] = {
    "sizeof_hdr": (0, "<i"),
    **{f"dim[{i}]": (40 + 2 * i, "<h") for i in range(8)},
    "datatype": (70, "<h"),
    "bitpix": (72, "<h"),
    **{f"pixdim[{i}]": (76 + 4 * i, "<f") for i in range(4)},
    "vox_offset": (108, "<f"),
    "scl_slope": (112, "<f"),
    "scl_inter": (116, "<f"),
    "xyzt_units": (123, "<B"),
    "cal_max": (124, "<f"),
    "qform_code": (252, "<h"),
    "sform_code": (254, "<h"),
    "quatern_b": (256, "<f"),
    "qoffset_x": (268, "<f"),
    "srow_x[0]": (280, "<f"),
    "srow_x[3]": (292, "<f"),
    "srow_y[1]": (300, "<f"),
    "srow_z[2]": (320, "<f"),
    "magic": (344, "<4s"),
    "extension": (348, "<4s"),
}
"""Name to place and type, as the standard has them."""


def set_fields(path: Path, changes: dict[str, object]) -> None:
    """Set fields of a NIfTI-1 header, whatever they say."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    for name, value in changes.items():
        place, kind = FIELDS[name]
        struct.pack_into(kind, content, place, value)
    path.write_bytes(gzip.compress(bytes(content), 1))


# --- voxels --------------------------------------------------------------------------------------


def change_voxels(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Write other voxels under the same header."""
    import nibabel as nib

    image = nib.load(path)
    data = change(np.asarray(image.dataobj, np.float32).copy())
    header = image.header.copy()
    header.set_data_dtype(data.dtype)
    nib.Nifti1Image(data, image.affine, header).to_filename(path)


def head_of_noise(data: np.ndarray, rng: Random) -> np.ndarray:
    """Return noise in the place of tissue."""
    return np.where(data > 0, rng.gamma(4, 25, data.shape), 0).astype(np.float32)


IMAGES: dict[str, Callable[[np.ndarray, Random], np.ndarray]] = {
    "all nan": lambda data, rng: np.full_like(data, np.nan),
    "a tenth nan": lambda data, rng: np.where(rng.random(data.shape) < 0.1, np.nan, data),
    "a half infinite": lambda data, rng: np.where(rng.random(data.shape) < 0.5, np.inf, data),
    "constant": lambda data, rng: np.full_like(data, rng.uniform(1, 1000)),
    "zeros": lambda data, rng: np.zeros_like(data),
    "below zero": lambda data, rng: data - float(data.max()),
    "z-scores": lambda data, rng: (data - data.mean()) / data.std(),
    "less a constant": lambda data, rng: data - float(np.median(data)),
    "inverted": lambda data, rng: -data,
    "noise": head_of_noise,
    "noise below zero": lambda data, rng: rng.normal(0, 100, data.shape).astype(np.float32),
    "stripes": lambda data, rng: data * 0 + 100 * (np.indices(data.shape)[0] % 2),
    "one voxel": lambda data, rng: _one_voxel(data),
    "two values": lambda data, rng: (data > np.median(data)).astype(np.float32),
    "one slice": lambda data, rng: data[:, :, :1],
    "two volumes": lambda data, rng: np.stack([data, data * 2], axis=-1),
    "no voxels in a row": lambda data, rng: data[:1, :1, :1],
}
"""Images that are no scan of a head."""
LABELS: dict[str, Callable[[np.ndarray, Random], np.ndarray]] = {
    "no labels": lambda data, rng: np.zeros_like(data),
    "all nan": lambda data, rng: np.full_like(data, np.nan),
    "halves": lambda data, rng: data + 0.5,
    "below zero": lambda data, rng: -data,
    "unknown": lambda data, rng: np.where(data > 0, 30000, 0).astype(np.float32),
    "one label": lambda data, rng: (data > 0).astype(np.float32),
    "everywhere": lambda data, rng: np.full_like(data, data.max()),
    "random": lambda data, rng: rng.integers(0, 300, data.shape).astype(np.float32),
    "other grid": lambda data, rng: data[2:, 1:],
    "two volumes": lambda data, rng: np.stack([data, data], axis=-1),
    "one voxel": lambda data, rng: _one_voxel(data),
}
"""Label maps that are none of a head."""


def _one_voxel(data: np.ndarray) -> np.ndarray:
    other = np.zeros_like(data)
    middle = tuple(n // 2 for n in data.shape)
    other[middle] = data.max()
    return other


# --- tables --------------------------------------------------------------------------------------

TABLES: dict[str, Callable[[str], bytes]] = {
    "utf-16": lambda text: text.encode("utf-16"),
    "latin-1": lambda text: text.replace("n/a", "é").replace("BG", "é").encode("latin-1"),
    "commas": lambda text: text.replace("\t", ",").encode(),
    "semicolons": lambda text: text.replace("\t", ";").encode(),
    "blanks": lambda text: text.replace("\t", "  ").encode(),
    "stray quote": lambda text: text.replace("\n", '\n"', 1).encode(),
    "more cells": lambda text: _with_row(text, lambda row: row + "\t1\t2\t3"),
    "fewer cells": lambda text: _with_row(text, lambda row: row.partition("\t")[0]),
    "row twice": lambda text: _twice(text),
    "no header": lambda text: text.partition("\n")[2].encode(),
    "header only": lambda text: text.partition("\n")[0].encode() + b"\n",
    "first column renamed": lambda text: ("x" + text).encode(),
    "column twice": lambda text: "".join(
        f"{line}\t{line.split(chr(9))[1]}\n" for line in text.splitlines()
    ).encode(),
    "NUL": lambda text: text.replace("\n", "\0\n").encode(),
    "text for numbers": lambda text: _with_numbers(text, "many"),
    "nan for numbers": lambda text: _with_numbers(text, "nan"),
    "infinite numbers": lambda text: _with_numbers(text, "inf"),
    "negative numbers": lambda text: _with_numbers(text, "-7"),
    "huge numbers": lambda text: _with_numbers(text, "1e300"),
}
"""Tables that are not as BIDS has them."""
LOSSLESS_TABLES: dict[str, Callable[[str], bytes]] = {
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "no last line break": lambda text: text.rstrip("\n").encode(),
}


def _with_row(text: str, change: Callable[[str], str]) -> bytes:
    lines = text.splitlines()
    lines[1] = change(lines[1])
    return ("\n".join(lines) + "\n").encode()


def _twice(text: str) -> bytes:
    lines = text.splitlines()
    other = [c if i == 0 else "9" for i, c in enumerate(lines[1].split("\t"))]
    return ("\n".join([*lines, "\t".join(other)]) + "\n").encode()


def _with_numbers(text: str, value: str) -> bytes:
    def other(cell: str) -> str:
        return value if cell.replace(".", "").replace("-", "").isdigit() else cell

    return _with_row(text, lambda row: "\t".join(map(other, row.split("\t"))))


# --- JSON, TOML, YAML ----------------------------------------------------------------------------

_DEEP = 100_000
JSON: dict[str, bytes] = {
    "deep lists": b"[" * _DEEP + b"]" * _DEEP,
    "deep objects": b'{"a":' * _DEEP + b"1" + b"}" * _DEEP,
    "a list": b"[1, 2]",
    "a number": b"5",
    "null": b"null",
    "a text": b'"text"',
    "not closed": b'{"age": {',
    "latin-1": b'{"\xe9": 1}',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "single quotes": b"{'a': 1}",
    "a long number": b'{"a": ' + b"9" * 5000 + b"}",
    "nothing but blanks": b"  \n ",
    "lone surrogate": b'{"t2w": "\\ud800"}',
}
TOML: dict[str, bytes] = {
    "deep lists": b"a = " + b"[" * _DEEP + b"]" * _DEEP,
    "deep tables": b"a = " + b"{a = " * 5000 + b"1" + b"}" * 5000,
    "not closed": b'bids_dir = "',
    "latin-1": b'bids_dir = "\xe9"',
    "utf-16": "a = 1".encode("utf-16"),
    "key twice": b"seed = 1\nseed = 2\n",
    "unknown key": b'no_such_setting = "x"',
    "a list of tables": b"[[cohorts]]\nname = 1\n[[run]]\nx = 1\n",
    "JSON": b'{"bids_dir": "bids"}',
    "a long number": b"seed = " + b"9" * 5000,
}
YAML: dict[str, bytes] = {
    "deep lists": b"[" * 3000 + b"]" * 3000,
    "deep mappings": b"{a: " * 3000 + b"1" + b"}" * 3000,
    "a list": b"- a\n- b\n",
    "a number": b"5\n",
    "a text": b"plugin\n",
    "not closed": b"plugin: {a: [",
    "latin-1": b"plugin: \xe9",
    "a tab": b"plugin:\tLinear\n\tx: 1\n",
    "self-reference": b"plugin: Linear\nplugin_args: &a\n  a: *a\n",
    "self-reference in a list": b"plugin: Linear\nplugin_args: {a: &a [*a]}\n",
    "binary": b"plugin: Linear\nplugin_args: {a: !!binary aGVsbG8=}\n",
    "odd keys": b"plugin: Linear\nplugin_args: {1: a, null: b, [1, 2]: c}\n",
    "number key": b"plugin: Linear\nplugin_args: {1: a}\n",
    "python object": b"plugin: !!python/object/apply:os.system ['touch fuzz_canary']\n",
    "laughs": b"a: &a [x, x, x, x, x, x, x, x, x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b", ".join([b"*%c" % (97 + i)] * 9))
               for i in range(9)) + b"plugin: *j\n",
    "wrong type": b"plugin: [Linear]\nplugin_args: 5\n",
    "text for a number": b"plugin: MultiProc\nplugin_args: {n_procs: two}\n",
    "a date that is none": b"plugin: 2026-99-99\n",
    "unknown plugin": b"plugin: Nowhere\n",
    "two documents": b"plugin: Linear\n---\nplugin: MultiProc\n",
}  # fmt: skip
