"""Label tables of published segmentations and their way to the harmonised labels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bgpvs_wf.anatomy.harmonisation import (
    detect_table,
    get_table,
    harmonise,
    require_nuclei,
    table_from_file,
)
from bgpvs_wf.anatomy.label_names import FILL, harmonised_by_name, label_of_name, read_names
from bgpvs_wf.anatomy.labels import BG_LABELS, MIRROR, REGIONS
from bgpvs_wf.anatomy.published import known_tables
from bgpvs_wf.errors import BadLabelsError

DATA = Path(os.environ.get("BGPVS_TEST_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
TABLES = known_tables()

# Rows of the published label keys, as their makers spell them: an independent reference.
PUBLISHED = {
    "aseg": "2 Left-Cerebral-White-Matter;3 Left-Cerebral-Cortex;4 Left-Lateral-Ventricle;"
    "5 Left-Inf-Lat-Vent;7 Left-Cerebellum-White-Matter;8 Left-Cerebellum-Cortex;"
    "10 Left-Thalamus-Proper*;11 Left-Caudate;12 Left-Putamen;13 Left-Pallidum;14 3rd-Ventricle;"
    "15 4th-Ventricle;16 Brain-Stem;17 Left-Hippocampus;18 Left-Amygdala;24 CSF;"
    "26 Left-Accumbens-area;28 Left-VentralDC;30 Left-vessel;31 Left-choroid-plexus;"
    "41 Right-Cerebral-White-Matter;42 Right-Cerebral-Cortex;43 Right-Lateral-Ventricle;"
    "44 Right-Inf-Lat-Vent;46 Right-Cerebellum-White-Matter;47 Right-Cerebellum-Cortex;"
    "49 Right-Thalamus-Proper*;50 Right-Caudate;51 Right-Putamen;52 Right-Pallidum;"
    "53 Right-Hippocampus;54 Right-Amygdala;58 Right-Accumbens-area;60 Right-VentralDC;"
    "62 Right-vessel;63 Right-choroid-plexus;72 5th-Ventricle;80 non-WM-hypointensities;"
    "85 Optic-Chiasm;251 CC_Posterior;255 CC_Anterior;1024 ctx-lh-precentral;"
    "2035 ctx-rh-insula;3024 wm-lh-precentral;4035 wm-rh-insula;172 Vermis",
    "drawem87": "1 Hippocampus left;2 Hippocampus right;3 Amygdala left;4 Amygdala right;"
    "5 Anterior temporal lobe, medial part left GM;"
    "16 Lateral occipitotemporal gyrus, gyrus fusiformis anterior part right GM;"
    "17 Cerebellum left;18 Cerebellum right;19 Brainstem, spans the midline;20 Insula right GM;"
    "39 Parietal lobe left GM;40 Caudate nucleus right;41 Caudate nucleus left;"
    "42 Thalamus right, high intensity part in T2;43 Thalamus left, high intensity part in T2;"
    "44 Subthalamic nucleus right;45 Subthalamic nucleus left;46 Lentiform Nucleus right;"
    "47 Lentiform Nucleus left;48 Corpus Callosum;49 Lateral Ventricle left;"
    "50 Lateral Ventricle right;51 Anterior temporal lobe, medial part left WM;"
    "62 Lateral occipitotemporal gyrus, gyrus fusiformis anterior part right WM;"
    "63 Insula right WM;82 Parietal lobe left WM;83 CSF;84 Extra-cranial background;"
    "85 Intra-cranial background;86 Thalamus right, low intensity part in T2;"
    "87 Thalamus left, low intensity part in T2",
    "drawem9": "1 CSF;2 Cortical gray matter;3 White matter;4 Background;5 Ventricles;"
    "6 Cerebellum;7 Deep Gray Matter;8 Brainstem;9 Hippocampi and Amygdala",
    "crl": "37 Hippocampus_L;38 Hippocampus_R;41 Amygdala_L;42 Amygdala_R;71 Caudate_L;"
    "72 Caudate_R;73 Lentiform_L;74 Lentiform_R;77 Thalamus_L;78 Thalamus_R;91 CorpusCallosum;"
    "92 Lateral_Ventricle_L;93 Lateral_Ventricle_R;94 Brainstem;100 Cerebellum_L;"
    "101 Cerebellum_R;108 Subthalamic_Nuc_L;109 Subthalamic_Nuc_R;110 Hippocampal_Comm;"
    "111 Fornix;112 Cortical_Plate_L;113 Cortical_Plate_R;114 Subplate_L;115 Subplate_R;"
    "116 Inter_Zone_L;117 Inter_Zone_R;118 Prolif_Zone_L;119 Prolif_Zone_R;120 White_Matter_L;"
    "121 White_Matter_R;122 Internal_Capsule_L;123 Internal_Capsule_R;124 CSF;126 Gang_Em_L;"
    "127 Gang_Em_R;128 Cavum;129 3rd_Ventricle;130 4th_Ventricle;131 Vermis",
}


def _rows(key: str) -> dict[int, str]:
    rows = (row.split(" ", 1) for row in PUBLISHED[key].split(";"))
    return {int(index): name for index, name in rows}


@pytest.mark.parametrize("key", sorted(PUBLISHED))
def test_numbers_agree_with_the_published_names(key):
    for index, name in _rows(key).items():
        assert TABLES[key].mapping[index] == label_of_name(name), (index, name)


@pytest.mark.skipif(not (DATA / "mcrib").is_dir(), reason="no M-CRIB in BGPVS_TEST_DATA")
def test_mcrib_numbers_agree_with_its_own_label_file():
    names = read_names(DATA / "mcrib" / "M-CRIB_labels_ITK_format.txt")
    mapping, unknown = harmonised_by_name(names)
    assert not unknown
    assert len(names) == 101
    assert {i: TABLES["mcrib"].mapping[i] for i in mapping} == mapping


@pytest.mark.parametrize("key", sorted(TABLES))
def test_tables_lead_to_harmonised_labels_only(key):
    assert set(TABLES[key].mapping.values()) <= {0, FILL, *REGIONS}
    no_nuclei = set(BG_LABELS).isdisjoint(TABLES[key].mapping.values())
    assert no_nuclei == (key == "drawem9")


@pytest.mark.parametrize("key", ["drawem87", "crl", "mcrib"])
def test_sided_tables_have_as_many_labels_left_as_right(key):
    counts = dict.fromkeys(REGIONS, 0)
    for index, label in TABLES[key].mapping.items():
        if label > 0 and index < 1000:
            counts[label] += 1
    assert all(counts[MIRROR[label]] == count for label, count in counts.items())


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (BG_LABELS, "aseg"),
        ((10, 49), "aseg"),
        ((2, 3, 4, 11, 50, 251, 1001, 2035, 77), "aseg"),
        (range(88), "drawem87"),
        ((40, 41, 46, 47, 65, 66), "drawem87"),
        (range(10), "drawem9"),
        ((2, 4, 9, 11, 12, 13, 41, 48, 50, 51, 52, 89, 92, 170, 1001), "mcrib"),
        ((71, 72, 73, 74, 77, 78, 112, 113, 120, 121, 124), "crl"),
    ],
)
def test_tables_are_recognised(present, expected):
    assert detect_table(present).name == expected


def test_unknown_labels_are_named():
    with pytest.raises(BadLabelsError, match=r"sub-1_dseg.*777, 31000") as caught:
        detect_table([11, 12, 50, 51, 777, 31000], source="sub-1_dseg.nii.gz")
    assert "\n" not in str(caught.value)
    with pytest.raises(BadLabelsError, match="777"):
        harmonise(np.array([[[11, 777]]]), "aseg")
    with pytest.raises(BadLabelsError, match="-3"):
        harmonise(np.array([[[11, -3]]]), "aseg")
    with pytest.raises(BadLabelsError, match="could belong to any table"):
        detect_table([2, 3])
    with pytest.raises(BadLabelsError, match="neither known"):
        get_table("no-such-table")


def test_drawem87_keeps_the_lentiform_as_one_of_the_basal_ganglia():
    out = harmonise(np.array([[[40, 41, 46, 47, 42, 87]]]), "drawem87")
    assert out.ravel().tolist() == [50, 11, 9051, 9012, 49, 10]
    require_nuclei(out)
    assert out.dtype == np.int16


def test_drawem9_has_tissues_but_no_nuclei():
    out = harmonise(np.arange(10).reshape(1, 2, 5), "drawem9")
    assert {24, 220, 219, 213, 9010} <= set(out.ravel().tolist())
    with pytest.raises(BadLabelsError, match=r"sub-7.*atlas"):
        require_nuclei(out, source="sub-7_dseg.nii.gz")


def test_vessels_take_the_label_of_their_surroundings():
    dseg = np.full((7, 7, 7), 12)
    dseg[4:] = 2
    dseg[1, 3, 3] = 30
    dseg[6, 3, 3] = 80
    out = harmonise(dseg, "aseg")
    assert (out[:4] == 12).all()
    assert (out[4:] == 2).all()


def test_float_maps_are_accepted_if_whole():
    assert harmonise(np.array([[[0.0, 50.0]]], np.float32), "aseg").ravel().tolist() == [0, 50]
    with pytest.raises(BadLabelsError, match="whole numbers"):
        harmonise(np.array([[[0.0, 50.5]]]), "aseg")


@settings(max_examples=40, deadline=None)
@given(
    dseg=hnp.arrays(
        np.int32, hnp.array_shapes(min_dims=3, max_dims=3, max_side=5),
        elements=st.sampled_from([0, *sorted(TABLES["drawem87"].mapping)]),
    ),
    order=st.permutations(range(3)),
    flips=st.lists(st.booleans(), min_size=3, max_size=3),
)  # fmt: skip
def test_orientation_does_not_change_which_voxel_gets_which_label(dseg, order, flips):
    def turn(array):
        turned = array.transpose(order)
        return turned[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]

    np.testing.assert_array_equal(
        harmonise(turn(dseg), "drawem87"), turn(harmonise(dseg, "drawem87"))
    )


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        np.int16, hnp.array_shapes(min_dims=3, max_dims=3, max_side=5),
        elements=st.sampled_from([0, *REGIONS]),
    )
)  # fmt: skip
def test_harmonised_labels_stay_what_they_are(dseg):
    np.testing.assert_array_equal(harmonise(dseg, "aseg"), dseg)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(REGIONS)))
def test_names_mirror_as_labels_do(index):
    name = REGIONS[index].name
    other = name.replace("Left", "L~").replace("Right", "Left").replace("L~", "Right")
    assert label_of_name(name) == index
    assert label_of_name(other) == MIRROR[index]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Left-Caudate", 11), ("caudate_l", 11), ("Caudate nucleus right", 50), ("rh.Putamen", 51),
        ("L Putamen", 12), ("Globus pallidus, right", 52), ("Left-Thalamus-Proper", 10),
        ("ThalamusRight", 49), ("left nucleus accumbens", 26), ("Hypothalamus_L", 28),
        ("retrolenticular part of internal capsule R", 41), ("Parahippocampal_gyrus_L", 3),
        ("Third ventricle", 14), ("eCSF", 24), ("Cerebral cortex", 220), ("Unknown", 0),
        ("ctx-lh-caudalanteriorcingulate", 3), ("ctx-rh-unknown", 42), ("Putamen", None),
        ("Precentral", None), ("Skull", 0), ("left vessel", FILL),
    ],
)  # fmt: skip
def test_names_as_people_write_them(name, label):
    assert label_of_name(name) == label


ITK = """# ITK-SNAP
    0     0    0    0        0  0  0    "Clear Label"
   11   122  186  220        1  1  1    "Left-Caudate"
"""
FREESURFER = """#No. Label Name:      R   G   B   A

11  Left-Caudate      122 186 220 0
14  3rd-Ventricle     204 182 142 0
"""
BIDS = "index\tname\tcolor\n11\tLeft-Caudate\t#abc\n"
HEMISPHERES = "name,index,hemisphere\nCaudate,11,L\nCSF,24,n/a\n"
PLAIN = "11 Caudate_L\n24, CSF\n"


@pytest.mark.parametrize("text", [ITK, FREESURFER, BIDS, HEMISPHERES, PLAIN])
def test_label_files_of_every_form(tmp_path, text):
    path = tmp_path / "labels.txt"
    path.write_text(text)
    table = table_from_file(path)
    assert table.mapping[11] == 11
    assert {14: 14, 24: 24}.get(max(table.mapping), 11) == table.mapping[max(table.mapping)]
    assert detect_table([0, 11], path).mapping == table.mapping
    with pytest.raises(BadLabelsError, match="999"):
        detect_table([11, 999], path)


def test_files_that_are_no_label_table(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("nothing of the kind\n")
    with pytest.raises(BadLabelsError, match="no label table"):
        table_from_file(path)
    path.write_text("1 Precentral\n2 Postcentral\n")
    with pytest.raises(BadLabelsError, match="no structure"):
        table_from_file(path)
    with pytest.raises(BadLabelsError, match="Cannot read"):
        table_from_file(tmp_path / "missing.txt")


def test_unknown_names_become_background_with_a_warning(tmp_path, caplog):
    path = tmp_path / "labels.txt"
    path.write_text("5 Caudate_L\n6 Caudate_R\n7 Quux\n")
    assert harmonise(np.array([[[5, 6, 7]]]), str(path)).ravel().tolist() == [11, 50, 0]
    assert "Quux" in caplog.text
