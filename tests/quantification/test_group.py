from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.quantification import collect_group_table, measure, write_tsv
from bgpvs_wf.quantification.columns import GROUP_COLUMNS
from bgpvs_wf.quantification.group import read_regions


@pytest.fixture(scope="module")
def regions() -> pd.DataFrame:
    anatomy = np.zeros((12, 12, 12), np.int16)
    anatomy[1:6, 1:11, 1:11] = 51
    anatomy[6:11, 1:11, 1:11] = 12
    bgpvs = (anatomy > 0).astype(np.uint8)
    bgpvs[8, 3:9, 5] = 2
    return measure(bgpvs=bgpvs, anatomy=anatomy, affine=np.eye(4) * 0.7).regions


def test_a_table_comes_back_as_it_was_written(regions, tmp_path):
    path = write_tsv(regions, tmp_path / "sub-01_desc-bgpvs_morph.tsv")
    text = path.read_bytes()
    assert b"\r" not in text
    assert b"n/a" in text
    assert b"nan" not in text.lower()
    back = read_regions(path)
    pd.testing.assert_frame_equal(back, regions, rtol=1e-5, check_dtype=False)
    assert str(back["index"].dtype) == "Int64"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_subjects_and_sessions_stand_under_one_another(regions, tmp_path):
    names = ["sub-02_desc-bgpvs_morph.tsv", "sub-01_ses-b_desc-bgpvs_morph.tsv",
             "sub-01_ses-a_space-T2w_desc-bgpvs_morph.tsv"]  # fmt: skip
    paths = [write_tsv(regions, tmp_path / name) for name in names]
    table = collect_group_table(paths, ages={("01", "a"): 40.5, ("02", None): None})
    assert list(table.columns) == list(GROUP_COLUMNS)
    assert len(table) == 3 * len(regions)
    who = table.drop_duplicates(["subject", "session"])[["subject", "session", "age_weeks"]]
    assert who["subject"].tolist() == ["01", "01", "02"]
    assert who["session"].iloc[:2].tolist() == ["a", "b"]
    assert pd.isna(who["session"].iloc[2])
    assert who["age_weeks"].iloc[0] == 40.5
    assert who["age_weeks"].iloc[1:].isna().all()
    written = write_tsv(table, tmp_path / "group_bgpvs.tsv").read_text().splitlines()
    assert written[0].split("\t") == list(GROUP_COLUMNS)
    assert written[-1].startswith("02\tn/a\tn/a\t")


def test_no_subject_gives_an_empty_table():
    table = collect_group_table([])
    assert table.empty
    assert list(table.columns) == list(GROUP_COLUMNS)


def test_bad_tables_are_named(regions, tmp_path):
    good = write_tsv(regions, tmp_path / "a" / "sub-01_desc-bgpvs_morph.tsv")
    twin = write_tsv(regions, tmp_path / "b" / "sub-01_desc-bgpvs_morph.tsv")
    with pytest.raises(BGPVSError, match="same subject and session"):
        collect_group_table([good, twin])
    with pytest.raises(BGPVSError, match="Cannot read"):
        collect_group_table([tmp_path / "sub-03_desc-bgpvs_morph.tsv"])
    with pytest.raises(BGPVSError, match="BIDS name"):
        collect_group_table([write_tsv(regions, tmp_path / "morph.tsv")])
    old = write_tsv(regions.drop(columns="pvs_count"), tmp_path / "sub-04_desc-bgpvs_morph.tsv")
    with pytest.raises(BGPVSError, match="no column pvs_count"):
        collect_group_table([old])
    empty = tmp_path / "sub-05_desc-bgpvs_morph.tsv"
    empty.touch()
    with pytest.raises(BGPVSError, match="is no table"):
        collect_group_table([empty])
