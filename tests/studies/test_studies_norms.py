"""Norms of a cohort from its folder of results: who is in them, what is said, what is written."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from growing_infants import cohort

import bgpvs_wf
from bgpvs_wf.cohort.growth import fitting
from bgpvs_wf.cohort.growth.norms_file import read_norms
from bgpvs_wf.engine.ledger import Ledger
from bgpvs_wf.engine.record import Record
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.quantification.group import write_tsv


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "RESAMPLES", 3)
    return make_results(tmp_path)


def make_results(folder, number=70):
    """Results of infants, and a dataset that tells their sex."""
    out, bids = folder / "out", folder / "bids"
    out.mkdir()
    bids.mkdir()
    table = cohort(number)
    table.loc[table["subject"] == "001", "age_weeks"] = np.nan
    write_tsv(table.drop(columns="age"), out / "group_bgpvs.tsv")
    who = table["subject"].unique()
    quality = pd.DataFrame({"subject": who, "session": None, "advice": "good", "voxel_mm3": 0.5})
    quality.loc[0, "advice"], quality.loc[2, "advice"] = "bad", "look"
    write_tsv(quality, out / "group_qc.tsv")
    rows = [f"sub-{one}\t{'F' if i % 20 else 'M'}\n" for i, one in enumerate(who)]
    (bids / "participants.tsv").write_text("participant_id\tsex\n" + "".join(rows))
    (bids / "dataset_description.json").write_text('{"Name": "Toy infants"}')
    links = {"DatasetLinks": {"raw": bids.as_uri()}}
    (out / "dataset_description.json").write_text(json.dumps(links))
    return folder


def test_norms_are_made_and_nothing_is_printed(folder, capfd):
    page = folder / "norms.html"
    done = bgpvs_wf.norms(folder / "out", folder / "norms.json", page=page)
    assert read_norms(done.path) == done.norms
    assert done.norms.dataset == "Toy infants"
    assert done.norms.measures[0].curves["all"].subjects == 68
    assert done.doubts == (
        "Scans left out, as their results are bad: 1.",
        "Scans left out, as they have no age: 1.",
        "Scans in the curves that should be looked at: 1; leave out who is to be excluded "
        "(docs/how-to/checking.md).",
    )
    assert "Growth in Toy infants" in page.read_text()
    assert capfd.readouterr() == ("", "")


def test_results_that_were_not_made_alike_are_doubted(folder):
    out, page = folder / "out", folder / "norms.html"
    # 001 has no age: what is not in the curves is not compared.
    for who, least in (("001", 5.0), ("010", 12.0), ("011", 0.0), ("012", 0.0)):
        record = Record("1.0", {"quantify.min_volume_mm3": least}, {"model": "box 12ab"})
        Ledger.of(out).write(f"sub-{who}", record)
    done = bgpvs_wf.norms(out, folder / "norms.json", page=page)
    said = "Not all were made alike: quantify.min_volume_mm3 is 12 in 1 and 0 in 2;"
    assert sum(one.startswith(said) for one in done.doubts) == 1
    assert said in page.read_text()


def test_levels_come_from_the_dataset(folder):
    done = bgpvs_wf.norms(folder / "out", folder / "norms.json", by="sex")
    first = done.norms.measures[0]
    assert list(first.curves) == ["F"]
    assert first.missing == {"M": "3 infants, where 60 are needed"}


def test_what_cannot_be_done_is_said(folder):
    with pytest.raises(BGPVSError, match="tell no 'height'"):
        bgpvs_wf.norms(folder / "out", folder / "norms.json", by="height")
    with pytest.raises(BGPVSError, match="no dataset"):
        bgpvs_wf.norms(folder / "out", folder / "norms.json", dataset=folder / "none")
    (folder / "out" / "dataset_description.json").write_text("{}")
    with pytest.raises(BGPVSError, match="give --dataset"):
        bgpvs_wf.norms(folder / "out", folder / "norms.json", by="sex")
    with pytest.raises(BGPVSError, match="run `bgpvs-wf run` first"):
        bgpvs_wf.norms(folder / "bids", folder / "norms.json")
    assert not (folder / "norms.json").exists()


def test_without_a_table_of_quality_it_is_said(folder):
    (folder / "out" / "group_qc.tsv").unlink()
    done = bgpvs_wf.norms(folder / "out", folder / "norms.json")
    assert done.doubts[0].startswith("There is no group_qc.tsv")
    assert not done.norms.voxels_mm3


def test_published_values_are_shown_and_change_no_curve(folder):
    marks, page = folder / "marks.tsv", folder / "norms.html"
    marks.write_text(
        "measure\tage_weeks\tvalue\tsource\nbg_volume\t50\t2500\tA & B 2001\n"
        "accumbens_volume\t50\t250\tC 2002\n"
    )
    plain = bgpvs_wf.norms(folder / "out", folder / "plain.json")
    done = bgpvs_wf.norms(folder / "out", folder / "norms.json", page=page, marks=marks)
    assert done.path.read_bytes() == plain.path.read_bytes()
    assert "<li>A &amp; B 2001</li><li>C 2002</li>" in page.read_text()
    with pytest.raises(BGPVSError, match="give --page"):
        bgpvs_wf.norms(folder / "out", folder / "norms.json", marks=marks)


def test_published_values_of_what_has_no_curve_are_named(folder):
    table = pd.read_csv(folder / "out/group_bgpvs.tsv", sep="\t", dtype={"subject": str})
    table.loc[table["region"] != "BG", "volume_mm3"] = 0.0
    write_tsv(table, folder / "out/group_bgpvs.tsv")
    marks = folder / "marks.tsv"
    marks.write_text("measure\tage_weeks\tvalue\tsource\naccumbens_volume\t50\t250\tC 2002\n")
    page = folder / "norms.html"
    done = bgpvs_wf.norms(folder / "out", folder / "norms.json", page=page, marks=marks)
    assert "Published values of accumbens_volume are not shown" in done.doubts[-1]
    assert 'id="sources"' not in page.read_text()
