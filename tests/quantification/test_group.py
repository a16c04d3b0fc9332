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
    with pytest.raises(BGPVSError, match="cannot be read: no such file"):
        collect_group_table([tmp_path / "sub-03_desc-bgpvs_morph.tsv"])
    with pytest.raises(BGPVSError, match="BIDS name"):
        collect_group_table([write_tsv(regions, tmp_path / "morph.tsv")])
    old = write_tsv(regions.drop(columns="pvs_count"), tmp_path / "sub-04_desc-bgpvs_morph.tsv")
    with pytest.raises(BGPVSError, match="no column 'pvs_count'"):
        collect_group_table([old])
    empty = tmp_path / "sub-05_desc-bgpvs_morph.tsv"
    empty.touch()
    with pytest.raises(BGPVSError, match="is empty"):
        collect_group_table([empty])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("volume_mm3", "many"), "holds 'many', no number, in line 4, column 'volume_mm3'"),
        (("volume_mm3", "1,5"), "holds '1,5', no number"),
        (("volume_mm3", "-3"), "holds '-3', below 0, in line 4"),
        (("volume_mm3", "inf"), "holds 'inf', no number"),
        (("volume_mm3", "n/a"), "has no volume_mm3 in line 4"),
        (("pvs_volume_tube_mm3", "-1e-3"), "below 0"),
        (("pvs_length_mm", "nan"), "holds 'nan', no number"),
        (("pvs_count", "2.5"), "holds '2.5', no whole number"),
        (("name", "Left-Spleen"), "has a row 'Left-Spleen' (line 4), which is no region"),
        (("name", "Left-Thalamus"), "has several rows 'Left-Thalamus'"),
        (("name", "n/a"), "has a row 'n/a' (line 4)"),
        ("drop", "lacks the row 'Left-Putamen'"),
        ("repeat", "has several rows 'Left-Putamen'"),
        ("short", "line 4 has 17 fields where the header has 18"),
        ("commas", "is separated by commas"),
        ("latin-1", "is not UTF-8 text (line 4, column 'name')"),
        ("header", "has no rows, only a header"),
    ],
)
def test_what_no_measurement_has_is_refused_and_leaves_only_its_subject_out(
    regions, tmp_path, change, says
):
    good = write_tsv(regions, tmp_path / "sub-01_desc-bgpvs_morph.tsv")
    bad = write_tsv(regions, tmp_path / "sub-02_desc-bgpvs_morph.tsv")
    rows = [line.split("\t") for line in bad.read_text().splitlines()]
    assert rows[3][1] == "Left-Putamen"
    separator, encoding = ",\t"[change != "commas"], "utf-8"
    if isinstance(change, tuple):
        rows[3][rows[0].index(change[0])] = change[1]
    elif change == "drop":
        del rows[3]
    elif change == "repeat":
        rows.append(rows[3])
    elif change == "short":
        del rows[3][-1]
    elif change == "latin-1":
        rows[3][1], encoding = "Pütamen", "latin-1"
    elif change == "header":
        del rows[1:]
    bad.write_text("".join(separator.join(row) + "\n" for row in rows), encoding)
    with pytest.raises(BGPVSError) as error:
        read_regions(bad)
    assert says in str(error.value)
    assert str(bad) in str(error.value)
    refused = {}
    table = collect_group_table([good, bad], refused=refused)
    assert set(table["subject"]) == {"01"}
    assert refused == {bad: str(error.value)}


@pytest.mark.parametrize("labels", [(11, 12, 13, 26, 50, 51, 52, 58), (11, 50, 9012, 9051)])
@pytest.mark.parametrize("bg_region", ["nuclei", "closed"])
@pytest.mark.parametrize("include_thalamus", [False, True])
def test_the_rows_of_every_anatomy_are_known(tmp_path, labels, bg_region, include_thalamus):
    anatomy = np.zeros((12, 12, 12), np.int16)
    for i, label in enumerate(labels):
        anatomy[1 + i, 2:9, 2:9] = label
    found = measure(
        bgpvs=(anatomy > 0).astype(np.uint8),
        anatomy=anatomy,
        affine=np.eye(4),
        include_thalamus=include_thalamus,
        bg_region=bg_region,
    ).regions
    path = write_tsv(found, tmp_path / "sub-01_desc-bgpvs_morph.tsv")
    assert list(read_regions(path)["name"]) == list(found["name"])
