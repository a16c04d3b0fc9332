"""Settings in TOML files; what is wrong with them names the file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from bgpvs_wf.errors import UsageError
from bgpvs_wf.reading import load_toml, why_not

T = TypeVar("T")


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a TOML file, with a `UsageError` that says what is wrong with it."""
    try:
        return load_toml(path)
    except OSError as error:
        raise UsageError(
            f"Cannot read {path}: {why_not(error, path)}; correct the path."
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is not valid TOML: {why_not(error, path)}; repair it.") from error


def read_file(path: str | os.PathLike[str], build: Callable[[dict[str, Any], Path], T]) -> T:
    """Read a TOML file and build something from it; what is wrong with it names the file.

    Parameters
    ----------
    path : path-like
    build : callable
        Takes the content and the folder that its paths are relative to.

    Raises
    ------
    UsageError
        If the file cannot be read, or `build` refuses its content.
    """
    content = read_toml(path)
    try:
        return build(content, Path(path).absolute().parent)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
