"""What shells complete, asked of a real bash."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from program import call_program

from bgpvs_wf.cli.completion import SHELLS

_ASK = """
set -eu
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_shtab_bgpvs_wf 2>&1
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    done = call_program(folder, "--print-completion", "bash")
    assert done.returncode == 0, done.stderr
    path = folder / "bgpvs-wf"
    path.write_text(done.stdout)
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "found", "not_found"),
    [
        (("as",), {"associate"}, {"run"}),
        (("run", "--part"), {"--participant-label"}, {"--prediction"}),
        (("evaluate", "--pred"), {"--prediction"}, set()),
        (("atlas", "a"), {"add"}, {"list"}),
        (("run", "--segmentation", ""), {"model", "pseudolabel", "both"}, set()),
        (("run", "bids", "out", "p"), {"participant"}, {"group"}),
        (("run", ""), {"bids"}, {"settings.toml"}),
        (("status", ""), {"bids"}, {"settings.toml"}),
        (("run", "-w", ""), {"bids"}, {"settings.toml"}),
        (("run", "--config", "s"), {"settings.toml"}, {"bids"}),
        (("run", "--model", "b"), {"bids"}, {"settings.toml"}),
        (("norms", "out", "-o", "s"), {"settings.toml"}, {"bids"}),
    ],
)
def test_bash_completes(script, tmp_path, words, found, not_found):
    (tmp_path / "bids").mkdir()
    (tmp_path / "settings.toml").write_text("")
    done = subprocess.run(
        ["bash", "-c", _ASK, "bash", script, "bgpvs-wf", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = set(done.stdout.split())
    assert found <= told
    assert not told & not_found


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(tmp_path, shell):
    done = call_program(tmp_path, "--print-completion", shell)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for word in ("bgpvs-wf", "associate", "participant-label", "pseudolabel"):
        assert word in done.stdout
    # Where it goes is in the documentation.
    assert "# Usage:" not in done.stdout
    assert "Copy this to" not in done.stdout
    if shutil.which(shell):
        checked = subprocess.run(
            [shell, "-n"], input=done.stdout, text=True, capture_output=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")


def test_a_shell_that_is_not_known_is_refused(tmp_path):
    done = call_program(tmp_path, "--print-completion", "csh")
    assert done.returncode == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr
