"""The volume of tubes in a training case, against what is measured in the images it is made of."""

from __future__ import annotations

import numpy as np
import pytest
from toy_cases import toy_subject

from bgpvs_wf.learning.data.case import OWN_CHANNELS, make_case
from bgpvs_wf.learning.data.classes import anatomy_labels
from bgpvs_wf.learning.training.tube_volume import tube_volume
from bgpvs_wf.quantification import measure


def in_images(subject, bgpvs):
    """Return what quantification makes of the images of a subject."""
    images = {name: subject[name] for name in ("t2w", "t1w") if subject[name] is not None}
    regions = measure(
        bgpvs=bgpvs,
        anatomy=subject["anatomy"],
        affine=subject["affine"],
        **images,
    ).regions
    whole = (regions["region"] == "BG") & (regions["side"] == "both")
    return regions.loc[whole, "pvs_volume_tube_mm3"].iloc[0]


def in_case(case, also=None, ventricles=True):
    """Return what is measured where a network finds the labelled PVS, surely, and others."""
    own = dict(zip(OWN_CHANNELS, np.asarray(case.own(), np.float32), strict=True))
    classes = own["classes"].astype(int)
    labels = anatomy_labels(classes, np.zeros(classes.shape, bool))
    if not ventricles:
        labels = np.where(classes == 6, 0, labels)
    inside = np.isin(classes, (1, 2, 3, 4))
    told = np.where(own["pvs"] > 0, 0.9, 0.1)
    if also is not None:
        told[also(own, inside)] = 0.9
    return tube_volume(case, labels, np.where(inside, told, 0), 0.5)


@pytest.mark.parametrize("missing", [None, "t2w", "t1w"])
def test_a_case_has_the_volume_of_its_images(tmp_path, missing):
    subject = toy_subject(1.0)
    if missing:
        subject[missing] = None
    case = make_case(tmp_path, "x", **subject)
    expected = in_images(subject, subject["bgpvs"])
    assert expected > 20
    assert in_case(case) == pytest.approx(expected, rel=0.02)


def test_what_nobody_knows_is_left_out(tmp_path):
    subject = toy_subject(1.0)
    known = np.ones(subject["bgpvs"].shape)
    known[: len(known) // 2] = 0.5
    case = make_case(tmp_path, "x", **subject, confidence=known)
    sure = np.where((subject["bgpvs"] == 2) & (known < 1), 1, subject["bgpvs"])
    expected = in_images(subject, sure)
    assert expected < 0.6 * in_images(subject, subject["bgpvs"])
    assert in_case(case) == pytest.approx(expected, rel=0.05)


def test_what_is_too_faint_is_left_out(tmp_path):
    def tissue(own, inside):
        """Return a voxel of a nucleus far from the tube."""
        away = np.argwhere(inside & (own["pvs"] == 0))
        tube = np.argwhere(own["pvs"] > 0)
        apart = np.abs(away[:, None] - tube).max(axis=2).min(axis=1)
        return tuple(away[apart.argmax()])

    case = make_case(tmp_path, "x", **toy_subject(1.0))
    assert in_case(case, also=tissue) == pytest.approx(in_case(case), rel=1e-6)


def test_without_ventricles_there_is_no_volume(tmp_path):
    case = make_case(tmp_path, "x", **toy_subject(1.0))
    assert np.isnan(in_case(case, ventricles=False))
