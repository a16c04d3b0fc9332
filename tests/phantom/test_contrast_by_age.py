from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpvs_wf.anatomy.contrast import capsule_weight, synthesise_contrast, tissue_contrast
from bgpvs_wf.errors import AgeError, UsageError

MONTH = 52.1775 / 12
TISSUES = {
    *("background", "csf", "ventricle", "wm", "internal_capsule", "cortex", "caudate", "putamen"),
    *("pallidum", "accumbens", "thalamus", "brainstem", "cerebellum", "pvs"),
}


def difference(age_weeks, modality, a="wm", b="cortex"):
    values = tissue_contrast(age_weeks, modality)
    return values[a] - values[b]


@pytest.mark.parametrize("modality", ["T1w", "T2w"])
def test_names_every_tissue(modality):
    assert set(tissue_contrast(40, modality)) == TISSUES


@pytest.mark.parametrize("age", [28, 34, 40, 40 + 2 * MONTH])
def test_white_matter_is_brighter_than_grey_on_t2w_before_three_months(age):
    assert difference(age, "T2w") > 0.05
    assert difference(age, "T1w") < -0.03


@pytest.mark.parametrize("age", [40 + 12 * MONTH, 40 + 24 * MONTH, 160])
def test_order_is_the_adults_after_a_year(age):
    assert difference(age, "T2w") < -0.04
    assert difference(age, "T1w") > 0.08


def test_contrast_crosses_once_between_four_and_nine_months():
    ages = np.arange(40, 100, 0.25)
    for modality in ("T1w", "T2w"):
        signs = np.sign([difference(age, modality) for age in ages])
        crossings = ages[1:][np.diff(signs) != 0]
        assert len(crossings) == 1
        assert 40 + 3.9 * MONTH < crossings[0] < 40 + 9 * MONTH
    assert abs(difference(40 + 6 * MONTH, "T2w")) < 0.02


@pytest.mark.parametrize("age", [40, 45, 60, 92])
def test_internal_capsule_is_myelinated_from_term(age):
    assert difference(age, "T2w", "internal_capsule", "wm") < -0.02
    assert difference(age, "T1w", "internal_capsule", "wm") > 0.02


@given(age=st.floats(28, 159.5), modality=st.sampled_from(["T1w", "T2w"]))
def test_changes_slowly_with_age(age, modality):
    now, later = tissue_contrast(age, modality), tissue_contrast(age + 0.5, modality)
    assert max(abs(now[name] - later[name]) for name in now) < 0.02
    assert all(0 <= value <= 1 for value in now.values())


def test_refuses_what_it_does_not_know():
    with pytest.raises(AgeError, match="28 to 160"):
        tissue_contrast(20, "T2w")
    with pytest.raises(UsageError, match="FLAIR"):
        tissue_contrast(40, "FLAIR")


def test_paints_labels_and_leaves_the_rest_empty():
    dseg = np.zeros((4, 4, 4), np.int16)
    dseg[0], dseg[1], dseg[2] = 12, 24, 777
    image = synthesise_contrast(dseg, 92, "T2w")
    assert image.dtype == np.float32
    assert image[0].max() == pytest.approx(tissue_contrast(92, "T2w")["putamen"])
    assert (image[1] == 1).all()
    assert not image[2:].any()


def test_capsule_lies_in_the_gap_between_thalamus_and_lentiform_nucleus():
    dseg = np.full((30, 12, 12), 41, np.int16)
    dseg[:8], dseg[12:20] = 49, 51
    weight = capsule_weight(dseg)
    assert (weight[8:12] == 1).all()
    assert not weight[:8].any()
    assert not weight[28:].any()
    # Half the voxel size, half the gap: the capsule reaches further round the nuclei.
    assert (capsule_weight(dseg, 3.0)[8:12] < 1).all()
