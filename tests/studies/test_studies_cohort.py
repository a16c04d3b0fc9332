"""A cohort that is run from Python: silent, and otherwise as from the command line."""

from __future__ import annotations

import ast
import logging
import os
import re
import sys
from pathlib import Path

import pytest
import toy_workflow

import bgpvs_wf
from bgpvs_wf.cli.terminal import Terminal
from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.progress import RUNNING, Event
from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.studies.cohort import run_cohort
from bgpvs_wf.studies.observer import Observer
from bgpvs_wf.studies.process import machine_for_scoring, workflow_process

_NODE = re.compile(r"\d\d:\d\d:\d\d sub-")
_RUN = re.compile(r"\d{8}-\d{6}_\d+")
_CRASH = re.compile(r"crash-\S+")


class Notes(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, *lines: str) -> None:
        self.lines += lines


@pytest.fixture
def cohort(site, monkeypatch):
    """Return the command line on two subjects, and a function that makes a `RunConfig` for them."""
    monkeypatch.setitem(sys.modules, "bgpvs_wf.workflows.base", toy_workflow)
    site.add("01")
    site.add("02")

    def config(out: str) -> RunConfig:
        return RunConfig(
            bids_dir=site.bids,
            output_dir=site.root / out,
            work_dir=site.root / f"{out}-work",
            segmentation="pseudolabel",
            plugin="Linear",
        )

    return site, config


def files(folder: Path) -> set[str]:
    """Return the files below a folder; logs of a run are in a folder of time and process."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {_RUN.sub("RUN", path.as_posix()) for path in found}


def test_python_says_nothing_and_leaves_the_same_files(cohort, capfd):
    site, config = cohort
    report = run_cohort(config("python"))
    assert capfd.readouterr() == ("", "")
    assert report.complete
    assert report.labels("done") == ["sub-01", "sub-02"]
    done = site.run("-w", site.root / "work")
    assert done.returncode == 0, done.stdout
    ours, theirs = site.root / "python", site.out
    assert files(ours) == files(theirs)
    assert {"logs/RUN/run.log", "logs/RUN/config.toml", "logs/ledger/sub-01.json"} < files(ours)
    for name in ("group_bgpvs.tsv", "dataset_description.json"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    assert report.group_table == ours / "group_bgpvs.tsv"
    # Nor does either run what the other has finished.
    again = site.call("run", site.bids, ours, "-w", site.root / "python-work")
    assert "Nothing to do: sub-01, sub-02 finished before" in again.stdout


@pytest.mark.parametrize("text", ["fine", "truncated"])
def test_an_observer_is_told_what_the_terminal_shows(cohort, text):
    site, config = cohort
    site.add("02", text)
    notes = Notes()
    run_cohort(config("python"), observer=notes, verbose=1)
    shown = site.run("-v", "--nprocs", str(os.cpu_count()), "-w", site.root / "work").stdout

    def alike(lines: list[str], out: Path, work: Path) -> list[str]:
        named = [line.replace(str(work), "WORK").replace(str(out), "OUT") for line in lines]
        told = [_RUN.sub("RUN", line) for line in named]
        return [_CRASH.sub("CRASH", line) for line in told]

    theirs = [line for line in shown.splitlines() if not _NODE.match(line)]
    ours = alike(notes.lines, site.root / "python", site.root / "python-work")
    assert ours == alike(theirs, site.out, site.root / "work")
    assert any("will run" in line for line in theirs)
    assert any("truncated" in line for line in theirs) == (text == "truncated")


def test_the_terminal_writes_lines_and_nodes(capsys):
    terminal = Terminal()
    terminal.say("a", "b")
    terminal.display().show([Event("sub-01", "prepare", RUNNING)])
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["a", "b"]
    assert said[2].endswith("sub-01: prepare started")
    silent = Observer()
    silent.say("a")
    silent.display().show([Event("sub-01", "prepare", RUNNING)])
    with silent.watch_training(Path()):
        pass
    assert capsys.readouterr().out == ""


def test_why_there_is_no_table_reaches_the_caller(cohort):
    _, config = cohort
    notes = Notes()
    report = run_cohort(config("empty"), levels=("group",), observer=notes)
    assert isinstance(report.group_error, BGPVSError)
    assert "run the participant level first" in str(report.group_error)
    assert not report.complete
    assert notes.lines == report.lines()
    assert not (config("empty").output_dir).exists()


def test_a_level_alone(cohort):
    site, config = cohort
    report = run_cohort(config("out"), levels=("participant",))
    assert report.group_table is None
    assert not (site.out / "group_bgpvs.tsv").exists()
    assert run_cohort(config("out"), levels=("group",)).group_table.is_file()


def test_unknown_participants_are_an_error_and_no_exit(cohort):
    _, config = cohort
    chosen = {**config("out").to_mapping(), "participant_label": ["77"]}
    with pytest.raises(UsageError, match="No participant 77"):
        run_cohort(RunConfig.from_mapping(chosen))


def test_the_process_is_as_before_when_a_cohort_was_run(cohort, monkeypatch):
    _, config = cohort
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    ours = logging.getLogger("bgpvs_wf")
    before, level = dict(os.environ), ours.level
    run_cohort(config("out"))
    assert dict(os.environ) == before
    assert ours.level == level
    with workflow_process(3):
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "3"
    assert dict(os.environ) == before


def test_settings_of_the_machine(tmp_path):
    machine, threads = machine_for_scoring({"nprocs": 2}, tmp_path)
    assert machine == {"nprocs": 2, "work_dir": Path("work").absolute()}
    assert threads == 2
    with pytest.raises(UsageError, match="does not wait for its jobs"):
        machine_for_scoring({"plugin": "SLURMGraph"}, tmp_path)


def test_only_the_command_line_knows_the_command_line():
    root = Path(bgpvs_wf.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if path.is_relative_to(root / "cli") or path.name == "__main__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", ())]
            names.append(getattr(node, "module", None) or "")
            assert not [name for name in names if name and name.startswith("bgpvs_wf.cli")], path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", path
