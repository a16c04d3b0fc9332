"""The page of norms, and centiles at the group level."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from chromium_page import run_in_page
from growing_infants import cohort

from bgpvs_wf.cohort.growth import fitting
from bgpvs_wf.cohort.growth.marks import Mark
from bgpvs_wf.cohort.growth.norms import make_norms
from bgpvs_wf.reports.group.beside import Beside
from bgpvs_wf.reports.growth.page import render_norms

NASTY = "</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def made():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "RESAMPLES", 3)
        table = cohort(130, kind=["a", NASTY] * 65)
        voxels = np.full(130, 0.5)
        alone = make_norms(table, dataset=NASTY, voxels_mm3=voxels)
        by = make_norms(table, dataset="toy", voxels_mm3=voxels, by="kind")
        yield table, alone, by


def test_page_needs_nothing_else_and_is_the_same_every_time(made):
    table, alone, by = made
    for norms in (alone, by):
        page = render_norms(norms, table, warnings=["odd & even"])
        assert page == render_norms(norms, table, warnings=["odd & even"])
        assert "<script>alert" not in page
        assert "odd &amp; even" in page
        assert page.count("<svg") == len(norms.names)
        assert set(re.findall(r"https?://[\w./]+", page)) <= {
            "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink",
        }  # fmt: skip
    assert "130 infants" in page
    assert "kind" in page


def test_page_opens_without_errors(made, tmp_path):
    table, _, by = made
    script = """out.charts = document.querySelectorAll(".chart svg").length;
    out.wide = document.documentElement.scrollWidth <= innerWidth;"""
    out, console = run_in_page(render_norms(by, table), script, tmp_path)
    assert out == {"charts": len(by.names), "wide": True}
    assert console == []


def test_published_values_are_numbered_marks_with_their_sources(made):
    table, alone, by = made
    marks = [
        Mark("bg_volume", 40.0, 9e3, "First 2001", 8e3, 1e4, "mean ± SD", 12),
        Mark("pvs_fraction", 400.0, 0.02, NASTY),
        Mark("bg_volume", 50.0, 9.5e3, "First 2001", 9e3, 1e4, "mean ± SD", 14),
    ]
    for norms in (alone, by):
        page = render_norms(norms, table, marks=marks)
        assert page.count("1  First 2001, mean ± SD, n = 12 to 14") == 1
        assert "<script>alert" not in page
        sources = page[page.index('id="sources"') :]
        assert sources.index("First 2001") < sources.index("&lt;/script&gt;")
        share = page[page.index("PVS, share") :]
        assert "200</text>" in share[: share.index("</svg>")]
        assert 'id="sources"' not in render_norms(norms, table)


def test_the_group_level_has_centiles_only_with_norms(made):
    table, alone, _ = made
    who = table["subject"].unique()
    voxels = [0.5] * 129 + [0.9]
    quality = pd.DataFrame({"subject": who, "session": None, "voxel_mm3": voxels})
    beside = Beside.of(alone, table, quality, {})
    assert {column.name for column in beside.columns} == set(beside.centiles.columns)
    assert [column.name for column in beside.columns if column.shown] == [
        "bg_volume_centile", "pvs_volume_centile",
    ]  # fmt: skip
    assert all(column.section == "results" for column in beside.columns)
    assert list(beside.joined(quality).columns)[-1] == "norms_doubts"
    assert set(beside.about) == set(beside.table.columns)
    (warning,) = beside.warnings
    assert warning.startswith("Of 1 of 130 scans")
    none = Beside.of(None, table, quality, {})
    assert none.joined(quality).equals(quality)
    assert not none.columns
    assert not none.warnings
    assert none.centiles.empty
