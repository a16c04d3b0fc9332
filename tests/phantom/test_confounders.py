from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from bgpvs_wf.anatomy.labels import WM_LABELS
from bgpvs_wf.phantom import simulate_subject
from bgpvs_wf.phantom.protocol import ConfounderConfig, plain

QUIET = plain(1.0, snr=float("inf"), bias=0, hindbrain=False)
NONE = ConfounderConfig()


def infant(age=42, skull=False, **confounders):
    protocol = dataclasses.replace(
        QUIET, confounders=dataclasses.replace(NONE, **confounders), skull=skull
    )
    return simulate_subject(age, seed=6, protocol=protocol, n_tubes=0)


@pytest.fixture(scope="module")
def clean():
    return infant()


def test_vessels_are_dark_on_t2w_and_lie_in_the_lentiform_nuclei(clean):
    changed = infant(vessels=8).t2w - clean.t2w
    assert changed.min() < -50
    assert changed.max() <= 1e-3
    assert np.isin(clean.dseg[changed < -30], (12, 13, 51, 52)).all()


def test_clefts_are_fluid_on_the_surface_of_the_nuclei(clean):
    changed = infant(clefts=6).t2w - clean.t2w
    where = changed > 40
    assert where.sum() > 5
    lentiform = np.isin(clean.dseg, (12, 13, 51, 52))
    near = ndimage.binary_dilation(lentiform, iterations=2)
    deep = ndimage.binary_erosion(lentiform, iterations=3)
    assert (near & ~deep)[where].mean() > 0.9


def test_choroid_is_tissue_inside_the_ventricles(clean):
    changed = infant(choroid=True).t2w - clean.t2w
    where = changed < -50
    assert where.sum() > 5
    assert np.isin(clean.dseg[where], (4, 43)).mean() > 0.9


def test_rims_are_a_newborns():
    older = infant(age=92)
    assert np.array_equal(infant(age=92, rims=0.06).t2w, older.t2w)
    young = infant()
    changed = infant(rims=0.06).t2w - young.t2w
    assert changed.max() > 20
    assert np.isin(young.dseg[changed > 0], WM_LABELS).all()
    assert np.array_equal(infant(rims=0.06).t1w, young.t1w)


def test_texture_has_its_strength(clean):
    ratio = infant(texture=0.02).t2w[clean.t2w > 300] / clean.t2w[clean.t2w > 300]
    assert ratio.std() == pytest.approx(0.02, rel=0.1)


def test_skull_lies_around_the_brain_and_carries_no_label(clean):
    whole = infant(skull=True)
    assert whole.t2w.shape > clean.t2w.shape
    brain = whole.dseg > 0
    assert (whole.t2w[~brain] > 300).sum() > 0.1 * brain.sum()
    assert brain.sum() == pytest.approx((clean.dseg > 0).sum(), rel=0.01)


def test_confounders_change_neither_labels_nor_tubes(clean):
    busy = infant(vessels=6, clefts=4, choroid=True, rims=0.05, texture=0.02)
    assert np.array_equal(busy.dseg, clean.dseg)
    assert np.array_equal(busy.bgpvs, clean.bgpvs)
