"""Import of atlases in the layouts in which they are published."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgpvs_wf.anatomy.importing import import_atlas
from bgpvs_wf.anatomy.labels import BG_LABELS, MIRROR
from bgpvs_wf.anatomy.layouts import plan_import
from bgpvs_wf.anatomy.plan import Plan, PlannedEntry, with_options
from bgpvs_wf.anatomy.registry import known_atlases
from bgpvs_wf.anatomy.sides import check_sides, left_right_gap_mm
from bgpvs_wf.errors import AtlasError, BadLabelsError

DATA = Path(os.environ.get("BGPVS_TEST_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
CRL = {24: 124, 2: 120, 41: 121, 3: 112, 42: 113, 4: 92, 43: 93, 10: 77, 49: 78, 11: 71, 50: 72,
       12: 73, 51: 74, 13: 73, 52: 74, 26: 71, 58: 72}  # fmt: skip
DRAWEM = {24: 83, 2: 80, 41: 79, 3: 37, 42: 36, 4: 49, 43: 50, 10: 43, 49: 42, 11: 41, 50: 40,
          12: 47, 51: 46, 13: 47, 52: 46, 26: 41, 58: 40}  # fmt: skip
MCRIB = {10: 9, 49: 48, 3: 1024, 42: 2024}


def _as(dseg, numbers):
    return np.vectorize(lambda label: numbers.get(int(label), int(label)))(dseg).astype(np.int16)


def _load(path):
    return np.asarray(nib.load(path).dataobj)


def _take(folder, **options):
    return import_atlas(with_options(plan_import(folder), **options))


def test_templateflow(tmp_path, dseg, image, save, atlas_home):
    root = tmp_path / "tpl-Tiny"
    for cohort in (1, 2):
        base = root / f"cohort-{cohort}" / f"tpl-Tiny_cohort-{cohort}"
        save(Path(f"{base}_T1w.nii.gz"), 1000 - image)
        save(Path(f"{base}_T2w.nii.gz"), image)
        save(Path(f"{base}_desc-brain_T2w.nii.gz"), image * 0 + 1)
        save(Path(f"{base}_desc-aseg_dseg.nii.gz"), np.where(dseg > 0, dseg + 100, 0).astype("i2"))
        save(Path(f"{base}_desc-other_dseg.nii.gz"), np.ones_like(dseg))
        save(Path(f"{base}_label-Caudate_hemi-L_probseg.nii.gz"), (dseg == 11).astype("f4"))
        save(Path(f"{base}_label-WM_probseg.nii.gz"), (dseg == 2).astype("f4"))
    names = {2: "Left-Cerebral-White-Matter", 41: "Right-Cerebral-White-Matter", 24: "CSF",
             3: "Left-Cerebral-Cortex", 42: "Right-Cerebral-Cortex", 4: "Left-Lateral-Ventricle",
             43: "Right-Lateral-Ventricle", 10: "Left-Thalamus", 49: "Right-Thalamus",
             11: "Left-Caudate", 50: "Right-Caudate", 12: "Left-Putamen", 51: "Right-Putamen",
             13: "Left-Pallidum", 52: "Right-Pallidum", 26: "Left-Accumbens",
             58: "Right-Accumbens"}  # fmt: skip
    rows = "".join(f"{i + 100}\t{name}\n" for i, name in names.items())
    (root / "tpl-Tiny_desc-aseg_dseg.tsv").write_text("index\tname\n" + rows)
    about = {"Name": "Tiny template", "License": "CC0", "ReferencesAndLinks": {"1": "doi:1"},
             "cohort": {"1": {"age": [0, 2], "units": "mo"},
                        "2": {"age": [2, 6], "units": "mo"}}}  # fmt: skip
    (root / "template_description.json").write_text(json.dumps(about))
    atlas = _take(root)
    assert (atlas.name, atlas.license, atlas.citation) == ("Tiny", "CC0", "doi:1")
    month = 52.1775 / 12
    ages = [entry.age_weeks for entry in atlas.entries]
    assert ages == pytest.approx([40 + month, 40 + 4 * month], abs=1e-3)
    assert atlas.entries[1].min_age_weeks == pytest.approx(40 + 2 * month, abs=1e-3)
    entry = atlas.entries[0]
    np.testing.assert_array_equal(_load(entry.dseg), dseg)
    np.testing.assert_allclose(_load(entry.t2w), image)
    np.testing.assert_allclose(_load(entry.t1w), 1000 - image)
    assert list(entry.probsegs) == [11]
    one = _take(root / "cohort-2", name="second")
    assert [entry.age_weeks for entry in one.entries] == [atlas.entries[1].age_weeks]


def test_templateflow_without_ages_or_labels(tmp_path, dseg, image, save, atlas_home):
    root = tmp_path / "tpl-Bare"
    save(root / "tpl-Bare_T1w.nii.gz", image)
    with pytest.raises(AtlasError, match="without labels"):
        plan_import(root)
    save(root / "tpl-Bare_dseg.nii.gz", dseg)
    with pytest.raises(AtlasError, match="--age"):
        _take(root)
    assert _take(root, age_weeks=44).entries[0].covers(44)


def test_crl(tmp_path, dseg, image, save, atlas_home):
    for age in (29, 30, 31):
        save(tmp_path / "crl" / f"STA{age}.nii.gz", image)
        save(tmp_path / "crl" / f"STA{age}_tissue.nii.gz", _as(dseg, CRL))
        save(tmp_path / "crl" / f"STA{age}_regional.nii.gz", dseg + 20)
    atlas = _take(tmp_path / "crl")
    assert [entry.age_weeks for entry in atlas.entries] == [29, 30, 31]
    assert atlas.entries[1].min_age_weeks == 29.5
    assert atlas.entries[1].max_age_weeks == 30.5
    labels = _load(atlas.entries[0].dseg)
    np.testing.assert_array_equal(labels == 9012, np.isin(dseg, (12, 13)))
    np.testing.assert_array_equal(labels == 50, np.isin(dseg, (50, 58)))
    assert atlas.entries[0].modalities == ("T2w",)


def test_crl_2025_and_parcellations_of_unknown_numbers(tmp_path, dseg, image, save, atlas_home):
    root = tmp_path / "crl2025"
    save(root / "GA34" / "t2w_GA34_atlas.nii.gz", image)
    with pytest.raises(AtlasError, match="no labels beside it"):
        plan_import(root)
    save(root / "GA34" / "t2w_GA34_tissue.nii.gz", _as(dseg, CRL))
    assert _take(root, name="crl2025").entries[0].age_weeks == 34
    save(tmp_path / "old" / "STA30.nii.gz", image)
    save(tmp_path / "old" / "STA30_parc.nii.gz", dseg + 20)
    with pytest.raises(AtlasError, match="label table file"):
        _take(tmp_path / "old", name="old")
    key = tmp_path / "key.txt"
    key.write_text("31 Caudate_L\n70 Caudate_R\n32 Putamen_L\n71 Putamen_R\n")
    rest = sorted({int(i) + 20 for i in np.unique(dseg)} - {31, 70, 32, 71})
    key.write_text(key.read_text() + "".join(f"{i} Background\n" for i in rest))
    atlas = _take(tmp_path / "old", name="old", table=str(key))
    np.testing.assert_array_equal(_load(atlas.entries[0].dseg) == 11, dseg == 11)


def test_mcrib(tmp_path, dseg, save, atlas_home):
    root = tmp_path / "M-CRIB_atlas"
    save(root / "M-CRIB_hardseg_0.5.nii.gz", np.zeros_like(dseg))
    save(root / "M-CRIB_hardseg_0.1.nii.gz", _as(dseg, MCRIB).astype(np.float32))
    maps = root / "structure_probability_maps"
    save(maps / "M-CRIB_label0009_probmap.nii.gz", (dseg == 10).astype("f4"))
    save(maps / "M-CRIB_label0011_probmap.nii.gz", (dseg == 11).astype("f4"))
    save(maps / "M-CRIB_label0004_probmap.nii.gz", (dseg == 4).astype("f4"))
    entry = _take(root).entries[0]
    np.testing.assert_array_equal(_load(entry.dseg), dseg)
    assert nib.load(entry.dseg).get_data_dtype() == np.int16
    assert sorted(entry.probsegs) == [10, 11]
    assert (entry.age_weeks, entry.modalities) == (40, ())


@pytest.mark.parametrize(
    "names",
    [("templates/t2w/t{}.00", "templates/t1w/t{}.00", "labels/structures/t{}.00"),
     ("atlas/T2/template-{}", "atlas/T1/template-{}", "atlas/labels/template-{}")],
)  # fmt: skip
def test_dhcp(tmp_path, dseg, image, save, atlas_home, names):
    root = tmp_path / "dhcp"
    for age in (36, 40):
        t2w, t1w, labels = (root / f"{name.format(age)}.nii.gz" for name in names)
        save(t2w, image)
        save(t1w, 1000 - image)
        save(labels, _as(dseg, DRAWEM))
        save(root / "labels" / "tissues" / f"t{age}.00.nii.gz", np.ones_like(dseg))
    atlas = _take(root)
    assert [entry.age_weeks for entry in atlas.entries] == [36, 40]
    assert atlas.entries[0].modalities == ("T1w", "T2w")
    np.testing.assert_array_equal(_load(atlas.entries[1].dseg) == 10, dseg == 10)


def test_atlas_of_this_package_survives_the_round_trip(tmp_path, dseg, image, save, atlas_home):
    first = _single(tmp_path, save, dseg, image)
    again = _take(first.folder, name="again")
    for one, other in zip(first.entries[0].files, again.entries[0].files, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert again.entries[0].min_age_weeks == first.entries[0].min_age_weeks


def test_single_files(tmp_path, dseg, image, save, atlas_home):
    atlas = _single(tmp_path, save, dseg, image)
    assert [a.name for a in known_atlases(embedded_folder=tmp_path / "none")] == ["single"]
    entry = atlas.entries[0]
    assert (entry.min_age_weeks, entry.max_age_weeks) == pytest.approx((39.6, 48.4))
    table = (atlas.folder / "dseg.tsv").read_text().splitlines()
    assert table[0].split("\t") == ["index", "name", "abbreviation", "color"]
    assert len(table) - 1 == len(np.unique(dseg)) - 1


def _single(tmp_path, save, dseg, image, instead=None):
    files = {
        "dseg": save(tmp_path / "s" / "dseg.nii.gz", dseg),
        "t2w": save(tmp_path / "s" / "T2w.nii.gz", image),
        **(instead or {}),
    }
    plan = Plan("single", "single files", (PlannedEntry(**files),))
    return import_atlas(with_options(plan, age_weeks=44))


def test_refusals_leave_nothing_behind(tmp_path, dseg, image, save, atlas_home):
    far = np.diag([1.0, 1.0, 1.0, 1.0])
    cases = {
        "another grid": {"t2w": save(tmp_path / "far.nii.gz", image, far)},
        "another grid ": {"t2w": save(tmp_path / "small.nii.gz", image[:-2])},
        "no labels of the basal ganglia": {
            "dseg": save(tmp_path / "wm.nii.gz", np.where(dseg == 2, 2, 0).astype("i2")),
            "table": "aseg",
        },
        "no known table": {"dseg": save(tmp_path / "odd.nii.gz", (dseg + 400).astype("i2"))},
        "does not exist": {"t2w": tmp_path / "missing.nii.gz"},
        "no probability": {"probsegs": {11: save(tmp_path / "p.nii.gz", image)}},
        "contradict": {
            "dseg": save(tmp_path / "mirrored.nii.gz", _as(dseg, MIRROR)),
        },
        "cannot be registered": {
            "dseg": save(tmp_path / "nuclei.nii.gz", np.where(np.isin(dseg, BG_LABELS), dseg, 0)),
            "t2w": None,
        },
    }
    for says, files in cases.items():
        with pytest.raises(AtlasError, match=says.strip()) as caught:
            _single(tmp_path, save, dseg, image, files)
        assert "\n" not in str(caught.value)
        assert not atlas_home.exists() or list(atlas_home.iterdir()) == []


def test_names_are_taken_once_and_replaced_by_force(tmp_path, dseg, image, save, atlas_home):
    atlas = _single(tmp_path, save, dseg, image)
    plan = with_options(plan_import(atlas.folder), age_weeks=50)
    with pytest.raises(AtlasError, match="--force"):
        import_atlas(plan)
    assert import_atlas(plan, force=True).entries[0].age_weeks == 50
    assert [path.name for path in atlas_home.iterdir()] == ["single"]
    bad = with_options(plan_import(atlas.folder), t1w=tmp_path / "missing.nii.gz")
    with pytest.raises(AtlasError, match="does not exist"):
        import_atlas(bad, force=True)
    assert known_atlases()[0].entries[0].age_weeks == 50


@pytest.mark.parametrize("name", ["", "../up", "a b", ".hidden"])
def test_names_that_are_no_folder_names(tmp_path, name, atlas_home):
    plan = Plan(name, "single files", (PlannedEntry(tmp_path / "x.nii.gz", age_weeks=40),))
    with pytest.raises(AtlasError, match="no atlas name"):
        import_atlas(with_options(plan))


def test_ages_are_checked(tmp_path, dseg, image, save, atlas_home):
    entry = PlannedEntry(save(tmp_path / "dseg.nii.gz", dseg))
    plan = Plan("x", "single files", (entry,))
    for options, says in (
        ({}, "--age"),
        ({"age_weeks": 400}, "outside 15 to 160"),
        ({"age_weeks": 40, "window": (41, None)}, "own window"),
    ):
        with pytest.raises(AtlasError, match=says):
            import_atlas(with_options(plan, **options))
    double = Plan("x", "single files", (entry, entry))
    with pytest.raises(AtlasError, match="2 ages"):
        with_options(double, age_weeks=40)


def test_folders_of_no_known_layout(tmp_path):
    with pytest.raises(AtlasError, match="none of the known layouts"):
        plan_import(tmp_path)
    with pytest.raises(AtlasError, match="no folder"):
        plan_import(tmp_path / "missing")


@settings(max_examples=30, deadline=None)
@given(
    order=st.permutations(range(3)),
    flips=st.lists(st.booleans(), min_size=3, max_size=3),
    angle=st.floats(-0.6, 0.6),
)
def test_sides_are_told_in_any_orientation(order, flips, angle):
    dseg = np.zeros((10, 6, 6), np.int16)
    dseg[2:4, 2:4, 2:4], dseg[6:8, 2:4, 2:4] = 11, 50
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn
    picture = nib.Nifti1Image(dseg, affine)
    codes = np.stack([order, [-1 if flip else 1 for flip in flips]], axis=1)
    turned = picture.as_reoriented(codes)
    gap = left_right_gap_mm(np.asarray(turned.dataobj), turned.affine)
    assert gap == pytest.approx(4 * np.cos(angle))
    with pytest.raises(BadLabelsError, match="right of its right"):
        check_sides(np.asarray(turned.dataobj), np.diag([-1, -1, 1, 1]) @ turned.affine, source="x")


def test_no_sides_no_verdict():
    assert left_right_gap_mm(np.full((3, 3, 3), 24), np.eye(4)) is None
    check_sides(np.full((3, 3, 3), 11), np.eye(4), source="x")


@pytest.mark.skipif(not (DATA / "mcrib").is_dir(), reason="no M-CRIB in BGPVS_TEST_DATA")
def test_the_real_mcrib(atlas_home):
    plan = with_options(plan_import(DATA / "mcrib"))
    maps = plan.entries[0].probsegs
    assert sorted(maps) == [10, 11, 12, 13, 26, 49, 50, 51, 52, 58]
    one = dataclasses.replace(plan.entries[0], probsegs={11: maps[11]})
    entry = import_atlas(dataclasses.replace(plan, entries=(one,))).entries[0]
    labels = nib.load(entry.dseg)
    source = _load(DATA / "mcrib" / "M-CRIB_hardseg_0.1.nii.gz")
    ours = np.asarray(labels.dataobj)
    for index, theirs in ((11, 11), (51, 51), (10, 9), (24, 24)):
        assert (ours == index).sum() == (source == theirs).sum()
    assert 20 < left_right_gap_mm(ours, labels.affine) < 40
    caudate = _load(entry.probsegs[11])
    assert caudate.max() == pytest.approx(1)
    assert (ours[caudate > 0.5] == 11).mean() > 0.95
