from __future__ import annotations

import os
from pathlib import Path

import pytest

from bgpvs_wf.engine import resources
from bgpvs_wf.errors import UsageError


@pytest.mark.parametrize(
    ("quota", "expected"), [("50000 100000", 1), ("max 100000", None), ("", None), ("x y", None)]
)
def test_a_container_s_quota_counts(tmp_path, quota, expected):
    (tmp_path / "cpu.max").write_text(quota)
    everything = resources.processors(tmp_path / "nowhere")
    assert resources.processors(tmp_path) == (expected or everything)
    assert 1 <= everything <= (os.cpu_count() or 1)


def test_the_smaller_memory_counts(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       16777216 kB\nMemFree: 1 kB\n")
    assert resources.memory_gb(tmp_path, meminfo) == 16.0
    (tmp_path / "memory.max").write_text(f"{4 * 1024**3}\n")
    assert resources.memory_gb(tmp_path, meminfo) == 4.0
    (tmp_path / "memory.max").write_text("max\n")
    assert resources.memory_gb(tmp_path, meminfo) == 16.0
    assert resources.memory_gb(tmp_path, tmp_path / "nowhere") == 0.0


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    resources.require_writable(tmp_path / "a" / "b", "work folder")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="work folder"):
        resources.require_writable(tmp_path / "file" / "folder", "work folder")


def test_a_full_disk(tmp_path, monkeypatch):
    class Full:
        def __init__(self, dir: Path) -> None: ...

        def __enter__(self):
            return self

        def __exit__(self, *args) -> None: ...

        def write(self, content: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(resources.tempfile, "TemporaryFile", Full)
    with pytest.raises(UsageError, match="No space left on device"):
        resources.require_writable(tmp_path, "output folder")
