from __future__ import annotations

import pandas as pd

from bgpvs_wf.reports.page_tables import to_table


def test_units_leave_the_name_for_the_small_print():
    frame = pd.DataFrame({"region": ["a"], "volume_mm3": [1234.5]})
    table = to_table(frame, {"volume_mm3": {"Units": "mm3", "Description": "How much"}})
    region, volume = table.columns
    assert (region.label, region.unit, region.numeric) == ("region", "", False)
    assert (volume.label, volume.unit, volume.description) == ("volume", "mm³", "How much")


def test_numbers_share_decimals_and_missing_ones_sort_last():
    frame = pd.DataFrame({"length": [0.5, float("nan"), -12.345], "count": [3, 0, 12000]})
    rows = to_table(frame, {}).rows
    assert [row[0].text for row in rows] == ["0.5", "–", "−12.3"]
    assert [row[0].value for row in rows] == ["0.5", "", "-12.345"]
    assert [row[1].text for row in rows] == ["3", "0", "12\N{NARROW NO-BREAK SPACE}000"]


def test_columns_without_a_value_are_left_out_and_named():
    frame = pd.DataFrame({"a": [1, 2], "volume_mm3": [float("nan")] * 2})
    table = to_table(frame, {"volume_mm3": {"Units": "mm3"}})
    assert [column.key for column in table.columns] == ["a"]
    assert table.missing == ("volume",)


def test_abbreviations_are_spelled_for_readers():
    frame = pd.DataFrame({"pvs_volume_tube_mm3": [1.0]})
    (column,) = to_table(frame, {"pvs_volume_tube_mm3": {"Units": "mm3"}}).columns
    assert column.label == "PVS volume (tubes)"


def test_empty_table_keeps_its_columns():
    table = to_table(pd.DataFrame({"a": [], "b": []}), {})
    assert [column.key for column in table.columns] == ["a", "b"]
    assert table.rows == ()
