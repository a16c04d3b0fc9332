"""Paths that files can have here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from bgpvs_wf.errors import UsageError, shown
from bgpvs_wf.plain_names import has_control

PathLike = str | os.PathLike[str]
"""What people give for a path."""
_LONGEST_NAME, _LONGEST_PATH = 255, 4095
"""Bytes that Linux and macOS allow."""


def check_path(value: Any, name: str) -> Path:
    """Return a path that files can have here.

    Raises
    ------
    UsageError
        If it is empty, has control characters or bytes that are no UTF-8, is too long, names the
        home of a user that is not there, or is a link that leads to itself.
    """
    if not isinstance(value, str | os.PathLike):
        raise UsageError(f"{name} is {shown(value)}; give a path.")
    text = os.fspath(value)
    if isinstance(text, bytes):
        text = os.fsdecode(text)
    whole = os.path.abspath(text) if text and "\0" not in text else text
    for one in (text, whole):  # where we are may have what the text has not
        if wrong := _why_no_path(one):
            raise UsageError(f"{name} is {shown(one)}, {wrong}; give another path.")
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"{name} is {shown(text)}, whose user has no home here; give another path."
        ) from error
    try:
        path.resolve()
    except (RuntimeError, OSError) as error:
        raise UsageError(
            f"{name} is {shown(text)}, a link that leads to itself; give another path."
        ) from error
    return path


def _why_no_path(text: str) -> str:
    if not text:
        return "which is empty"
    if has_control(text):
        return "which has control characters"
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        return "which is not UTF-8"
    if len(encoded) > _LONGEST_PATH or any(len(p) > _LONGEST_NAME for p in encoded.split(b"/")):
        return "which is too long"
    return ""
