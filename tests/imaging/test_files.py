from __future__ import annotations

import errno
import gzip
import json
import os

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bgpvs_wf.errors import BadImageError, BadLabelsError, BGPVSError
from bgpvs_wf.imaging.files import (
    atomic_file,
    check_labels_on_grid,
    load_image,
    read_image,
    save_image,
    write_json,
    write_table,
    write_text,
)

AFFINE = np.diag([-0.8, 0.8, 0.8, 1.0])


@pytest.fixture
def data():
    return np.random.default_rng(1).integers(1, 900, (6, 7, 8)).astype(np.float32)


def write(path, data, affine=AFFINE, kind=nib.Nifti1Image):
    nib.save(kind(data, affine), path)
    return path


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_good_image_comes_back_whole(tmp_path, data):
    image = load_image(write(tmp_path / "a.nii.gz", data))
    np.testing.assert_array_equal(np.asarray(image.dataobj), data)
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
    assert image.get_data_dtype() == np.float32


def test_integers_stay_integers_and_scaled_ones_become_floats(tmp_path, data):
    labels = load_image(write(tmp_path / "a.nii.gz", data.astype(np.int16)))
    assert np.asarray(labels.dataobj).dtype == np.int16
    scaled = nib.Nifti1Image(data / 1000, AFFINE)
    scaled.set_data_dtype(np.int16)
    nib.save(scaled, tmp_path / "b.nii.gz")
    image = load_image(tmp_path / "b.nii.gz")
    assert np.asarray(image.dataobj).dtype == np.float32
    np.testing.assert_allclose(np.asarray(image.dataobj), data / 1000, atol=1e-4)
    nib.save(image, tmp_path / "c.nii.gz")
    again = load_image(tmp_path / "c.nii.gz")
    np.testing.assert_array_equal(np.asarray(again.dataobj), np.asarray(image.dataobj))


def test_trailing_axes_of_length_one_are_squeezed(tmp_path, data):
    image = load_image(write(tmp_path / "a.nii.gz", data[..., None, None]))
    assert image.shape == data.shape
    assert image.header.get_data_shape() == data.shape


def test_nifti2_is_nifti(tmp_path, data):
    assert load_image(write(tmp_path / "a.nii", data, kind=nib.Nifti2Image)).shape == data.shape


def _truncated(path, data):
    whole = write(path, data).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def _truncated_raw(path, data):
    whole = write(path.with_suffix(""), data).read_bytes()
    with gzip.open(path, "wb") as handle:
        handle.write(whole[:-100])


def _corrupt(path, data):
    whole = bytearray(write(path, data).read_bytes())
    whole[200:260] = bytes(60)
    path.write_bytes(whole)


def _damaged_header(path, data):
    whole = bytearray(gzip.decompress(write(path, data).read_bytes()))
    whole[70:72] = b"\xff\xff"  # the code of the data type
    path.write_bytes(gzip.compress(whole))


def _with(path, data, where, value):
    data[where] = value
    write(path, data)


BAD_FILES = {
    "missing": (lambda p, d: None, "does not exist"),
    "broken link": (lambda p, d: p.symlink_to(p.parent / "annex"), "broken link"),
    "empty": (lambda p, d: p.write_bytes(b""), "empty"),
    "folder": (lambda p, d: p.mkdir(), "cannot be read"),
    "truncated gzip": (_truncated, "truncated"),
    "truncated inside": (_truncated_raw, "truncated"),
    "corrupt": (_corrupt, "damaged"),
    "damaged header": (_damaged_header, "damaged header"),
    "text": (lambda p, d: p.write_bytes(gzip.compress(b"no image" * 99)), "not NIfTI"),
    "not gzip": (lambda p, d: p.write_bytes(b"\x5c\x01\0\0" * 999), "not gzip"),
    "4D": (lambda p, d: write(p, np.stack([d, d], -1)), "6 x 7 x 8 x 2"),
    "2D": (lambda p, d: write(p, d[:, :, 0]), "no volume"),
    "one slice": (lambda p, d: write(p, d[:, :, :1]), "no volume"),
    "no voxels": (lambda p, d: write(p, d[:0]), "no volume"),
    "NaN": (lambda p, d: _with(p, d, (1, 1), np.nan), "8 NaN"),
    "infinite": (lambda p, d: _with(p, d, (1, 1, 1), np.inf), "1 NaN or infinite"),
    "zero": (lambda p, d: write(p, d * 0), "all-zero"),
    "constant": (lambda p, d: write(p, d * 0 + 7), "7 everywhere"),
    "complex": (lambda p, d: write(p, d.astype(np.complex64)), "complex64"),
    "metres": (lambda p, d: write(p, d, np.diag([8e-4, 8e-4, 8e-4, 1])), "are these metres?"),
    "microns": (lambda p, d: write(p, d, np.diag([800, 800, 800, 1])), "are these micrometres?"),
    "thick": (lambda p, d: write(p, d, np.diag([1, 1, 7, 1])), "1 x 1 x 7 mm"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_in_one_line(tmp_path, data, case):
    make, expected = BAD_FILES[case]
    path = tmp_path / "sub-01_T2w.nii.gz"
    make(path, data)
    with pytest.raises(BadImageError, match=r"T2w image .*sub-01_T2w\.nii\.gz") as error:
        load_image(path, what="T2w image")
    assert expected in one_line(error)


@pytest.mark.parametrize(
    ("column", "expected"),
    [((0.8, 0, 0), "without inverse"), ((0.02, 0.8, 0), "sheared"), ((np.nan, 0, 0), "NaN")],
)
def test_an_affine_without_sense_is_refused(tmp_path, data, column, expected):
    affine = np.diag([0.8, 0.8, 0.8, 1.0])
    affine[:3, 1] = column
    image = nib.Nifti1Image(data, None)
    image.header["sform_code"] = 1
    image.header["srow_x"], image.header["srow_y"], image.header["srow_z"] = affine[:3]
    nib.save(image, tmp_path / "a.nii.gz")
    with pytest.raises(BadImageError, match=expected):
        load_image(tmp_path / "a.nii.gz")


def test_a_gzipped_file_named_nii_is_refused(tmp_path, data):
    path = tmp_path / "a.nii"
    path.write_bytes(gzip.compress(write(tmp_path / "b.nii", data).read_bytes()))
    with pytest.raises(BadImageError, match=r"rename it to \.nii\.gz"):
        load_image(path)


def test_another_format_is_refused(tmp_path, data):
    nib.save(nib.MGHImage(data, AFFINE), tmp_path / "a.mgz")
    with pytest.raises(BadImageError, match=r"convert it to \.nii\.gz"):
        load_image(tmp_path / "a.mgz")


def test_an_empty_label_map_is_accepted_when_asked(tmp_path, data):
    path = write(tmp_path / "a.nii.gz", np.zeros((4, 4, 4), np.uint8))
    assert not np.asarray(load_image(path, allow_constant=True).dataobj).any()


def test_missing_orientation_is_noted_not_refused(tmp_path, data, caplog):
    image = nib.Nifti1Image(data, AFFINE)
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nib.save(image, tmp_path / "a.nii.gz")
    assert "no orientation" in read_image(tmp_path / "a.nii.gz").doubts[0]
    load_image(tmp_path / "a.nii.gz")
    assert "no orientation" in caplog.text


def test_contradicting_forms_are_noted(tmp_path, data):
    image = nib.Nifti1Image(data, AFFINE)
    image.set_sform(AFFINE, 1)
    image.set_qform(AFFINE, 1)
    nib.save(image, tmp_path / "a.nii.gz")
    assert read_image(tmp_path / "a.nii.gz").doubts == ()
    image.set_qform(np.diag([0.8, 0.8, 0.8, 1.0]), 1)
    nib.save(image, tmp_path / "a.nii.gz")
    assert "differ" in read_image(tmp_path / "a.nii.gz").doubts[0]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(*[st.floats(0.2, 4.0)] * 3),
    order=st.permutations(range(3)),
    flips=st.tuples(*[st.sampled_from([-1, 1])] * 3),
)
def test_any_oblique_grid_survives_the_file(tmp_path_factory, seed, sizes, order, flips):
    rng = np.random.default_rng(seed)
    affine = np.eye(4)
    rotation = Rotation.random(rng=rng).as_matrix() @ np.eye(3)[list(order)] * flips
    affine[:3, :3] = rotation * sizes
    affine[:3, 3] = rng.uniform(-150, 150, 3)
    data = rng.normal(size=(3, 4, 5)).astype(np.float32)
    path = save_image(data, affine, tmp_path_factory.mktemp("o") / "a.nii.gz")
    image = load_image(path)
    np.testing.assert_array_equal(np.asarray(image.dataobj), data)
    np.testing.assert_allclose(image.affine, affine, atol=1e-4)
    np.testing.assert_allclose(image.get_qform(), affine, atol=1e-3)
    assert int(image.header["qform_code"]) == int(image.header["sform_code"]) == 1
    assert image.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize(
    ("values", "kind"),
    [([0, 1, 255], np.uint8), ([0, 9051], np.int16), ([0, 70000], np.int32), ([-1, 3], np.int16)],
)
def test_labels_take_the_smallest_type_and_the_label_intent(tmp_path, values, kind):
    data = np.resize(np.array(values, np.int64), (3, 3, 3))
    path = save_image(data, AFFINE, tmp_path / "a.nii.gz", labels=True)
    image = nib.load(path)
    assert image.get_data_dtype() == kind
    assert image.header.get_intent()[0] == "label"
    np.testing.assert_array_equal(np.asarray(image.dataobj), data)


def test_masks_and_whole_floats_can_be_labels_but_fractions_cannot(tmp_path, data):
    save_image(data > 400, AFFINE, tmp_path / "a.nii.gz", labels=True)
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "a.nii.gz").dataobj), data > 400)
    save_image(data, AFFINE, tmp_path / "b.nii.gz", labels=True)
    assert nib.load(tmp_path / "b.nii.gz").get_data_dtype() == np.int16
    with pytest.raises(ValueError, match="whole"):
        save_image(data + 0.5, AFFINE, tmp_path / "c.nii.gz", labels=True)


def test_the_same_data_gives_the_same_bytes(tmp_path, data):
    one = save_image(data, AFFINE, tmp_path / "a.nii.gz").read_bytes()
    assert save_image(data, AFFINE, tmp_path / "sub" / "b.nii.gz").read_bytes() == one


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_text("old", tmp_path / "a.txt")

    def fail():
        with atomic_file(path) as handle:
            handle.write(b"half")
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, data, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BGPVSError, match="No space left in") as error:
        save_image(data, AFFINE, tmp_path / "a.nii.gz")
    assert str(tmp_path) in one_line(error)
    assert os.listdir(tmp_path) == []


def test_errors_while_writing_name_the_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BGPVSError, match=r"Cannot write a\.txt into"):
        write_text("x", tmp_path / "file" / "a.txt")


def test_files_get_ordinary_permissions(tmp_path):
    path = write_text("x", tmp_path / "a.txt")
    plain = tmp_path / "b.txt"
    plain.write_text("x")
    assert path.stat().st_mode == plain.stat().st_mode


def test_json_is_strict_and_takes_arrays_paths_and_nan(tmp_path):
    content = {
        "b": np.float32(1.5), "a": np.arange(2), "nan": float("nan"), "path": tmp_path,
        "nested": {1: (True, None)}, "set": {"y", "x"},
    }  # fmt: skip
    text = write_json(content, tmp_path / "a.json").read_text()
    assert json.loads(text) == {
        "b": 1.5, "a": [0, 1], "nan": None, "path": str(tmp_path),
        "nested": {"1": [True, None]}, "set": ["x", "y"],
    }  # fmt: skip
    assert list(json.loads(text)) == list(content)


def test_tables_follow_bids(tmp_path):
    path = write_table(pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan]}), tmp_path / "a.tsv")
    assert path.read_text() == "a\tb\n1\t0.5\n2\tn/a\n"


def test_labels_must_lie_on_their_image(data):
    image = nib.Nifti1Image(data, AFFINE)
    labels = nib.Nifti1Image((data > 400).astype(np.uint8), AFFINE)
    check_labels_on_grid(labels, image)
    moved = AFFINE.copy()
    moved[0, 3] += 0.8
    with pytest.raises(BadLabelsError, match="elsewhere in space"):
        check_labels_on_grid(nib.Nifti1Image(labels.dataobj, moved), image)
    coarse = nib.Nifti1Image(np.zeros((3, 3, 4), np.uint8), np.diag([-1.6, 1.6, 1.6, 1]))
    with pytest.raises(BadLabelsError, match="nearest neighbour") as error:
        check_labels_on_grid(coarse, image, labels_path="dseg.nii.gz", image_path="T2w.nii.gz")
    for part in ("dseg.nii.gz", "T2w.nii.gz", "3x3x4", "6x7x8", "1.6 x 1.6 x 1.6"):
        assert part in one_line(error)
    with pytest.raises(BadLabelsError, match="between whole numbers"):
        check_labels_on_grid(nib.Nifti1Image(data / 7, AFFINE), image)


def test_rounding_in_the_header_is_no_other_grid(data):
    image = nib.Nifti1Image(data, AFFINE)
    rounded = AFFINE + 1e-3
    rounded[3] = (0, 0, 0, 1)
    check_labels_on_grid(nib.Nifti1Image((data > 400).astype(np.uint8), rounded), image)
