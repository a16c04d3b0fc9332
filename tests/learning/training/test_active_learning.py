"""Whom to annotate next: measured, compared, chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpvs_wf.errors import BadLabelsError
from bgpvs_wf.imaging.morphology import dilate_mm
from bgpvs_wf.learning.training.active_learning import (
    FAR,
    FEATURES,
    RIM_MM,
    choose,
    describe,
    mean_uncertainty,
    standardise,
)
from bgpvs_wf.quantification import measure

NAMES = [name for group in FEATURES.values() for name in group]
seeds = st.integers(0, 10_000)


def random_cohort(rng: np.random.Generator, size: int) -> dict[str, dict[str, float]]:
    values = rng.lognormal(size=(size, len(NAMES)))
    values[:, :-1][rng.random((size, len(NAMES) - 1)) < 0.1] = np.nan
    return {f"sub-{i:02}": dict(zip(NAMES, row, strict=True)) for i, row in enumerate(values)}


def by_brute_force(subjects, labelled, number):
    """Choose by the rule as it is written, with no shortcut."""
    labels = sorted(subjects)
    rows = standardise(np.array([[subjects[s][name] for name in NAMES] for s in labels]))
    z = {s: dict(zip(NAMES, row, strict=True)) for s, row in zip(labels, rows, strict=True)}
    free = [s for s in labels if s not in labelled]
    centres = [s for s in labels if s in labelled]

    def apart(a, b):
        groups = [np.mean([(z[a][n] - z[b][n]) ** 2 for n in group]) for group in FEATURES.values()]
        return np.sqrt(np.mean(groups))

    def rank(s):
        order = sorted(free, key=lambda other: subjects[other]["uncertainty"])
        return (order.index(s) + 1) / len(free)

    chosen = []
    for _ in range(min(number, len(free))):
        best = max(
            (s for s in free if s not in centres),
            key=lambda s: (rank(s) * min((apart(s, c) for c in centres), default=0), rank(s)),
        )
        near = min(centres, key=lambda c: apart(best, c), default="")
        chosen.append((best, near, apart(best, near) if near else np.nan))
        centres.append(best)
    return chosen


@given(seed=seeds, size=st.integers(1, 9), number=st.integers(1, 10), n_labelled=st.integers(0, 3))
def test_the_choice_is_that_of_the_rule_as_written(seed, size, number, n_labelled):
    subjects = random_cohort(np.random.default_rng(seed), size)
    labelled = [*sorted(subjects)[::2][:n_labelled], "sub-elsewhere"]
    found = choose(subjects, labelled, number)
    expected = by_brute_force(subjects, labelled, number)
    assert [(one.label, one.nearest) for one in found] == [one[:2] for one in expected]
    np.testing.assert_allclose([one.distance for one in found], [one[2] for one in expected])
    free = [subjects[s]["uncertainty"] for s in subjects if s not in labelled]
    for one in found:
        assert one.uncertainty == subjects[one.label]["uncertainty"]
        assert one.among == len(free)
        assert one.place == sorted(free, reverse=True).index(one.uncertainty) + 1
        assert one.differs in (FEATURES if one.nearest else ("",))


@given(
    rows=st.lists(st.tuples(*[st.integers(0, 3)] * len(NAMES)), min_size=1, max_size=7),
    order=st.randoms(),
    seed=st.none() | st.integers(0, 3),
)
def test_the_order_of_subjects_does_not_matter_even_with_equals(rows, order, seed):
    values = [dict(zip(NAMES, map(float, row), strict=True)) for row in rows]
    subjects = {f"sub-{i}": features for i, features in enumerate(values)}
    shuffled = list(subjects)
    order.shuffle(shuffled)
    labelled = ["sub-1", "sub-3"]
    found = choose(subjects, labelled, 4, seed)
    again = choose({s: subjects[s] for s in shuffled}, labelled[::-1], 4, seed)
    assert repr(found) == repr(again)  # a missing distance does not equal itself
    assert repr(found[:2]) == repr(choose(subjects, labelled, 2, seed))
    assert {one.label for one in found}.isdisjoint(labelled)
    assert len(found) == min(4, len(set(subjects) - set(labelled)))


def cohort_of(**uncertainty_and_size: tuple[float, float]) -> dict[str, dict[str, float]]:
    return {
        f"sub-{name}": {"uncertainty": uncertainty} | dict.fromkeys(NAMES[:5], size)
        for name, (uncertainty, size) in uncertainty_and_size.items()
    }


def test_two_of_a_kind_are_not_both_first():
    subjects = cohort_of(
        twin=(0.50, 7.00), other=(0.40, 9.0), same=(0.49, 7.01), a=(0.1, 8.0), b=(0.11, 8.1)
    )
    assert [one.label for one in choose(subjects, [], 2)] == ["sub-twin", "sub-other"]
    # Nor is one like those that are labelled.
    first = choose(subjects, ["sub-twin"], 1)[0]
    assert first.label == "sub-other"
    assert first.place == 2
    assert first.why == (
        "number 2 by uncertainty of 4; nearest is sub-twin, which differs most in: "
        "size of the nuclei"
    )


def test_equals_go_by_label_or_by_seed():
    subjects = cohort_of(**dict.fromkeys("abcdefgh", (0.2, 8.0)))
    assert [one.label for one in choose(subjects, [], 3)] == ["sub-a", "sub-b", "sub-c"]
    assert choose(subjects, [], 2)[1].why == "most uncertain of 8; like sub-a"
    assert len({choose(subjects, [], 1, seed)[0].label for seed in range(20)}) > 3


def test_nobody_to_choose_is_no_choice():
    assert choose({}, [], 3) == []
    assert choose(cohort_of(a=(0.1, 1.0)), ["sub-a"], 3) == []


@given(seed=seeds, scale=st.sampled_from([0.01, 1.0, 300.0]))
def test_standardising_does_not_see_units_and_stays_in_bounds(seed, scale):
    values = np.random.default_rng(seed).standard_cauchy((9, 3))
    found = standardise(values)
    np.testing.assert_allclose(found, standardise(values * scale + 5), atol=1e-6)
    assert np.abs(found).max() <= FAR
    assert (np.median(found, axis=0) == 0).all()


def test_one_of_another_kind_stands_out_of_equals():
    found = standardise(np.array([[0.8]] * 19 + [[0.5]]))
    assert (found[:-1] == 0).all()
    assert found[-1] == -FAR
    assert (standardise(np.full((4, 1), np.nan)) == 0).all()


def ball(radius_mm: float, voxel_mm: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a ball, an uncertainty that is the same on every border, and the affine."""
    size = int(2 * (radius_mm + 4) / voxel_mm)
    place = (np.indices((size,) * 3) - (size - 1) / 2) * voxel_mm
    out = np.sqrt((place**2).sum(axis=0)) - radius_mm
    unsure = 0.6 * np.exp(-((out / 0.8) ** 2)) + 0.03 * (out < -RIM_MM)
    return (out < 0).astype(np.uint8), unsure.astype(np.float32), np.diag([voxel_mm] * 3 + [1])


def test_uncertainty_is_of_the_border_and_not_of_the_size():
    small, large = ball(6, 0.8), ball(12, 0.8)
    found = [mean_uncertainty(unsure, dseg, affine) for dseg, unsure, affine in (small, large)]
    assert found[0] == pytest.approx(found[1], rel=0.03)
    plain = [u[dilate_mm(dseg > 0, affine, RIM_MM)].mean() for dseg, u, affine in (small, large)]
    assert plain[0] > 1.3 * plain[1]
    dseg, unsure, affine = large
    assert mean_uncertainty(2 * unsure, dseg, affine) == pytest.approx(2 * found[1])
    far = dilate_mm(dseg > 0, affine, 2 * RIM_MM)
    assert mean_uncertainty(np.where(far, unsure, 1), dseg, affine) == pytest.approx(found[1])


def test_uncertainty_without_basal_ganglia_is_refused():
    with pytest.raises(BadLabelsError, match="no basal ganglia"):
        mean_uncertainty(np.zeros((4, 4, 4)), np.zeros((4, 4, 4)), np.eye(4))


@pytest.fixture(scope="module")
def scan() -> dict[str, object]:
    nuclei = np.zeros((20, 14, 10), np.int16)
    for i, pair in enumerate([(11, 50), (12, 51), (13, 52), (10, 49)]):
        nuclei[2:9, 1 + 3 * i : 4 + 3 * i, 2:8] = pair[0]
        nuclei[11:18, 1 + 3 * i : 4 + 3 * i, 2:8] = pair[1]
    dseg = np.isin(nuclei, (11, 50, 12, 51, 13, 52)).astype(np.uint8)
    dseg[3:8, 5, 5] = 2
    signal = {11: 100, 50: 100, 12: 90, 51: 90, 13: 80, 52: 80, 10: 110, 49: 110}
    t2w = sum(value * (nuclei == label) for label, value in signal.items()) + 0.0
    t2w[dseg == 2] = 1e6
    affine = np.diag([0.5, 0.5, 1.0, 1])
    regions = measure(bgpvs=dseg, anatomy=nuclei, affine=affine).regions
    return {
        "uncertainty": np.full(nuclei.shape, 0.25, np.float32),
        "dseg": dseg,
        "nuclei": nuclei,
        "t2w": t2w,
        "affine": affine,
        "regions": regions,
        "has_t1w": True,
    }


def test_features_are_what_they_say(scan):
    found = describe(**scan)
    assert set(found) == set(NAMES)
    assert found["uncertainty"] == pytest.approx(0.25)
    assert np.exp(found["Caudate"]) == pytest.approx(2 * 7 * 3 * 6 * 0.25)
    assert np.isnan(found["Accumbens-area"])  # there is none
    assert np.exp(found["pvs_count"]) == pytest.approx(2)
    assert np.exp(found["pvs_fraction"]) == pytest.approx(1 + 100 * 5 / (scan["dseg"] > 0).sum())
    ratios = [np.exp(found[f"t2w_{name}"]) for name in ("putamen", "pallidum", "thalamus")]
    np.testing.assert_allclose(ratios, [0.9, 0.8, 1.1])
    assert [np.exp(found[f"{end}_edge"]) for end in ("shortest", "longest")] == [0.5, 1.0]
    assert (found["t2w"], found["t1w"]) == (1, 1)


def test_what_is_not_known_is_missing_and_does_not_hinder(scan):
    regions = scan["regions"].copy()
    regions["pvs_count"] = pd.array([pd.NA] * len(regions), "Int64")
    found = describe(**scan | {"t2w": None, "regions": regions})
    assert {n for n in NAMES if np.isnan(found[n])} == {
        *("Accumbens-area", "pvs_count", "t2w_putamen", "t2w_pallidum", "t2w_thalamus")
    }
    subjects = {"sub-1": found, "sub-2": describe(**scan), "sub-3": describe(**scan)}
    assert len(choose(subjects, ["sub-3"], 2)) == 2
