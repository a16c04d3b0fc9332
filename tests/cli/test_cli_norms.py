from __future__ import annotations

import pytest
from growing_infants import cohort
from program import call_program

from bgpvs_wf.cli.main import main
from bgpvs_wf.cohort.growth import fitting
from bgpvs_wf.quantification.group import write_tsv


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "RESAMPLES", 2)
    (tmp_path / "out").mkdir()
    write_tsv(cohort(61).drop(columns="age"), tmp_path / "out" / "group_bgpvs.tsv")
    return tmp_path


def test_norms_are_told_line_by_line(folder, capsys):
    words = ["norms", folder / "out", "-o", folder / "norms.json", "--page", folder / "n.html"]
    assert main([str(word) for word in words]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("bg_volume: 61 infants, 36")
    assert said[0].endswith("centiles 25 50 75")
    assert said[-2:] == [f"Norms: {folder / 'norms.json'}", f"Page: {folder / 'n.html'}"]


def test_what_cannot_be_served_is_one_line(folder):
    done = call_program(folder, "norms", "none", "-o", "norms.json")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    few = folder / "few"
    few.mkdir()
    write_tsv(cohort(5).drop(columns="age"), few / "group_bgpvs.tsv")
    done = call_program(folder, "norms", "few", "-o", "norms.json")
    assert done.returncode == 2
    assert "5 infants, where 60 are needed" in done.stderr
    assert done.stdout == ""
