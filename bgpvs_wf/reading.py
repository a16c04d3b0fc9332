"""Files that others made, opened safely: what is no regular file is refused, never waited for.

A pipe or a device in place of a table or an image would hang a run for ever. All that is read goes
through here; errors are those of `open` and of the formats (`OSError`, `ValueError`), so that each
caller says in its own words what the file was to be.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import tomllib
from pathlib import Path
from typing import IO, Any

_NAMES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a regular file to read bytes from; a link to one will do.

    Raises
    ------
    OSError
        If it cannot be opened, or is a pipe, a device, a socket or a folder; `strerror` says so.

    Examples
    --------
    >>> open_regular("/dev/zero")
    Traceback (most recent call last):
    OSError: [Errno 22] it is a device, not a regular file: '/dev/zero'
    """
    try:
        # Without waiting: a pipe that nobody writes to would never open.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError as error:  # a NUL in the path
        raise OSError(errno.EINVAL, "no path has a NUL in it", repr(os.fspath(path))) from error
    try:
        mode = os.fstat(file).st_mode
        if not stat.S_ISREG(mode):
            kind = next((name for test, name in _NAMES if test(mode)), "something else")
            raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", os.fspath(path))
        return os.fdopen(file, "rb")
    except BaseException:
        os.close(file)
        raise


def is_regular(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to a regular file; False where that cannot be told."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def what_instead(path: str | os.PathLike[str]) -> str:
    """Return what a path leads to instead of a regular file; empty where it leads to one.

    Examples
    --------
    >>> what_instead("/dev/zero")
    'a device'
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        if os.path.islink(path):
            return "a broken link"
        return why_not(error, path)
    if stat.S_ISREG(mode):
        return ""
    return next((name for test, name in _NAMES if test(mode)), "something else")


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a regular file; see `open_regular`."""
    with open_regular(path) as handle:
        return handle.read()


def read_text(path: str | os.PathLike[str], errors: str = "strict") -> str:
    """Return the UTF-8 text of a regular file, without its byte order mark.

    Raises
    ------
    OSError
        See `open_regular`.
    UnicodeDecodeError
        If it is not UTF-8, and `errors` is ``strict``.
    """
    return read_bytes(path).decode("utf-8-sig", errors)


def parse_json(text: str) -> Any:
    """Return what JSON text holds.

    Raises
    ------
    ValueError
        If it is not valid, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def load_json(path: str | os.PathLike[str]) -> Any:
    """Return the content of a JSON file.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is not valid.
    """
    return parse_json(read_text(path))


def load_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is not valid.
    """
    try:
        return tomllib.loads(read_text(path))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def load_yaml(path: str | os.PathLike[str]) -> Any:
    """Return the content of a YAML file, plain values only.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is not valid; the reason is one line.
    """
    return parse_yaml(read_text(path))


def parse_yaml(text: str) -> Any:
    """Return what YAML text holds, plain values only.

    Raises
    ------
    ValueError
        If it is not valid, or nested too deeply; the reason is one line.
    """
    import yaml

    try:
        return yaml.safe_load(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
        raise ValueError(" ".join(str(error).split())) from error


def why_not(error: Exception, path: str | os.PathLike[str]) -> str:
    """Return in a few words why a file could not be read, for a message that names it.

    Examples
    --------
    >>> why_not(FileNotFoundError(errno.ENOENT, "No such file or directory"), "/no/such/file")
    'no such file or directory'
    """
    if isinstance(error, FileNotFoundError) and Path(path).is_symlink():
        return "it is a broken link"
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return reason[:1].lower() + reason[1:]
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text; save it as UTF-8"
    return " ".join(str(error).split())
