"""Headers: the damaged are refused in one line, the contradictory settled or in doubt."""

from __future__ import annotations

import gzip
import struct
import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from bgpvs_wf.errors import BadImageError
from bgpvs_wf.imaging import content as content_module
from bgpvs_wf.imaging.content import read_content, read_header
from bgpvs_wf.imaging.files import load_image, read_image

SHAPE = (6, 7, 8)
AFFINE = np.diag([-0.8, 0.8, 0.8, 1.0])
AFFINE[:3, 3] = (2, -3, 4)


def image(kind=nib.Nifti1Image, dtype=np.float32, shape=SHAPE, order="<"):
    data = np.random.default_rng(1).integers(1, 90, shape).astype(dtype)
    header = kind.header_class(endianness=order)
    made = kind(data, None, header, dtype=dtype)
    made.set_sform(AFFINE, 1)
    made.set_qform(AFFINE, 1)
    return made


def change(name, value, at=None, **further):
    """Return the bytes of an image one of whose fields is something else."""
    made = image(**further)
    raw = bytearray(made.to_bytes())
    size = made.header.sizeof_hdr
    fields = type(made.header)(bytes(raw[:size]), check=False)
    array = fields[name].copy()
    with np.errstate(all="ignore"):
        array[... if at is None else at] = value
    fields[name] = array
    raw[:size] = fields.binaryblock
    return bytes(raw)


def n2(name, value, at=None):
    return change(name, value, at, kind=nib.Nifti2Image)


DAMAGED = {
    "offset 0": (change("vox_offset", 0), "vox_offset 0 in a single file"),
    "offset inside": (change("vox_offset", 348), "vox_offset 348"),
    "offset just below": (change("vox_offset", 351), "vox_offset 351"),
    "offset negative": (change("vox_offset", -16), "vox_offset -16"),
    "offset fractional": (change("vox_offset", 352.5), "vox_offset 352.5"),
    "offset NaN": (change("vox_offset", np.nan), "vox_offset nan"),
    "offset infinite": (change("vox_offset", np.inf), "vox_offset inf"),
    "offset huge": (change("vox_offset", 1e30), "too large"),
    "offset beyond the file": (change("vox_offset", 1e6), "fewer voxels than it says"),
    "NIfTI-2 offset 0": (n2("vox_offset", 0), "vox_offset 0"),
    "NIfTI-2 offset inside": (n2("vox_offset", 352), "start at 544"),
    "NIfTI-2 offset huge": (n2("vox_offset", 2**62), "too large"),
    "no dimensions": (change("dim", 0, 0), "dim[0] 0"),
    "8 dimensions": (change("dim", 8, 0), "dim[0] 8"),
    "many dimensions": (change("dim", 30000, 0), "dim[0] 30000"),
    "fewer than none": (change("dim", -3, 0), "dim[0] -3"),
    "NIfTI-2 8 dimensions": (n2("dim", 8, 0), "dim[0] 8"),
    "7 huge dimensions": (change("dim", [7, *[30000] * 7]), "30000 x 30000 x 30000"),
    "huge dimensions": (change("dim", 32767, slice(1, 4)), "32767 x 32767 x 32767"),
    "larger than the file": (change("dim", 90, slice(1, 4)), "fewer voxels than it says"),
    "negative": (change("dim", -6, 1), "dimensions -6 x 7 x 8"),
    "all negative": (change("dim", -6, slice(1, 4)), "dimensions -6 x -6 x -6"),
    "NIfTI-2 overflow": (n2("dim", 2**62, slice(1, 4)), "too large"),
    "NIfTI-2 negative": (n2("dim", -(2**62), 2), "dimensions"),
    "datatype 0": (change("datatype", 0), "unknown datatype 0"),
    "datatype 3": (change("datatype", 3), "unknown datatype 3"),
    "datatype -1": (change("datatype", -1), "unknown datatype -1"),
    "slope infinite": (change("scl_slope", np.inf), "scl_slope inf"),
    "slope minus infinite": (change("scl_slope", -np.inf), "scl_slope -inf"),
    "inter NaN": (change("scl_inter", np.nan), "scl_inter nan"),
    "inter infinite": (change("scl_inter", np.inf), "scl_inter inf"),
    "size NaN": (change("pixdim", np.nan, 1), "pixdim nan x 0.8 x 0.8"),
    "size infinite": (change("pixdim", np.inf, 3), "pixdim 0.8 x 0.8 x inf"),
    "size 0": (change("pixdim", 0, 2), "pixdim 0.8 x 0 x 0.8"),
    "size negative": (change("pixdim", -0.8, 2), "pixdim 0.8 x -0.8 x 0.8"),
    "sform code": (change("sform_code", 77), "sform_code 77"),
    "qform code": (change("qform_code", -1), "qform_code -1"),
    "sizeof_hdr": (change("sizeof_hdr", 7), "sizeof_hdr 7, not 348"),
    "NIfTI-2 sizeof_hdr": (n2("sizeof_hdr", 348), "not 540"),
    "half a header": (image(nib.Nifti2Image).to_bytes()[:400], "it ends early"),
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_header_is_refused_in_one_line(tmp_path, case, packed):
    raw, expected = DAMAGED[case]
    path = tmp_path / ("sub-01_T2w.nii.gz" if packed else "sub-01_T2w.nii")
    path.write_bytes(gzip.compress(raw) if packed else raw)
    tracemalloc.start()
    with pytest.raises(BadImageError, match=r"T2w .*sub-01_T2w\.nii") as error:
        load_image(path, what="T2w")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    text = str(error.value)
    assert "\n" not in text
    assert "damaged header" in text
    assert expected in text
    assert most < 50e6  # no room is made for what is not there


OTHER = {
    "complex": (image(dtype=np.complex64).to_bytes(), "holds complex64 voxels"),
    "RGB": (change("datatype", 128), "holds RGB voxels"),
    "RGBA": (change("datatype", 2304), "holds RGBA voxels"),
    "bits": (change("datatype", 1), "holds binary voxels"),
    "5 dimensions": (image(shape=(6, 7, 8, 1, 3)).to_bytes(), "5 dimensions (6 x 7 x 8 x 1 x 3)"),
    "no fourth": (change("dim", [4, 6, 7, 8, 0, 1, 1, 1]), "no volume"),
    "two dimensions": (change("dim", 2, 0), "no volume (6 x 7 voxels)"),
    "a pair's header": (change("magic", b"ni1"), "not NIfTI"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER)
def test_what_is_no_volume_of_numbers_is_refused_by_its_header(tmp_path, case):
    raw, expected = OTHER[case]
    path = tmp_path / "a.nii"
    path.write_bytes(raw)
    with pytest.raises(BadImageError) as error:
        load_image(path)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def with_extension(size):
    """Return an image with a comment of so many bytes, as it says."""
    raw = image().to_bytes()
    extension = struct.pack("<ii", size, 6) + b"a comment".ljust(24, b"\0")
    fields = nib.Nifti1Header(raw[:348], check=False)
    fields["vox_offset"] = 352 + 32
    return fields.binaryblock + b"\1\0\0\0" + extension + raw[352:]


HARMLESS = {
    "as it is": image().to_bytes(),
    "NIfTI-2": image(nib.Nifti2Image).to_bytes(),
    "big-endian": image(order=">").to_bytes(),
    "NIfTI-2 big-endian": image(nib.Nifti2Image, order=">").to_bytes(),
    "big-endian integers": image(dtype=np.int16, order=">").to_bytes(),
    "bytes behind": image().to_bytes() + b"\0" * 9999,
    "7 dimensions of which 3": change("dim", 7, 0),
    "slope 0": change("scl_slope", 0),
    "slope NaN, as some write": change("scl_slope", np.nan),
    "extension": with_extension(32),
    "damaged extension": with_extension(2**31 - 16),
    "another bitpix": change("bitpix", 3),
    "an odd offset": (lambda raw: change("vox_offset", 353)[:352] + b"\0" + raw[352:])(
        image().to_bytes()
    ),
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_only_unusual_is_read(tmp_path, case, packed):
    path = tmp_path / ("a.nii.gz" if packed else "a.nii")
    path.write_bytes(gzip.compress(HARMLESS[case]) if packed else HARMLESS[case])
    found = read_image(path)
    data = np.asanyarray(found.image.dataobj)
    np.testing.assert_array_equal(data, np.asanyarray(image().dataobj))
    assert data.dtype.isnative
    np.testing.assert_allclose(found.image.affine, AFFINE, atol=1e-6)
    assert found.doubts == ()
    assert found.sides_known


def test_the_header_is_judged_before_the_rest_is_unpacked(tmp_path):
    fields = nib.Nifti1Header(image().to_bytes()[:348], check=False)
    fields["dim"][1:4] = 600
    fields["datatype"] = 64
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(fields.binaryblock + bytes(4)))
    # The largest head that is to be read: 600 x 600 x 600 doubles.
    assert read_header(path).n_bytes == 352 + 600**3 * 8
    with pytest.raises(BadImageError, match="fewer voxels"):
        read_content(path)
    fields["dim"][1:4] = 1100
    path.write_bytes(gzip.compress(fields.binaryblock + bytes(4)))
    with pytest.raises(BadImageError, match=r"9\.92 GiB, at most 8 are read"):
        read_header(path)


def test_a_file_that_unpacks_to_more_than_is_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(content_module, "MOST_BYTES", 20_000_000)
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(image().to_bytes() + bytes(30_000_000)))
    with pytest.raises(BadImageError, match="holds more than"):
        load_image(path)


def forms(sform=None, qform=None, codes=(1, 1), sizes=(0.8, 0.8, 0.8)):
    raw = image().to_bytes()
    fields = nib.Nifti1Header(raw[:348], check=False)
    fields["sform_code"], fields["qform_code"] = 0, 0
    if qform is not None:
        fields.set_qform(qform, codes[1])
    if sform is not None:
        fields.set_sform(sform, codes[0])
    fields["pixdim"][1:4] = sizes
    return fields.binaryblock + raw[348:]


def scaled(factor):
    return AFFINE @ np.diag([*np.broadcast_to(factor, 3), 1.0])


def moved(mm):
    other = AFFINE.copy()
    other[1, 3] += mm
    return other


_MIRROR = np.diag([-1.0, 1, 1, 1]) @ AFFINE
_TURNED = np.diag([-1.0, -1, 1, 1]) @ AFFINE
_DAMAGED = np.where(np.eye(4) == 1, np.nan, AFFINE)
PLACES = {
    # sform, qform, codes: affine used, sides known, part of the doubt
    "both alike": (forms(AFFINE, AFFINE), AFFINE, True, ""),
    "only sform": (forms(AFFINE), AFFINE, True, ""),
    "only qform": (forms(None, AFFINE), AFFINE, True, ""),
    "to a template": (forms(AFFINE, AFFINE, (4, 1)), AFFINE, True, ""),
    "rounded": (forms(scaled(1.004), AFFINE), scaled(1.004), True, ""),
    "sform 1 mm": (forms(scaled(1.25), AFFINE), AFFINE, True, "1 x 1 x 1 mm by its sform"),
    "sform 1.12 mm": (forms(scaled(1.4), AFFINE, (4, 1)), AFFINE, True, "the qform is used"),
    "sform thick": (forms(scaled((1, 1, 2)), AFFINE), AFFINE, True, "0.8 x 0.8 x 1.6 mm"),
    "sform tiny": (forms(scaled(1e-3), AFFINE), AFFINE, True, "the qform is used"),
    "moved a bit": (forms(moved(0.5), AFFINE), moved(0.5), True, ""),
    "moved": (forms(moved(9), AFFINE), moved(9), True, "differ; the sform is used"),
    "half a turn": (forms(_TURNED, AFFINE), _TURNED, True, "differ; the sform is used"),
    "mirror images": (forms(_MIRROR, AFFINE), _MIRROR, False, "left and right cannot be trusted"),
    "mirrored and scaled": (
        forms(_MIRROR @ np.diag([2, 2, 2, 1]), AFFINE), AFFINE, False, "left and right cannot"
    ),
    "damaged sform": (forms(_DAMAGED, AFFINE), AFFINE, True, "damaged sform in its header"),
    "flat sform": (forms(np.diag([0.8, 0.8, 0, 1]), AFFINE), AFFINE, True, "damaged sform"),
    "damaged qform": (
        change("quatern_b", 9), AFFINE, True, "damaged qform in its header; the sform is used"
    ),
    "NaN qform": (change("quatern_c", np.nan), AFFINE, True, "damaged qform"),
    "neither": (
        forms(), nib.Nifti1Header(forms()[:348], check=False).get_base_affine(), False,
        "left and right cannot be trusted",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PLACES)
def test_what_says_where_the_voxels_are(tmp_path, case, caplog):
    raw, affine, sides_known, doubt = PLACES[case]
    path = tmp_path / "sub-01_T2w.nii"
    path.write_bytes(raw)
    found = read_image(path, what="T2w")
    np.testing.assert_allclose(found.image.affine, affine, atol=1e-5)
    assert found.sides_known == sides_known
    assert len(found.doubts) == bool(doubt)
    for said in found.doubts:
        assert said.startswith("T2w sub-01_T2w.nii has ")
        assert doubt in said
    # What everything downstream sees is what was settled on.
    np.testing.assert_array_equal(load_image(path).affine, found.image.affine)
    np.testing.assert_array_equal(read_header(path).placement.affine, found.image.affine)
    assert (str(path) in caplog.text) == bool(doubt)


NOWHERE = {
    "only an sform of another size": (forms(scaled(1.25)), "and nothing to settle it"),
    "of another size, to a template": (forms(scaled(1.4), None, (4, 0)), "1.12 x 1.12 x 1.12 mm"),
    "only a damaged sform": (forms(_DAMAGED), "NaN or infinity in its affine"),
    "both damaged": (
        (lambda raw: raw[:256] + struct.pack("<f", 9.0) + raw[260:])(forms(_DAMAGED, AFFINE)),
        "NaN or infinity",
    ),
    "size without any form": (forms(sizes=(9, 9, 9)), "outside 0.1 to 5 mm"),
    "only a flat sform": (forms(AFFINE @ np.diag([1, 1, 0, 1])), "; repair its header"),
}  # fmt: skip


@pytest.mark.parametrize("case", NOWHERE)
def test_what_nothing_settles_is_refused(tmp_path, case):
    raw, expected = NOWHERE[case]
    path = tmp_path / "a.nii"
    path.write_bytes(raw)
    with pytest.raises(BadImageError) as error:
        load_image(path)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
