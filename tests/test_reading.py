"""Files that are no files: refused at once, with what they are."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bgpvs_wf.reading import is_regular, load_json, load_toml, load_yaml, open_regular, read_text

DEEP = 200_000


def test_a_pipe_is_refused_without_waiting(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.json")
    script = f"from bgpvs_wf.reading import read_bytes; read_bytes({str(tmp_path / 'pipe.json')!r})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert "it is a pipe, not a regular file" in done.stderr
    assert not is_regular(tmp_path / "pipe.json")


def test_sockets_folders_and_devices_are_named(tmp_path: Path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "s"))
    for path, kind in ((tmp_path, "a folder"), (Path("/dev/null"), "a device")):
        with pytest.raises(OSError, match=f"it is {kind}"):
            open_regular(path)
    with pytest.raises(OSError, match=r"socket|No such device"):
        open_regular(tmp_path / "s")
    server.close()


def test_a_link_to_a_file_is_read(tmp_path: Path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfage")
    (tmp_path / "b.txt").symlink_to(tmp_path / "a.txt")
    assert read_text(tmp_path / "b.txt") == "age"
    assert is_regular(tmp_path / "b.txt")


@pytest.mark.parametrize(
    ("load", "text"),
    [
        (load_json, "[" * DEEP),
        (load_json, '{"a":' * DEEP),
        (load_toml, "a = " + "[" * DEEP),
        (load_toml, "a = " + "{b = " * DEEP),
        (load_yaml, "[" * 5_000),
        (load_yaml, "a: {" * 5_000),
        (load_yaml, "when: 2026-99-99"),
        (load_yaml, "a: !!python/object:os.system x"),
        (load_json, "{'a': 1}"),
        (load_toml, "a = = 1"),
    ],
)
def test_what_cannot_be_parsed_is_a_value_error_of_one_line(tmp_path: Path, load, text: str):
    (tmp_path / "file").write_text(text)
    with pytest.raises(ValueError, match=r"\S") as caught:
        load(tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_a_path_with_nul_is_an_os_error():
    with pytest.raises(OSError, match="NUL"):
        open_regular("a\0b")
