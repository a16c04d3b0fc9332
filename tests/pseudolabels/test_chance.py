from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpvs_wf.imaging.vesselness import vesselness
from bgpvs_wf.pseudolabels.chance import Chance, false_discovery, fit_chance, maxima, seed_level

AFFINE = np.diag([0.5, 0.5, 0.5, 1])
chances = st.builds(
    Chance,
    count=st.floats(1, 5000),
    median=st.floats(0.5, 10),
    spread=st.floats(0.5, 50),
)


@given(chance=chances, expected=st.floats(1e-3, 1))
def test_level_is_the_inverse_of_expected(chance, expected):
    assert chance.expected(chance.level(expected)) == pytest.approx(expected, rel=1e-6)


@given(chance=chances, peaks=st.lists(st.floats(0, 60), max_size=30), rate=st.floats(0.01, 0.5))
def test_rates_are_shares_and_fall_with_strength(chance, peaks, rate):
    peaks = np.array(peaks)
    z = np.linspace(0, 80, 40)
    rates = false_discovery(chance, peaks, z)
    assert ((rates >= 0) & (rates <= 1)).all()
    assert (np.diff(rates) <= 1e-12).all()
    seed = seed_level(chance, peaks, rate)
    kept = peaks[peaks >= seed]
    if len(kept):
        assert chance.expected(seed) / len(kept) <= rate * (1 + 1e-6)


def test_expected_number_of_chance_maxima_in_noise_is_what_comes():
    rng = np.random.default_rng(3)
    where = np.zeros((50, 50, 50), bool)
    where[3:-3, 3:-3, 3:-3] = True
    noise = rng.normal(size=where.shape)
    bright, dark = (vesselness(noise, AFFINE, [0.5], polarity=p) for p in ("bright", "dark"))
    chance = fit_chance(dark, AFFINE, where, where)
    found = maxima(bright, AFFINE, where)
    for z in np.quantile(found, [0.6, 0.8, 0.95]):
        assert chance.expected(z) == pytest.approx((found > z).sum(), rel=0.25)
    assert chance.expected(found.max()) < 10


def test_vessels_do_not_raise_the_threshold():
    rng = np.random.default_rng(4)
    where = np.ones((50, 50, 50), bool)
    noise = rng.normal(size=where.shape)
    vessels = noise.copy()
    for _ in range(12):
        x, y = rng.integers(4, 46, 2)
        vessels[x, y, 5:45] -= 30
    plain, dotted = (
        fit_chance(vesselness(i, AFFINE, [0.5], polarity="dark"), AFFINE, where, where).level(0.1)
        for i in (noise, vessels)
    )
    assert dotted == pytest.approx(plain, rel=0.15)


def test_without_opposite_tubes_there_is_still_a_level():
    nothing = np.zeros((6, 6, 6))
    chance = fit_chance(nothing, AFFINE, nothing == 0, nothing == 0)
    assert chance.level(0.1) > chance.median
