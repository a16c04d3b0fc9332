"""Tutorials: all that they tell their readers to do is done, in an empty folder."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest
from cluster import running_cluster, why_not
from fences import DOCS, write_commands, write_script

ELSEWHERE = {"index", "python"}
"""`python` is run by `test_tutorial_python.py`."""
LEAVES = {
    "annotate-and-finetune": "scores/evaluation.html",
    "cohort-on-slurm": "out/group.html",
    "figure": "figure.png",
    "first-infant": "mine/sub-infant.html",
    "own-atlas": "scores/evaluation.html",
    "scanner": "validation/validation.html",
}
"""What each leaves at its end."""


def test_no_tutorial_is_left_out():
    assert {page.stem for page in (DOCS / "tutorials").glob("*.md")} == {*LEAVES, *ELSEWHERE}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAVES)
def test_a_tutorial_runs(name, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    commands = write_commands(tmp_path / "bin")
    environment = os.environ | {"PATH": f"{commands}:{os.environ['PATH']}"}
    script = write_script(DOCS / "tutorials" / f"{name}.md", place)
    with contextlib.ExitStack() as stack:
        if "slurm" in name:
            if why_not():
                pytest.skip(why_not())
            environment |= stack.enter_context(running_cluster(tmp_path / "cluster")).environment
        done = subprocess.run(
            ["bash", "-x", str(script)],
            cwd=place,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1800,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-3000:]
    assert (place / LEAVES[name]).is_file()
