from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import bgpvs_wf
from bgpvs_wf.engine.ledger import Ledger
from bgpvs_wf.engine.record import Record
from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.quantification.columns import GROUP_COLUMNS
from bgpvs_wf.quantification.group import write_tsv


def write_results(tmp_path, regions=("BG",), sessions=(None,)):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        for session in sessions:
            age = rng.uniform(40, 90)
            for region in regions:
                row = dict.fromkeys(GROUP_COLUMNS, np.nan)
                row |= {"subject": f"{number:02d}", "session": session, "age_weeks": age}
                row |= {"name": region, "region": region, "side": "both", "volume_mm3": 9000.0}
                volume = 0.0 if region == "Pallidum" else 0.2 * age + rng.normal()
                rows.append(row | {"pvs_count": 3, "pvs_volume_mm3": volume})
    out = tmp_path / "out"
    out.mkdir()
    write_tsv(pd.DataFrame(rows), out / "group_bgpvs.tsv")
    return out


def test_python_gets_what_the_command_line_says(tmp_path, capsys):
    out = write_results(tmp_path)
    found = bgpvs_wf.associate(out, "pvs_volume ~ age", dataset=tmp_path)
    age = found.terms.set_index("term").loc["age"]
    assert age["low"] < 0.2 < age["high"]
    assert found.sentences[0].startswith("A week of age goes with ")
    assert found.page == out / "association" / "association.html"
    assert found.left_out == {"BG": ()}
    assert capsys.readouterr().out == ""


def test_results_that_were_not_made_alike_are_doubted(tmp_path):
    out = write_results(tmp_path)
    for who, model in (("00", "old 12ab"), ("01", "new 34cd")):
        Ledger.of(out).write(f"sub-{who}", Record("1.0", facts={"model": model}))
    found = bgpvs_wf.associate(out, "pvs_volume ~ age", dataset=tmp_path)
    assert found.doubts[0] == (
        'Not all were made alike: the model is "new 34cd" in 1 and "old 12ab" in 1; run all of '
        "them again with one model."
    )
    assert "Not all were made alike" in found.page.read_text()


def test_a_region_without_a_model_stops_no_other(tmp_path):
    out = write_results(tmp_path, ("Putamen", "Pallidum"))
    found = bgpvs_wf.associate(out, "pvs_volume ~ age", each="region", dataset=tmp_path)
    assert [model.region for model in found.models] == ["Putamen"]
    assert "pvs_volume is 0.0 in all 24 rows" in found.refused["Pallidum"]
    assert "Pallidum" in found.page.read_text()


def test_sessions_need_groups(tmp_path):
    out = write_results(tmp_path, sessions=("a", "b"))
    with pytest.raises(UsageError, match="several sessions"):
        bgpvs_wf.associate(out, "pvs_volume ~ age", dataset=tmp_path)
    found = bgpvs_wf.associate(out, "pvs_volume ~ age", dataset=tmp_path, groups="subject")
    assert found.models[0].fit.kind == "mixed"


def test_files_say_that_sites_were_harmonised(tmp_path):
    pytest.importorskip("combatlearn", reason="the extra harmonise is not installed")
    out = write_results(tmp_path, ("BG", "Caudate", "Putamen"))
    rows = [f"sub-{number:02d}\t{'xy'[number % 2]}\n" for number in range(24)]
    (tmp_path / "participants.tsv").write_text("participant_id\tsite\n" + "".join(rows))
    found = bgpvs_wf.associate(out, "pvs_volume ~ age", dataset=tmp_path, harmonise="site")
    told = json.loads((found.page.parent / "association.json").read_text())["Harmonisation"]
    assert told["Regions"]["BG"]["Rows"] == {"x": 12, "y": 12}
    assert told["Regions"]["BG"]["Together"] == ["BG", "Caudate", "Putamen"]
    sites = pd.read_csv(found.page.parent / "association_sites.tsv", sep="\t")
    assert sites["adjusted_harmonised"].notna().all()
    page = found.page.read_text()
    assert "harmonised over site" in page
    assert "Adjusted, harmonised" in page
    assert "Nothing is harmonised" not in page
    plain = bgpvs_wf.associate(out, "pvs_volume ~ age", dataset=tmp_path)
    assert "Harmonisation" not in (plain.page.parent / "association.json").read_text()
    assert "Nothing is harmonised" in plain.page.read_text()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"groups": "scanner"}, "groups is 'scanner'"),
        ({"each": "side"}, "each is 'side'"),
        ({"family": "gamma"}, "family is 'gamma'"),
        ({"groups": "site"}, "no column site"),
        ({"harmonise": "site"}, "no column site; leave --harmonise out"),
        ({"harmonise": "sex"}, "harmonise is 'sex'"),
    ],
)
def test_unknown_choices_are_named(tmp_path, choices, message):
    out = write_results(tmp_path)
    with pytest.raises(BGPVSError, match=message):
        bgpvs_wf.associate(out, "pvs_volume ~ age", dataset=tmp_path, **choices)
