"""Images of atlases, their own or painted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgpvs_wf.anatomy.contrast import tissue_contrast
from bgpvs_wf.anatomy.intensities import fill_inside, paint, require_paintable
from bgpvs_wf.errors import AtlasError

AFFINE = np.diag([-1.0, 1.0, 1.5, 1.0])


@pytest.mark.parametrize("modality", ["T1w", "T2w"])
@pytest.mark.parametrize("age", [40.0, 92.0])
def test_painted_tissues_have_the_contrast_of_the_age(dseg, age, modality):
    image = paint(dseg, AFFINE, age, modality)
    signal = tissue_contrast(age, modality)
    assert image.dtype == np.float32
    for labels, tissue in (((3, 42), "cortex"), ((11, 50), "caudate"), ((24, 4, 43), "csf")):
        np.testing.assert_allclose(image[np.isin(dseg, labels)], signal[tissue], rtol=1e-5)
    assert (image[dseg == 0] == 0).all()


def test_labels_of_other_sources_are_painted_too(dseg):
    swap = {3: 220, 42: 220, 2: 219, 41: 219, 4: 213, 43: 213, 12: 9012, 51: 9051}
    foreign = np.vectorize(lambda label: swap.get(int(label), int(label)))(dseg)
    np.testing.assert_allclose(paint(foreign, AFFINE, 40, "T2w"), paint(dseg, AFFINE, 40, "T2w"))
    for index in (172, 9008, 9010, 9017, 28, 192, 16):
        inner = np.where(np.isin(dseg, (4, 43)), index, dseg)
        painted = paint(inner, AFFINE, 40, "T2w")[inner == index]
        assert (painted > 0.5).all()
        assert (painted < 0.95).all()


def test_gaps_inside_are_filled_and_the_outside_is_not(dseg):
    holey = dseg.copy()
    holey[10, 10, 4] = holey[14, 14, 3] = 0
    filled = fill_inside(holey, AFFINE)
    assert filled[10, 10, 4] == dseg[10, 10, 4]
    assert filled[14, 14, 3] != 0
    assert (filled[0] == 0).all()
    assert (fill_inside(np.zeros_like(dseg), AFFINE) == 0).all()


def test_gaps_never_become_nuclei(dseg):
    holey = dseg.copy()
    around = np.zeros(dseg.shape, bool)
    around[4:9, 10:15, 4:9] = True
    gap = around & (dseg == 41)
    holey[gap] = 0
    assert set(np.unique(fill_inside(holey, AFFINE)[gap])) <= {41, 42}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 0.3))
def test_filling_keeps_what_is_labelled(seed, share):
    rng = np.random.default_rng(seed)
    dseg = np.zeros((14, 14, 14), np.int16)
    dseg[2:12, 2:12, 2:12] = rng.choice([2, 3, 11, 24], size=(10, 10, 10))
    dseg[rng.random(dseg.shape) < share] = 0
    filled = fill_inside(dseg, np.eye(4))
    np.testing.assert_array_equal(filled[dseg > 0], dseg[dseg > 0])
    assert set(np.unique(filled)) <= {0, *np.unique(dseg).tolist()}


def test_nuclei_alone_cannot_be_painted(dseg):
    nuclei = np.where(np.isin(dseg, (11, 12, 13, 50, 51, 52)), dseg, 0)
    with pytest.raises(AtlasError, match=r"bare.*T1w or T2w"):
        require_paintable(nuclei, source="bare")
    require_paintable(dseg, source="whole")
