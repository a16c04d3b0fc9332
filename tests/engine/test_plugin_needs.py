"""What a plugin needs is asked before anything is written or handed over."""

from __future__ import annotations

import errno
import os

import pytest

from bgpvs_wf.engine.plugin_needs import require_needs
from bgpvs_wf.engine.plugins import PLUGINS
from bgpvs_wf.errors import UsageError

_COMMANDS = (
    *("sbatch", "squeue", "qsub", "qstat", "bsub", "bjobs", "oarsub", "oarstat"),
    *("condor_qsub", "condor_q", "condor_submit_dag"),
)
_SUBMITTING = [plugin for plugin in PLUGINS if plugin[0] in "SPOC" or plugin == "LSF"]


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Put the commands of every batch system on PATH; each would leave a trace."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in _COMMANDS:
        (folder / name).write_text(f"#!/bin/sh\ntouch {folder}/called\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_there_are_ten_that_submit():
    assert len(_SUBMITTING) == 10


@pytest.mark.parametrize("plugin", _SUBMITTING)
def test_a_batch_system_that_is_not_here(plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        UsageError, match=rf"^There is no command \w+ here, which --plugin {plugin}"
    ):
        require_needs(plugin, {}, tmp_path)


@pytest.mark.parametrize("plugin", _SUBMITTING)
@pytest.mark.parametrize(
    "name",
    ["a b", "$(touch x)", "`x`", "x;y", "it's", "[x]", "a,b", "x\ny", "~", "*", "50%", "é", "a#"],
)
def test_a_folder_that_a_script_would_not_hold(plugin, name, commands, tmp_path):
    require_needs(plugin, {}, tmp_path / "work_1.2-3+4")
    with pytest.raises(UsageError, match="work folder") as caught:
        require_needs(plugin, {}, tmp_path / name)
    assert "\n" not in str(caught.value)
    assert not (commands / "called").exists()


def test_a_python_that_a_script_would_not_hold(commands, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", "/opt/my python/bin/python")
    with pytest.raises(UsageError, match="Python '/opt/my python/bin/python'"):
        require_needs("SLURM", {}, tmp_path)


@pytest.mark.parametrize(
    ("value", "message"),
    [('"open', "open quotation"), ("it's", "open quotation"), ("-p x\ntouch y", "line break")],
)
def test_options_that_a_script_would_not_hold(value, message, commands, tmp_path):
    with pytest.raises(UsageError, match=rf"sbatch_args of --plugin-args .*{message}") as caught:
        require_needs("SLURM", {"sbatch_args": value}, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("plugin", ["MultiProc", "LegacyMultiProc"])
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EROFS, "Read-only file system"),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        PermissionError(errno.EACCES, "Permission denied"),
        ImportError("This platform lacks a functioning sem_open implementation"),
    ],
)
def test_a_system_on_which_processes_share_nothing(plugin, error, tmp_path, monkeypatch):
    def fail(*args, **words):
        raise error

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", fail)
    with pytest.raises(UsageError, match=r"use --plugin Linear\.$"):
        require_needs(plugin, {}, tmp_path)
    require_needs("Linear", {}, tmp_path)


@pytest.mark.parametrize("plugin", ["SLURMGraph", "SLURM", "SGE"])
def test_a_run_is_refused_before_anything_is_touched(plugin, toy, tmp_path, monkeypatch):
    job = toy.job("01", "abc")
    assert toy.run([job])["sub-01"].state == "done"
    before = {path: path.stat().st_mtime_ns for path in toy.ledger.folder.iterdir()}
    monkeypatch.setenv("PATH", os.devnull)
    toy.job("01", "changed")
    with pytest.raises(UsageError, match="There is no command"):
        toy.run([job], plugin=plugin)
    assert {path: path.stat().st_mtime_ns for path in toy.ledger.folder.iterdir()} == before
