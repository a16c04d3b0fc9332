"""Where a registration starts: transforms against nibabel and scipy, and half-turned brains."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import ndimage

from bgpvs_wf.anatomy.starts import TURNS, choose_start, start_transforms
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
