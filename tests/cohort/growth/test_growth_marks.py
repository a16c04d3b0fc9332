"""Tables of published values: what is read, and what is wrong with one."""

from __future__ import annotations

import math

import pytest
from growing_infants import cohort

from bgpvs_wf.cohort.growth.marks import Mark, read_marks
from bgpvs_wf.cohort.growth.measures import find_measures
from bgpvs_wf.errors import TableError

MEASURES = find_measures(cohort(3))


def read(folder, *lines):
    path = folder / "marks.tsv"
    path.write_text("\n".join(line.replace(" | ", "\t") for line in lines) + "\n")
    return read_marks(path, MEASURES)


def test_marks_are_read_with_and_without_what_is_optional(tmp_path):
    (plain,) = read(tmp_path, "source | value | age_weeks | measure", "A | 8 | 40.5 | pvs_count")
    assert (plain.measure, plain.age_weeks, plain.value, plain.source) == (
        "pvs_count",
        40.5,
        8,
        "A",
    )
    assert not plain.has_spread
    assert plain.n is None
    full, short = read(
        tmp_path,
        "measure | age_weeks | value | source | low | high | spread | n",
        "bg_volume | 41 | 9000 | B 2001 | 8000 | 10000 | mean ± SD | 12",
        "bg_volume | 60 | 9100 | B 2001 | n/a | n/a | n/a | n/a",
    )
    assert full == Mark("bg_volume", 41, 9000, "B 2001", 8000, 10000, "mean ± SD", 12)
    assert (math.isnan(short.low), short.spread, short.n) == (True, "", None)


@pytest.mark.parametrize(
    ("header", "row", "why"),
    [
        ("", "thalamus_volume | 40 | 1 | A", "line 2, is of 'thalamus_volume', which is no "
         "measure; there are bg_volume, pvs_volume, pvs_fraction, pvs_count, accumbens_volume"),
        ("", "bg_volume | 6 | 1 | A", "holds '6', below 20, in line 2, column 'age_weeks'"),
        ("", "bg_volume | 40 | many | A", "holds 'many', no number"),
        ("", "bg_volume | 40 | n/a | A", "line 2, has no value"),
        ("", "bg_volume | 40 | 1 | n/a", "line 2, has no source"),
        ("", "pvs_fraction | 40 | 1.2 | A", "a share above 1; write a percent as 0.01"),
        ("", "bg_volume | 40 | 1", "is damaged: line 2 has 3 fields"),
        (" | low", "bg_volume | 40 | 5 | A | 4", "only one of low and high"),
        (" | low | high", "bg_volume | 40 | 5 | A | 4 | 6", "does not say what low and high are"),
        (" | low | high | spread", "bg_volume | 40 | 7 | A | 4 | 6 | range", "not lie between"),
        (" | spread", "bg_volume | 40 | 7 | A | SD", "has no low and high"),
        (" | n", "bg_volume | 40 | 7 | A | 2.5", "no whole number"),
        (" | SD", "bg_volume | 40 | 7 | A | 2", "a column 'SD' that means nothing"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_one_line(tmp_path, header, row, why):
    with pytest.raises(TableError) as caught:
        read(tmp_path, f"measure | age_weeks | value | source{header}", row)
    assert why in str(caught.value)
    assert "marks.tsv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_needs_rows_and_columns(tmp_path):
    with pytest.raises(TableError, match="has no row"):
        read(tmp_path, "measure | age_weeks | value | source")
    with pytest.raises(TableError, match=r"no column 'source' \(there is 'Source'\)"):
        read(tmp_path, "measure | age_weeks | value | Source", "bg_volume | 40 | 1 | A")
