"""That the places which name the version agree, told by what a release runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMES = (".ci/versions.py", "bgpvs_wf/_version.py", "CITATION.cff", "CHANGES.md")


def _check(root: Path, *tag: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, root / ".ci/versions.py", *tag],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path):
    """Make a copy of what names the version, as it is where 1.2.0 is released."""
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bgpvs_wf/_version.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("version: 1.2.0\ndate-released: 2030-01-31\n")
    (tmp_path / "CHANGES.md").write_text("# Changes\n\n## 1.2.0 (2030-01-31)\n\n## 1.1.0 (2029)\n")
    return tmp_path


def test_this_tree_agrees():
    done = _check(ROOT)
    assert (done.returncode, done.stdout) == (0, "All places name the same version.\n")


def test_a_release_is_tagged_by_its_version(tree):
    assert _check(tree, "v1.2.0").returncode == 0


@pytest.mark.parametrize(
    ("name", "text", "tag", "told"),
    [
        ("CITATION.cff", "version: 1.1.0\n", (), "CITATION.cff: version is 1.1.0"),
        ("CITATION.cff", "version: 1.2.0\n", (), "CITATION.cff: a release has its date-released"),
        ("CHANGES.md", "## 1.2.0 (not released)\n", (), "CHANGES.md: the first heading"),
        ("CHANGES.md", "## 1.2.0 (2030-01-30)\n", (), "not '1.2.0 (2030-01-31)'"),
        ("CITATION.cff", "", ("v1.2.1",), "tag v1.2.1: bgpvs_wf/_version.py says 1.2.0"),
        ("bgpvs_wf/_version.py", '__version__ = "1.2.0.dev3"\n', ("v1.2.0.dev3",), "not a release"),
        ("bgpvs_wf/_version.py", '__version__ = "1.2"\n', (), "neither like 1.2.3"),
    ],
)
def test_what_does_not_fit_is_named(tree, name, text, tag, told):
    (tree / name).write_text(text)
    done = _check(tree, *tag)
    assert done.returncode == 1
    assert told in done.stdout
