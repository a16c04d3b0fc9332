"""Whole heads to learn from: label maps, examples painted after them, a training by a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from toy_cases import toy_case
from toy_maps import toy_map

from bgpvs_wf.errors import BadLabelsError, UsageError
from bgpvs_wf.imaging.files import save_image
from bgpvs_wf.learning.heads import task as head_task
from bgpvs_wf.learning.heads.examples import HeadExamples, MaskExamples
from bgpvs_wf.learning.heads.maps import BRAIN, LEFT, RIGHT, VENTRICLE, Head, head_of_labels
from bgpvs_wf.learning.models.bundle import check_weights, read_bundle
from bgpvs_wf.learning.nets.architectures import HEAD, MASK
from bgpvs_wf.learning.nets.sliding_window import WINDOWS
from bgpvs_wf.learning.training.recipe import read_recipe
from bgpvs_wf.learning.training.recipe_tables import HeadConfig, find_maps
from bgpvs_wf.workflows.train import init_train_wf

SIZE = (16, 16, 16)
NUCLEI = {LEFT: (10, 11, 12, 13, 26), RIGHT: (49, 50, 51, 52, 58)}


@pytest.fixture(scope="module")
def head() -> Head:
    return head_of_labels(*toy_map())


@pytest.fixture
def maps(tmp_path) -> Path:
    folder = tmp_path / "labelmaps"
    for number in range(4):
        labels, affine = toy_map(2.0, 0.9 + 0.05 * number)
        save_image(labels, affine, folder / f"toy-{number}.nii.gz", labels=True)
    (folder / "LICENSE").write_text("free")
    return folder


def centre(head: Head, numbers: tuple[int, ...]) -> np.ndarray:
    """Where the labels are, mm."""
    inside = np.isin(head.names[head.numbers], numbers)
    return nib.affines.apply_affine(head.affine, np.argwhere(inside)).mean(0)


def test_a_head_has_the_classes_of_its_labels(head):
    labels = head.names[head.numbers]
    assert set(np.unique(head.classes)) == {0, BRAIN, VENTRICLE, LEFT, RIGHT}
    for side, numbers in NUCLEI.items():
        assert (head.classes[np.isin(labels, numbers)] == side).all()
    assert (head.classes[np.isin(labels, (4, 43))] == VENTRICLE).all()
    assert not head.classes[(labels == 0) | (labels > 500)].any()
    assert (head.classes[np.isin(labels, (2, 3, 41, 42))] > 0).all()
    # An ellipsoid.
    assert head.volume_ml == pytest.approx(4 / 3 * np.pi * 14 * 16 * 13 / 1000, rel=0.05)


def test_the_distance_is_negative_in_the_brain(head):
    back = np.linalg.inv(head.affine) @ head.distance_affine
    places = np.moveaxis(np.indices(head.distance.shape[1:]), 0, -1)
    voxels = np.round(nib.affines.apply_affine(back, places)).astype(int)
    inside = head.classes[tuple(np.moveaxis(voxels, -1, 0))] > 0
    far = np.abs(head.distance[0]) > 3
    assert ((head.distance[0] < 0) == inside)[far].all()
    assert far.any()


@pytest.mark.parametrize("degrees", [(0, 0, 0), (20, -15, 10), (-30, 5, 25)])
def test_a_head_is_upright_about_its_nuclei(head, degrees):
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    motion[:3, 3] = (1.5, -2, 1)
    turned = head_of_labels(*toy_map(motion=motion))
    middles = [centre(turned, numbers) for numbers in NUCLEI.values()]
    np.testing.assert_allclose(np.mean(middles, 0), 0, atol=0.05)
    right = middles[1] - middles[0]
    assert right[0] / np.linalg.norm(right) > 0.999
    # Each thing is where it is in the head that was not turned.
    for numbers in ((10,), (50,), (12,), (2, 41), (4, 43)):
        np.testing.assert_allclose(centre(turned, numbers), centre(head, numbers), atol=0.5)


def test_a_head_without_nuclei_on_a_side_is_refused():
    labels, affine = toy_map(2.0)
    labels[np.isin(labels, NUCLEI[RIGHT])] = 41
    with pytest.raises(BadLabelsError, match="no nuclei on some side"):
        head_of_labels(labels, affine)


def test_nuclei_are_enough_to_tell_how_a_head_lies():
    labels, affine = toy_map()
    labels[~np.isin(labels, (12, 13, 26, 52, 58))] = 0
    labels[labels == 52] = 58
    head = head_of_labels(labels, affine)
    assert np.isfinite(head.affine).all()


def test_a_head_is_kept(head, tmp_path):
    for name in ("a.npz", "b.npz"):
        head.save(tmp_path / name)
    again = Head.load(tmp_path / "a.npz")
    assert again.images is None
    for name, value in vars(again).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(head, name))
    # A training knows by their content what heads it goes on with.
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def examples(head: Head, seed: int = 5) -> HeadExamples:
    # The brain fills some of the window, whatever its size.
    return HeadExamples([head, head], seed, SIZE, 14.0)


def test_an_example_is_made_from_its_number(head):
    first, again = examples(head), examples(head)
    first[3]
    for name in ("image", "shares"):
        assert torch.equal(first[0][name], again[0][name])
        assert not torch.equal(first[0][name], first[1][name])
        assert not torch.equal(first[0][name], examples(head, 6)[0][name])


def test_examples_are_what_a_network_takes(head):
    made = examples(head)
    missing = set()
    volumes = []
    for number in range(12):
        example = made[number]
        image, shares = example["image"], example["shares"]
        assert image.shape == (2, *SIZE)
        assert shares.shape == (4, *SIZE)
        assert image.isfinite().all()
        assert image.abs().max() <= 5
        assert shares.min() >= 0
        torch.testing.assert_close(shares.sum(0), torch.ones(SIZE))
        gone = [channel for channel in (0, 1) if not image[channel].any()]
        assert len(gone) < 2
        missing.update(gone)
        volumes.append(float(shares[1:].sum()) * 14.0**3 / 1000)
    assert missing == {0, 1}
    assert 300 < np.median(volumes) < 1400


def test_examples_of_the_mask_show_the_brain_in_one_image(head):
    size = (32, 32, 32)
    made = MaskExamples([head], 5, size, 6.0)
    torch.testing.assert_close(made[0], MaskExamples([head], 5, size, 6.0)[0], rtol=0, atol=0)
    for number in range(12):
        image, shares = made[number]["image"], made[number]["shares"]
        assert image.shape == shares.shape == (2, *size)
        torch.testing.assert_close(shares.sum(0), torch.ones(size))
        # One of the images alone is what it is shown in use.
        assert sum(bool(one.any()) for one in image) == 1
        assert image.abs().max() <= 5
        assert shares[1].sum() * 6.0**3 / 1000 > 150


def test_maps_of_a_recipe(maps):
    def found(**settings):
        return [[p.name[4] for p in part] for part in find_maps(HeadConfig(**settings))]

    assert found(maps=str(maps)) == [["0", "1", "2"], ["3"]]
    assert found(maps=str(maps), held_out=0) == [["0", "1", "2", "3"], []]
    assert found(maps=str(maps), without=("toy-3", "toy-0")) == [["1"], ["2"]]
    for settings, words in (
        ({"without": ("toy-9",)}, r"head\.without names 'toy-9', and .*labelmaps has no such"),
        ({"held_out": 4}, r"head\.held_out is 4, which leaves nothing .* 4 label maps"),
        ({"maps": str(maps / "none")}, r"head\.maps: .*none is no folder"),
        ({"maps": str(maps.parent)}, r"head\.maps: .* has no label maps; put them there"),
    ):
        with pytest.raises(UsageError, match=words):
            find_maps(HeadConfig(**{"maps": str(maps), **settings}))


RECIPE = """
name = "tiny"
strategy = "manual"
[cohorts.ours]
bids_dir = "bids"
truth = "truth"
[head]
maps = "${TOY_MAPS}"
without = ["toy-0"]
filters = [2, 4, 4]
steps = 2
mask_steps = 1
[coarse]
filters = [2, 4, 4]
steps = 1
[fine]
filters = [2, 4, 4]
patch = [16, 16, 16]
steps = 1
[pvs]
filters = [2, 2]
patch = [8, 8, 8]
steps = 1
batch = 1
[training]
workers = 0
device = "cpu"
"""


@pytest.fixture
def tiny_windows(monkeypatch):
    """Let heads be seen in few voxels."""
    for tells in (HEAD, MASK):
        monkeypatch.setitem(WINDOWS, tells, SIZE)
    for size in ("HEAD_MM", "MASK_MM"):
        monkeypatch.setattr(head_task, size, 14.0)


@pytest.mark.usefixtures("tiny_windows")
def test_a_recipe_trains_the_networks_for_heads(maps, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_MAPS", str(maps))
    case = toy_case(tmp_path / "case")

    def run(name: str, text: str):
        (tmp_path / "recipe.toml").write_text(text)
        workflow = init_train_wf(
            read_recipe(tmp_path / "recipe.toml"),
            [case.folder / "case.json"],
            [],
            folder=tmp_path / name,
            work_dir=tmp_path / f"work_{name}",
        )
        workflow.config["execution"]["stop_on_first_crash"] = "true"
        workflow.run(plugin="Linear")
        return read_bundle(tmp_path / name / "model")

    model = run("out", RECIPE)
    check_weights(model)
    for file, tells in ((model.head, HEAD), (model.mask, MASK)):
        assert file is not None
        assert (file.network.tells, file.network.filters) == (tells, (2, 4, 4))
    record = json.loads((model.folder / "configs" / "training.json").read_text())
    assert list(record["trainings"]) == ["head", "mask", "coarse", "anatomy", "pvs"]
    (scores,) = record["trainings"]["head"]["scores"]
    assert set(scores) == {"step", "brain_dice", "nuclei_dice"}
    (scores,) = record["trainings"]["mask"]["scores"]
    assert set(scores) == {"step", "brain_dice"}
    assert record["recipe"]["head"]["maps"] == "labelmaps"
    assert str(tmp_path) not in json.dumps(record)
    assert "head, loss" in (model.folder / "docs" / "curves.svg").read_text()
    card = (model.folder / "docs" / "README.md").read_text()
    assert "label maps in `labelmaps`, without toy-0." in card
    assert len(list((tmp_path / "out" / "training" / "head").glob("*/checkpoint.pt"))) == 1
    # A model that takes it has the same; one that is told nothing has none.
    start, rest = RECIPE.index("[head]"), RECIPE.index("[coarse]")
    taken = f'[head]\nmodel = "{model.folder}"\n'
    taken = run("taken", RECIPE[:start] + taken + RECIPE[rest:])
    assert (taken.head, taken.mask) == (model.head, model.mask)
    assert run("none", RECIPE[:start] + RECIPE[rest:]).head is None


def test_a_recipe_trains_one_network_for_nuclei_and_pvs(tmp_path):
    text = RECIPE[: RECIPE.index("[head]")] + RECIPE[RECIPE.index("[coarse]") :]
    pvs, training = text.index("[pvs]"), text.index("[training]")
    text = (text[:pvs] + text[training:]).replace('"manual"', '"joint"')
    text = text.replace("[fine]\nfilters = [2, 4, 4]", "[fine]\nfilters = [4, 4, 4]")
    (tmp_path / "recipe.toml").write_text(text)
    case = toy_case(tmp_path / "case").folder / "case.json"
    workflow = init_train_wf(
        read_recipe(tmp_path / "recipe.toml"),
        [case],
        [case],
        folder=tmp_path / "out",
        work_dir=tmp_path / "work",
    )
    workflow.config["execution"]["stop_on_first_crash"] = "true"
    workflow.run(plugin="Linear")
    model = read_bundle(tmp_path / "out" / "model")
    check_weights(model)
    assert [file.network.tells for file in model.fine[0]] == ["joint"]
    record = json.loads((model.folder / "configs" / "training.json").read_text())
    (scores,) = record["trainings"]["joint"]["scores"]
    assert set(scores) == {"step", "bg_dice", "pvs_dice"}
