from __future__ import annotations

import base64
import gzip
import struct

import nibabel as nib
import numpy as np

from bgpvs_wf.reports.viewer.diameters import RANGE_MM, UNKNOWN, diameter_colours
from bgpvs_wf.reports.viewer.encoding import base64_text, mz3, nifti
from bgpvs_wf.reports.viewer.surfaces import Surface

TETRAHEDRON = Surface(
    np.array([[0.3, 0, 0], [10.01, 0, 0], [0, -20.02, 0], [0, 0, 30.03]]),
    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
)


def test_a_surface_is_read_back_from_mz3():
    colours = np.arange(12).reshape(4, 3)
    packed = mz3(TETRAHEDRON, colours)
    content = gzip.decompress(packed)
    assert packed == mz3(TETRAHEDRON, colours)
    assert content[:2] == b"MZ"
    assert struct.unpack("<HIII", content[2:16]) == (7, 4, 4, 0)
    assert np.array_equal(np.frombuffer(content, "<u4", 12, 16).reshape(4, 3), TETRAHEDRON.faces)
    vertices = np.frombuffer(content, "<f4", 12, 64).reshape(4, 3)
    assert np.abs(vertices - TETRAHEDRON.vertices).max() <= 1 / 128
    rgba = np.frombuffer(content, np.uint8, 16, 112).reshape(4, 4)
    assert len(content) == 128
    assert np.array_equal(rgba, np.c_[colours, np.full(4, 255)])


def test_a_surface_without_colours_is_shorter():
    content = gzip.decompress(mz3(TETRAHEDRON))
    assert struct.unpack("<H", content[2:4]) == (3,)
    assert len(content) == 112


def test_an_image_is_read_back_where_it_was():
    grey = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    affine = np.array([[1, 0, 0, -7.5], [0, 0.8, 0, 3], [0, 0, 2, 9], [0, 0, 0, 1]])
    image = nib.Nifti1Image.from_bytes(
        gzip.decompress(base64.b64decode(base64_text(nifti(grey, affine))))
    )
    assert np.array_equal(image.dataobj, grey)
    assert image.get_data_dtype() == np.uint8
    assert np.allclose(image.affine, affine)
    assert (image.header["cal_min"], image.header["cal_max"]) == (0, 255)


def test_wider_pvs_are_brighter_up_to_the_end():
    low, high = RANGE_MM
    colours = diameter_colours(np.array([*np.linspace(low, high, 20), high + 1, low - 1, np.nan]))
    luminance = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance[:20]) > 0).all()
    assert np.array_equal(colours[20], colours[19])
    assert np.array_equal(colours[21], colours[0])
    assert tuple(colours[22]) == UNKNOWN
    assert luminance.min() > 60  # seen on black
