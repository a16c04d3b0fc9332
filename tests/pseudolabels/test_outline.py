from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bgpvs_wf.imaging.geometry import Grid, voxel_volume
from bgpvs_wf.imaging.tubes import Tube, tube_occupancy
from bgpvs_wf.pseudolabels.outline import FILL, fluid_contrast, outline

SHAPE = (30, 32, 34)


def scan_of_a_tube(diameter, voxel, blur_mm=0.4, noise=0.0, turn=0.0, background=500.0):
    """Return image, share of each voxel that is tube, core and affine."""
    affine = np.diag([voxel, voxel, voxel, 1.0])
    steps = np.arange(-4, 4.01, 0.1)
    direction = np.array([np.sin(turn), 0.3, np.cos(turn)])
    centre = affine[:3, :3] @ (np.array(SHAPE) / 2) + np.array([0.1, -0.2, 0.15])
    points = centre + steps[:, None] * direction / np.linalg.norm(direction)
    tube = Tube(points, np.full(len(points), diameter / 2), 1.0)
    index, part = tube_occupancy(tube, Grid(SHAPE, affine))
    share = np.zeros(SHAPE, np.float32)
    share[tuple(index.T)] = part
    seen = ndimage.gaussian_filter(share, blur_mm / voxel)
    rng = np.random.default_rng(0)
    image = background + FILL * 350 * seen + noise * rng.standard_normal(SHAPE)
    return image.astype(np.float32), share, seen > 0.03, affine


@settings(max_examples=12)
@given(
    diameter=st.floats(0.7, 1.6),
    voxel=st.sampled_from([0.5, 0.8]),
    turn=st.floats(0, 1.2),
)
def test_volume_is_that_of_the_fluid_however_blurred(diameter, voxel, turn):
    image, share, core, affine = scan_of_a_tube(diameter, voxel, turn=turn, noise=3.0)
    found = outline(image, core, np.ones(SHAPE, bool), 350.0, affine)
    true = share.sum() * voxel_volume(affine)
    assert found.mask.sum() * voxel_volume(affine) == pytest.approx(true, rel=0.2, abs=0.6)


def test_the_fullest_voxels_are_taken():
    image, share, core, affine = scan_of_a_tube(1.2, 0.5)
    found = outline(image, core, np.ones(SHAPE, bool), 350.0, affine)
    truth = share >= 0.4
    assert 2 * (found.mask & truth).sum() / (found.mask.sum() + truth.sum()) > 0.85
    assert found.certainty[~core & (share == 0)].max() <= 1
    assert (found.certainty[found.mask] > 0).any()


def test_neighbours_do_not_share_their_fluid():
    wide, _, wide_core, affine = scan_of_a_tube(1.5, 0.5)
    thin, thin_share, thin_core, _ = scan_of_a_tube(0.7, 0.5)
    moved = np.roll(thin, 9, axis=0), np.roll(thin_core, 9, axis=0), np.roll(thin_share, 9, axis=0)
    image = wide + moved[0] - 500.0
    found = outline(image, wide_core | moved[1], np.ones(SHAPE, bool), 350.0, affine)
    alone = (found.mask & ndimage.binary_dilation(moved[1], iterations=2)).sum()
    assert alone == pytest.approx(moved[2].sum(), rel=0.3)


def test_without_the_signal_of_fluid_half_the_peak_decides():
    image, share, core, affine = scan_of_a_tube(1.2, 0.5)
    found = outline(image, core, np.ones(SHAPE, bool), 0.0, affine)
    truth = share >= 0.4
    assert 2 * (found.mask & truth).sum() / (found.mask.sum() + truth.sum()) > 0.7


def test_nothing_found_nothing_drawn():
    image = np.full(SHAPE, 500.0, np.float32)
    found = outline(image, np.zeros(SHAPE, bool), np.ones(SHAPE, bool), 350.0, np.eye(4))
    assert not found.mask.any()
    assert not found.certainty.any()


def test_certainty_is_known_where_the_core_fills_the_tissue():
    image, _, core, affine = scan_of_a_tube(1.2, 0.5)
    found = outline(image, core, core, 350.0, affine)
    assert np.isfinite(found.certainty).all()


def test_signal_of_fluid_is_found_where_labels_lie_half_on_tissue():
    rng = np.random.default_rng(1)
    excess = rng.normal(0, 10, 4000)
    excess[:1200] += 350
    csf = np.ones(4000, bool)
    assert fluid_contrast(excess, csf) == pytest.approx(350, rel=0.04)
    assert fluid_contrast(excess, ~csf) == 0
    assert fluid_contrast(-np.abs(excess), csf) == 0
