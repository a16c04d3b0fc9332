from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bgpvs_wf.anatomy.contrast import tissue_contrast
from bgpvs_wf.anatomy.labels import BG_LABELS, SIDES
from bgpvs_wf.errors import AgeError, UsageError
from bgpvs_wf.imaging.geometry import voxel_sizes, voxel_volume
from bgpvs_wf.phantom import simulate_subject
from bgpvs_wf.phantom.growth import growth_at
from bgpvs_wf.phantom.protocol import plain as ideal

INF = float("inf")


@pytest.fixture(scope="module")
def infant():
    return simulate_subject(60, seed=4, protocol=ideal(1.2), n_tubes=10)


@pytest.fixture(scope="module")
def plain():
    return simulate_subject(
        92.2, seed=4, protocol=ideal(1.2, snr=INF, bias=0), n_tubes=0, variation=0
    )


def test_same_seed_same_infant(infant):
    again = simulate_subject(60, seed=4, protocol=ideal(1.2), n_tubes=10)
    for name in ("t1w", "t2w", "affine", "dseg", "bgpvs", "occupancy"):
        assert np.array_equal(getattr(infant, name), getattr(again, name)), name
    for one, other in zip(infant.tubes, again.tubes, strict=True):
        assert np.array_equal(one.points, other.points)
        assert (one.fill, one.tree) == (other.fill, other.tree)


def test_other_seed_other_infant(infant):
    other = simulate_subject(60, seed=5, protocol=ideal(1.2), n_tubes=10)
    same_shape = infant.dseg.shape == other.dseg.shape
    assert not same_shape or (infant.dseg != other.dseg).mean() > 0.02


def test_arrays_agree(infant):
    shape = infant.t2w.shape
    assert infant.t1w.shape == infant.dseg.shape == infant.bgpvs.shape == shape
    assert infant.t1w.dtype == infant.t2w.dtype == infant.occupancy.dtype == np.float32
    assert infant.dseg.dtype == np.int16
    assert infant.bgpvs.dtype == np.uint8
    assert nib.aff2axcodes(infant.affine) == ("R", "A", "S")
    bg = np.isin(infant.dseg, BG_LABELS)
    assert ((infant.bgpvs > 0) == bg).all()
    assert not infant.occupancy[~bg].sum() > 0.05 * infant.occupancy.sum()


def test_volumes_are_those_of_the_age(plain):
    growth = growth_at(92.2)
    voxel_ml = voxel_volume(plain.affine) / 1000
    for name, index in (("caudate", 11), ("putamen", 12), ("pallidum", 13), ("thalamus", 10)):
        for label in (index, {11: 50, 12: 51, 13: 52, 10: 49}[index]):
            volume = (plain.dseg == label).sum() * voxel_ml
            assert volume == pytest.approx(growth.nuclei_ml[name], rel=0.05), (name, label)
    tissue = ~np.isin(plain.dseg, (0, 4, 14, 15, 24, 43))
    assert tissue.sum() * voxel_ml == pytest.approx(growth.brain_ml, rel=0.15)


def test_sides_lie_on_their_sides(plain):
    for side, sign in (("left", -1), ("right", 1)):
        voxels = np.argwhere(np.isin(plain.dseg, SIDES[side]))
        x = voxels @ plain.affine[0, :3] + plain.affine[0, 3]
        assert (sign * x > -1).all()


def test_anatomy_is_in_order(plain):
    def centre(label):
        return np.argwhere(plain.dseg == label).mean(axis=0)

    caudate, putamen, pallidum, thalamus = (centre(label) for label in (50, 51, 52, 49))
    assert thalamus[0] < caudate[0] + 5 < putamen[0]
    assert pallidum[0] < putamen[0]
    assert thalamus[1] < pallidum[1] < caudate[1]
    assert caudate[2] > putamen[2] > pallidum[2]
    ventricle = plain.dseg == 43
    beside = np.roll(plain.dseg == 50, -1, axis=0) | np.roll(plain.dseg == 50, -2, axis=0)
    assert (ventricle & beside).sum() > 20, "the caudate does not hug the ventricle"


@pytest.mark.parametrize("modality", ["T1w", "T2w"])
def test_tissues_show_their_contrast(plain, modality):
    image = {"T1w": plain.t1w, "T2w": plain.t2w}[modality]
    expected = tissue_contrast(92.2, modality)
    for tissue, label in (("putamen", 51), ("wm", 41), ("thalamus", 49), ("ventricle", 43)):
        middle = np.percentile(image[plain.dseg == label], 50)
        tolerance = 0.1 if tissue == "ventricle" else 0.02
        assert middle / 1000 == pytest.approx(expected[tissue], abs=tolerance), tissue
    assert not image[plain.dseg == 0].any()


def test_tubes_are_bright_on_t2w_and_dark_on_t1w():
    settings = {"seed": 2, "protocol": ideal(0.8, snr=INF, bias=0, hindbrain=False)}
    with_tubes = simulate_subject(45, n_tubes=8, **settings)
    without = simulate_subject(45, n_tubes=0, **settings)
    assert np.array_equal(with_tubes.dseg, without.dseg)
    full = with_tubes.occupancy > 0.9
    assert full.any()
    assert (with_tubes.t2w - without.t2w)[full].min() > 150
    assert (with_tubes.t1w - without.t1w)[full].max() < -100
    untouched = with_tubes.occupancy == 0
    assert np.array_equal(with_tubes.t2w[untouched], without.t2w[untouched])
    volume = with_tubes.occupancy.sum() * voxel_volume(with_tubes.affine)
    assert volume == pytest.approx(with_tubes.pvs_mm3, rel=0.04)


def test_tubes_do_not_depend_on_the_grid(infant):
    finer = simulate_subject(
        60, seed=4, protocol=ideal((1.0, 1.5, 2.0)), n_tubes=10, oblique_deg=20
    )
    assert np.allclose(voxel_sizes(finer.affine), (1.0, 1.5, 2.0))
    for a, b in zip(finer.tubes, infant.tubes, strict=True):
        assert np.array_equal(a.points, b.points)


def test_oblique_grid_shows_the_same_anatomy(infant):
    turned = simulate_subject(60, seed=4, protocol=ideal(1.2), n_tubes=0, oblique_deg=25)

    def centre(subject, label):
        index = np.argwhere(subject.dseg == label).mean(axis=0)
        return subject.affine[:3, :3] @ index + subject.affine[:3, 3]

    assert not np.allclose(turned.affine[:3, :3], infant.affine[:3, :3], atol=0.1)
    for label in (12, 50, 49):
        assert np.allclose(centre(turned, label), centre(infant, label), atol=0.3)


def test_misaligned_t1w_moves_and_the_t2w_does_not():
    settings = {"seed": 3, "n_tubes": 0}
    still = simulate_subject(92, protocol=ideal(1.5, snr=INF, bias=0), **settings)
    moving = ideal(1.5, snr=INF, bias=0, misalignment=(3.0, 0.0))
    moved = simulate_subject(92, protocol=moving, **settings)
    assert np.array_equal(still.t2w, moved.t2w)
    centres = [np.argwhere(image > 0).mean(axis=0) * 1.5 for image in (still.t1w, moved.t1w)]
    assert np.linalg.norm(centres[0] - centres[1]) == pytest.approx(3.0, abs=0.4)


def test_noise_and_bias_have_their_strength():
    settings = {"seed": 3, "n_tubes": 0}
    clean = simulate_subject(92, protocol=ideal(1.5, snr=INF, bias=0), **settings)
    noisy = simulate_subject(92, protocol=ideal(1.5, snr=20, bias=0), **settings)
    brain = clean.t2w > 300
    cortex = 1000 * tissue_contrast(92, "T2w")["cortex"]
    assert (noisy.t2w - clean.t2w)[brain].std() == pytest.approx(cortex / 20, rel=0.05)
    biased = simulate_subject(92, protocol=ideal(1.5, snr=INF, bias=0.2), **settings)
    ratio = np.log(biased.t2w[brain] / clean.t2w[brain])
    assert 0.05 < ratio.std() < 0.3


def test_young_brains_have_fewer_folds():
    def folding(age):
        protocol = ideal(1.5, hindbrain=False)
        subject = simulate_subject(age, seed=1, protocol=protocol, n_tubes=0)
        white = np.isin(subject.dseg, (2, 41))
        surface = sum(np.abs(np.diff(white.astype(np.int8), axis=i)).sum() for i in range(3))
        return surface / white.sum() ** (2 / 3)

    assert folding(30) < 0.8 * folding(44)


def test_refuses_absurd_requests():
    with pytest.raises(AgeError):
        simulate_subject(20, seed=1)
    with pytest.raises(UsageError, match=r"0\.2 to 5"):
        simulate_subject(40, seed=1, protocol=ideal((0.5, 0.5, 9.0)))
