"""What intensities tell apart where labels say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from bgpvs_wf.learning.data.contrasts import random_contrast
from bgpvs_wf.learning.data.scan import standardise
from bgpvs_wf.learning.data.tissues import TISSUES, UNNAMED, with_unnamed

LEVELS = (40.0, 60.0, 80.0, 100.0, 160.0)


@pytest.fixture
def stripes():
    """Five stripes of the brain, a nucleus across them, background around."""
    t2w = np.zeros((24, 30, 16), np.float32)
    for number, level in enumerate(LEVELS):
        t2w[2:-2, 5 * number : 5 * number + 5, 2:-2] = level
    t2w[:, 25:] = 0
    numbers = np.zeros(t2w.shape, np.uint8)
    numbers[8:14, :25, 6:10] = TISSUES[12]
    noise = np.random.default_rng(1).normal(0, 2, t2w.shape)
    t2w = np.where(t2w > 0, t2w + noise, 0)
    return numbers, t2w, np.where(t2w > 0, 250 - t2w, 0)


@pytest.mark.parametrize("missing", [None, 0, 1])
def test_the_rest_is_divided_by_intensity(stripes, missing):
    numbers, t2w, t1w = stripes
    images = standardise(np.stack([t2w, t1w]))
    if missing is not None:
        images[missing] = 0
    found = with_unnamed(numbers, images)
    named = numbers > 0
    np.testing.assert_array_equal(found[named], numbers[named])
    assert not found[(t2w == 0) & ~named].any()
    # In the middle of a stripe, away from borders, which are blurred.
    middles = [np.unique(found[4:7, 5 * number + 2, 5:-5]) for number in range(len(LEVELS))]
    assert all(len(middle) == 1 for middle in middles)
    order = [int(middle[0]) for middle in middles]
    assert order == sorted(order)
    assert set(order) <= set(UNNAMED)
    assert len(set(order)) >= 4  # of five means, one may have gone to the borders
    assert order.count(UNNAMED[-1]) == 1
    np.testing.assert_array_equal(with_unnamed(numbers, images), found)


def test_a_little_rest_stays(stripes):
    numbers, t2w, t1w = stripes
    numbers = np.where(t2w > 0, TISSUES[41], numbers)
    numbers[5, 5, 5] = 0
    found = with_unnamed(numbers, standardise(np.stack([t2w, t1w])))
    np.testing.assert_array_equal(found, numbers)


def test_what_is_most_like_fluid_is_painted_as_fluid():
    tissue = np.repeat(UNNAMED, 6)[:, None, None] * np.ones((1, 8, 8), int)
    orders = set()
    for seed in range(12):
        images = random_contrast(tissue, np.zeros(tissue.shape), np.random.default_rng(seed))
        t2w, t1w = ([image[6 * n + 2 : 6 * n + 4].mean() for n in range(5)] for image in images)
        assert int(np.argmax(t2w)) == int(np.argmin(t1w)) == 4
        orders.add(tuple(np.argsort(t2w)))
    assert len(orders) > 4
