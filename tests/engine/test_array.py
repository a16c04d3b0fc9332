"""Scripts for SLURM are what they are meant to be, whatever the folders are called."""

from __future__ import annotations

import os
import subprocess

import pytest

from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine import array
from bgpvs_wf.errors import UsageError

_NAMES = (
    "a b",
    "it's",
    "$(touch executed)",
    "`touch executed`",
    "; touch executed",
    "[x]",
    "50%j",
    "#x",
)


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Write scripts instead of submitting them; `bgpvs-wf` writes down what it is told."""
    monkeypatch.setattr(array.slurm, "submit", lambda script, *options: "7")
    monkeypatch.setattr(array.slurm, "largest_array", lambda: 10)
    folder = tmp_path.joinpath("here", *_NAMES)
    folder.mkdir(parents=True)
    program = folder / "python"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > told\n')
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    monkeypatch.setattr("sys.argv", [str(folder / "bgpvs-wf")])
    return folder


def _config(folder):
    return RunConfig(
        bids_dir=folder / "bids", output_dir=folder / "out", work_dir=folder / "work", nprocs=1
    )


def test_a_script_runs_one_program_and_nothing_else(scripts, tmp_path):
    config = _config(scripts)
    array.submit_arrays(config, ["sub-01", "sub-A+B"], scripts)
    asked = [
        line for line in (scripts / "array-1.sh").read_text().splitlines() if "--output" in line
    ]
    assert [line.count("50%%j") for line in asked] == [1]
    done = subprocess.run(
        ["bash", scripts / "array-1.sh"],
        cwd=tmp_path,
        env=os.environ | {"SLURM_ARRAY_TASK_ID": "1"},
        check=True,
    )
    told = (tmp_path / "told").read_text().splitlines()
    assert done.returncode == 0
    assert told[:4] == [
        str(scripts / "bgpvs-wf"),
        "run",
        str(config.bids_dir),
        str(config.output_dir),
    ]
    assert told[-2:] == ["--participant-label", "A+B"]
    assert not [at for at, _, files in os.walk(tmp_path) if "executed" in files]


def test_a_module_is_run_as_one(scripts, tmp_path, monkeypatch):
    # As a file it would have the package's own folders, such as `bids`, before all others.
    monkeypatch.setattr("sys.argv", [str(scripts / "bgpvs_wf" / "__main__.py")])
    array.submit_arrays(_config(scripts), ["sub-01"], scripts)
    environment = os.environ | {"SLURM_ARRAY_TASK_ID": "0"}
    subprocess.run(["bash", scripts / "array-1.sh"], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "told").read_text().splitlines()[:3] == ["-m", "bgpvs_wf", "run"]


@pytest.mark.parametrize("odd", ["x\ntouch executed", "x\rtouch executed", "x\x1b[2J"])
def test_a_line_break_is_no_line_of_a_script(odd, scripts, tmp_path):
    for folder, arguments in ((scripts / odd, ""), (scripts, f"--comment={odd}")):
        folder.mkdir(exist_ok=True)
        with pytest.raises(UsageError) as caught:
            array.submit_one(_config(scripts), ["sub-01"], folder, sbatch_args=arguments)
        assert "\n" not in str(caught.value)
        assert not list(folder.glob("*.sh"))


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"tasks": [], "last": 1}',
        '{"tasks": {"sub-01": null}}',
        "[" * 9000,
        "\x00",
        "7",
    ],
)
def test_a_damaged_submission_is_passed_over(text, tmp_path):
    for name, content in (("1", text), ("2", '{"tasks": {"sub-01": "7_0"}, "last": "8"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "submission.json").write_text(content)
    (tmp_path / "3").mkdir()
    os.mkfifo(tmp_path / "3" / "submission.json")
    assert [one.last for one in array.submissions(tmp_path)] == ["8"]
