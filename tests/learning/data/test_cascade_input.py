"""What the fine network is told of the coarse one's answer, and mistakes in training."""

from __future__ import annotations

import platform
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation
from toy_cases import toy_case
from toy_networks import toy_head, toy_model

from bgpvs_wf.imaging.geometry import Grid, resample
from bgpvs_wf.imaging.morphology import hull
from bgpvs_wf.learning.data import cascade_input, examples
from bgpvs_wf.learning.data.augmentation import AugmentationConfig
from bgpvs_wf.learning.data.cascade_input import (
    Frame,
    Surroundings,
    case_context,
    case_surroundings,
    frame_of,
    rough_context,
)
from bgpvs_wf.learning.data.case import FINE_CHANNELS
from bgpvs_wf.learning.data.classes import CONTEXT, VENTRICLE_CLASS
from bgpvs_wf.learning.data.examples import FineExamples
from bgpvs_wf.learning.inference import prediction
from bgpvs_wf.learning.inference.localisation import HeadNuclei
from bgpvs_wf.learning.inference.prediction import predict
from bgpvs_wf.learning.nets.architectures import ANATOMY, COARSE, PVS, NetworkConfig, build_network
from bgpvs_wf.learning.training.tasks import dice

pytestmark = pytest.mark.usefixtures("one_thread")
FINE = NetworkConfig(tells=ANATOMY, filters=(2, 2, 2))
NUCLEI, VENTRICLE, WAVES = CONTEXT.index("nuclei"), CONTEXT.index("ventricle"), slice(2, None)
SEEDS = range(60)
SHAPES = st.tuples(*[st.integers(3, 13)] * 3)


def ball(shape, middle, radii):
    axes = zip(np.indices(shape), middle, radii, strict=True)
    return sum(((i - m) / r) ** 2 for i, m, r in axes) < 1


def context_of(nuclei, ventricle):
    return case_context(np.select([nuclei, ventricle], [1, VENTRICLE_CLASS]))


def toy_classes():
    """Return a nucleus of each side, one larger than the other, and a ventricle between."""
    shape = (46, 34, 30)
    classes = np.zeros(shape, np.int64)
    classes[ball(shape, (22, 18, 16), (5, 10, 6))] = VENTRICLE_CLASS
    classes[ball(shape, (10, 16, 14), (6, 10, 8))] = 2
    classes[ball(shape, (35, 17, 15), (7, 12, 9))] = 1
    return classes


def drawn_classes(shape, seed):
    classes = np.random.default_rng(seed).integers(0, 7, shape)
    classes.flat[0] = 3  # without nuclei there is no frame
    return classes


def true_nuclei(classes):
    return (classes > 0) & (classes < VENTRICLE_CLASS)


def rough(classes, seed):
    places = torch.from_numpy(np.moveaxis(np.indices(classes.shape), 0, -1).astype(np.float32))
    told = case_surroundings(classes)
    return rough_context(told, places, np.random.default_rng(seed)).numpy()


def waves(places, mask, step=1):
    """Return the waves at places, shape (3, ...), by NumPy; the mask has voxels of `step`."""
    indices = np.argwhere(mask) if mask.any() else np.argwhere(~mask)
    size = step * np.maximum(indices.std(axis=0), 1)
    middle = step * indices.mean(axis=0) + (step - 1) / 2
    along = [(p - m) / s for p, m, s in zip(places, middle, size, strict=True)]
    angles = [np.pi / 2 * part for part in (abs(along[0]), along[1], along[2])]
    return np.stack([wave(angle) for angle in angles for wave in (np.sin, np.cos)])


def coarse_shares(nuclei, ventricle):
    """Return the shares of 2 mm voxels, the nuclei of each side filled, by NumPy."""
    where = np.argwhere(nuclei if nuclei.any() else ~nuclei)
    right = np.indices(nuclei.shape)[0] >= round(where[:, 0].mean())
    filled = hull(nuclei & right) & right | hull(nuclei & ~right) & ~right
    shares = []
    for mask in (nuclei | filled & ~ventricle, ventricle):
        padded = np.pad(mask.astype(float), [(0, -n % 2) for n in mask.shape], mode="edge")
        x, y, z = (n // 2 for n in padded.shape)
        shares.append(padded.reshape(x, 2, y, 2, z, 2).mean((1, 3, 5)))
    return shares


def reference(nuclei, ventricle):
    """Return the context by NumPy and SciPy."""
    places = np.indices(nuclei.shape)
    shares = coarse_shares(nuclei, ventricle)
    where = (places + 0.5) / 2 - 0.5
    told = [ndimage.map_coordinates(share, where, order=1, mode="nearest") for share in shares]
    return np.stack([*told, *waves(places, shares[0] >= 0.5, step=2)])


def mean_place(share):
    return np.array(ndimage.center_of_mass(share))


@pytest.fixture(scope="module")
def guesses():
    return np.stack([rough(toy_classes(), seed) for seed in SEEDS])


@pytest.fixture
def no_mistakes(monkeypatch):
    """Leave a rough context nothing that is wrong."""
    for name in ("_SHIFT", "_BENT", "_ABSENT", "_PATCHY", "_FRAME_SHIFT", "_FRAME_SIZE"):
        monkeypatch.setattr(cascade_input, name, 0)
    monkeypatch.setattr(cascade_input, "_SHARPNESS", (0, 0))


@given(shape=SHAPES, seed=st.integers(0, 1000))
def test_the_context_of_a_case_is_what_scipy_makes(shape, seed):
    classes = drawn_classes(shape, seed)
    nuclei, ventricle = true_nuclei(classes), classes == VENTRICLE_CLASS
    expected = reference(nuclei, ventricle)
    found = case_context(classes)
    assert found.dtype == np.float32
    assert found.shape == (len(CONTEXT), *shape)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_capsule_is_not_told():
    """The context of a head is the same, with and without a gap between its nuclei."""
    shape = (80, 56, 40)
    nuclei = ball(shape, (19, 28, 20), (16, 24, 16)) | ball(shape, (60, 28, 20), (16, 24, 16))
    ventricle = ball(shape, (40, 28, 20), (4, 10, 6))
    gap = ball(shape, (19, 28, 20), (7, 15, 7)) | ball(shape, (60, 28, 20), (7, 15, 7))
    told = context_of(nuclei & ~gap, ventricle)
    np.testing.assert_allclose(told, context_of(nuclei, ventricle), atol=1e-5)
    assert told[NUCLEI][nuclei & gap].mean() > 0.8
    assert told[NUCLEI][ventricle].mean() < 0.3


def test_waves_tell_how_far_it_is_from_the_middle():
    frame = Frame(np.array([10.0, 20, 30]), np.array([2.0, 3, 4]))
    for axis, way in enumerate(("lateral", "anterior", "superior")):
        for steps in (-1, 0, 1, 2, 3):
            place = frame.middle + frame.size * steps * np.eye(3)[axis]
            told = dict(zip(CONTEXT[WAVES], frame.waves(torch.from_numpy(place)), strict=True))
            angle = np.pi / 2 * (abs(steps) if way == "lateral" else steps)
            assert told.pop(f"sine of {way}") == pytest.approx(np.sin(angle))
            assert told.pop(f"cosine of {way}") == pytest.approx(np.cos(angle))
            assert sorted(map(float, told.values())) == pytest.approx([0, 0, 1, 1])


def test_the_frame_is_that_of_the_nuclei():
    mask = np.zeros((12, 9, 9), bool)
    mask[2:6, 3, 4] = mask[7, 3:5, 4] = True
    frame = frame_of(mask)
    np.testing.assert_allclose(frame.middle, [28 / 6, 19 / 6, 4])
    np.testing.assert_allclose(frame.size, [np.std([2, 3, 4, 5, 7, 7]), 1, 1])  # a voxel at least


def test_a_mirrored_head_has_the_mirrored_context():
    classes = toy_classes()[:44]
    nuclei, ventricle = true_nuclei(classes), classes == VENTRICLE_CLASS
    plain, mirrored = context_of(nuclei, ventricle), context_of(nuclei[::-1], ventricle[::-1])
    np.testing.assert_allclose(mirrored, plain[:, ::-1], atol=1e-5)
    # Where both sides are alike, so is what is told of them.
    alike = nuclei | nuclei[::-1]
    told = context_of(alike, ventricle)[WAVES]
    np.testing.assert_allclose(told, told[:, ::-1], atol=1e-5)


@given(shape=SHAPES, seed=st.integers(0, 1000))
def test_without_mistakes_a_rough_context_is_a_given_one(no_mistakes, shape, seed):
    classes = drawn_classes(shape, seed)
    expected = reference(true_nuclei(classes), classes == VENTRICLE_CLASS)
    np.testing.assert_allclose(rough(classes, seed), expected, atol=1e-5)


@given(shape=SHAPES, seed=st.integers(0, 1000))
def test_a_rough_context_has_any_shape(shape, seed):
    found = rough(drawn_classes(shape, seed), seed)
    assert found.dtype == np.float32
    assert found.shape == (len(CONTEXT), *shape)
    assert np.isfinite(found).all()


def test_mistakes_are_those_of_the_generator():
    classes = toy_classes()
    for seed in range(5):
        torch.manual_seed(seed)
        np.random.seed(seed)
        first = rough(classes, 3)
        np.testing.assert_array_equal(first, rough(classes, 3))
        if seed != 3:
            other = rough(classes, seed)
            assert not any(map(np.array_equal, first[WAVES], other[WAVES]))
            assert not np.array_equal(first[:2], other[:2])
    np.testing.assert_array_equal(classes, toy_classes())


def test_nuclei_and_ventricles_are_missing_now_and_then(guesses):
    there = guesses[:, :2].any((2, 3, 4))
    for found in there.T:
        assert 1 <= (~found).sum() <= 12
    assert (there[:, 0] != there[:, 1]).any()
    assert guesses[:, :2].min() >= 0
    assert guesses[:, :2].max() <= 1 + 1e-6


@pytest.mark.parametrize("channel", [NUCLEI, VENTRICLE])
def test_what_is_told_is_roughly_right(guesses, channel):
    classes = toy_classes()
    true = (true_nuclei(classes), classes == VENTRICLE_CLASS)[channel]
    told = [one[channel] for one in guesses if one[channel].any()]
    shifts = np.array([mean_place(one) - mean_place(true) for one in told])
    assert np.linalg.norm(shifts, axis=1).max() < 6
    assert (shifts.std(axis=0) > 0.3).all()
    assert np.abs(shifts.mean(axis=0)).max() < 0.5
    overlaps = [dice(one >= 0.5, true) for one in told]
    assert 0.5 < np.mean(overlaps) < 0.97
    assert min(overlaps) < 0.8


def test_some_are_surer_than_others(guesses):
    unsure = [((one > 0.1) & (one < 0.9)).sum() for one in guesses[:, NUCLEI] if one.any()]
    assert max(unsure) > 1.5 * min(unsure)


def test_the_same_share_is_told_more_or_less_surely():
    told = Surroundings(torch.full((2, 4, 4, 4), 0.3), Frame(np.full(3, 8.0), np.full(3, 4.0)))
    places = torch.full((5, 5, 5, 3), 8.0)
    shares = [
        rough_context(told, places, np.random.default_rng(seed))[NUCLEI].max().item()
        for seed in SEEDS
    ]
    said = [share for share in shares if share]
    assert max(said) > 4 * min(said)
    assert max(said) < 0.4


def test_the_waves_move_a_little(guesses):
    nuclei = true_nuclei(toy_classes())
    true = waves(np.indices(nuclei.shape), nuclei)
    for first in (2, 4, 6):
        sine, cosine = guesses[:, first], guesses[:, first + 1]
        np.testing.assert_allclose(sine**2 + cosine**2, 1, atol=1e-5)
        error = np.arctan2(sine, cosine) - np.arctan2(true[first - 2], true[first - 1])
        error = np.abs((error + np.pi) % (2 * np.pi) - np.pi)[:, nuclei].mean(axis=1)
        assert error.min() > 0
        assert 0.05 < np.median(error) < 0.4
        assert error.max() < 1


def test_the_context_of_a_patch_is_that_of_its_place(tmp_path, no_mistakes, monkeypatch):
    """Turned and mirrored as it is; of each case by its own frame."""
    cases = [toy_case(tmp_path / "a", (40, 30, 30)), toy_case(tmp_path / "b", (70, 20, 26))]
    cut, seen = examples.sample_patch, {}

    def noted(array, *others, **options):
        part = cut(array, *others, **options)
        seen.update(classes=np.array(array[FINE_CHANNELS.index("classes")]), place=part["place"])
        return part

    monkeypatch.setattr(examples, "sample_patch", noted)
    # What is done to images is not done to the context.
    config = AugmentationConfig(turned=1, intensity=1, motion=1, t2w_only=1, t1w_only=0)
    patches = FineExamples(cases, 2, (24, 16, 12), config)
    mirrored, shapes = 0, set()
    for number in range(24):
        example = patches[number]
        image = example["image"].numpy()
        assert image.shape == (len(FINE.inputs), 24, 16, 12)
        assert image.dtype == np.float32
        assert not image[1].any()
        place = seen["place"].numpy()
        assert len(np.unique(place[:, 0, 0, 1])) > 1  # turned
        whole = seen["classes"]
        shares = coarse_shares(true_nuclei(whole), whole == VENTRICLE_CLASS)
        expected = waves(np.moveaxis(place, -1, 0), shares[0] >= 0.5, step=2)
        np.testing.assert_allclose(image[-len(CONTEXT) :][WAVES], expected, atol=1e-4)
        mirrored += place[0, 0, 0, 0] > place[-1, 0, 0, 0]
        shapes.add(seen["classes"].shape)
        where = (np.moveaxis(place, -1, 0) + 0.5) / 2 - 0.5
        for told, share in zip(image[-len(CONTEXT) :][:2], shares, strict=True):
            true = ndimage.map_coordinates(share, where, order=1, mode="nearest")
            np.testing.assert_allclose(told, true, atol=1e-4)
    assert 4 < mirrored < 20
    assert len(shapes) == 2


@pytest.mark.parametrize(
    ("tells", "names"),
    [
        (COARSE, ("T2w", "T1w")),
        (ANATOMY, ("T2w", "T1w", *CONTEXT)),
        (
            PVS,
            (
                *("T2w over its noise", "T1w over its noise"),
                *("T2w over its fluid", "T1w over its fluid", "basal ganglia"),
                "brightness of fluid in perivascular spaces",
            ),
        ),
    ],
)
def test_what_networks_take(tells, names):
    config = NetworkConfig(tells=tells, filters=(2, 2, 2))
    assert config.inputs == names
    given = build_network(config)(torch.zeros((1, len(names), 8, 8, 8)))
    assert given.shape[2:] == (8, 8, 8)


def test_the_context_of_a_head_on_another_grid():
    """What is a line of the place in space is the same line there."""
    head = Grid((14, 15, 16), np.diag([2.0, 2, 2, 1]))
    head.affine[:3, 3] = (-13, 40, 5)
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler("xyz", (10, 20, -15), degrees=True).as_matrix()
    turned[:3, :3] *= (0.5, 0.6, 0.4)
    turned[:3, 3] = (-5, 48, 13)
    box = Grid((9, 11, 10), turned)

    def places(grid):
        index = np.concatenate([np.indices(grid.shape), np.ones((1, *grid.shape))])
        return np.einsum("ij,j...->i...", grid.affine[:3], index)

    def lines(grid):
        return np.einsum("ci,i...->c...", [[0.3, -0.8, 0.5], [-0.2, 0.4, 0.9]], places(grid))

    mask = ball(head.shape, (5, 7, 9), (3, 5, 4))
    nuclei, ventricle = lines(head).astype(np.float32)
    found = HeadNuclei(mask, nuclei, 0 * nuclei, ventricle, head, 1.0).context(box)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:2], lines(box), atol=1e-4)
    index = (places(box) - np.reshape((-13, 40, 5), (3, 1, 1, 1))) / 2
    np.testing.assert_allclose(found[WAVES], waves(index, mask), atol=1e-5)


def test_the_fine_network_is_told_what_is_where(tmp_path, monkeypatch):
    """Axes in any order."""
    toy, model = toy_head((0.8, 0.8, 0.8)), toy_model(tmp_path / "model")
    order = [[2, -1], [0, 1], [1, -1]]
    t2w, t1w = (nib.apply_orientation(a, order) for a in (toy.t2w, toy.t1w))
    affine = toy.affine @ nib.orientations.inv_ornt_aff(order, toy.t2w.shape)
    seen = {}

    class SeenError(Exception):
        pass

    find = prediction.find_head

    def found(*arguments):
        scan, head, note = find(*arguments)
        return scan, seen.setdefault("head", head), note

    def apply(members, images, context, **options):
        seen.update(grid=images.fine_grid, context=context)
        raise SeenError

    monkeypatch.setattr(prediction, "find_head", found)
    monkeypatch.setattr(prediction, "apply_anatomy", apply)
    with pytest.raises(SeenError):
        predict(model, t2w=t2w, t1w=t1w, affine=affine, device="cpu")
    told = seen["context"]
    assert told.dtype == np.float32
    assert len(told) == len(CONTEXT)
    labels = resample(toy.dseg, toy.affine, seen["grid"], order=0)
    nuclei = np.isin(labels, (12, 51))
    for share, true in zip(told[:2], (nuclei, labels == 213), strict=True):
        inside = ndimage.binary_erosion(true, iterations=1)
        outside = ~ndimage.binary_dilation(true, iterations=5)
        assert inside.any()
        assert share[inside].mean() > 0.8
        assert share[outside].mean() < 0.02
        assert dice(share >= 0.5, true) > 0.7
        # Far away the toy's coarse network takes tubes for fluid.
        near = np.where(outside, 0, share)
        np.testing.assert_allclose(mean_place(near), mean_place(true), atol=1)
    mask = coarse_shares(nuclei, labels == 213)[0] >= 0.5
    true = waves(np.indices(labels.shape), mask, step=2)
    # The toy's coarse network takes the rim of the ventricle for nuclei.
    assert np.abs(told[WAVES] - true)[:, nuclei].mean() < 0.15
    head = seen["head"]
    to_head = np.linalg.inv(head.grid.affine) @ seen["grid"].affine
    index = nib.affines.apply_affine(to_head, np.moveaxis(np.indices(labels.shape), 0, -1))
    np.testing.assert_allclose(told[WAVES], waves(np.moveaxis(index, -1, 0), head.mask), atol=1e-4)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc")
def test_freed_memory_is_kept():
    script = (
        "from bgpvs_wf.learning.training.malloc import keep_freed_memory\n"
        "def pages(): return int(open('/proc/self/statm').read().split()[1])\n"
        "print(keep_freed_memory())\n"
        "before = pages()\n"
        "large = b'x' * 2**26\n"
        "del large\n"
        "print(pages() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    said, more = done.stdout.split()
    assert said == "True"
    assert int(more) * 4096 > 2**25
