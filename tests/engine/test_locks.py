from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from bgpvs_wf.engine import locks
from bgpvs_wf.engine.locks import Lock, holder
from bgpvs_wf.errors import BGPVSError

_HOLD = """
import sys, time
from pathlib import Path
from bgpvs_wf.engine.locks import Lock
assert Lock(Path(sys.argv[1])).take() is None
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Return a process that holds the lock."""
    path = tmp_path / "ledger" / "sub-01.lock"
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"SLURM_ARRAY_JOB_ID": "812", "SLURM_ARRAY_TASK_ID": "17"},
    )
    assert process.stdout.readline() == "held\n"
    yield process, path
    process.kill()
    process.wait()


def test_one_at_a_time(other):
    process, path = other
    lock = Lock(path)
    held = lock.take()
    assert held.pid == process.pid
    assert str(held).startswith("job 812_17 on ")
    assert holder(path) == held
    lock.free()  # what another process has stays
    assert holder(path) == held


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_lock_ends_with_its_process(other, number):
    process, path = other
    process.send_signal(number)
    process.wait()
    assert holder(path) is None
    with Lock(path) as lock:
        assert lock.take() is None
        assert holder(path).pid == os.getpid()
    assert not path.exists()


def test_a_look_keeps_nobody_out(tmp_path):
    """Looking takes a moment in which the lock cannot be had; it is tried again."""
    path = tmp_path / "sub-01.lock"
    path.touch()
    for _ in range(20):
        assert holder(path) is None
        with Lock(path) as lock:
            assert lock.take() is None


def test_a_lock_that_is_freed_while_it_is_opened(tmp_path, monkeypatch):
    """The file that was opened is no longer the one that is there."""
    path, opened = tmp_path / "sub-01.lock", []
    whole = Lock._open

    def slow(self):
        opened.append(whole(self))
        if len(opened) == 1:
            path.unlink()
        return opened[-1]

    monkeypatch.setattr(Lock, "_open", slow)
    with Lock(path) as lock:
        assert lock.take() is None
        assert os.path.samestat(os.stat(path), os.fstat(opened[-1]))
    assert len(opened) == 2


def test_a_disk_without_locks_lets_everybody_in(tmp_path, monkeypatch, caplog):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with Lock(tmp_path / "a.lock") as one, Lock(tmp_path / "a.lock") as two:
        assert one.take() is None
        assert two.take() is None
    assert "knows no locks" in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(BGPVSError, match="make the folder writable"):
        Lock(tmp_path / "ledger" / "sub-01.lock").take()


def _link(path, target):
    path.symlink_to(target)


def _hard_link(path, target):
    path.hardlink_to(target)


def _dangling(path, target):
    path.symlink_to(target.with_name("made"))


def _fifo(path, target):
    os.mkfifo(path)


def _folder(path, target):
    path.mkdir()


def _device(path, target):
    path.symlink_to("/dev/null")


def _socket(path, target):
    import socket

    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


@pytest.mark.parametrize("make", [_link, _hard_link, _dangling, _fifo, _folder, _device, _socket])
def test_what_lies_in_place_of_a_lock_is_named_and_left_alone(tmp_path, make):
    target = tmp_path / "mine.txt"
    target.write_text("months of work")
    path = tmp_path / "sub-01.lock"
    make(path, target)
    assert holder(path) is None
    with pytest.raises(BGPVSError, match=r"sub-01\.lock is no lock .*remove it\.$"):
        Lock(path).take()
    assert target.read_text() == "months of work"
    assert not target.with_name("made").exists()
    assert os.path.lexists(path)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "ledger").touch()
    with pytest.raises(BGPVSError, match="Cannot write"):
        Lock(tmp_path / "ledger" / "sub-01.lock").take()


def test_a_lock_that_nobody_signed(tmp_path):
    """Whoever took it has not written yet who it is."""
    path = tmp_path / "sub-01.lock"
    hold = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); "
        "print(1, flush=True); time.sleep(9)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(path)], stdout=subprocess.PIPE) as one:
        one.stdout.readline()
        start = time.monotonic()
        assert "a moment ago" in str(Lock(path).take())
        assert time.monotonic() - start < 5
        one.kill()
