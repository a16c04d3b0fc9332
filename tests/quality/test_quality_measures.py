from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bgpvs_wf.anatomy.labels import NUCLEI, VENTRICLE_LABELS
from bgpvs_wf.phantom.acquisition import move
from bgpvs_wf.quality.findings import asymmetries_percent, rim_share, single_share, volume_for_age
from bgpvs_wf.quality.framing import margin_mm, turn_deg
from bgpvs_wf.quality.measures import doubts_about, measures, quality_columns
from bgpvs_wf.quality.pair import mirror_ratio
from bgpvs_wf.quality.ripples import ripple_percent
from bgpvs_wf.quality.scan import Scan, measure_quality, quality_table
from bgpvs_wf.quality.sharpness import smoothness_mm
from bgpvs_wf.quality.signal import contrast_percent, noise_level

SHAPE = (64, 72, 56)
AFFINE = np.diag([0.8, 0.8, 0.8, 1.0])


def rotation(axis: int, degrees: float) -> np.ndarray:
    turn = np.eye(4)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = (n for n in range(3) if n != axis)
    turn[[i, i, j, j], [i, j, i, j]] = [c, -s, s, c]
    return turn


def head(
    affine: np.ndarray = AFFINE, shape: tuple[int, ...] = SHAPE, turn: np.ndarray | None = None
):
    """Labels of nuclei and ventricles, ellipsoids in mm about the middle of the grid."""
    middle = affine @ np.append((np.array(shape) - 1) / 2, 1)
    index = np.indices(shape).reshape(3, -1)
    places = affine @ np.vstack([index, np.ones(index.shape[1])]) - middle[:, None]
    if turn is not None:
        places = turn.T @ places
    labels = np.zeros(index.shape[1], np.int16)
    for label, centre, radii in (
        (10, (-7, -10, 0), (5, 9, 5)),
        (49, (7, -10, 0), (5, 9, 5)),
        (12, (-17, 1, 0), (4, 10, 7)),
        (51, (17, 1, 0), (4, 10, 7)),
        (11, (-9, 10, 2), (3, 6, 5)),
        (50, (9, 10, 2), (3, 6, 5)),
        (4, (-3, 8, 2), (2, 6, 4)),
        (43, (3, 8, 2), (2, 6, 4)),
    ):
        away = sum(((places[k] - centre[k]) / radii[k]) ** 2 for k in range(3))
        labels[(away <= 1) & (labels == 0)] = label
    return labels.reshape(shape)


def image_of(labels: np.ndarray, seed: int = 0, noise: float = 2.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(rng.normal(size=labels.shape), 3)
    image = 120 + 60 * texture / texture.std() / 10
    image = np.where(np.isin(labels, list(NUCLEI)), 100 + (labels % 7), image)
    image = np.where(np.isin(labels, VENTRICLE_LABELS), 180, image)
    return (ndimage.gaussian_filter(image, 0.6) + rng.normal(0, noise, labels.shape)).astype(
        np.float32
    )


@settings(max_examples=20, deadline=None)
@given(st.floats(0.5, 20.0), st.floats(0.0, 500.0), st.integers(0, 2**32 - 1))
def test_noise_is_that_which_was_added(sigma, level, seed):
    rng = np.random.default_rng(seed)
    ramp = level + np.linspace(0, 50, 30)[:, None, None] + np.linspace(0, 9, 30)[:, None] ** 2
    image = ramp + rng.normal(0, sigma, (30, 30, 30))
    assert noise_level(image, np.ones(image.shape, bool)) == pytest.approx(sigma, rel=0.06)


@pytest.mark.parametrize("fwhm", [2.0, 3.0, 4.5])
def test_smoothness_is_that_of_noise_smoothed_by_as_much(fwhm):
    affine = np.diag([0.5, 0.5, 0.8, 1.0])
    noise = np.random.default_rng(1).normal(size=(90, 90, 70))
    smooth = ndimage.gaussian_filter(noise, fwhm / 2.3548 / np.array([0.5, 0.5, 0.8]))
    inside = np.ones(noise.shape, bool)
    # Of a Gaussian blur of white noise the width is that of the blur times the root of 2, by its
    # autocorrelation; the estimate is of the blur (Forman et al. 1995).
    assert smoothness_mm(smooth, inside, affine) == pytest.approx(fwhm, rel=0.08)


def test_motion_makes_ripples_and_noise_does_not():
    labels = head()
    image = image_of(labels)
    near = ndimage.distance_transform_edt(labels == 0) < 15
    still = ripple_percent(image, near, AFFINE)
    moved = move(image, np.random.default_rng(3), 1.5, 0.8)
    noisy = image + np.random.default_rng(4).normal(0, 12, image.shape)
    assert ripple_percent(moved, near, AFFINE) > 1.5 * still
    assert ripple_percent(noisy, near, AFFINE) < still
    # The axis is not named: it is the one on which it is most.
    turned, mask = np.moveaxis(moved, 1, 2), np.moveaxis(near, 1, 2)
    assert ripple_percent(turned, mask, AFFINE) == pytest.approx(
        ripple_percent(moved, near, AFFINE), rel=1e-3
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2), st.floats(-50, 50), st.permutations(range(3)), st.integers(0, 7))
def test_turns_are_told_whatever_the_order_of_axes(axis, degrees, order, flips):
    anatomy = head(turn=rotation(axis, degrees), shape=(80, 80, 80))
    straight = turn_deg(head(shape=(80, 80, 80)), AFFINE)
    # The same head, stored along other axes.
    to_stored = np.zeros((4, 4))
    to_stored[3, 3] = 1
    for new, old in enumerate(order):
        flip = bool(flips >> new & 1)
        to_stored[old, new] = -1 if flip else 1
        to_stored[old, 3] = anatomy.shape[old] - 1 if flip else 0
    stored = np.moveaxis(anatomy, order, range(3))
    stored = stored[tuple(slice(None, None, -1 if flips >> n & 1 else 1) for n in range(3))]
    affine = AFFINE @ to_stored
    told = turn_deg(stored, affine)
    assert told == pytest.approx(turn_deg(anatomy, AFFINE), abs=1e-6)
    # The hulls of nuclei nod by 6 degrees in a straight head; these do not.
    assert told == pytest.approx(abs(degrees), abs=straight + 0.5)


def test_half_a_turn_of_the_header_is_no_turn_of_the_head():
    half = np.diag([-1.0, -1.0, 1.0, 1.0])
    assert turn_deg(head(), half @ AFFINE) == pytest.approx(turn_deg(head(), AFFINE), abs=1e-6)
    assert math.isnan(turn_deg(np.zeros((4, 4, 4), int), AFFINE))


def test_a_margin_is_that_of_the_side_on_which_it_is_least():
    nuclei = np.zeros((20, 20, 20), bool)
    nuclei[8:12, 8:12, 8:12] = True
    seen = np.zeros_like(nuclei)
    seen[2:, :, 5:] = True
    assert margin_mm(nuclei, seen, np.diag([0.5, 2.0, 1.0, 1.0])) == 3.0
    assert margin_mm(nuclei, seen[:, :, ::-1], np.diag([0.5, 2.0, 1.0, 1.0])) == 3.0
    seen[:8] = False
    assert margin_mm(nuclei, seen, AFFINE) == 0.0


def test_a_mirrored_t1w_is_told():
    labels = head()
    # No head is its own mirror image.
    labels[40:44, 20:30, 20:36] = 24
    t2w = image_of(labels) + 40.0 * (labels == 24)
    t1w = (260 - t2w + np.random.default_rng(9).normal(0, 2, labels.shape)).astype(np.float32)
    assert mirror_ratio(t2w, t1w, labels, AFFINE) < 0.8
    assert mirror_ratio(t2w, t1w[::-1], labels, AFFINE) > 1.2


def test_what_the_result_tells():
    anatomy = head()
    assert asymmetries_percent(anatomy, AFFINE)["putamen"] == pytest.approx(0, abs=3)
    larger = np.where((anatomy == 51) & (np.indices(anatomy.shape)[1] % 2 == 0), 0, anatomy)
    assert asymmetries_percent(larger, AFFINE)["putamen"] == pytest.approx(200 / 3, rel=0.05)
    assert volume_for_age(anatomy, AFFINE, 40.5) < volume_for_age(anatomy, AFFINE, 32.0)
    assert math.isnan(volume_for_age(anatomy, AFFINE, None))
    region = np.ones((5, 5, 5), int)
    pvs = np.zeros_like(region)
    pvs[0, 0, :2], pvs[2, 2, 2] = 1, 2
    assert rim_share(pvs, region) == pytest.approx(2 / 3)
    assert single_share(pvs) == 0.5
    assert math.isnan(rim_share(np.zeros_like(pvs), region))


def test_a_scan_is_measured_with_what_there_is():
    anatomy = head()
    t2w = image_of(anatomy)
    bgpvs = np.isin(anatomy, (11, 50, 12, 51)).astype(np.uint8)
    scan = Scan(
        images={"T2w": t2w},
        anatomy=anatomy,
        bgpvs=bgpvs,
        instances=np.zeros(SHAPE, int),
        affine=AFFINE,
    )
    found = measure_quality(scan)
    assert set(found) <= set(measures())
    assert found["t2w_snr"] == pytest.approx(52, rel=0.1)  # 104 over 2
    assert found["t2w_contrast_percent"] == pytest.approx(
        contrast_percent(t2w, anatomy == 12, (anatomy == 0) & (t2w > 0)), abs=6
    )
    assert "t1w_snr" not in found
    assert math.isnan(found["pair_mirror_ratio"])
    table = quality_table(found)
    assert list(table.columns) == list(measures()) == list(quality_columns())
    assert table.shape == (1, len(measures()))
    assert table["t1w_snr"].isna().all()


def test_bounds_are_said_in_words_and_in_order():
    assert doubts_about({}) == []
    told = doubts_about({"t2w_snr": 4.0, "margin_mm": 0.0, "t1w_fwhm_mm": 2.0})
    assert told == [
        "The picture ends 0 mm from the nuclei: some of them may be cut off.",
        "The T2w is noisy: its signal is 4 times the noise.",
    ]
    snr = measures()["t2w_snr"]
    assert [snr.advice(v) for v in (50.0, 15.0, 4.0, math.nan)] == ["good", "look", "bad", "good"]
    for one in measures().values():
        bounded = any(
            map(math.isfinite, (one.look_below, one.look_above, one.bad_below, one.bad_above))
        )
        assert bool(one.words) == bounded, one.name
        assert bool(one.outlying) == bool(one.cohort), one.name
        assert bool(one.source) == bounded, one.name
