"""What the voxels of a scan are: its zero, its grey levels, its size of voxels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bgpvs_wf.errors import BadImageError
from bgpvs_wf.imaging.intensity import foreground
from bgpvs_wf.imaging.signal import (
    from_zero,
    sees_pvs,
    signal_doubts,
    stretch_percent,
    thickness_doubt,
)


def head(noise=0.0, seed=0):
    """Return a head of fluid, grey and white matter on a background of nothing, or of noise."""
    at = np.indices((40, 40, 30)) - np.array([20, 20, 15])[:, None, None, None]
    away = np.sqrt((at**2).sum(axis=0))
    rng = np.random.default_rng(seed)
    data = np.select([away < 5, away < 9, away < 12], [900.0, 300.0, 400.0])
    data += np.where(data > 0, rng.normal(0, 15, data.shape), 0)
    if noise:
        data = np.hypot(data + rng.normal(0, noise, data.shape), rng.normal(0, noise, data.shape))
    return data.astype(np.float32)


def zscored(data, inside=None):
    inside = np.ones(data.shape, bool) if inside is None else inside
    return (data - data[inside].mean()) / data[inside].std()


SHIFTED = {
    "z-scored": zscored,
    "500 less": lambda x: x - 500,
    "5000 less": lambda x: x - 5000,
    "500 more": lambda x: x + 500,
    "-1 to 1": lambda x: 2 * x / x.max() - 1,
    "mean 0": lambda x: x - x.mean(),
    "z-scored in the head, background alike": lambda x: zscored(x, x > 150),
    "tenfold, less": lambda x: 10 * x - 1000,
}


@pytest.mark.parametrize("noise", [0, 12])
@pytest.mark.parametrize("case", SHIFTED)
def test_a_shifted_image_gets_its_zero_back_and_that_is_said(case, noise):
    original = head(noise)
    data, text = from_zero(SHIFTED[case](original).astype(np.float32), "T2w a.nii")
    assert "it was shifted there" in text
    # The same up to a factor, and up to the darkest noise.
    factor = np.median(data[original > 150] / original[original > 150])
    np.testing.assert_allclose(data / factor, original, atol=1 if noise else 0.01)


def _ringing(data):
    data = data.copy()
    rng = np.random.default_rng(1)
    edge = foreground(data) & ~foreground(np.roll(data, 1, 0))
    data[edge] = -rng.uniform(0, 80, edge.sum())
    return data


USUAL = {
    "zeroed background": head(),
    "noise": head(12),
    "much noise": head(60),
    "inside of the head": head()[14:26, 14:26, 10:20],
    "inside of the head, noise": head(12)[14:26, 14:26, 10:20],
    "bright at the border": np.where(head() > 0, head(), 0)[14:26],
}


@pytest.mark.parametrize("case", USUAL)
def test_magnitudes_stay_as_they_are(case):
    data, text = from_zero(USUAL[case], "T2w a.nii")
    assert data is USUAL[case]
    assert text == ""


@pytest.mark.parametrize(
    "data",
    [_ringing(head()), head() + np.random.default_rng(2).normal(0, 15, (40, 40, 30))],
    ids=["ringing", "noise about 0"],
)
def test_small_negative_values_are_cut_as_ever(data):
    data = data.astype(np.float32)
    assert data.min() < 0
    got, text = from_zero(data, "T2w a.nii")
    np.testing.assert_array_equal(got, np.maximum(data, 0))
    assert text == ""


REFUSED = {
    "inverted": (1000 - head(), "looks inverted"),
    "inverted, noise": (1000 - head(12), "looks inverted"),
    "negated": (-head(), "looks inverted"),
    "negated, noise": (-head(12), "looks inverted"),
    "z-scored and inverted": (-zscored(head()), "looks inverted"),
    "z-scored within a mask": (
        np.where(head() > 150, zscored(head(), head() > 150), 0), "no background to tell its zero"
    ),
    "z-scored inside of the head": (zscored(head()[12:28, 12:28, 8:22]), "no background"),
    "difference of two": (head(12) - head(12, seed=1)[::-1, :, ::-1] * 2.5, "no background"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_zero_is_refused_in_one_line(case):
    data, expected = REFUSED[case]
    with pytest.raises(BadImageError, match=expected) as error:
        from_zero(data.astype(np.float32), "T2w /x/a.nii")
    assert str(error.value).startswith("T2w /x/a.nii has ")
    assert "\n" not in str(error.value)


GREYS = {
    "as it is": (lambda x: x, ""),
    "8 bits": (lambda x: np.round(x / x.max() * 255), ""),
    "whole numbers": (np.round, ""),
    "16 levels": (lambda x: np.round(x / x.max() * 16), "grey levels"),
    "2 levels": (lambda x: np.round(x / x.max() * 2), "has only 2 grey levels"),
    "a mask": (lambda x: x > 0, "has only 1 grey levels"),
    "brightest cut off": (lambda x: np.minimum(x, np.percentile(x[x > 0], 99)), ""),
    "fluid cut off": (lambda x: np.minimum(x, 700), "cut off at its largest value"),
    "nothing": (lambda x: x * 0, ""),
}


@pytest.mark.parametrize("case", GREYS)
def test_too_few_grey_levels_are_in_doubt(case):
    change, expected = GREYS[case]
    doubts = signal_doubts(change(head()).astype(np.float32))
    assert len(doubts) == bool(expected)
    assert expected in "".join(doubts)


@pytest.mark.parametrize(
    ("sizes", "expected", "seen"),
    [
        ((0.8, 0.8, 0.8), "", True),
        ((0.5, 0.5, 1.2), "", True),
        ((1.2, 1.2, 1.2), "", True),
        ((0.8, 0.8, 1.6), "few PVS", True),
        ((1.6, 0.8, 0.8), "few PVS", True),
        ((1.5, 1.5, 1.5), "few PVS", True),
        ((0.8, 0.8, 2.0), "few PVS", True),
        ((0.8, 0.8, 3.2), "hardly any PVS", False),
        ((3.2, 0.8, 0.8), "hardly any PVS", False),
        ((2.5, 2.5, 2.5), "hardly any PVS", False),
    ],
)
def test_voxels_too_large_for_pvs_are_in_doubt(sizes, expected, seen):
    affine = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0] * sizes  # oblique
    text = thickness_doubt(affine)
    assert expected in text
    assert bool(text) == bool(expected)
    assert sees_pvs(affine) == seen


@pytest.mark.parametrize(
    ("stretches", "percent"),
    [((1, 1, 1), 0), ((1.03, 1, 0.99), 4.04), ((1.08, 1.01, 0.92), 17.4), ((0.9, 0.9, 0.9), 11.1)],
)
def test_how_far_one_image_is_stretched_does_not_depend_on_turns(stretches, percent):
    turns = [Rotation.from_euler("xyz", angles).as_matrix() for angles in ((1, 2, 3), (0.4, 1, 0))]
    found = stretch_percent(turns[0] @ np.diag(stretches) @ turns[1])
    assert found == pytest.approx(percent, abs=0.05)
