"""Models on cases held out: scores, the threshold, labels that a model gives."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from toy_cases import toy_case

from bgpvs_wf.learning import assessment, members, selftraining
from bgpvs_wf.learning.assembly import model_card
from bgpvs_wf.learning.assessment import THRESHOLDS, assess, calibrate, score_cases
from bgpvs_wf.learning.augmentation import AugmentationConfig
from bgpvs_wf.learning.calibration import fit_line
from bgpvs_wf.learning.case import FINE_CHANNELS, read_case, write_case
from bgpvs_wf.learning.classes import BG_CLASSES, VENTRICLE_CLASS
from bgpvs_wf.learning.inputs import case_input
from bgpvs_wf.learning.members import apply_ensemble, apply_member
from bgpvs_wf.learning.networks import NetworkConfig, build_network
from bgpvs_wf.learning.selftraining import relabel
from bgpvs_wf.learning.tasks import FineTask, coarse_task, dice, fine_task
from bgpvs_wf.pseudolabels.region import with_gaps


@pytest.fixture
def case(tmp_path):
    return toy_case(tmp_path / "case")


def array_of(case):
    return dict(zip(FINE_CHANNELS, np.asarray(case.fine(), np.float32), strict=True))


def answers(case, seed, blur=0.35):
    """Return probabilities that are right as a rule."""
    rng = np.random.default_rng(seed)
    array = array_of(case)
    classes = array["classes"].astype(int)
    anatomy = rng.uniform(0, 1, (7, *classes.shape)).astype(np.float32)
    np.put_along_axis(anatomy, classes[None], 1.2, axis=0)
    anatomy /= anatomy.sum(axis=0)
    pvs = np.clip(array["pvs"] * 0.5 + 0.2 + rng.normal(0, blur, classes.shape), 0, 1)
    return {"anatomy": anatomy, "pvs": pvs[None].astype(np.float32)}


@pytest.fixture
def answering(monkeypatch):
    """Let models answer as told, by the case's T2w."""
    told = {}

    def apply(members, images, voxel_mm, **options):
        return {head: share.copy() for head, share in told[float(images[:2].sum())].items()}

    for module in (assessment, selftraining):
        monkeypatch.setattr(module, "apply_ensemble", apply)

    def tell(case, given):
        array = array_of(case)
        told[float(np.stack([array["T2w"], array["T1w"]]).sum())] = given

    return tell


def test_dice():
    a, b = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert dice(a, b) == 0.5
    assert dice(a, a) == 1
    assert dice(a, ~a) == 0
    assert dice(a & ~a, b & ~b) == 1


def test_the_threshold_is_the_best_one(tmp_path, answering):
    cases = [toy_case(tmp_path / name, seed=i) for i, name in enumerate("abc")]
    unsure = np.array(cases[0].fine())
    unsure[FINE_CHANNELS.index("confidence"), :, :9] = 0.4
    facts = dataclasses.asdict(cases[0])
    for name in ("folder", "pvs_voxels", "digest"):
        del facts[name]
    cases[0] = write_case(tmp_path / "a", unsure, np.array(cases[0].coarse()), facts)
    given = [answers(case, seed) for seed, case in enumerate(cases)]
    for case, one in zip(cases, given, strict=True):
        answering(case, one)

    def voxels(case, one):
        array = array_of(case)
        found = np.isin(one["anatomy"].argmax(0), BG_CLASSES)
        true = np.isin(array["classes"], BG_CLASSES)
        known = (found | true | (array["pvs"] > 0)) & (array["confidence"] > 0.5)
        return one["pvs"][0][known], array["pvs"][known] > 0

    pairs = [voxels(case, one) for case, one in zip(cases, given, strict=True)]
    share, true = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    best = max(THRESHOLDS, key=lambda t: dice(share >= t, true))
    result = assess([], cases)
    assert result.pvs_threshold == best
    table = result.cases.set_index("subject")
    for case, (p, t) in zip(cases, pairs, strict=True):
        row = table.loc[case.subject]
        assert row["pvs_dice"] == pytest.approx(dice(p >= best, t))
        assert (row["pvs_voxels"], row["pvs_voxels_true"]) == ((p >= best).sum(), t.sum())
        assert 0.5 < row["bg_dice"] <= 1
    again = score_cases([], cases, best)
    assert again.equals(result.cases)


def test_without_pvs_the_threshold_stays(tmp_path, answering):
    case = toy_case(tmp_path / "case", pvs=False)
    answering(case, answers(case, 1, blur=0))
    assert assess([], [case], 0.4).pvs_threshold == 0.4
    assert assess([], [case], 0.4).cases["pvs_dice"].tolist() == [1.0]
    nothing = assess([], [], 0.3)
    assert nothing.pvs_threshold == 0.3
    assert nothing.cases.empty
    recipe = {"name": "n", "strategy": "anatomy", "cohorts": {"c": {"infants": "i", "labels": "l"}}}
    assert "None were held out" in model_card(recipe, nothing, 1)
    assert "| c | i | l |" in model_card(recipe, nothing, 1)


@pytest.mark.parametrize("pvs", [True, False])
def test_a_network_is_calibrated_where_there_are_pvs(tmp_path, answering, pvs):
    cases = [toy_case(tmp_path / name, seed=i, pvs=pvs) for i, name in enumerate("ab")]
    for seed, case in enumerate(cases):
        answering(case, answers(case, seed, blur=0.2))
    config = NetworkConfig(heads=("pvs",), filters=(2, 2, 2))
    network = build_network(config)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    calibrate([(config, network)], cases)
    last = "output_block.conv.conv."
    changed = {n for n, value in network.state_dict().items() if not torch.equal(value, before[n])}
    assert changed == ({f"{last}weight", f"{last}bias"} if pvs else set())
    if pvs:
        found = [assessment._apply([], case) for case in cases]
        line = fit_line(
            np.concatenate([f.probability for f in found]), np.concatenate([f.pvs for f in found])
        )
        expected = before[f"{last}weight"] * line[0]
        torch.testing.assert_close(network.state_dict()[f"{last}weight"], expected)


def test_a_model_gives_new_labels(case, tmp_path, answering):
    given = answers(case, 2)
    answering(case, given)
    made = relabel(case, [], tmp_path / "new", threshold=0.6)
    assert read_case(made.folder / "case.json") == made
    assert made.digest != case.digest
    assert (made.subject, made.present, made.by_hand) == (case.subject, case.present, True)
    before, after = array_of(case), array_of(made)
    classes = given["anatomy"].argmax(0)
    nuclei = np.where(np.isin(classes, BG_CLASSES), classes, 0)
    inside = with_gaps(nuclei > 0, nuclei, np.diag([0.5, 0.5, 0.5, 1]))
    tubes = (given["pvs"][0] >= 0.6) & inside
    mistaken = tubes & (nuclei == 0)
    np.testing.assert_array_equal(after["classes"][~mistaken], classes[~mistaken])
    assert np.isin(after["classes"][mistaken], BG_CLASSES).all()
    np.testing.assert_array_equal(after["pvs"], tubes)
    np.testing.assert_array_equal(after["fluid"], after["pvs"])
    assert made.pvs_voxels == after["pvs"].sum() > 0
    for name in ("T2w", "T1w", "tissue"):
        np.testing.assert_array_equal(after[name], before[name])
    first, second = np.sort(given["anatomy"], axis=0)[[-1, -2]]
    # The odds are counted from those of the threshold.
    with np.errstate(divide="ignore"):
        odds = given["pvs"][0].astype(float) / (1 - given["pvs"][0]) / (0.6 / 0.4)
    share = 1 - 1 / (1 + odds)
    of_pvs = np.abs(2 * share - 1)
    sure = np.where(inside, np.minimum(first - second, of_pvs), first - second)
    sure = np.where(mistaken, of_pvs, sure)
    np.testing.assert_allclose(after["confidence"], np.maximum(sure, 0.05), atol=1e-3)
    assert after["confidence"].min() >= 0.049
    assert after["confidence"].max() <= 1
    np.testing.assert_array_equal(made.coarse(), case.coarse())


def test_a_tube_that_the_classes_take_for_fluid_is_a_tube_of_its_nucleus(case, tmp_path, answering):
    """As a prediction has it; without that self-training unlearnt PVS altogether."""
    true = array_of(case)
    tubes = true["pvs"] > 0
    classes = np.where(tubes, VENTRICLE_CLASS, true["classes"]).astype(int)
    anatomy = np.full((7, *classes.shape), 0.01, np.float32)
    np.put_along_axis(anatomy, classes[None], 0.94, axis=0)
    pvs = np.where(tubes, 0.95, 0.02).astype(np.float32)
    answering(case, {"anatomy": anatomy, "pvs": pvs[None]})
    made = array_of(relabel(case, [], tmp_path / "new"))
    assert (made["pvs"][tubes] == 1).all()
    assert (made["classes"][tubes] == 2).all()
    np.testing.assert_allclose(made["confidence"][tubes], 0.9, atol=1e-2)


def test_what_a_case_does_not_know_a_model_does_not_add(tmp_path, answering):
    """The loss leaves ventricles out for such a case: a label of them could never be met."""
    case = toy_case(tmp_path / "case", ventricles=False)
    given = answers(case, 3)
    assert (given["anatomy"].argmax(0) == VENTRICLE_CLASS).any()
    answering(case, given)
    made = relabel(case, [], tmp_path / "new")
    assert not (array_of(made)["classes"] == VENTRICLE_CLASS).any()
    others = given["anatomy"][:VENTRICLE_CLASS] / given["anatomy"][:VENTRICLE_CLASS].sum(0)
    after = array_of(made)
    same = after["pvs"] == 0
    np.testing.assert_array_equal(after["classes"][same], others.argmax(0)[same])
    assert np.isin(after["classes"][~same], BG_CLASSES).all()


def test_separate_networks_pass_the_basal_ganglia_on(monkeypatch):
    """The second network sees the images where the first one, or who knows better, finds BG."""
    anatomy = np.zeros((7, 12, 5, 5), np.float32)
    anatomy[0] = 0.5
    anatomy[2, 3:5] = 0.9
    seen = {}

    def apply(network, config, images, window, **options):
        seen[network] = images
        share = anatomy if "anatomy" in config.heads else images[:1]
        return {config.heads[0]: share}

    monkeypatch.setattr(members, "apply_network", apply)
    member = [
        (NetworkConfig(heads=("anatomy",)), "first"),
        (NetworkConfig(heads=("pvs",)), "second"),
    ]
    channels = len(member[0][0].inputs)
    images = np.random.default_rng(0).uniform(1, 2, (channels, 12, 5, 5)).astype(np.float32)
    shares = apply_member(member, images, np.full(3, 0.5))
    assert list(shares) == ["anatomy", "pvs"]
    assert seen["first"] is images
    kept = np.zeros(12, bool)
    kept[1:7] = True  # 1 mm around, that is two voxels
    np.testing.assert_array_equal(seen["second"], images * kept[None, :, None, None])
    # Where the basal ganglia are known, the first is not asked.
    seen.clear()
    bg = np.zeros((12, 5, 5), bool)
    bg[9:] = True
    shares = apply_member(member, images, np.full(3, 0.5), bg=bg)
    assert list(seen) == ["second"]
    np.testing.assert_array_equal(seen["second"][0].any((1, 2)), np.arange(12) >= 7)
    # An ensemble is the mean.
    two = apply_ensemble([member, member], images, np.full(3, 0.5))
    np.testing.assert_allclose(two["anatomy"], anatomy, rtol=1e-6)


def network_saying(config, classes, pvs):
    """Return a stand-in for `apply_network`."""

    def apply(network, config, images, window, **options):
        assert len(images) == len(config.inputs)
        out = {}
        if "anatomy" in config.heads:
            out["anatomy"] = np.eye(7, dtype=np.float32)[classes].transpose(3, 0, 1, 2)
        if "pvs" in config.heads:
            out["pvs"] = pvs[None].astype(np.float32)
        return out

    return apply


@pytest.mark.parametrize("heads", [("anatomy", "pvs"), ("anatomy",), ("pvs",)])
def test_scores_on_cases_held_out(case, monkeypatch, heads):
    array = array_of(case)
    classes = array["classes"].astype(int)
    bg = np.isin(classes, BG_CLASSES)
    found = classes.copy()
    found[:, :4] = 0
    pvs = (array["pvs"] > 0) & (np.arange(16) > 6)
    pvs[0, 0, 0] = True  # far from the nuclei; nobody asks there
    task = fine_task([case], [case], 1, heads, (2, 2, 2), (8, 8, 8), AugmentationConfig())
    assert isinstance(task, FineTask)
    assert task.examples.masked == (heads == ("pvs",))
    monkeypatch.setattr(
        "bgpvs_wf.learning.tasks.apply_network", network_saying(task.network, found, pvs)
    )
    expected = {}
    if "anatomy" in heads:
        expected["bg_dice"] = dice(bg & (np.arange(18)[:, None] >= 4), bg)
    if "pvs" in heads:
        expected["pvs_dice"] = dice(pvs & bg, array["pvs"] > 0)
    assert task.scores(None) == pytest.approx(expected)
    task.held_out = []
    assert task.scores(None) == {}


def test_pvs_scores_need_pvs(tmp_path, monkeypatch):
    case = toy_case(tmp_path, pvs=False)
    task = fine_task([case], [case], 1, ("pvs",), (2, 2, 2), (8, 8, 8), AugmentationConfig())
    nothing = np.zeros(case.fine().shape[1:])
    monkeypatch.setattr(
        "bgpvs_wf.learning.tasks.apply_network", network_saying(None, nothing, nothing)
    )
    assert task.scores(None) == {}


def test_the_loss_is_the_sum_of_the_heads(case):
    settings = ((2, 2, 2), (8, 8, 8), AugmentationConfig())
    joint, anatomy, pvs = (
        fine_task([case], [], 1, heads, *settings)
        for heads in (("anatomy", "pvs"), ("anatomy",), ("pvs",))
    )
    batch = {name: value[None] for name, value in joint.examples[3].items()}
    torch.manual_seed(0)
    logits = torch.randn((1, 8, 8, 8, 8))
    both = joint.loss(logits, batch)
    parts = anatomy.loss(logits[:, :7], batch) + pvs.loss(logits[:, 7:], batch)
    assert both.item() == pytest.approx(parts.item())
    assert build_network(joint.network)(batch["image"]).shape == logits.shape


def test_the_coarse_task(tmp_path, monkeypatch):
    known = toy_case(tmp_path / "a")
    unknown = toy_case(tmp_path / "b", ventricles=False)
    task = coarse_task([known], [known, unknown], 1, (2, 2, 2), AugmentationConfig())
    assert task.held_out == [known, unknown]
    truth = np.asarray(known.coarse()[2], int)
    given = np.where(truth == 4, 0, truth)

    def apply(network, config, images, window, **options):
        assert len(images) == len(config.inputs) == 2
        return {"coarse": np.eye(5)[given].transpose(3, 0, 1, 2)}

    monkeypatch.setattr("bgpvs_wf.learning.tasks.apply_network", apply)
    assert task.scores(None) == {"nuclei_dice": 0.5}


def test_models_are_told_what_the_labels_say(case, tmp_path, monkeypatch):
    seen = []

    def apply(members, images, voxel_mm, **options):
        seen.append(images)
        return answers(case, 1)

    def applied(network, config, images, window, **options):
        return apply([network], images, None)

    for module in (assessment, selftraining):
        monkeypatch.setattr(module, "apply_ensemble", apply)
    monkeypatch.setattr("bgpvs_wf.learning.tasks.apply_network", applied)
    settings = (("anatomy", "pvs"), (2, 2, 2), (8, 8, 8), AugmentationConfig())
    assess([], [case])
    relabel(case, [], tmp_path / "new")
    fine_task([case], [case], 1, *settings).scores(None)
    array = array_of(case)
    expected = case_input(np.stack([array[name] for name in FINE_CHANNELS]))
    assert len(seen) == 3
    for images in seen:
        assert images.dtype == np.float32
        np.testing.assert_array_equal(images, expected)
