"""Whose a file is, by its folders and its name; or why it is left out.

pybids reads of a name what it understands: of ``sub-01-B`` and ``sub-01 copy`` that is ``01``.
Here a name is understood whole or not at all, and must say what its folders say, so that nobody is
measured with somebody else's scan.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from bgpvs_wf.reading import is_regular

_LABEL = re.compile(r"[0-9A-Za-z+]+")
_FOLDERS = {"sub-": "subject", "ses-": "session"}
_NAME = re.compile(r"(?:[0-9A-Za-z]+-[0-9A-Za-z+]+_)*[0-9A-Za-z]+")
_MEANT = re.compile(r"(?:^|[^0-9a-z])(t[12]w?)(?=[^0-9a-z]|$)", re.IGNORECASE)
"""Somebody means a T1w or T2w by such a name, however it is spelt."""
_EXTENSIONS = (".nii.gz", ".nii", ".json", ".tsv", ".txt", ".html", ".bval", ".bvec")
"""Of NIfTI, and of files beside images: nobody means a scan by these."""


class Owner(NamedTuple):
    """Whose a file is: labels without ``sub-`` and ``ses-``; None where the path names none."""

    subject: str | None
    session: str | None


class LeftOut(NamedTuple):
    """A file or folder that is not taken."""

    path: Path
    subject: str | None
    """In whose folder it lies; None where nobody can be told."""
    why: str

    def __str__(self) -> str:
        name = self.path.name.encode("utf-8", "backslashreplace").decode()
        return f"{name}: {self.why}"


def is_label(text: str) -> bool:
    """Return whether BIDS allows a label.

    Examples
    --------
    >>> is_label("A+B"), is_label("01-B"), is_label("")
    (True, False, False)
    """
    return _LABEL.fullmatch(text) is not None


def why_no_label(label: str) -> str:
    """Say what is wrong with a label.

    Examples
    --------
    >>> why_no_label("01 copy")
    "'01 copy' is no BIDS label (letters, digits and + only)"
    """
    return f"{label!r} is no BIDS label (letters, digits and + only)"


def owner_of(path: PurePosixPath) -> Owner | str:
    """Tell whose a file is, or in words why that cannot be told.

    Parameters
    ----------
    path : PurePosixPath
        From the root of the dataset.

    Examples
    --------
    >>> owner_of(PurePosixPath("sub-01/ses-3mo/anat/sub-01_ses-3mo_T2w.nii.gz"))
    Owner(subject='01', session='3mo')
    >>> owner_of(PurePosixPath("sub-02/anat/sub-03_T2w.nii.gz"))
    'its name says sub-03, its folder sub-02: move or rename it'
    """
    stem = path.name.split(".", 1)[0]
    if not _NAME.fullmatch(stem):
        return f"{stem!r} is no BIDS name (key-label pairs joined by _, then the suffix); rename it"
    said: dict[str, str] = {}
    for folder in path.parent.parts:
        prefix = folder[:4]
        if prefix not in _FOLDERS:
            continue
        label = folder[4:]
        if not is_label(label):
            return f"it lies in {folder!r}, and {why_no_label(label)}; rename the folder"
        if said.setdefault(prefix, label) != label:
            return f"it lies in {prefix}{said[prefix]} and in {folder}: move it"
    own: dict[str, str] = {}
    for part in stem.split("_")[:-1]:
        key, _, label = part.partition("-")
        if own.setdefault(f"{key}-", label) != label:
            return f"its name says {key}-{own[f'{key}-']} and {key}-{label}: rename it"
    for prefix, label in said.items():
        if own.get(prefix) != label:
            named = f"{prefix}{own[prefix]}" if prefix in own else f"no {prefix[:-1]}-"
            return f"its name says {named}, its folder {prefix}{label}: move or rename it"
    return Owner(own.get("sub-"), own.get("ses-"))


def not_scans(root: Path, subject: str) -> Iterator[LeftOut]:
    """Find what somebody may mean as a scan of a subject, but what is none by its name.

    Parameters
    ----------
    root : Path
        Of the dataset.
    subject : str
    """
    top = root / f"sub-{subject}"
    for folder in (top, top / "anat", *sorted(top.glob("ses-*")), *sorted(top.glob("ses-*/anat"))):
        for name in _names(folder):
            path = folder / name
            is_folder = name.endswith((".nii", ".nii.gz")) and os.path.isdir(path)
            why = "it is a folder, no file" if is_folder else _why_no_scan(name)
            if why:
                yield LeftOut(path, subject, why)


def why_no_file(path: Path) -> str:
    """Say what is in place of a file; nothing where there is one."""
    if is_regular(path):
        return ""
    if path.is_symlink() and not os.path.exists(path):
        return "is a broken link (datalad users: get the file first)"
    return (
        "is a folder, a pipe or a device, no file"
        if os.path.exists(path)
        else "cannot be looked at"
    )


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _why_no_scan(name: str) -> str:
    if name.startswith("."):
        return ""
    stem = name.split(".", 1)[0]
    extension = name[len(stem) :]
    meant = _MEANT.search(stem)
    suffix = stem.rpartition("_")[2]
    if meant is None or suffix in ("mask", "dseg", "probseg", "brainmask", "xfm"):
        return ""
    if extension.lower() not in _EXTENSIONS and "." in name:
        return f"{extension} is no NIfTI; convert it to .nii.gz"
    if not extension.lower().startswith(".nii"):
        return ""
    if suffix not in ("T1w", "T2w") and suffix.lower() in ("t1w", "t2w", "t1", "t2"):
        right = f"{suffix[:2].upper()}w"
        return f"the suffix is {suffix!r}, where BIDS says {right!r}; rename it"
    if extension not in (".nii", ".nii.gz"):
        return f"the extension is {extension!r}, where BIDS says {extension.lower()!r}; rename it"
    return ""
