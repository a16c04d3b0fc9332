"""Where a registration starts: transforms against nibabel and scipy, and half-turned brains."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bgpvs_wf.anatomy.starts import TURNS, choose_start, itk_text, start_transforms
from bgpvs_wf.imaging.geometry import Grid, resample

AFFINE = np.array([[2.0, 0, 0, -40], [0, 2.0, 0, -46], [0, 0, 2.0, -36], [0, 0, 0, 1]])
numbers = st.floats(-100, 100, allow_nan=False, width=32)


def blob() -> np.ndarray:
    """Return a head that no half turn takes to itself."""
    x, y, z = np.meshgrid(*(np.arange(n) for n in (40, 46, 36)), indexing="ij")
    image = np.zeros((40, 46, 36), np.float32)
    image[((x - 20) / 16) ** 2 + ((y - 23) / 20) ** 2 + ((z - 18) / 15) ** 2 < 1] = 50
    for centre, radius, value in (((20, 36, 20), 6, 110), ((12, 20, 26), 5, 90)):
        inside = sum((a - c) ** 2 for a, c in zip((x, y, z), centre, strict=True)) < radius**2
        image[inside] = value
    return ndimage.gaussian_filter(image, 1)


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


def test_starts_put_centres_on_each_other() -> None:
    image = blob()
    moved = AFFINE.copy()
    moved[:3, 3] += (13, -8, 4)
    centre = nib.affines.apply_affine(AFFINE, ndimage.center_of_mass(image > 0))
    expected = [*np.add(centre, (13, -8, 4)), 1]
    starts = start_transforms(image, AFFINE, image, moved)
    assert len(starts) == len(TURNS)
    np.testing.assert_allclose(starts[0][:3, :3], np.eye(3))
    for start in starts:
        assert np.linalg.det(start[:3, :3]) == pytest.approx(1)
        np.testing.assert_allclose(start @ [*centre, 1], expected, atol=1e-6)


@pytest.mark.parametrize("turn", range(len(TURNS)))
def test_a_turned_header_is_found(turn: int) -> None:
    image = blob()
    axis = np.diag(((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))[turn])
    wrong = AFFINE.copy()
    wrong[:3] = axis @ AFFINE[:3]
    starts = start_transforms(image, AFFINE, image, wrong)
    grid = Grid((40, 46, 36), AFFINE)
    warped = [resample(image, np.linalg.inv(start) @ wrong, grid) for start in starts]
    best, doubts = choose_start(image, image > 1, warped)
    assert best == turn
    assert len(doubts) == (turn > 0)
    for doubt in doubts:
        assert TURNS[turn] in doubt
        assert "contradicts" in doubt


def test_an_inverted_contrast_is_as_good() -> None:
    image = blob()
    best, _ = choose_start(image, image > 1, [image[:, ::-1], 200 - image])
    assert best == 1


def test_the_header_gets_the_benefit_of_the_doubt() -> None:
    image = blob()
    rng = np.random.default_rng(3)
    little_worse = image + rng.normal(0, 1, image.shape)
    assert choose_start(image, image > 1, [little_worse, image]) == (0, ())
    assert choose_start(image, image > 1, [np.zeros_like(image)] * 4) == (0, ())
