"""Norms of a cohort: made, written, read, and asked about others."""

from __future__ import annotations

import json

import numpy as np
import pytest
from growing_infants import cohort

from bgpvs_wf.cohort.growth import fitting
from bgpvs_wf.cohort.growth.norms import make_norms
from bgpvs_wf.cohort.growth.norms_file import read_norms, write_norms
from bgpvs_wf.cohort.growth.standing import (
    DOUBTS,
    about_centiles,
    centiles_of,
    levels_of,
    stand,
)
from bgpvs_wf.errors import UsageError


@pytest.fixture(scope="module")
def norms():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "RESAMPLES", 5)
        sex = ["F", "M", "F", "M", "F"] * 30
        table = cohort(150, sex=sex)
        yield make_norms(table, dataset="toy", voxels_mm3=np.full(150, 0.512), by="sex")


def test_levels_have_curves_where_there_are_enough(norms):
    first = norms.measures[0]
    assert first.measure.name == "bg_volume"
    assert {level: curve.subjects for level, curve in first.curves.items()} == {"F": 90, "M": 60}
    assert norms.names == [
        "bg_volume", "pvs_volume", "pvs_fraction", "pvs_count", "accumbens_volume",
    ]  # fmt: skip
    assert norms.measures[1].measure.column == "pvs_volume_tube_mm3"
    assert norms.voxels_mm3 == ((0.512, 150),)


def test_a_level_of_few_is_left_out():
    table = cohort(80, site=["a"] * 75 + ["b"] * 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "RESAMPLES", 1)
        made = make_norms(table, dataset="toy", voxels_mm3=np.full(80, np.nan), by="site")
    assert made.measures[0].missing == {"b": "5 infants, where 60 are needed"}
    assert not made.voxels_mm3


def test_what_is_written_is_read_again_exactly(norms, tmp_path):
    path = write_norms(norms, tmp_path / "norms.json")
    assert read_norms(path) == norms
    assert max(map(len, path.read_text().splitlines())) < 1000


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c.update(Name="other"), "not what `bgpvs-wf norms` writes"),
        (lambda c: c.update(SchemaVersion=9), "'SchemaVersion' is 9, and this program reads 1"),
        (lambda c: c.pop("Measures"), "'Measures' is missing"),
        (lambda c: c["VoxelsMM3"][0].update(Volume=-1), "not above 0"),
        (lambda c: c.update(Measures={}), "'Measures' has no curve"),
        (lambda c: _curve(c)["Ages"].reverse(), "Ages' do not rise"),
        (lambda c: _curve(c)["Ages"].pop(), "as many values as ages"),
        (lambda c: _curve(c)["Parameters"].pop("L"), "Parameters' are not L, M, S, zero"),
        (lambda c: _curve(c)["Parameters"]["S"].__setitem__(0, -1), "Parameters.S' has a value"),
        (lambda c: _curve(c)["Centiles"].update({"51": _curve(c)["Centiles"]["50"]}), "has '51'"),
        (lambda c: _curve(c).update(Centiles={}), "Centiles' is empty"),
        (lambda c: c["Measures"]["bg_volume"].update(Law="x"), "Law' is 'x', not box-cox or"),
    ],
)
def test_what_is_damaged_is_one_line(norms, tmp_path, change, why):
    path = write_norms(norms, tmp_path / "norms.json")
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"norms\.json holds no norms: ") as caught:
        read_norms(path)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def _curve(content):
    return content["Measures"]["bg_volume"]["Curves"]["F"]


@pytest.mark.parametrize("text", ["", "{", "[]", "NaN", '{"Name": 1}'])
def test_what_holds_no_norms_is_said(tmp_path, text):
    path = tmp_path / "norms.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="holds no norms"):
        read_norms(path)
    with pytest.raises(UsageError, match="no such file"):
        read_norms(tmp_path / "none.json")


def test_infants_are_told_their_centiles_or_why_not(norms):
    others = cohort(6, seed=5)
    others.loc[others["subject"] == "001", "age_weeks"] = 20.0
    others.loc[others["subject"] == "002", "age_weeks"] = np.nan
    who = [(f"{i:03}", None) for i in range(6)]
    levels = dict(zip(who, ["F", "M", "F", "X", "M", "F"], strict=True))
    voxels = [0.512, 0.512, 0.512, 0.512, 0.8, np.nan]
    found = centiles_of(norms, others, who, levels=levels, voxels_mm3=voxels)
    told = found["bg_volume_centile"].notna()
    assert list(told) == [True, False, False, False, True, True]
    assert found["pvs_count_centile"].dropna().between(25, 75).all()
    first, young, ageless, unknown, coarse, unmeasured = found[DOUBTS]
    assert first is None
    assert young.startswith("The norms do not cover 20 weeks, but 3")
    assert ageless == "The age is not known."
    assert unknown == "The norms have no curve for sex 'X'."
    assert coarse == "The scan has voxels of 0.8 mm3, those of the norms 0.512 mm3."
    assert "not known" in unmeasured
    assert set(about_centiles(norms)) == set(found.columns)


def test_an_infant_on_its_own_stands_where_it_does_among_others(norms):
    others = cohort(40, seed=6)
    others["age_weeks"] = others["age_weeks"].clip(40, 140)
    who = [(f"{i:03}", None) for i in range(40)]
    levels = dict.fromkeys(who, "F")
    found = centiles_of(norms, others, who, levels=levels, voxels_mm3=[0.512] * 40)
    words = set()
    for i, (subject, _) in enumerate(who):
        own = others[others["subject"] == subject]
        regions = own.drop(columns=["subject", "session", "age_weeks"])
        age = float(own["age_weeks"].iloc[0])
        one = stand(norms, regions, age_weeks=age, level="F", voxel_mm3=0.512)
        assert (one.dataset, one.group, one.doubts) == ("toy", "sex F", "")
        assert [place.measure.name for place in one.places] == norms.names
        volume = one.places[0]
        assert volume.value == own.loc[own["region"] == "BG", "volume_mm3"].iloc[0]
        assert float(volume.centile.split()[0]) == found["bg_volume_centile"][i]
        words.add(volume.centile.partition(" ")[2])
    assert words == {"", "or less", "or more"}
    ageless = stand(norms, regions, age_weeks=None, level="F", voxel_mm3=0.512)
    assert (ageless.places, ageless.doubts) == ((), "The age is not known.")
    unknown = stand(norms, regions, age_weeks=40.0, level="", voxel_mm3=0.512)
    assert not unknown.places
    assert unknown.doubts == "The norms have no curve for sex 'n/a'."


def test_levels_come_from_the_dataset(norms, tmp_path):
    (tmp_path / "participants.tsv").write_text("participant_id\tsex\nsub-000\tF\nsub-001\tn/a\n")
    who = [("000", None), ("001", None), ("002", None)]
    assert levels_of(norms, tmp_path, who) == {("000", None): "F"}
    assert levels_of(None, tmp_path, who) == {}


@pytest.mark.parametrize(
    ("by", "why"),
    [("height", "tell no 'height'"), ("region", "tell no 'region'"), ("code", "has 80 levels")],
)
def test_columns_that_are_no_levels_are_refused(by, why):
    table = cohort(80)
    table["code"] = table["subject"]
    with pytest.raises(UsageError, match=why):
        make_norms(table, dataset="toy", voxels_mm3=np.ones(80), by=by)


def test_too_few_infants_are_said():
    with pytest.raises(UsageError, match="of 'toy': 10 infants, where 60 are needed"):
        make_norms(cohort(10), dataset="toy", voxels_mm3=np.ones(10))
