"""Examples: each is what its number says, whoever asks, whenever."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from toy_cases import toy_case

from bgpvs_wf.learning.data.augmentation import AugmentationConfig, sample_patch
from bgpvs_wf.learning.data.case import OWN_CHANNELS
from bgpvs_wf.learning.data.classes import CONTEXT
from bgpvs_wf.learning.data.examples import CoarseExamples, FineExamples, PVSExamples
from bgpvs_wf.learning.training.loop import TrainingConfig, _batches

pytestmark = pytest.mark.usefixtures("one_thread")
LOUD = AugmentationConfig(intensity=1, pvs_intensity=1, motion=0.5, contrast=0.5)
QUIET = AugmentationConfig(
    rotation_deg=0,
    scaling=0,
    intensity=0,
    pvs_intensity=0,
    motion=0,
    contrast=0,
    t2w_only=0,
    t1w_only=0,
    tubes=0,
)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    return [
        toy_case(folder / "a"),
        toy_case(folder / "b", seed=1, pvs=False, ventricles=False),
        toy_case(folder / "c", shape=(9, 30, 7), seed=2, present=(True, False)),
    ]


def both(cases, seed=1, config=LOUD):
    return FineExamples(cases, seed, (8, 8, 8), config), CoarseExamples(
        cases, seed, (10, 12, 8), config
    )


def all_kinds(cases, seed=1, config=LOUD):
    return *both(cases, seed, config), PVSExamples(cases, seed, (7, 7, 7), config)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_an_example_is_its_seed_and_number(cases):
    kinds = (all_kinds(cases), all_kinds(cases), all_kinds(cases, seed=2))
    for examples, again, other in zip(*kinds, strict=True):
        first = [examples[i] for i in range(8)]
        torch.manual_seed(5)
        np.random.seed(5)
        backwards = [again[i] for i in reversed(range(8))][::-1]
        assert all(map(same, first, backwards))
        assert all(map(same, first, [examples[i] for i in range(8)]))
        assert not any(map(same, first, [other[i] for i in range(8)]))
        assert len({one["image"].sum().item() for one in first}) >= 6


def test_workers_make_the_same_batches(cases):
    examples, _ = both(cases)
    batches = {
        workers: list(_batches(examples, TrainingConfig(steps=5, batch=3, workers=workers), 0))
        for workers in (0, 2)
    }
    assert len(batches[0]) == 5
    assert all(map(same, batches[0], batches[2]))
    # And from a step on those of that step.
    later = list(_batches(examples, TrainingConfig(steps=5, batch=3, workers=0), 3))
    assert all(map(same, batches[0][3:], later))
    single = examples[7]
    assert torch.equal(batches[0][2]["image"][1], single["image"])


def test_examples_are_complete(cases):
    fine, coarse = both(cases)
    for number in range(12):
        example = fine[number]
        assert {key: tuple(value.shape) for key, value in example.items()} == {
            "image": (2 + len(CONTEXT), 8, 8, 8),
            "classes": (8, 8, 8),
            "confidence": (8, 8, 8),
            "ventricles": (),
        }
        assert example["classes"].dtype == torch.int64
        assert torch.isfinite(example["image"]).all()
        head = coarse[number]
        assert tuple(head["image"].shape) == (2, 10, 12, 8)
        assert head["classes"].max() <= 4
        assert head["ventricles"].dtype == torch.bool


def test_images_and_labels_stay_together(cases):
    """The toy's T2w tells its class."""
    examples = FineExamples(cases[:1], 3, (8, 8, 8), QUIET)
    for number in range(10):
        example = examples[number]
        known = example["confidence"] > 0.99
        error = (example["image"][0] + 3 - example["classes"])[known].abs()
        assert error.median() < 0.6  # half a voxel between interpolation and the nearest


def test_a_case_without_t1w_shows_none(cases):
    for kind in (FineExamples, PVSExamples):
        examples = kind(cases[2:], 1, (7, 8, 7), LOUD)
        for number in range(8):
            example = examples[number]
            assert not example["image"][1].any()
            assert example["image"][0].any()


def test_a_third_of_the_patches_hold_pvs(tmp_path):
    """In a box that is mostly empty, patches are where there is something to learn."""
    case = toy_case(tmp_path, shape=(56, 60, 60))
    tube = np.array(case.own()[OWN_CHANNELS.index("pvs")])
    examples = PVSExamples([case], 1, (12, 12, 12), QUIET)
    held = np.mean([bool(examples[i]["pvs"].any()) for i in range(150)])
    assert 0.25 < held < 0.5
    at_random = np.mean(
        [
            tube[tuple(slice(a, a + 12) for a in np.random.default_rng(i).integers(0, 44, 3))].any()
            for i in range(200)
        ]
    )
    assert at_random < 0.15


def test_a_case_without_pvs_is_learnt_from(cases):
    examples = PVSExamples(cases[1:2], 1, (8, 8, 8), dataclasses.replace(LOUD, tubes=0))
    seen = [examples[i] for i in range(10)]
    assert not any(one["pvs"].any() for one in seen)
    assert any(one["classes"].any() for one in seen)


@pytest.mark.parametrize("patch", [(8, 8, 8), (24, 24, 24)])
def test_boxes_are_seen_from_end_to_end(cases, patch):
    """A patch as large as the box is near its middle, a smaller one anywhere in it."""
    seen = []

    def noted(*arguments, **options):
        part = sample_patch(*arguments, **options)
        seen.append(part["place"].reshape(-1, 3))
        return part

    shape = np.array(cases[0].fine().shape[1:])
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr("bgpvs_wf.learning.data.examples.sample_patch", noted)
        examples = FineExamples(cases[:1], 1, patch, QUIET)
        for number in range(80):
            examples[number]
    middles = np.array([places.mean(0).numpy() for places in seen])
    off = np.abs(middles - (shape - 1) / 2)
    reach = np.maximum(0.15 * shape, (shape - patch) / 2)
    assert (off <= reach + 1.1).all()  # a voxel of rounding
    assert (off.max(axis=0) > 0.7 * reach).all()


def test_examples_on_the_own_grid_are_voxels_of_the_scan(tmp_path):
    """Nothing is interpolated; the T2w of a toy tells its class, and its tube is bright."""
    case = toy_case(tmp_path, shape=(40, 36, 34))
    seen = {}

    def noted(*arguments, **options):
        seen.update(sample_patch(*arguments, **options))
        return seen

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bgpvs_wf.learning.data.examples.sample_patch", noted)
        config = dataclasses.replace(QUIET, turned=1, rotation_deg=15, scaling=0.1)
        examples = PVSExamples([case], 1, (12, 12, 12), config)
        held, mirrored = 0, set()
        for number in range(60):
            example = examples[number]
            assert {key: tuple(value.shape) for key, value in example.items()} == {
                "image": (6, 12, 12, 12),
                "classes": (12, 12, 12),
                "pvs": (12, 12, 12),
                "confidence": (12, 12, 12),
                "asked": (12, 12, 12),
                "brightness": (),
            }
            assert torch.equal(seen["place"], seen["place"].round())
            assert (example["confidence"] == 1).all()  # it never reaches beyond the box
            held += bool(example["pvs"].any())
            along = example["classes"].float().mean((1, 2))
            mirrored.add(bool(along[0] > along[-1]))
            if example["pvs"].any():
                tube = example["pvs"] > 0
                assert example["image"][0][tube].mean() > 2
                assert example["image"][1][tube].mean() < -2
    assert 15 < held < 45
    assert mirrored == {False, True}


def test_some_heads_end_beneath_the_nuclei(tmp_path):
    shape = (14, 15, 16)
    head = np.zeros((4, *shape))
    head[:2] = -1
    head[:, 2:12, 2:13, 1:15] = 1
    head[2, 4:6, 6:9, 11:13] = 3
    head[2, 8:10, 6:9, 11:13] = 4
    case = toy_case(tmp_path)
    np.save(case.folder / "coarse.npy", head.astype(np.float16))
    examples = CoarseExamples([case], 1, shape, QUIET)
    cut = 0
    for number in range(120):
        example = examples[number]
        nuclei = (example["classes"] >= 3).any(0).any(0).nonzero()
        brain = (example["classes"] > 0).any(0).any(0).nonzero()
        if not len(nuclei):
            continue
        assert brain[0] < nuclei[0]  # never the nuclei themselves
        empty = example["classes"][..., : int(brain[0])]
        assert not empty.any()
        cut += int(nuclei[0] - brain[0]) < 8
    assert 10 < cut < 60


def test_heads_that_lie_wrong_have_no_nuclei(tmp_path):
    """Their images are turned by half a turn, and all else in them with them.

    Half of all heads are mirrored.
    """
    shape = (12, 14, 16)
    head = np.zeros((4, *shape))
    head[:, 1:9, 2:12, 3:15] = 1
    head[:2, 2:6, 3:7, 4:8] = 4
    head[2, 2:6, 3:7, 4:8] = 3
    head[2, 6:8, 8:11, 10:14] = 2
    case = toy_case(tmp_path)
    np.save(case.folder / "coarse.npy", head.astype(np.float16))
    examples = CoarseExamples([case], 1, shape, dataclasses.replace(QUIET, turned=0))
    ways, sides = set(), []
    for number in range(120):
        example = examples[number]
        classes, bright = example["classes"], example["image"][0] > 2.5
        places = [mask.nonzero().float().mean(0) for mask in (bright, classes == 2)]
        way = tuple((places[0] > places[1]).tolist())
        if not (classes >= 3).any():
            ways.add(way)
            continue
        # A mirrored head: what is on the left is called left, whatever it was.
        sides.append(3 + way[0])
        assert torch.equal(classes == sides[-1], bright)
        assert way[1:] == (False, False)
    turned = {(True, True, False), (True, False, True), (False, True, True)}
    assert ways == turned | {(not x, y, z) for x, y, z in turned}
    assert 80 < len(sides) < 110
    assert 25 < sides.count(3) < 75


def test_heads_are_painted_in_other_contrasts(tmp_path):
    """Nuclei may be bright or dark then; where they are stays the same."""
    case = toy_case(tmp_path)
    config = dataclasses.replace(QUIET, turned=0, contrast=1)
    examples = CoarseExamples([case], 1, (14, 15, 16), config)
    brighter = []
    for number in range(60):
        example = examples[number]
        classes, t2w = example["classes"], example["image"][0]
        if not (classes >= 3).any():
            continue
        nuclei, brain, fluid = (
            t2w[mask].mean() for mask in (classes >= 3, classes == 1, classes == 2)
        )
        assert fluid > nuclei
        assert t2w[classes == 0].max() < brain
        brighter.append(bool(nuclei > brain))
    assert 5 < sum(brighter) < len(brighter) - 5
