"""Every call of the program that the documentation shows is one that the program understands."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from fences import DOCS, ROOT, blocks

from bgpvs_wf.cli.main import VERBS, build_parser
from bgpvs_wf.cli.parser import Parser
from bgpvs_wf.errors import UsageError

PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
_CALL = re.compile(r"^\s*(?:\$ )?bgpvs-wf (?P<words>.*)")
_SPAN = re.compile(r"`bgpvs-wf ([^`]*)`")


@pytest.fixture(scope="module")
def parser() -> Parser:
    return build_parser()


def calls(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the calls in the blocks of a page, each with its line."""
    for block in blocks(page):
        if block.example or block.language in ("text", "python", "toml"):
            continue
        lines = block.text.splitlines()
        for number, line in enumerate(lines):
            call = _CALL.match(line)
            if call:
                words, rest = call["words"], iter(lines[number + 1 :])
                while words.endswith("\\"):
                    words = words[:-1] + next(rest)
                yield block.line + number, re.split(r" (?:\|\|?|&&|;|>) ", words)[0]


def refused(parser: Parser, words: list[str]) -> str:
    """Say why the program would refuse words; empty if it would not."""
    try:
        parser.leaf(words).check_options(words)
        parser.parse_args(words)
    except (UsageError, argparse.ArgumentError) as error:
        return str(error)
    except SystemExit as end:
        return "" if end.code == 0 else "see the usage above"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_call_is_understood(page, parser):
    wrong = {}
    for line, text in calls(page):
        words = shlex.split(text, comments=True)
        if words[0] not in VERBS and not words[0].startswith("-"):
            words = ["run", *words]
        reason = refused(parser, words)
        if reason:
            wrong[f"{page.name}:{line}: bgpvs-wf {text}"] = reason
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_option_in_a_sentence_is_there(page, parser):
    wrong = []
    for text in _SPAN.findall(" ".join(page.read_text(encoding="utf-8").split())):
        words = text.split()
        if words[0] in VERBS:
            known = parser.leaf(words)._option_string_actions
            given = [word.partition("=")[0] for word in words if word.startswith("--")]
            wrong += [f"bgpvs-wf {text}: {name}" for name in given if name not in known]
    assert not wrong


def test_a_wrong_call_is_found(parser, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n```bash\nbgpvs-wf run bids out --nproc 2 | head\n```\n\n"
        "    $ bgpvs-wf validate bids out \\\n        --cases no\n\n"
        "<!-- example -->\n\n    bgpvs-wf sunrise\n\nAnd:\n\n"
        "    bgpvs-wf run bids out  # all of them\n"
    )
    found = {line: refused(parser, shlex.split(text, comments=True)) for line, text in calls(page)}
    assert list(found) == [4, 7, 16]
    assert "--nproc" in found[4] or "usage" in found[4]
    assert "--cases" in found[7]
    assert found[16] == ""
