"""Datasets that verbs make for themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bgpvs_wf.engine.record import describe
from bgpvs_wf.studies.datasets import once
from bgpvs_wf.studies.datasets.once import jobs_here, make_once
from bgpvs_wf.studies.observer import Observer


class Heard(Observer):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, *lines: str) -> None:
        self.lines += lines


def _make(folder: Path) -> None:
    folder.mkdir()
    for name in ("a.txt", "dataset_description.json"):
        (folder / name).write_text("{}")


def test_what_a_stopped_call_left_is_finished(tmp_path):
    bids, old = tmp_path / "bids", tmp_path / "bids.old"
    make_once(bids, describe({"seed": 1}), _make)
    _make(old)
    os.utime(old / "a.txt", ns=(10**9, 10**9))
    make_once(bids, describe({"seed": 1}), _make)
    assert (bids / "a.txt").stat().st_mtime_ns == 10**9
    assert not old.exists()


def test_why_a_dataset_is_made_again_is_said(tmp_path):
    heard = Heard()
    for seed in (1, 1, 2):
        make_once(tmp_path / "bids", describe({"seed": seed}), _make, heard)
    assert heard.lines == [
        f"Making the infants in {tmp_path / 'bids'} ...",
        f"Making the infants in {tmp_path / 'bids'} again (seed was 1, is 2) ...",
    ]


@pytest.mark.parametrize(
    ("nprocs", "memory", "jobs"),
    [(200, 64.0, 8), (2, 64.0, 2), (200, 4.0, 2), (3, 0.5, 1), (3, 0, 3)],
)
def test_infants_are_made_on_this_machine(monkeypatch, nprocs, memory, jobs):
    monkeypatch.setattr(once, "processors", lambda: 8)
    monkeypatch.setattr(once, "memory_gb", lambda: memory)
    assert jobs_here(nprocs) == jobs
