"""What Nipype's crash files say, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bgpvs_wf.reading import is_regular, read_text

_EXCEPTION = re.compile(
    r"^(?P<kind>(?:\w+\.)*\w*(?:Error|Exception|Exit|Interrupt))(?::\s*(?P<message>.*))?$"
)
_EXIT_CODE = re.compile(r"subprocess exited with code (-?\d+)")
_OWN = "bgpvs_wf.errors."
_SEVERAL = "raised. Re-raising first."
"""What Nipype says where several steps failed; the first one's error stands before."""
_FULL = "No space left on device"
_ADVICE = {
    _FULL: "Free some space and run again.",
    "MemoryError": "Give the run more memory or fewer processes (--nprocs), and run again.",
}


@dataclass(frozen=True)
class Crash:
    """One failed node."""

    node: str
    """Full name of the node, such as `bgpvs_wf.sub_01_wf.anatomy_wf.register`."""
    cause: str
    """One line."""
    path: Path | None = None
    """The crash file, where one could be written."""

    @property
    def subject(self) -> str:
        """Name of the subject's workflow, such as `sub_01_wf`."""
        return node_place(self.node)[0]

    @property
    def stage(self) -> str:
        """Name of the stage, such as `anatomy`."""
        return node_place(self.node)[1]


def node_place(fullname: str) -> tuple[str, str]:
    """Return the subject's workflow and the stage a node belongs to.

    Examples
    --------
    >>> node_place("bgpvs_wf.sub_01_ses_02_wf.anatomy_wf.affine_wf.register")
    ('sub_01_ses_02_wf', 'anatomy')
    >>> node_place("bgpvs_wf.sub_01_wf.inputnode")
    ('sub_01_wf', 'inputnode')
    """
    parts = [*fullname.split("."), "", ""]
    return parts[1], parts[2].removesuffix("_wf")


def workflow_name(label: str) -> str:
    """Return the name of a subject's workflow, another one for each label.

    Nipype allows no ``+``, and Graphviz no ``-``; BIDS has no ``_`` in a label.

    Examples
    --------
    >>> workflow_name("sub-01_ses-02")
    'sub_01_ses_02_wf'
    >>> workflow_name("sub-A+B")
    'sub_A__B_wf'
    """
    return f"{label.replace('-', '_').replace('+', '__')}_wf"


def read_crashes(folder: Path) -> list[Crash]:
    """Read all crash files (text) of a folder, in the order of their making."""
    files = [path for path in folder.glob("crash-*.txt") if is_regular(path)]
    files.sort(key=lambda path: (path.stat().st_mtime_ns, path))
    return [parse_crash(read_text(path, errors="replace"), path) for path in files]


def parse_crash(text: str, path: Path | None = None) -> Crash:
    r"""Read a crash file's text.

    Examples
    --------
    >>> parse_crash("Node: bgpvs_wf.sub_01_wf.prepare_wf.n4\nValueError: empty mask\n").cause
    'ValueError: empty mask'
    """
    first, _, rest = text.partition("\n")
    node = first.removeprefix("Node:").strip()
    return Crash(node=node, cause=describe(rest.splitlines()), path=path)


def describe(lines: Iterable[str]) -> str:
    """Return the cause of a failure in one line, from a traceback's lines.

    Errors of this project speak for themselves; others keep their kind; a
    failed command is named with its last words.
    """
    lines = [line.removeprefix("\t").rstrip() for line in lines]
    found = [match for match in map(_EXCEPTION.match, lines) if match]
    found = [match for match in found if _SEVERAL not in match[0]] or found
    if not found:
        return next((line.strip() for line in reversed(lines) if line.strip()), "unknown cause")
    last = found[-1]
    if not last["kind"].startswith(_OWN):
        # Where the disk is full all that follows fails, too: Nipype's looking for its files last.
        last = next((match for match in found if _FULL in match[0]), last)
    kind, message = last["kind"], (last["message"] or "").strip()
    exit_code = _EXIT_CODE.search(message)
    if exit_code:
        return _describe_command(lines, int(exit_code[1]))
    if kind.startswith(_OWN):
        return message
    cause = f"{kind.rpartition('.')[2]}: {message}" if message else kind
    advice = next((text for sign, text in _ADVICE.items() if sign in cause), "")
    return f"{cause.rstrip('.')}. {advice}" if advice else cause


def _describe_command(lines: list[str], exit_code: int) -> str:
    command = _section(lines, "Cmdline:")
    words = _section(lines, "Stderr:") or _section(lines, "Stdout:")
    name = command[0].split()[0] if command else "A command"
    how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"failed (exit {exit_code})"
    return f"{name} {how}{': ' + words[-1] if words else ''}"


def _section(lines: list[str], title: str) -> list[str]:
    """Return the lines of the last section with a title, up to the next title."""
    if title not in lines:
        return []
    start = len(lines) - lines[::-1].index(title)
    body = []
    for line in lines[start:]:
        if line in ("Cmdline:", "Stdout:", "Stderr:", "Traceback:"):
            break
        if line.strip():
            body.append(line.strip())
    return body
