"""Affines of ITK: written and read as ANTs does, against nibabel."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.transform import Rotation

from bgpvs_wf.imaging.itk import itk_text, read_itk

numbers = st.floats(-100, 100, allow_nan=False, width=32)


def parse_itk(text: str) -> np.ndarray:
    """Return the matrix of an ITK text transform as ITK applies it, LPS+."""
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    values = np.array(lines["Parameters"].split(), float)
    centre = np.array(lines["FixedParameters"].split(), float)
    matrix = np.eye(4)
    matrix[:3, :3] = values[:9].reshape(3, 3)
    # y = A (x - centre) + translation + centre
    matrix[:3, 3] = values[9:] + centre - matrix[:3, :3] @ centre
    return matrix


@given(hnp.arrays(float, (3, 4), elements=numbers), hnp.arrays(float, 3, elements=numbers))
def test_itk_text_moves_points_as_the_affine_does(top: np.ndarray, point: np.ndarray) -> None:
    transform = np.vstack([top, [0, 0, 0, 1]])
    moved = nib.affines.apply_affine(transform, point)
    to_lps = nib.orientations.inv_ornt_aff(
        nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt("LPS")
        ),
        (1, 1, 1),
    )
    lps = nib.affines.apply_affine(to_lps, point)
    found = nib.affines.apply_affine(parse_itk(itk_text(transform)), lps)
    np.testing.assert_allclose(nib.affines.apply_affine(to_lps, found), moved, atol=1e-4)


def test_itk_text_is_read_by_ants(tmp_path) -> None:
    ants = pytest.importorskip("ants")
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_euler("xyz", (10, -20, 30), degrees=True).as_matrix()
    transform[:3, 3] = (5, -7, 11)
    path = tmp_path / "start.txt"
    path.write_text(itk_text(transform))
    point = np.array([3.0, 4.0, 5.0])
    moved = np.array(ants.read_transform(str(path)).apply_to_point((point * (-1, -1, 1)).tolist()))
    np.testing.assert_allclose(moved * (-1, -1, 1), (transform @ [*point, 1])[:3], atol=1e-6)


def test_what_ants_wrote_is_read(tmp_path) -> None:
    ants = pytest.importorskip("ants")
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_euler("xyz", (10, -20, 30), degrees=True).as_matrix() * 1.1
    transform[:3, 3] = (5, -7, 11)
    (tmp_path / "start.txt").write_text(itk_text(transform))
    written = ants.read_transform(str(tmp_path / "start.txt"))
    written.set_fixed_parameters([3.0, -20.0, 8.0])
    path = str(tmp_path / "0GenericAffine.mat")
    ants.write_transform(written, path)
    point = np.array([3.0, 4.0, 5.0])
    moved = np.array(written.apply_to_point((point * (-1, -1, 1)).tolist())) * (-1, -1, 1)
    np.testing.assert_allclose(nib.affines.apply_affine(read_itk(path), point), moved, atol=1e-4)
