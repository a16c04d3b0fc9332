from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bgpvs_wf.config import PseudolabelConfig
from bgpvs_wf.errors import BadImageError, BadLabelsError, UsageError
from bgpvs_wf.pseudolabels import synthesise_pseudolabels
from bgpvs_wf.pseudolabels.rules import RULES

SHAPE = (56, 48, 52)
VOXEL = 0.6
TISSUE, FLUID, WHITE, NOISE = 100.0, 160.0, 92.0, 2.0


def _affine(rotation=(0.1, -0.2, 0.3), voxel=VOXEL):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_rotvec(rotation).as_matrix() * voxel
    affine[:3, 3] = (-20.0, 5.0, 8.0)
    return affine


@cache
def _scene():
    """A putamen and a caudate with a ventricle beside it; five tubes, a blob, a sheet."""
    x, y, z = np.indices(SHAPE)
    anatomy = np.zeros(SHAPE, np.int16)
    anatomy[((x - 20) / 15) ** 2 + ((y - 24) / 19) ** 2 + ((z - 26) / 20) ** 2 < 1] = 12
    anatomy[((x - 44) / 8) ** 2 + ((y - 24) / 15) ** 2 + ((z - 26) / 15) ** 2 < 1] = 11
    anatomy[53:, 14:34, 14:38] = 4
    share = np.zeros(SHAPE, np.float32)
    tubes = np.zeros(SHAPE, np.float32)
    for a, b, lean in ((14, 18, 0.1), (22, 16, -0.1), (18, 26, 0.0), (26, 28, 0.15), (13, 30, 0.0)):
        distance2 = (x - a - lean * (z - 26)) ** 2 + (y - b) ** 2
        tubes = np.maximum(tubes, np.exp(-distance2 / 1.2) * (np.abs(z - 26) < 9))
    blob = np.exp(-((x - 21) ** 2 + (y - 35) ** 2 + (z - 26) ** 2) / 6)
    share = np.maximum(tubes, 0.9 * blob)
    t2w = np.where(anatomy > 0, TISSUE, WHITE).astype(np.float32)
    t2w[anatomy == 4] = FLUID
    t2w = ndimage.gaussian_filter(t2w, 0.5) + share * (FLUID - TISSUE)
    rng = np.random.default_rng(5)
    t1w = 200.0 - t2w + rng.normal(0, NOISE, SHAPE)
    t2w = t2w + rng.normal(0, NOISE, SHAPE)
    return t2w.astype(np.float32), t1w.astype(np.float32), anatomy, tubes >= 0.4


DEFAULT = PseudolabelConfig()


def _run(config=DEFAULT, images="both", anatomy=None, affine=None, **kwargs):
    t2w, t1w, labels, _ = _scene()
    return synthesise_pseudolabels(
        t2w=None if images == "T1w" else t2w,
        t1w=None if images == "T2w" else t1w,
        affine=_affine() if affine is None else affine,
        anatomy=labels if anatomy is None else anatomy,
        config=config,
        **kwargs,
    )


def _dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("images", ["both", "T2w", "T1w"])
def test_finds_the_tubes_and_only_them(images):
    found = _run(images=images)
    truth = _scene()[3]
    assert _dice(found.dseg == 2, truth) > 0.8
    assert found.record["kept"] == 5
    assert found.record["modalities"] == {"both": ["T2w", "T1w"]}.get(images, [images])
    assert not (found.dseg[18:25, 32:39, 23:30] == 2).any(), "the blob is no tube"


def test_beats_the_simple_rule_and_keeps_its_contract():
    truth = _scene()[3]
    simple = _run(PseudolabelConfig(strategy="filter"))
    assert _dice(_run().dseg == 2, truth) > _dice(simple.dseg == 2, truth)
    for found in (simple, _run()):
        assert found.dseg.dtype == np.uint8
        assert set(np.unique(found.dseg)) <= {0, 1, 2}
        for array in (found.confidence, found.response):
            assert array.dtype == np.float32
            assert array.shape == SHAPE
        assert found.confidence.min() >= 0
        assert found.confidence.max() <= 1
        json.dumps(found.record)


def test_simple_rule_is_frangi_mean_plus_deviation_and_opening():
    from skimage.filters import frangi

    t2w, _, anatomy, _ = _scene()
    found = _run(PseudolabelConfig(strategy="filter"), images="T2w")
    nuclei = anatomy == 12
    # The whole image instead of the box: the same away from the box's faces.
    response = frangi(t2w, sigmas=[1.0], black_ridges=False)
    inside = response[(anatomy == 11) | nuclei]
    expected = (response > inside.mean() + inside.std()) & ((anatomy == 11) | nuclei)
    expected = ndimage.binary_opening(expected)
    assert _dice(found.dseg == 2, expected) > 0.99


def test_every_candidate_is_kept_or_counted():
    record = _run().record
    assert set(record["refused"]) == {rule.__name__ for rule in RULES} | {"too_faint"}
    assert sum(record["refused"].values()) + record["kept"] == record["candidates"]


def test_basal_ganglia_are_the_nuclei_and_their_tubes():
    found = _run()
    anatomy = _scene()[2]
    nuclei = np.isin(anatomy, (11, 12))
    assert ((found.dseg > 0) | ~nuclei).all(), "no voxel of a nucleus is lost"
    assert not (found.dseg[~nuclei] == 1).any()
    closed = _run(bg_region="closed")
    assert (closed.dseg > 0).sum() > (found.dseg > 0).sum()
    assert (closed.dseg[nuclei] > 0).all()
    volume = (found.dseg == 2).sum() * VOXEL**3
    assert found.record["pvs_volume_mm3"] == pytest.approx(volume, rel=1e-3)


def test_tube_that_the_anatomy_left_out_is_searched_and_joins_the_nucleus():
    anatomy = _scene()[2].copy()
    truth = _scene()[3]
    anatomy[truth] = 2
    found = _run(anatomy=anatomy)
    assert _dice(found.dseg == 2, truth) > 0.7


def test_thalamus_counts_only_when_asked_for():
    anatomy = np.where(_scene()[2] == 11, 10, _scene()[2])
    assert not (_run(anatomy=anatomy).dseg[anatomy == 10] == 1).any()
    assert (_run(anatomy=anatomy, include_thalamus=True).dseg[anatomy == 10] > 0).all()


def test_works_without_any_label_but_nuclei():
    anatomy = np.where(_scene()[2] == 4, 0, _scene()[2])
    assert _dice(_run(anatomy=anatomy).dseg == 2, _scene()[3]) > 0.8


def test_noise_alone_gives_next_to_nothing():
    rng = np.random.default_rng(11)
    anatomy = _scene()[2]
    kept = 0
    for _ in range(3):
        image = (100 + rng.normal(0, 5, SHAPE)).astype(np.float32)
        found = synthesise_pseudolabels(
            t2w=image, t1w=None, affine=_affine(), anatomy=anatomy, config=PseudolabelConfig()
        )
        kept += found.record["kept"]
    assert kept <= 1


def test_confidence_follows_evidence_and_boundary():
    found = _run()
    core = ndimage.binary_erosion(_scene()[2] == 12, iterations=6) & (found.dseg == 1)
    edge = (_scene()[2] == 12) & ~ndimage.binary_erosion(_scene()[2] == 12) & (found.dseg == 1)
    assert np.median(found.confidence[core]) > 0.95
    assert np.median(found.confidence[edge]) < 0.8
    assert found.confidence[0, 0, 0] == 1
    assert np.median(found.confidence[found.dseg == 2]) > 0.6
    probability = np.where(_scene()[2] == 12, 0.75, 0.1).astype(np.float32)
    given_probability = _run(nuclei_probability=probability)
    assert np.median(given_probability.confidence[core]) == pytest.approx(0.75)


def test_lower_rate_never_finds_more():
    sizes = [
        (_run(PseudolabelConfig(false_discovery_rate=q)).dseg == 2).sum() for q in (0.001, 0.1, 0.5)
    ]
    assert sizes == sorted(sizes)


@settings(max_examples=6, deadline=None)
@given(order=st.permutations([0, 1, 2]), flips=st.tuples(*[st.booleans()] * 3))
def test_orientation_of_the_voxels_does_not_matter(order, flips):
    t2w, _, anatomy, _ = _scene()
    plain = _run(images="T2w")
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for axis, source in enumerate(order):
        turn[source, axis] = -1 if flips[axis] else 1
        turn[source, 3] = SHAPE[source] - 1 if flips[axis] else 0

    def turned(array):
        array = array.transpose(order)
        return array[tuple(slice(None, None, -1 if f else 1) for f in flips)]

    found = synthesise_pseudolabels(
        t2w=turned(t2w),
        t1w=None,
        affine=_affine() @ turn,
        anatomy=turned(anatomy),
        config=PseudolabelConfig(),
    )
    assert _dice(found.dseg == 2, turned(plain.dseg) == 2) > 0.97


def test_anisotropic_voxels_and_determinism():
    t2w, _, anatomy, truth = _scene()
    affine = _affine() @ np.diag([1, 1, 2, 1])
    thick = t2w.reshape(*SHAPE[:2], -1, 2).mean(-1)
    arguments = {
        "t2w": thick,
        "t1w": None,
        "affine": affine,
        "anatomy": anatomy[:, :, ::2],
        "config": PseudolabelConfig(),
    }
    found = synthesise_pseudolabels(**arguments)
    assert found.record["working_voxel_mm"] == [0.5, 0.5, 0.5]
    assert _dice(found.dseg == 2, truth[:, :, ::2]) > 0.7
    again = synthesise_pseudolabels(**arguments)
    np.testing.assert_array_equal(found.dseg, again.dseg)
    np.testing.assert_array_equal(found.confidence, again.confidence)


def test_refuses_what_it_cannot_label():
    t2w, _, anatomy, _ = _scene()
    given_ = {"affine": _affine(), "config": PseudolabelConfig()}
    with pytest.raises(BadImageError, match="neither"):
        synthesise_pseudolabels(t2w=None, t1w=None, anatomy=anatomy, **given_)
    with pytest.raises(BadLabelsError, match="shape"):
        synthesise_pseudolabels(t2w=t2w, t1w=None, anatomy=anatomy[1:], **given_)
    with pytest.raises(BadLabelsError, match="no basal ganglia"):
        synthesise_pseudolabels(t2w=t2w, t1w=None, anatomy=anatomy * 0, **given_)
    with pytest.raises(BadImageError, match="no usable signal"):
        synthesise_pseudolabels(t2w=t2w * 0, t1w=None, anatomy=anatomy, **given_)
    with pytest.raises(BadImageError, match="no usable signal"):
        synthesise_pseudolabels(t2w=t2w * np.nan, t1w=None, anatomy=anatomy, **given_)
    with pytest.raises(BadLabelsError, match="probability"):
        _run(nuclei_probability=np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="bg_region"):
        _run(bg_region="all")
    with pytest.raises(UsageError, match="strategy"):
        _run(PseudolabelConfig(strategy="luck"))
