"""The harmonised labels: constants, mirror, tables."""

from __future__ import annotations

import re

import pytest

from bgpvs_wf.anatomy import labels


def test_mirror_is_an_involution_that_swaps_the_sides():
    for index, other in labels.MIRROR.items():
        assert labels.MIRROR[other] == index
        if other != index:
            assert {labels.side_of(index), labels.side_of(other)} == {"left", "right"}
        else:
            assert labels.side_of(index) == ""


def test_mirrored_labels_bear_the_same_name_on_the_other_side():
    for left, right in zip(labels.LEFT_LABELS, labels.RIGHT_LABELS, strict=True):
        name = labels.REGIONS[left].name
        assert labels.REGIONS[right].name == name.replace("Left", "Right")
        assert labels.REGIONS[left].tissue == labels.REGIONS[right].tissue


def test_published_freesurfer_numbers():
    names = {
        11: "Left-Caudate",
        51: "Right-Putamen",
        26: "Left-Accumbens-area",
        14: "3rd-Ventricle",
    }
    for index, name in names.items():
        assert labels.REGIONS[index].name == name
    assert {11, 12, 13, 26, 50, 51, 52, 58} <= set(labels.BG_LABELS)
    assert labels.THALAMUS_LABELS == (10, 49)
    assert {4, 43, 14} <= set(labels.VENTRICLE_LABELS) <= set(labels.CSF_LABELS)


def test_every_region_belongs_to_one_tissue_and_fits_int16():
    tissues = (
        labels.BG_LABELS, labels.THALAMUS_LABELS, labels.CSF_LABELS,
        labels.WM_LABELS, labels.CORTEX_LABELS, labels.CEREBELLUM_LABELS, labels.BRAINSTEM_LABELS,
    )  # fmt: skip
    flat = [index for tissue in tissues for index in tissue]
    assert len(flat) == len(set(flat))
    rest = {i for i, one in labels.REGIONS.items() if one.tissue in ("limbic", "deepGM")}
    assert set(flat) | rest == set(labels.REGIONS)
    assert all(0 < index < 2**15 for index in labels.REGIONS)


def test_label_table_is_sorted_unique_and_without_background():
    table = labels.label_table([52, 13, 0, 13])
    assert table["index"].tolist() == [13, 52]
    assert table["abbreviation"].is_unique
    assert table["color"].tolist() == ["#1FC29A", "#1FC29A"]
    with pytest.raises(KeyError):
        labels.label_table([4711])


def test_every_label_has_a_colour_and_tables_say_it():
    colours = [*labels.label_table(labels.REGIONS)["color"], *labels.bgpvs_label_table()["color"]]
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in colours)
    assert list(labels.bgpvs_label_table()) == ["index", "name", "abbreviation", "color"]
    assert list(labels.bgpvs_label_table()["index"]) == [0, 1, 2]
    assert labels.bgpvs_label_table()["color"].is_unique
