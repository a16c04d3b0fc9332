from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bgpvs_wf
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


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"groups": "scanner"}, "groups is 'scanner'"),
        ({"each": "side"}, "each is 'side'"),
        ({"family": "gamma"}, "family is 'gamma'"),
        ({"groups": "site"}, "no column site"),
    ],
)
def test_unknown_choices_are_named(tmp_path, choices, message):
    out = write_results(tmp_path)
    with pytest.raises(BGPVSError, match=message):
        bgpvs_wf.associate(out, "pvs_volume ~ age", dataset=tmp_path, **choices)
