"""The ``.bidsignore`` of a dataset: which of its files are not part of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from bgpvs_wf.errors import UsageError
from bgpvs_wf.reading import read_text, why_not


def read_ignored(root: Path) -> Callable[[str], bool]:
    """Return what tells whether a path is ignored, as ``.gitignore`` would.

    Parameters
    ----------
    root : Path
        Of the dataset.

    Returns
    -------
    callable
        Takes a path from the root, with ``/``.

    Raises
    ------
    UsageError
        If the file is there but cannot be read.
    """
    path = root / ".bidsignore"
    try:
        lines = read_text(path, errors="replace").splitlines()
    except FileNotFoundError:
        return lambda path: False
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {why_not(error, path)}; mend it.") from error
    rules = [rule for line in lines if (rule := _rule(line)) is not None]

    def ignored(path: str) -> bool:
        verdict = False
        for pattern, ignores in rules:
            if ignores != verdict and pattern.search(path):
                verdict = ignores
        return verdict

    return ignored


def _rule(line: str) -> tuple[re.Pattern[str], bool] | None:
    """Return a line's pattern and whether it ignores; None where there is nothing on it."""
    text = line.rstrip()
    if not text or text.startswith("#"):
        return None
    ignores = not text.startswith("!")
    text = text if ignores else text[1:]
    # A slash anywhere but at the end ties a pattern to the root.
    anchored = "/" in text.rstrip("/")
    body = "".join(_translated(text.strip("/")))
    end = "/" if text.endswith("/") else "(?:/|$)"
    return re.compile(f"{'^' if anchored else '(?:^|/)'}{body}{end}"), ignores


def _translated(text: str) -> list[str]:
    """Return a pattern's parts as regular expressions: ``**/``, ``**``, ``*``, ``?``, ``[...]``."""
    parts = []
    for token in re.findall(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\]|\\.|.", text):
        if token == "**/":
            parts.append("(?:.*/)?")
        elif token == "**":
            parts.append(".*")
        elif token == "*":
            parts.append("[^/]*")
        elif token == "?":
            parts.append("[^/]")
        elif token.startswith("[") and len(token) > 2:
            inner = token[1:-1].replace("\\", "\\\\")
            parts.append(f"[{'^' + inner[1:] if inner.startswith('!') else inner}]")
        else:
            parts.append(re.escape(token.removeprefix("\\") or token))
    return parts
