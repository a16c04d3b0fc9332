from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bgpvs_wf.cohort.table import read_cohort
from bgpvs_wf.errors import BGPVSError, TableError
from bgpvs_wf.quantification.columns import GROUP_COLUMNS
from bgpvs_wf.quantification.group import write_tsv


def make(tmp_path, who=(("01", "a"), ("01", "b"), ("02", None)), tubes=True):
    """A table of all with two regions, and the folder of a dataset."""
    rows = []
    for number, (subject, session) in enumerate(who):
        for region, side, volume in (("BG", "both", 9000.0), ("Putamen", "left", 2500.0)):
            row = dict.fromkeys(GROUP_COLUMNS, np.nan)
            row |= {"subject": subject, "session": session, "age_weeks": 40.0 + number}
            row |= {"name": region, "region": region, "side": side, "volume_mm3": volume + number}
            row |= {"pvs_count": 3, "pvs_volume_mm3": 20.0, "pvs_fraction": 0.002}
            if tubes:
                row |= {"pvs_volume_tube_mm3": 30.0, "pvs_fraction_tube": 0.003}
            rows.append(row)
    write_tsv(pd.DataFrame(rows), tmp_path / "group_bgpvs.tsv")
    bids = tmp_path / "bids"
    (bids / "sub-01").mkdir(parents=True)
    return tmp_path, bids


def test_what_the_dataset_tells_stands_beside_results(tmp_path):
    out, bids = make(tmp_path)
    (bids / "participants.tsv").write_text(
        "participant_id\tsex\tgroup\tage\nsub-01\tF\t1\t4\nsub-02\tn/a\t2\t5\n"
    )
    (bids / "sub-01" / "sub-01_sessions.tsv").write_text(
        "session_id\tscanner\tgroup\nses-a\tA\tn/a\nses-b\tB\t7\n"
    )
    table = read_cohort(out, bids)
    whole = table[table["region"] == "BG"]
    assert list(whole["sex"].fillna("?")) == ["F", "F", "?"]
    assert list(whole["scanner"].fillna("?")) == ["A", "B", "?"]
    assert list(whole["group"]) == [1.0, 7.0, 2.0]
    assert list(whole["age"]) == [40.0, 41.0, 42.0]
    assert list(table["bg_volume"]) == [9000.0, 9000.0, 9001.0, 9001.0, 9002.0, 9002.0]
    assert set(table["pvs_volume"]) == {30.0}
    assert set(read_cohort(*make(tmp_path / "b", tubes=False))["pvs_volume"]) == {20.0}


def test_without_tables_of_the_dataset_results_are_all(tmp_path):
    table = read_cohort(*make(tmp_path))
    assert len(table) == 6
    assert "sex" not in table


def test_labels_stay_text(tmp_path):
    out, bids = make(tmp_path, (("007", None),))
    (bids / "participants.tsv").write_text("participant_id\tsite\n007\tx1\n")
    table = read_cohort(out, bids)
    assert set(table["subject"]) == {"007"}
    assert set(table["site"]) == {"x1"}


def test_what_cannot_be_joined_is_named(tmp_path):
    with pytest.raises(BGPVSError, match="run `bgpvs-wf run` first"):
        read_cohort(tmp_path, tmp_path)
    out, bids = make(tmp_path)
    (bids / "participants.tsv").write_text("participant_id\tsex\nsub-01\tF\nsub-01\tM\n")
    with pytest.raises(TableError, match=r"has 01 twice \(lines 2 and 3\)"):
        read_cohort(out, bids)
    (bids / "participants.tsv").write_text("participant_id,sex\nsub-01,F\n")
    with pytest.raises(TableError, match="commas"):
        read_cohort(out, bids)
