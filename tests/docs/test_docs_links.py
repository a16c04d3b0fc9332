"""Links of the documentation lead somewhere, and its lines are short."""

from __future__ import annotations

import re
import subprocess
import unicodedata
from pathlib import Path

import pytest
from fences import DOCS, ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGES.md", *sorted(DOCS.rglob("*.md"))]
LONGEST = 120
_LINK = re.compile(r"\]\((?P<file>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
_NAMED = re.compile(r"\bdocs/[\w./-]*\.\w+")
_FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)


def text_of(page: Path) -> str:
    """Return a page without its fenced code."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as Python-Markdown makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", text_of(page), flags=re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)|[`*]", r"\1", heading)
        plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
        found.add(re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower()))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    wrong = []
    for link in _LINK.finditer(text_of(page)):
        if "://" in link["file"]:
            continue
        target = (page.parent / link["file"]).resolve() if link["file"] else page
        if not target.exists() or (link["anchor"] and link["anchor"] not in anchors(target)):
            wrong.append(link[0])
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_short(page):
    inside, long = False, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        inside ^= line.lstrip().startswith("```")
        plain = line.lstrip().startswith(("|", "![", "```")) or line.startswith("    ")
        if len(line) > LONGEST and not inside and not plain:
            long.append(f"{page.name}:{number}: {len(line)}")
    assert not long


def test_pages_that_code_names_are_there():
    told = subprocess.run(
        ["git", "grep", "-nIE", r"\bdocs/[a-z]", "--", ":!docs", ":!tests/docs"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not told.stdout:
        pytest.skip("no git, or nothing is named")
    wrong = []
    for line in told.stdout.splitlines():
        wrong += [line for name in _NAMED.findall(line) if not _is_there(line, name)]
    assert not wrong


def _is_there(line: str, name: str) -> bool:
    # Models have a folder of that name, too.
    in_model = name in ("docs/README.md", "docs/curves.svg", "docs/held_out.tsv")
    return in_model or (ROOT / name).exists()
