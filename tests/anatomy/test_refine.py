"""Labels follow the borders in the images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from bgpvs_wf.anatomy import refine as module
from bgpvs_wf.anatomy.labels import BG_LABELS, NUCLEI
from bgpvs_wf.anatomy.refine import FLUID, REACH_MM, refine
from bgpvs_wf.imaging.morphology import distance_to_mm

AFFINE = np.diag([-1.0, 1.0, 1.0, 1.0])
SHAPE = (56, 40, 30)
CENTRES = {12: (16, 20, 15), 51: (40, 20, 15), 11: (22, 31, 15), 50: (34, 31, 15)}
RADII = {12: (5, 8, 6), 51: (5, 8, 6), 11: (3, 4, 5), 50: (3, 4, 5)}


def labels() -> np.ndarray:
    """Return ellipsoid nuclei in white matter, with fluid between the caudates."""
    grid = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    dseg = np.full(SHAPE, 2, np.int16)
    dseg[28:] = 41
    dseg[27:29, 26:36, 8:22] = 14
    dseg[:3] = dseg[-3:] = 3
    for label, centre in CENTRES.items():
        scaled = zip(grid, centre, RADII[label], strict=True)
        dseg[sum(((a - c) / r) ** 2 for a, c, r in scaled) < 1] = label
    return dseg


def scan(dseg: np.ndarray, seed: int, *, inverted: bool = False) -> np.ndarray:
    signal = np.full(60, 130.0)
    signal[[11, 12, 50, 51]] = 100
    signal[[3]] = 105
    signal[14] = 250
    image = ndimage.gaussian_filter(signal[dseg], 0.5)
    image += np.random.default_rng(seed).normal(0, 5, dseg.shape)
    return (300 - image if inverted else image).astype(np.float32)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def bg(dseg: np.ndarray) -> np.ndarray:
    return np.isin(dseg, BG_LABELS)


@pytest.mark.parametrize("inverted", [(False,), (True,), (False, True)], ids=["T2w", "T1w", "both"])
@pytest.mark.parametrize("shift", [(1, 0, 0), (0, -2, 0), (1, 1, 1)])
def test_shifted_labels_move_back(inverted: tuple[bool, ...], shift: tuple[int, ...]) -> None:
    truth = labels()
    registered = np.roll(truth, shift, axis=(0, 1, 2))
    images = [scan(truth, seed, inverted=value) for seed, value in enumerate(inverted)]
    refined = refine(registered, AFFINE, images)
    before, after = dice(bg(registered), bg(truth)), dice(bg(refined.dseg), bg(truth))
    assert before < 0.9
    assert after > 0.93
    assert after > before + 0.03
    for label in CENTRES:
        assert dice(refined.dseg == label, truth == label) > 0.85


def test_bright_tubes_stay_in_their_nucleus() -> None:
    truth = labels()
    image = scan(truth, 3)
    tube = np.zeros(SHAPE, bool)
    tube[16, 17:19, 12:19] = tube[40, 15:25, 15] = True
    image[tube] = 230
    refined = refine(truth, AFFINE, [image])
    np.testing.assert_array_equal(refined.dseg[tube], truth[tube])


def test_right_labels_stay() -> None:
    truth = labels()
    refined = refine(truth, AFFINE, [scan(truth, 1)])
    assert dice(bg(refined.dseg), bg(truth)) > 0.94


def test_far_labels_are_not_touched() -> None:
    truth = labels()
    registered = np.roll(truth, 1, axis=1)
    refined = refine(registered, AFFINE, [scan(truth, 1)])
    far = distance_to_mm(np.isin(registered, tuple(NUCLEI)), AFFINE) >= REACH_MM
    assert far.any()
    np.testing.assert_array_equal(refined.dseg[far], registered[far])
    assert (refined.bg_probability[far] == 0).all()


def test_probability_agrees_with_the_labels() -> None:
    truth = labels()
    refined = refine(np.roll(truth, 1, axis=0), AFFINE, [scan(truth, 2)])
    assert (refined.bg_probability[bg(refined.dseg)] > 0.2).all()
    assert refined.bg_probability[bg(refined.dseg)].mean() > 0.85
    assert refined.bg_probability[~bg(refined.dseg)].mean() < 0.05
    brier = np.mean((refined.bg_probability - bg(truth)) ** 2)
    assert brier < np.mean((bg(np.roll(truth, 1, axis=0)).astype(float) - bg(truth)) ** 2)


@settings(max_examples=12)
@given(
    kind=st.sampled_from(["constant", "noise", "zeros inside", "few labels"]),
    sizes=st.tuples(*[st.floats(0.5, 2.0)] * 3),
    seed=st.integers(0, 99),
)
def test_nothing_breaks_on_odd_images(
    kind: str, sizes: tuple[float, float, float], seed: int
) -> None:
    dseg = labels()
    image = scan(dseg, seed)
    if kind == "constant":
        image = np.full_like(image, 100)
    elif kind == "noise":
        image = np.random.default_rng(seed).uniform(1, 200, SHAPE).astype(np.float32)
    elif kind == "zeros inside":
        image[10:20, 15:25] = 0
    else:
        dseg = np.where(np.isin(dseg, (12, 51)), dseg, 0)
    affine = np.diag([*sizes, 1.0])
    refined = refine(dseg, affine, [image])
    probability = refined.bg_probability
    assert np.isfinite(probability).all()
    assert probability.min() >= 0
    assert probability.max() <= 1 + 1e-5
    assert set(np.unique(refined.dseg)) <= set(np.unique(dseg)) | {2, 3, 24}


def test_inputs_stay_as_they_were_and_results_repeat() -> None:
    truth = labels()
    registered, image = np.roll(truth, 1, axis=0), scan(truth, 4)
    copies = registered.copy(), image.copy()
    first, second = (refine(registered, AFFINE, [image]) for _ in range(2))
    np.testing.assert_array_equal(registered, copies[0])
    np.testing.assert_array_equal(image, copies[1])
    np.testing.assert_array_equal(first.dseg, second.dseg)
    np.testing.assert_array_equal(first.bg_probability, second.bg_probability)


def test_no_image_or_no_nucleus_is_refused() -> None:
    with pytest.raises(ValueError, match="no image"):
        refine(labels(), AFFINE, [])
    with pytest.raises(ValueError, match="empty"):
        refine(np.zeros(SHAPE, np.int16), AFFINE, [scan(labels(), 0)])


def told_of(dseg: np.ndarray, sigma: float = 1.0, shift: tuple[int, ...] = (0, 0, 0)) -> dict:
    """Return what a network might tell: each nucleus blurred, and moved."""
    masks = {label: dseg == label for label in CENTRES} | {FLUID: dseg == 14}
    return {
        label: ndimage.gaussian_filter(np.roll(mask, shift, (0, 1, 2)).astype(np.float32), sigma)
        for label, mask in masks.items()
    }


@pytest.mark.parametrize("shift", [(1, 0, 0), (0, -2, 0), (1, 1, 1)])
def test_what_a_network_tells_moves_to_the_border(shift: tuple[int, ...]) -> None:
    truth = labels()
    told = told_of(truth, shift=shift)
    found = np.roll(truth, shift, axis=(0, 1, 2))
    refined = refine(found, AFFINE, [scan(truth, 5)], told)
    assert dice(bg(found), bg(truth)) < 0.9
    assert dice(bg(refined.dseg), bg(truth)) > 0.93
    assert refined.bg_probability.max() <= 1


@pytest.mark.parametrize("include_thalamus", [False, True])
def test_without_images_to_go_by_the_posterior_is_what_was_told(
    monkeypatch: pytest.MonkeyPatch, include_thalamus: bool
) -> None:
    monkeypatch.setattr(module, "_TOLD", dataclasses.replace(module._TOLD, weight=0))
    monkeypatch.setattr(module, "NEIGHBOUR_WEIGHT", 0)
    truth = labels()
    truth[truth == 11] = 10
    told = told_of(truth)
    del told[11]
    told[10] = ndimage.gaussian_filter((truth == 10).astype(np.float32), 1)
    refined = refine(truth, AFFINE, [scan(truth, 6)], told, include_thalamus)
    near = distance_to_mm(np.isin(truth, tuple(NUCLEI)), AFFINE) < REACH_MM
    for place in np.argwhere(near)[::97]:
        shares = {label: float(share[tuple(place)]) for label, share in told.items()}
        shares[0] = 1 - sum(shares.values())
        kept = {label: max(share, 1e-3) for label, share in shares.items()}
        counted = [12, 51, 50, *([10] if include_thalamus else [])]
        expected = sum(kept[label] for label in counted) / sum(kept.values())
        assert refined.bg_probability[tuple(place)] == pytest.approx(expected, abs=1e-4)


@given(seed=st.integers(0, 1000), images=st.integers(1, 3))
def test_a_structure_is_a_gaussian_without_its_outliers(seed: int, images: int) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.normal(100, 10, (300, images)) @ rng.normal(0, 1, (images, images))
    samples[:20] *= 3
    weight = rng.uniform(0.61, 1, 300)
    spread = np.diag((0.1 * samples.std(axis=0) + 1e-6) ** 2)

    def gaussian(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = np.average(samples, axis=0, weights=weight)
        covariance = np.atleast_2d(np.cov(samples.T, aweights=weight, ddof=0)) + spread
        return mean, covariance

    mean, covariance = gaussian(weight)
    inverse = np.linalg.inv(covariance)
    near = np.array([(s - mean) @ inverse @ (s - mean) < 6 for s in samples])
    mean, covariance = gaussian(weight * near)
    expected = stats.multivariate_normal(mean, covariance).logpdf(samples)
    # Where it is least, it is that of a voxel four standard deviations off.
    peak = stats.multivariate_normal(mean, covariance).logpdf(mean)
    expected = np.maximum(expected, peak - 16 / 2)
    found = module._log_likelihood(samples, weight, spread, module._TOLD)
    found -= images / 2 * np.log(2 * np.pi)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
