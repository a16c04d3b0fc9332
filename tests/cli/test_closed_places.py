"""Folders without permission, names that are not UTF-8, terminals that are ASCII: one line each."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from program import PROGRAM
from test_special_files import site  # noqa: F401

_PR_CAPBSET_DROP = 24
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2
_RUN = (
    "run bids out --segmentation pseudolabel --derivatives d=deriv --anatomy derivatives "
    "--plugin Linear --nprocs 1 --mem 4"
)
_MULTI = _RUN.replace("Linear", "MultiProc")
_ODD = os.fsdecode(b"d\xe9f")


def obey() -> None:
    """Make root, who runs the tests in containers, ask for permission as others do."""
    if os.geteuid() == 0:
        for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
            ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def call(
    root: Path, words: str, before: tuple[str, ...] = (), **environment: str
) -> tuple[int, str]:
    """Call the program as somebody with no rights; return status and what it says."""
    done = subprocess.run(
        [*before, *PROGRAM, *words.split()],
        capture_output=True,
        cwd=root,
        env=os.environ | {"BGPVS_WF_ATLASES": str(root / "atlases")} | environment,
        preexec_fn=obey,
        timeout=200,
        check=False,
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert "Traceback" not in said
    return done.returncode, said


def _close(name: str, mode: int = 0) -> Callable[[Path], None]:
    def close(root: Path) -> None:
        if not (root / name).exists():
            (root / name).mkdir(parents=True)
        (root / name).chmod(mode)

    return close


def _odd_file(name: bytes) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        path = root / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    return make


CLOSED = {
    "dataset": (_close("bids"), 2, "The dataset {root}/bids cannot be read"),
    "dataset, listed": (_close("bids", 0o444), 2, "The dataset {root}/bids cannot be read"),
    "subject": (_close("bids/sub-01"), 1, "sub-01: you may not read it"),
    "anat": (_close("bids/sub-01/anat", 0o444), 1, "sub-01_T2w.nii.gz cannot be read"),
    "subject, listed": (_close("bids/sub-01", 0o444), 1, "sub-01/anat: you may not read it"),
    "anat, hidden": (_close("bids/sub-01/anat"), 1, "sub-01/anat: you may not read it"),
    "description": (
        _close("bids/dataset_description.json"),
        2,
        "dataset_description.json: permission denied; repair it",
    ),
    "derivatives": (_close("deriv"), 2, "The derivatives 'd' {root}/deriv cannot be read"),
    "subject's derivatives": (_close("deriv/sub-01"), 1, "sub-01: you may not read it"),
    "scan": (_close("bids/sub-01/anat/sub-01_T2w.nii.gz"), 1, "T2w.nii.gz cannot be read"),
    "output": (_close("out", 0o555), 2, "The output folder {root}/out cannot be written to"),
    "output, hidden": (_close("out"), 2, "The output folder {root}/out cannot be written to"),
    "work": (_close("work", 0o555), 2, "The work folder {root}/work cannot be written to"),
    "logs": (_close("out/logs"), 1, "Permission denied"),
    "ledger": (_close("out/logs/ledger", 0o555), 1, "ledger/sub-01.lock: Permission denied"),
    "file": (
        _odd_file(b"bids/sub-01/anat/sub-01_acq-\xff_T2w.nii.gz"),
        0,
        r"sub-01_acq-\udcff_T2w.nii.gz: 'acq-\udcff' in its name is no BIDS label",
    ),
    "folder": (_odd_file(b"bids/sub-\xff/anat/x_T2w.nii.gz"), 1, "rename the folder"),
    "derivative": (
        _odd_file(b"deriv/sub-01/anat/sub-01_desc-\xe9_dseg.nii.gz"),
        0,
        "in its name is no BIDS label",
    ),
}
"""How something is closed or odd, the status then, and what is said."""
_FAST = ("dataset", "subject", "output")


@pytest.mark.parametrize(
    "case",
    [pytest.param(name, marks=[] if name in _FAST else [pytest.mark.slow]) for name in CLOSED],
)
def test_what_is_closed_is_named_and_others_go_on(
    site: Path,  # noqa: F811
    tmp_path: Path,
    case: str,
) -> None:
    close, expected, message = CLOSED[case]
    shutil.copytree(site, tmp_path, dirs_exist_ok=True)
    close(tmp_path)
    try:
        status, said = call(tmp_path, _RUN)
    finally:
        for path in tmp_path.rglob("*"):  # so that it can be removed
            path.chmod(0o755)
    assert (status, message.format(root=tmp_path) in said) == (expected, True), said
    assert expected == 2 or "Done: sub-0" in said or case in ("logs", "ledger")


@pytest.mark.parametrize("place", ["bids", "deriv", "out", "work", "here"])
def test_a_path_that_is_not_utf8_is_refused(site: Path, tmp_path: Path, place: str) -> None:  # noqa: F811
    odd = tmp_path / _ODD
    shutil.copytree(site, odd)
    if place == "here":
        status, said = call(odd, _RUN)
    else:
        shutil.copytree(site, tmp_path, dirs_exist_ok=True)
        words = f"{_RUN} -w work".replace("d=deriv", "d=./deriv")
        words = words.replace("./deriv" if place == "deriv" else f" {place}", f" {_ODD}/{place}")
        status, said = call(tmp_path, words.replace("d= ", "d="))
    assert status == 2
    assert r"d\udce9f" in said
    assert "is not UTF-8" in said


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_a_terminal_without_these_letters_is_told_all_the_same(
    site: Path,  # noqa: F811
    tmp_path: Path,
    environment: dict[str, str],
) -> None:
    """What is there but cannot be shown is refused or written some other way, never a traceback."""
    there = tmp_path / "élève"
    shutil.copytree(site, there)
    status, said = call(
        tmp_path,
        f"{_RUN} --dry-run".replace("bids", "élève/bids", 1).replace("d=", "d=élève/"),
        **environment,
    )
    assert status in (0, 1, 2)
    assert "sub-01" in said or "is not UTF-8" in said


def _without_shared_memory() -> tuple[str, ...]:
    return ("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro none /dev/shm && exec "$@"', "x")


@pytest.mark.parametrize("words", [_MULTI, pytest.param(_RUN, marks=pytest.mark.slow)])
def test_processes_that_can_share_nothing(site: Path, tmp_path: Path, words: str) -> None:  # noqa: F811
    before = _without_shared_memory()
    tried = subprocess.run([*before, "true"], capture_output=True, check=False)
    if tried.returncode or sys.platform != "linux":
        pytest.skip("a file system can be mounted by root only")
    shutil.copytree(site, tmp_path, dirs_exist_ok=True)
    status, said = call(tmp_path, words, before)
    if words == _RUN:
        assert status == 0
    else:
        assert status == 2
        assert "make /dev/shm writable, or use --plugin Linear" in said


@pytest.mark.slow
def test_folders_whose_names_are_commands(site: Path, tmp_path: Path) -> None:  # noqa: F811
    """The whole program, in the folder it works in by default: it runs, and nothing else does."""
    root = tmp_path / "$(touch executed) `touch executed`; touch executed; a,b 'c' \"d\" ~ 5% #"
    shutil.copytree(site, root)
    for words, expected in ((f"{_RUN} --dry-run", 0), (_MULTI, 0), ("status out", 0)):
        status, said = call(root, words)
        assert status == expected, said
    assert (root / "out/sub-01.html").is_file()
    assert not [at for at, _, files in os.walk(tmp_path) if "executed" in files]
