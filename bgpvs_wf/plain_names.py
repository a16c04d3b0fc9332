"""Names that no shell, batch system or program's own syntax takes for more than a name."""

from __future__ import annotations

import hashlib
import os
import re

from bgpvs_wf.errors import UsageError

_PLAIN = re.compile(r"[A-Za-z0-9_./+=:][A-Za-z0-9_./+=:-]*")
_ODD = re.compile(r"[^A-Za-z0-9_.+=:-]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def is_plain(text: str | os.PathLike[str]) -> bool:
    """Return whether a name has plain characters only, and cannot be taken for an option.

    Examples
    --------
    >>> is_plain("/data/work/sub-01_T2w.nii.gz")
    True
    >>> [is_plain(name) for name in ("a b", "$(x)", "[x]", "a,b", "50%", "~", "-n", "")]
    [False, False, False, False, False, False, False, False]
    """
    return _PLAIN.fullmatch(os.fspath(text)) is not None


def has_control(text: str | os.PathLike[str]) -> bool:
    r"""Return whether a text has a line break or another control character.

    Examples
    --------
    >>> has_control("a\nb"), has_control("a b")
    (True, False)
    """
    return _CONTROL.search(os.fspath(text)) is not None


def plain_name(path: str, folder: str | os.PathLike[str]) -> str:
    """Return a plain name for a file, as seen from a folder.

    What is relative and plain is kept. An absolute path becomes relative; where that is not
    plain, a link in the folder leads to the file.

    Parameters
    ----------
    path : str
        Of a file that is there, or is to be written.
    folder : path-like
        Where a program will run.

    Raises
    ------
    UsageError
        If there is no plain name, and no file to link to.
    """
    if os.path.isabs(path):
        # Of the real folders: "up" from behind a link is not where the name says. The last part
        # stays: what a link is called tells the kind of file, what it leads to need not.
        place = os.path.realpath(os.path.dirname(path))
        name = os.path.relpath(
            os.path.join(place, os.path.basename(path)), os.path.realpath(folder)
        )
    else:
        name = path
    if is_plain(name):
        return name
    target = os.path.join(folder, path)
    if not os.path.exists(target):
        raise UsageError(
            f"No program is called with the name {path!r}; use letters, digits and . _ - + only."
        )
    return _link(target, folder)


def _link(target: str, folder: str | os.PathLike[str]) -> str:
    """Link to a file by a plain name that keeps its ending; return that."""
    given = os.path.basename(target)
    kept = _ODD.sub("_", given)
    digest = hashlib.sha256(os.fsencode(os.path.abspath(target))).hexdigest()[:12]
    name = os.path.join(f"link_{digest}", kept)
    link = os.path.join(folder, name)
    os.makedirs(os.path.dirname(link), exist_ok=True)
    if not os.path.islink(link):
        os.symlink(os.path.abspath(target), link)
    return name
