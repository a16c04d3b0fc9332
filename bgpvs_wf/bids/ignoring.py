"""The file ``.bidsignore`` of a dataset: what its owner does not want to be looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bgpvs_wf.errors import UsageError
from bgpvs_wf.reading import read_text, why_not

NAME = ".bidsignore"


@dataclass(frozen=True)
class Rule:
    """A line of the file."""

    text: str
    pattern: re.Pattern[str]
    """Of paths from the root, without a ``/`` in front."""
    folders_only: bool
    keeps: bool
    """The line begins with ``!``: what it names is looked at after all."""


def read_rules(root: Path) -> tuple[Rule, ...]:
    """Read the patterns of a dataset, written as in git's ``.gitignore``.

    Raises
    ------
    UsageError
        If there is such a file and it cannot be read.
    """
    path = root / NAME
    try:
        lines = read_text(path).splitlines()
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and not path.is_symlink():
            return ()
        raise UsageError(f"Cannot read {path}: {why_not(error, path)}; repair it.") from error
    return tuple(rule for rule in map(parse_rule, lines) if rule is not None)


def parse_rule(line: str) -> Rule | None:
    """Return the rule of a line; None where it is empty or a comment."""
    text = re.sub(r"(?<!\\) +$", "", line.rstrip("\r"))
    keeps = text.startswith("!")
    body = text.removeprefix("!")
    if not body or text.startswith("#"):
        return None
    folders_only = body.endswith("/")
    body = body.rstrip("/")
    anchored = "/" in body
    pattern = ("" if anchored else "(?:.*/)?") + _regex(body.removeprefix("/"))
    return Rule(text, re.compile(pattern, re.DOTALL), folders_only, keeps)


def rule_for(rules: Sequence[Rule], path: str, *, folder: bool) -> str:
    """Return the line that says to ignore a file or folder; empty where none does.

    As in git, the last line that fits decides. Folders around it are not looked at: what lies in
    an ignored folder is never listed.

    Examples
    --------
    >>> rules = [parse_rule("sub-01/**/*_T2w.*"), parse_rule("!*_run-2_*")]
    >>> rule_for(rules, "sub-01/anat/sub-01_T2w.nii.gz", folder=False)
    'sub-01/**/*_T2w.*'
    >>> rule_for(rules, "sub-01/anat/sub-01_run-2_T2w.nii.gz", folder=False)
    ''
    """
    for rule in reversed(rules):
        if rule.pattern.fullmatch(path) and (folder or not rule.folders_only):
            return "" if rule.keeps else rule.text
    return ""


def _regex(glob: str) -> str:
    """Translate a pattern: ``*`` and ``?`` stop at ``/``, ``**`` does not."""
    out, at = "", 0
    while at < len(glob):
        found = ((pattern.match(glob, at), made) for pattern, made in _TOKENS)
        match, made = next(((m, made) for m, made in found if m), (None, None))
        if match is None or made is None:
            out += re.escape(glob[at])
            at += 1
        else:
            out += made(match)
            at = match.end()
    return out


def _characters(text: str) -> str:
    """Translate ``[a-z]`` and ``[!a-z]``; what is no set of characters fits nothing."""
    inside = text[1:-1]
    negated = inside[:1] in ("!", "^")
    inside = inside[negated:].replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]")
    made = f"(?!/)[{'^' if negated else ''}{inside}]"
    try:
        re.compile(made)
    except re.error:
        return _NOTHING
    return made


_NOTHING = "(?!)"
_TOKENS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"^\*\*/|(?<=/)\*\*/"), lambda _: "(?:.*/)?"),
    (re.compile(r"(?<=/)\*\*$|^\*\*$"), lambda _: ".+"),
    (re.compile(r"\*+"), lambda _: "[^/]*"),
    (re.compile(r"\?"), lambda _: "[^/]"),
    (re.compile(r"\[[!^]?\]?[^\]]*\]"), lambda match: _characters(match[0])),
    (re.compile(r"\["), lambda _: _NOTHING),
    (re.compile(r"\\(.)", re.DOTALL), lambda match: re.escape(match[1])),
)
