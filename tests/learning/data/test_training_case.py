"""Training cases: cut at the right place, read as they were written, told apart by a digest."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from toy_cases import rewritten, toy_case, toy_subject

from bgpvs_wf.anatomy.labels import BG_LABELS, NUCLEI, SIDES, VENTRICLE_LABELS
from bgpvs_wf.errors import BadLabelsError
from bgpvs_wf.imaging.geometry import coarsen, voxel_sizes
from bgpvs_wf.imaging.morphology import hull
from bgpvs_wf.learning.data.cascade_input import case_surroundings
from bgpvs_wf.learning.data.case import (
    COARSE_CHANNELS,
    FINE_CHANNELS,
    OWN_CHANNELS,
    case_of_labels,
    make_case,
    read_case,
)
from bgpvs_wf.learning.data.classes import (
    BG_CLASSES,
    LEFT_NUCLEI,
    RIGHT_NUCLEI,
    VENTRICLE_CLASS,
    coarse_classes,
    divide_bg,
    fine_classes,
)
from bgpvs_wf.learning.data.scan import Scan
from bgpvs_wf.learning.data.tissues import TISSUES, UNNAMED


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    return make_case(tmp_path_factory.mktemp("case"), "sub-toy", **toy_subject())


def channel(case, name):
    return np.asarray(case.fine()[FINE_CHANNELS.index(name)], np.float32)


def own_channel(case, name):
    return np.asarray(case.own()[OWN_CHANNELS.index(name)], np.float32)


def without_ventricles(voxel_mm):
    """Thin ones vanish at 2 mm, and the hulls grow by what they leave."""
    subject = toy_subject(voxel_mm)
    subject["anatomy"][np.isin(subject["anatomy"], VENTRICLE_LABELS)] = 2
    return subject


def test_a_case_comes_back_as_it_was(cut):
    assert read_case(cut.folder / "case.json") == cut
    assert cut.fine().dtype == cut.coarse().dtype == np.float16
    assert cut.fine().shape[0] == len(FINE_CHANNELS)
    assert cut.own().shape[0] == len(OWN_CHANNELS)
    assert cut.own().dtype == np.float16
    assert cut.coarse().shape[0] == len(COARSE_CHANNELS)
    # No path of this machine is in it: a folder of cases can be moved.
    assert str(cut.folder) not in (cut.folder / "case.json").read_text()


def test_a_case_knows_what_it_knows(cut):
    assert cut.present == (True, True)
    assert cut.ventricles
    assert cut.by_hand
    assert cut.voxel_mm == (1.5, 1.5, 1.5)
    assert cut.pvs_voxels == (toy_subject()["bgpvs"] == 2).sum() > 0


def test_labels_lie_on_the_images(cut):
    subject = toy_subject()
    classes, pvs = own_channel(cut, "classes"), own_channel(cut, "pvs")
    for number, labels in enumerate(((11, 50), (12, 51), (13, 52), (26, 58), (10, 49), (4, 43)), 1):
        assert (classes == number).sum() == np.isin(subject["anatomy"], labels).sum()
    assert pvs.sum() == (subject["bgpvs"] == 2).sum()
    # Fluid is bright on T2w and dark on T1w, where labels say that it is.
    t2w, t1w = own_channel(cut, "T2w"), own_channel(cut, "T1w")
    plain = np.isin(classes, BG_CLASSES) & (pvs == 0)
    assert t2w[pvs > 0].mean() > t2w[plain].mean() + 1
    assert t1w[pvs > 0].mean() < t1w[plain].mean() - 0.5
    assert set(np.unique(channel(cut, "tissue"))) <= {0, *TISSUES.values()}
    assert (channel(cut, "confidence") == 1).all()
    left, right = (
        np.argwhere(cut.coarse()[2] == side)[:, 0].mean() for side in (LEFT_NUCLEI, RIGHT_NUCLEI)
    )
    assert left < right  # axes are right, anterior, superior


@pytest.mark.parametrize("voxel_mm", [0.5, 0.8, 1.0])
def test_coarse_nuclei_lie_where_the_nuclei_are(tmp_path, voxel_mm):
    subject = without_ventricles(voxel_mm)
    case = make_case(tmp_path, "x", **subject)
    grid = Scan.from_arrays(subject["t2w"], subject["t1w"], subject["affine"]).coarse()[1]
    for number, side in ((LEFT_NUCLEI, SIDES["left"]), (RIGHT_NUCLEI, SIDES["right"])):
        nuclei = np.isin(subject["anatomy"], [label for label in side if label in NUCLEI])
        middles = [
            nib.affines.apply_affine(affine, np.argwhere(mask).mean(axis=0))
            for mask, affine in (
                (hull(nuclei), subject["affine"]),
                (case.coarse()[2] == number, grid.affine),
            )
        ]
        np.testing.assert_allclose(*middles, atol=0.35)


@pytest.mark.parametrize("voxel_mm", [0.5, 0.8])
def test_the_fine_network_is_told_what_the_coarse_one_is_taught(tmp_path, voxel_mm):
    subject = without_ventricles(voxel_mm)
    case = make_case(tmp_path, "x", **subject)
    taught = (case.coarse()[2] >= LEFT_NUCLEI).sum()
    assert float(case_surroundings(case.fine_classes()).shares[0].sum()) == pytest.approx(
        taught, rel=0.03
    )


def test_tissues_of_the_head_lie_on_its_classes(cut):
    _, _, classes, tissue = np.asarray(cut.coarse(), int)
    named = {number: label for label, number in TISSUES.items()}
    for side, number in (("left", LEFT_NUCLEI), ("right", RIGHT_NUCLEI)):
        nuclei = [n for n, label in named.items() if label in SIDES[side] and label in NUCLEI]
        here = np.isin(tissue, nuclei)
        assert here.sum() > 50
        assert (classes[here] == number).mean() > 0.9
    assert (tissue[classes > 0] > 0).mean() > 0.98
    assert np.isin(tissue[classes == 0], (0, *UNNAMED)).mean() > 0.98


def test_both_grids_are_at_the_same_place(cut):
    boxed = cut.boxed()
    np.testing.assert_allclose(voxel_sizes(boxed.own_grid.affine), 1.5)
    np.testing.assert_allclose(voxel_sizes(boxed.fine_grid.affine), 1)
    own = dict(zip(OWN_CHANNELS, np.asarray(cut.own(), np.float32), strict=True))
    assert (own["pvs"] > 0).sum() == cut.pvs_voxels
    assert (own["confidence"] == 1).all()
    np.testing.assert_array_equal(boxed.own, [own["T2w"], own["T1w"]])
    np.testing.assert_array_equal(boxed.fine, [channel(cut, "T2w"), channel(cut, "T1w")])


@pytest.mark.parametrize("voxel_mm", [0.5, 0.8])
def test_the_fine_grid_has_what_most_of_a_voxel_is(tmp_path, voxel_mm):
    case = make_case(tmp_path, "x", **toy_subject(voxel_mm))
    boxed = case.boxed()
    classes, own = channel(case, "classes"), own_channel(case, "classes")
    for number in range(1, 7):
        share = coarsen(own == number, boxed.own_grid.affine, boxed.fine_grid)
        assert (classes[share > 0.55] == number).all()
        assert (classes[share < 0.1] != number).all()
        volume = (own == number).sum() * voxel_mm**3
        # What is blurred loses some of its edges: the smallest has 4 mm.
        assert (classes == number).sum() == pytest.approx(volume, rel=0.15)
    fluid = channel(case, "fluid").sum()
    assert fluid == pytest.approx(case.pvs_voxels * voxel_mm**3, rel=0.05)
    assert case.pvs_volume_mm3() == pytest.approx(case.pvs_voxels * voxel_mm**3, rel=0.05)


@pytest.mark.parametrize("turn", [[[1, -1], [2, 1], [0, 1]], [[0, -1], [2, -1], [1, -1]]])
def test_turned_axes_give_the_same_case(cut, tmp_path, turn):
    subject = toy_subject()
    turned = {"affine": None}
    for name, array in subject.items():
        if name != "affine":
            image = nib.Nifti1Image(array, subject["affine"]).as_reoriented(turn)
            turned |= {name: np.asarray(image.dataobj), "affine": image.affine}
    again = make_case(tmp_path, "sub-toy", **turned)
    np.testing.assert_allclose(again.fine(), cut.fine(), atol=2e-3)
    # At half of a voxel rounding decides.
    same = again.fine()[FINE_CHANNELS.index("classes")] == cut.fine_classes()
    assert same.mean() > 0.999
    np.testing.assert_allclose(again.own(), cut.own(), atol=2e-3)
    np.testing.assert_allclose(again.own_to_fine, cut.own_to_fine, atol=1e-9)
    np.testing.assert_array_equal(again.coarse()[2:], cut.coarse()[2:])


def test_confidence_and_fluid_are_shares(tmp_path):
    subject = toy_subject(2.5)
    shape = subject["t2w"].shape
    confidence = np.full(shape, 0.75)
    fluid = (subject["bgpvs"] == 2) * 0.5
    case = make_case(tmp_path, "x", **subject, confidence=confidence, fluid=fluid, by_hand=False)
    inner = channel(case, "confidence")[8:-8, 8:-8, 8:-8]
    np.testing.assert_allclose(inner, 0.75)
    assert 0.3 < channel(case, "fluid").max() <= 0.5
    assert not case.by_hand


@pytest.mark.parametrize("sure", [None, 0.75])
def test_what_is_ignored_is_not_learnt_from(tmp_path, sure):
    subject = toy_subject(2.5)
    subject["bgpvs"].flat[np.flatnonzero(subject["bgpvs"])[::9]] = 0
    ignore = np.zeros(subject["t2w"].shape)
    ignore[: len(ignore) // 2] = 1
    confidence = None if sure is None else np.full(ignore.shape, sure)
    case = case_of_labels(tmp_path / "a", "x", **subject, confidence=confidence, ignore=ignore)
    anatomy = divide_bg(subject["anatomy"], subject["bgpvs"] > 0, subject["affine"])
    confidence = np.where(ignore > 0, 0, sure or 1)
    same = make_case(tmp_path / "b", "x", **{**subject, "anatomy": anatomy}, confidence=confidence)
    assert case.digest == same.digest
    assert set(np.unique(case.own()[OWN_CHANNELS.index("confidence")])) == {0, sure or 1}
    believed = ((subject["bgpvs"] == 2) & (ignore == 0)).sum() * 2.5**3
    assert case.pvs_volume_mm3() == pytest.approx(believed, rel=0.1)


@pytest.mark.parametrize("missing", ["t2w", "t1w"])
def test_one_image_is_enough(tmp_path, missing):
    case = make_case(tmp_path, "x", **{**toy_subject(2.5), missing: None})
    assert case.present == (missing != "t2w", missing != "t1w")
    assert not channel(case, {"t2w": "T2w", "t1w": "T1w"}[missing]).any()
    assert channel(case, {"t2w": "T1w", "t1w": "T2w"}[missing]).any()


def test_what_no_label_names_is_told_apart_by_intensity(tmp_path):
    subject = toy_subject(2.5, whole=False)
    subject["anatomy"][np.isin(subject["anatomy"], (4, 43))] = 0
    case = make_case(tmp_path, "x", **subject)
    assert not case.ventricles
    tissue = channel(case, "tissue")
    named = channel(case, "classes") > 0
    assert set(np.unique(tissue[named])) <= set(TISSUES.values())
    assert set(np.unique(tissue[~named])) == {0, *UNNAMED}
    assert not (channel(case, "classes") == VENTRICLE_CLASS).any()
    # The brain is what is bright then.
    assert 0.2 < (case.coarse()[2] > 0).mean() < 0.9
    assert set(np.unique(case.coarse()[3])) <= {0, *TISSUES.values(), *UNNAMED}
    assert set(UNNAMED) <= set(np.unique(case.coarse()[3]))


def test_the_digest_is_that_of_the_arrays(tmp_path):
    first = toy_case(tmp_path / "a")
    arrays = {name: np.array(getattr(first, name)()) for name in ("fine", "own", "coarse")}
    assert rewritten(first, **arrays).digest == first.digest
    digests = {first.digest}
    for name, array in arrays.items():
        for place in range(len(array)):
            changed = array.copy()
            changed[place, 3, 3, 3] += 1
            digests.add(rewritten(first, **{**arrays, name: changed}).digest)
    assert len(digests) == 1 + sum(map(len, (FINE_CHANNELS, OWN_CHANNELS, COARSE_CHANNELS)))
    assert json.loads((first.folder / "case.json").read_text())["digest"] in digests


def test_sites_are_voxels_of_what_they_are_named_after(cut, tmp_path):
    sites = cut.sites()
    for name, mask in (
        ("pvs", own_channel(cut, "pvs") > 0),
        ("nuclei", own_channel(cut, "classes") > 0),
    ):
        assert mask[tuple(sites[name].T)].all()
        assert len(np.unique(sites[name], axis=0)) == len(sites[name]) == min(mask.sum(), 4000)
    without = toy_case(tmp_path, pvs=False)
    assert without.pvs_voxels == 0
    assert without.sites()["pvs"].shape == (0, 3)


@pytest.mark.parametrize(
    ("name", "words"),
    [("anatomy", "anatomy"), ("bgpvs", "labels"), ("confidence", "confidence"), ("fluid", "fluid")],
)
def test_labels_of_another_shape(tmp_path, name, words):
    subject = {**toy_subject(3.0), name: np.ones((3, 4, 5), np.uint8)}
    with pytest.raises(BadLabelsError, match=rf"sub-x: the {words} has shape \(3, 4, 5\).*grid"):
        make_case(tmp_path, "sub-x", **subject)


def test_labels_without_nuclei(tmp_path):
    subject = toy_subject(3.0)
    for labels, words in (((11, 50), "no caudate"), (BG_LABELS, "no putamen and no pallidum")):
        anatomy = np.where(np.isin(subject["anatomy"], labels), 0, subject["anatomy"])
        with pytest.raises(BadLabelsError, match=words):
            make_case(tmp_path, "x", **{**subject, "anatomy": anatomy})
    nothing = np.zeros_like(subject["anatomy"])
    with pytest.raises(BadLabelsError, match="no caudate"):
        make_case(tmp_path, "x", **{**subject, "anatomy": nothing})
    assert not list(tmp_path.iterdir())


def test_a_lentiform_nucleus_is_refused():
    with pytest.raises(BadLabelsError, match="no putamen and no pallidum"):
        fine_classes(np.array([11, 50, 9012, 9051]))


def test_coarse_classes_of_each_side():
    dseg = np.array([0, 2, 26, 12, 4, 10, 213, 49, 2, 0, 58, 2]).reshape(-1, 1, 1)
    brain = np.array([0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1], bool).reshape(-1, 1, 1)
    # What lies between the nuclei of a side is theirs if it is brain; a nucleus is in any case.
    assert coarse_classes(dseg, brain).ravel().tolist() == [0, 1, 3, 3, 2, 3, 2, 4, 4, 0, 4, 1]
    assert coarse_classes(0 * dseg, brain).ravel().tolist() == brain.ravel().astype(int).tolist()


def test_basal_ganglia_are_divided_by_the_nearest_nucleus():
    dseg = np.array([4, 11, 11, 10, 0, 0, 0, 12, 12, 3]).reshape(-1, 1, 1)
    bg = np.array([0, 0, 1, 1, 1, 0, 1, 1, 0, 0], bool).reshape(-1, 1, 1)
    divided = divide_bg(dseg, bg, np.eye(4))
    # All else stays, but what was a nucleus and is not in the mask.
    assert divided.ravel().tolist() == [4, 0, 11, 11, 11, 0, 12, 12, 0, 3]
    assert divided.dtype == np.int16
    # Distances are millimetres.
    thick = np.array([[11, 0, 0], [0, 0, 12]]).reshape(2, 3, 1)
    for affine, nearest in ((np.diag([1.0, 9, 9, 1]), 12), (np.diag([9.0, 1, 1, 1]), 11)):
        divided = divide_bg(thick, np.ones(thick.shape, bool), affine)
        assert divided[0, 2, 0] == nearest


def test_drawing_less_leaves_no_hole_where_tissues_are_known():
    subject = toy_subject()
    less = ndimage.binary_erosion(subject["bgpvs"] > 0)
    divided = divide_bg(subject["anatomy"], less, subject["affine"])
    np.testing.assert_array_equal(divided == 0, subject["anatomy"] == 0)
    np.testing.assert_array_equal(np.isin(divided, BG_LABELS), less)
    rim = (subject["bgpvs"] > 0) & ~less
    assert set(np.unique(divided[rim])) == {2, 41}
    assert not fine_classes(divided)[rim].any()


def test_basal_ganglia_without_nuclei():
    with pytest.raises(BadLabelsError, match="no nuclei to divide"):
        divide_bg(np.array([4, 10, 49, 2]), np.array([1, 1, 1, 1], bool), np.eye(4))
