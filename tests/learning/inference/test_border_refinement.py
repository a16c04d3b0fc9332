"""Nuclei of a network follow the borders in the images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.learning.data.classes import FINE_CLASSES
from bgpvs_wf.learning.data.scan import BoxImages, standardise
from bgpvs_wf.learning.inference.border_refinement import follow_borders
from bgpvs_wf.learning.training.tasks import dice

SHAPE = (44, 36, 30)
PUTAMEN, THALAMUS, VENTRICLE = (
    FINE_CLASSES.index(name) for name in ("putamen", "thalamus", "ventricle")
)


def ball(middle, radii):
    axes = zip(np.indices(SHAPE), middle, radii, strict=True)
    return sum(((i - m) / r) ** 2 for i, m, r in axes) < 1


def head():
    """Return classes with a putamen and a thalamus of each side, and which side is right."""
    classes = np.zeros(SHAPE, int)
    for side in (11, 32):
        classes[ball((side, 24, 15), (5, 7, 6))] = PUTAMEN
        classes[ball((side, 9, 15), (4, 4, 6))] = THALAMUS
    classes[ball((21.5, 18, 15), (2.5, 6, 5))] = VENTRICLE
    return classes, np.indices(SHAPE)[0] > 21


def scanned(classes, *, t1w=True, seed=0):
    rng = np.random.default_rng(seed)
    contrasts = {"T2w": [120, 0, 90, 0, 0, 95, 220], "T1w": [110, 0, 80, 0, 0, 95, 30]}
    images = np.zeros((2, *SHAPE), np.float32)
    for image, values in zip(images, contrasts.values(), strict=True):
        image[...] = ndimage.gaussian_filter(np.array(values, float)[classes], 0.4)
        image += rng.normal(0, 4, SHAPE)
    images[:, 0] = 0
    images[1] *= t1w
    grid = Grid(SHAPE, np.diag([0.8, 0.8, 0.8, 1]))
    own = standardise(images)
    return BoxImages(own, grid, own, grid)


def answer(classes, shift):
    """Return the probabilities of a network whose classes are a little beside the true ones."""
    found = np.roll(classes, shift, axis=(0, 1, 2))
    shares = [ndimage.gaussian_filter((found == k).astype(np.float32), 0.8) for k in range(7)]
    return np.stack(shares)


@pytest.mark.parametrize("t1w", [True, False])
@pytest.mark.parametrize("shift", [(0, 1, 0), (1, 0, -1)])
def test_nuclei_move_to_the_borders(shift, t1w):
    classes, right = head()
    shares = answer(classes, shift)
    found = follow_borders(shares, scanned(classes, t1w=t1w), right)
    for labels, number in (((12, 51), PUTAMEN), ((10, 49), THALAMUS)):
        for label, side in zip(labels, (~right, right), strict=True):
            true = (classes == number) & side
            assert dice(found.labels == label, true) > 0.93
            assert dice((shares.argmax(0) == number) & side, true) < 0.9
    assert set(np.unique(found.labels)) == {0, 10, 49, 12, 51, 213}
    bg = classes == PUTAMEN
    assert found.bg_share[bg].mean() > 0.85
    assert found.bg_share[~bg].mean() < 0.03
    with_thalamus = follow_borders(shares, scanned(classes, t1w=t1w), right, True)
    assert with_thalamus.bg_share[classes == THALAMUS].mean() > 0.85


def test_islands_are_no_nuclei():
    classes, right = head()
    shares = answer(classes, (0, 0, 0))
    shares[:, 40:42, 32:34, 3:5] = np.eye(7)[PUTAMEN][:, None, None, None]
    found = follow_borders(shares, scanned(classes), right)
    assert not np.isin(found.labels[39:, 31:, 2:6], (12, 51)).any()


def test_where_no_nuclei_are_found_nothing_moves():
    classes, right = head()
    shares = np.stack([np.where(classes == VENTRICLE, k == 6, k == 0) for k in range(7)])
    found = follow_borders(shares.astype(np.float32), scanned(classes), right)
    np.testing.assert_array_equal(found.labels, np.where(classes == VENTRICLE, 213, 0))
    assert not found.bg_share.any()
