from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpvs_wf.quantification.boundary import border_gain
from bgpvs_wf.quantification.occupancy import csf_signal, local_background, occupancy

AFFINE = np.diag([0.8, 0.8, 0.8, 1.0])
NOWHERE = np.zeros((24, 16, 16), bool)


@given(shift=st.floats(0.05, 0.95), fluid=st.sampled_from([30.0, 180.0]))
def test_the_border_with_csf_is_found_inside_the_voxel(shift, fluid):
    """A plane between nucleus and ventricle at 10 + shift voxels, whatever the labels say."""
    share = np.clip(np.arange(24)[:, None, None] + 1 - (10 + shift), 0, 1) * np.ones((24, 16, 16))
    image = 100 + (fluid - 100) * share
    for edge in (10, 11):
        parcels = np.where(np.arange(24)[:, None, None] < edge, 11, 0) * np.ones(share.shape, int)
        csf = parcels == 0
        found = occupancy(image, AFFINE, parcels=parcels, pvs=NOWHERE, ventricles=csf)
        gain = border_gain(image, parcels, csf, found, NOWHERE)
        volume = (parcels == 11).sum() + gain[11]
        assert volume == pytest.approx((1 - share).sum(), rel=0.005)


def test_csf_is_the_fluid_of_the_ventricles_not_their_plexus():
    rng = np.random.default_rng(0)
    image = np.full((20, 20, 20), 100.0)
    ventricles = np.zeros(image.shape, bool)
    ventricles[4:16, 4:16, 4:16] = True
    image[ventricles] = 200
    image[4:16, 4:16, 9:12] = 120  # plexus
    image[4, 4:16, 4:16] = 150  # partial volume at a wall
    image += rng.normal(0, 3, image.shape)
    assert csf_signal(image, ventricles, tissue=100.0) == pytest.approx(200, rel=0.02)


def test_too_small_ventricles_say_nothing():
    ventricles = NOWHERE.copy()
    ventricles[5:7, 5:7, 5:7] = True
    assert np.isnan(csf_signal(np.ones(NOWHERE.shape), ventricles, tissue=0.5))


def test_background_follows_a_bias_field_and_ignores_outliers():
    x = np.arange(24)[:, None, None] * np.ones((24, 16, 16))
    truth = 100 + x
    image = truth.copy()
    image[::5, ::4, ::4] = 400
    parcels = np.full(image.shape, 12)
    found = local_background(image, AFFINE, parcels, NOWHERE)
    assert np.abs(found - truth)[4:-4].max() < 1.0


def test_background_does_not_mix_nuclei():
    parcels = np.where(np.arange(24)[:, None, None] < 12, 12, 13) * np.ones((24, 16, 16), int)
    image = np.where(parcels == 12, 100.0, 140.0)
    found = local_background(image, AFFINE, parcels, NOWHERE)
    np.testing.assert_allclose(found, image, rtol=1e-5)


def test_share_is_unbiased_under_noise():
    rng = np.random.default_rng(2)
    image = 100 + rng.normal(0, 5, (24, 16, 16))
    image[:4] = 180 + rng.normal(0, 5, (4, 16, 16))
    parcels = np.zeros(image.shape, int)
    parcels[6:] = 12
    ventricles = np.zeros(image.shape, bool)
    ventricles[:4] = True
    found = occupancy(image, AFFINE, parcels=parcels, pvs=NOWHERE, ventricles=ventricles)
    assert abs(np.nanmean(found.share)) < 0.005
    assert np.isnan(found.share[:6]).all()


def test_no_contrast_means_no_shares():
    image = np.full((24, 16, 16), 100.0)
    parcels = np.zeros(image.shape, int)
    parcels[6:] = 12
    found = occupancy(image, AFFINE, parcels=parcels, pvs=NOWHERE, ventricles=parcels == 0)
    assert not found.known
