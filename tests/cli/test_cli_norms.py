from __future__ import annotations

import json

import numpy as np
import pytest
from growing_infants import cohort
from program import call_program

from bgpvs_wf.cli.main import main
from bgpvs_wf.cohort.growth import fitting
from bgpvs_wf.cohort.growth.norms import make_norms
from bgpvs_wf.cohort.growth.norms_file import write_norms
from bgpvs_wf.quantification.group import write_tsv
from bgpvs_wf.tsv import read_tsv


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


def test_published_values_need_a_page(folder, capsys):
    (folder / "marks.tsv").write_text("measure\tage_weeks\tvalue\tsource\nbg\t50\t1\tA\n")
    words = ["norms", folder / "out", "-o", folder / "norms.json", "--marks", folder / "marks.tsv"]
    assert main([str(word) for word in words]) == 2
    assert "give --page" in capsys.readouterr().err
    assert main([str(word) for word in [*words, "--page", folder / "n.html"]]) == 1
    assert "'bg', which is no measure; there are bg_volume, pvs" in capsys.readouterr().err
    assert not (folder / "norms.json").exists()


def test_what_cannot_be_served_is_one_line(folder):
    done = call_program(folder, "norms", "none", "-o", "norms.json")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    few = folder / "few"
    few.mkdir()
    write_tsv(cohort(5).drop(columns="age"), few / "group_bgpvs.tsv")
    done = call_program(folder, "norms", "few", "-o", "norms.json")
    assert done.returncode == 2
    assert "No curve can be made of 'few': 5 infants, where 60 are needed" in done.stderr
    assert done.stdout == ""


def test_a_run_tells_centiles_among_norms(site, monkeypatch):
    monkeypatch.setattr(fitting, "RESAMPLES", 2)
    table = cohort(140, sex=["F", "M"] * 70)
    norms = make_norms(table, dataset="toy", voxels_mm3=np.full(140, 0.5), by="sex")
    path = write_norms(norms, site.out.with_name("norms.json"))
    for label in ("01", "02"):
        site.add(label)
    people = site.bids / "participants.tsv"
    people.write_text("participant_id\tage\tsex\nsub-01\t3\tF\nsub-02\t3\tn/a\n")
    plain = site.run()
    assert plain.returncode == 0
    assert "norms_doubts" not in read_tsv(site.out / "group_qc.tsv").columns
    done = site.run("--norms", path)
    assert done.returncode == 0
    assert done.stdout.startswith("2 to run")
    again = site.run("--norms", path)
    assert again.stdout.startswith("Nothing to do")
    quality = read_tsv(site.out / "group_qc.tsv")
    assert "bg_volume_centile" in quality.columns
    assert "no curve for sex 'n/a'" in quality.text("norms_doubts")[1]
    about = json.loads((site.out / "group_qc.json").read_text())
    assert about["bg_volume_centile"]["Units"] == "percent"
    assert "BG centile" in (site.out / "group.html").read_text()
    path.write_text("{}")
    for level in ("group", "participant"):
        wrong = site.run(level, "--norms", path)
        assert wrong.returncode == 2
        assert "norms.json holds no norms" in wrong.stderr
