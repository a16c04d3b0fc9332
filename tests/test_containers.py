"""What builds the container, and what describes it to platforms, go by the package."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bgpvs_wf.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
CONTAINERS = ROOT / "containers"


def _text(name: str) -> str:
    return (CONTAINERS / name).read_text(encoding="utf-8")


def _of_package() -> configparser.ConfigParser:
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / "setup.cfg")
    return parsed


def test_a_version_that_the_package_allows_is_pinned_of_all_that_it_needs():
    lines = [line for line in _text("constraints.txt").splitlines() if not line.startswith("#")]
    pinned = dict(line.split("==") for line in lines)
    assert list(pinned) == sorted(canonicalize_name(name) for name in pinned)
    for line in _of_package()["options"]["install_requires"].split():
        needed = Requirement(line)
        assert pinned[canonicalize_name(needed.name)] in needed.specifier, line


def test_what_is_copied_into_the_image_is_there_and_makes_the_package():
    (parts,) = re.findall(r"for part in (.+); do", _text("install.sh"))
    for part in parts.split():
        assert (ROOT / part).exists(), part
        assert f"    {part} /source/{part}\n" in _text("apptainer.def")
        assert f"!{part}\n" in (ROOT / ".dockerignore").read_text()
    links = [path for path in (ROOT / "bgpvs_wf").iterdir() if path.is_symlink()]
    assert {path.name for path in links} <= set(parts.split())


def test_both_definitions_install_by_one_script_on_one_base():
    (base,) = re.findall(r"^ARG BASE=(\S+)", _text("Dockerfile"), re.MULTILINE)
    assert f"\nFrom: {base}\n" in _text("apptainer.def")
    for name in ("Dockerfile", "apptainer.def"):
        assert "install.sh /source" in _text(name)
    (entry,) = re.findall(r"^ENTRYPOINT (.+)", _text("Dockerfile"), re.MULTILINE)
    command = json.loads(entry)
    assert command == [name.split(" ")[0] for name in _scripts()]
    assert f'exec {command[0]} "$@"' in _text("apptainer.def")


def _scripts() -> list[str]:
    lines = _of_package()["options.entry_points"]["console_scripts"].strip().splitlines()
    return [line.strip() for line in lines]


VALUES = {"String": "some", "File": "some.file"}


@pytest.mark.parametrize(
    "one", json.loads(_text("boutiques.json"))["inputs"], ids=lambda x: x["id"]
)
def test_each_input_of_the_descriptor_is_taken_on_the_command_line(monkeypatch, one):
    seen = {}
    monkeypatch.setattr("bgpvs_wf.cli.run.run", lambda args: seen.update(vars(args)) or 0)
    value = VALUES.get(one["type"], "")
    if "value-choices" in one:
        value = one["value-choices"][-1]
    elif one["type"] == "Number":
        value = "1" if one["integer"] else "0.5"
    elif one.get("list"):
        value = f"a=b{one.get('list-separator', ' ')}c=d"
    flag = one.get("command-line-flag", "")
    words = shlex.split(f"{flag} {value}") if flag else []
    level = value if one["id"] == "analysis_level" else "participant"
    assert main(["my_bids", "my_out", level, *words]) == 0
    assert seen["analysis_level"] == level
