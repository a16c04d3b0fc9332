"""Code of the documentation: fenced and indented blocks, and the script that a tutorial is."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>.*)$")
_TITLE = re.compile(r'title="(?P<title>[^"]+)"')
EXAMPLE = "<!-- example -->"
"""Stands above a block whose commands are not to be parsed."""


@dataclass(frozen=True)
class Block:
    """A block of code."""

    language: str
    title: str
    text: str
    line: int
    """Number of its first line of code."""
    example: bool
    heading: str
    """Of the section that it is in."""


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page, those that are only indented by four, too."""
    lines = page.read_text(encoding="utf-8").splitlines()
    at, heading = 0, ""
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if lines[at].startswith("#"):
            heading = lines[at].lstrip("# ")
        if fence:
            end = next(n for n in range(at + 1, len(lines)) if lines[n].strip() == "```")
            title = _TITLE.search(fence["info"])
            yield Block(
                language=fence["info"].split(" ")[0].strip(),
                title=title["title"] if title else "",
                text=_text(lines[at + 1 : end], len(fence["indent"])),
                line=at + 2,
                example=_is_example(lines[:at]),
                heading=heading,
            )
            at = end + 1
        elif lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            text = _text(lines[at:end], 4)
            yield Block("", "", text, at + 1, _is_example(lines[:at]), heading)
            at = end
        else:
            at += 1


def _text(lines: list[str], indent: int) -> str:
    return "\n".join(line[indent:] for line in lines).rstrip() + "\n"


def _is_example(before: list[str]) -> bool:
    return next((line for line in reversed(before) if line.strip()), "").strip() == EXAMPLE


def write_script(page: Path, place: Path, languages: Sequence[str] = ("bash", "python")) -> Path:
    """Write what a tutorial does as one script of bash, with the files that it shows."""
    lines = ["set -euo pipefail"]
    found = [block for block in blocks(page) if block.language in languages or block.title]
    for number, block in enumerate(found):
        if block.title:
            name = shlex.quote(block.title)
            lines.append(f"cat > {name} <<'END-OF-FILE'\n{block.text}END-OF-FILE")
        elif block.language == "bash":
            lines.append(block.text)
        elif number and found[number - 1].language == "python":
            with (place / lines[-1].split()[-1]).open("a") as part:
                part.write(block.text)
        else:
            (place / f"part{number}.py").write_text(block.text)
            lines.append(f"python part{number}.py")
    script = place / "tutorial.sh"
    script.write_text("\n".join([*lines, ""]))
    return script


def write_commands(folder: Path) -> Path:
    """Write `bgpvs-wf` and `python` into a folder, those of this checkout and interpreter."""
    folder.mkdir()
    for name, words in (("bgpvs-wf", "-m bgpvs_wf "), ("python", "")):
        command = folder / name
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words}"$@"\n')
        command.chmod(0o755)
    return folder
