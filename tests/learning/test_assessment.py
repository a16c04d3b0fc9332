"""Models on cases held out: scores, the threshold, labels that a model gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special
from toy_cases import rewritten, toy_case

from bgpvs_wf.learning import assessment, members, selftraining
from bgpvs_wf.learning.assembly import model_card
from bgpvs_wf.learning.assessment import THRESHOLDS, assess, calibrate, score_cases
from bgpvs_wf.learning.augmentation import AugmentationConfig
from bgpvs_wf.learning.calibration import fit_line
from bgpvs_wf.learning.case import FINE_CHANNELS, OWN_CHANNELS, read_case
from bgpvs_wf.learning.classes import BG_CLASSES, VENTRICLE_CLASS
from bgpvs_wf.learning.context import case_context
from bgpvs_wf.learning.inputs import fine_input
from bgpvs_wf.learning.members import apply_ensemble, apply_member, pvs_of_networks, searched
from bgpvs_wf.learning.networks import NetworkConfig, build_network
from bgpvs_wf.learning.own_grid import pvs_input
from bgpvs_wf.learning.selftraining import relabel
from bgpvs_wf.learning.tasks import FineTask, PVSTask, coarse_task, dice, fine_task
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

    def apply(members, images, context, **options):
        return {head: share.copy() for head, share in told[float(images.own.sum())].items()}

    for module in (assessment, selftraining):
        monkeypatch.setattr(module, "apply_ensemble", apply)
    monkeypatch.setattr(assessment, "pvs_of_networks", lambda *a, **o: apply(*a, **o)["pvs"])

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
    cases[0] = rewritten(cases[0], fine=unsure)
    given = [answers(case, seed) for seed, case in enumerate(cases)]
    for case, one in zip(cases, given, strict=True):
        answering(case, one)

    def voxels(case, one):
        array = array_of(case)
        inside = searched(one["anatomy"], np.diag([0.5, 0.5, 0.5, 1]))
        true = np.isin(array["classes"], BG_CLASSES)
        known = (inside | true | (array["pvs"] > 0)) & (array["confidence"] > 0.5)
        return np.where(inside, one["pvs"][0], 0)[known], array["pvs"][known] > 0

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


@pytest.mark.parametrize("heads", [("anatomy", "pvs"), ("pvs",)])
@pytest.mark.parametrize("pvs", [True, False])
def test_a_network_is_calibrated_where_there_are_pvs(tmp_path, answering, pvs, heads):
    cases = [toy_case(tmp_path / name, seed=i, pvs=pvs) for i, name in enumerate("ab")]
    for seed, case in enumerate(cases):
        answering(case, answers(case, seed, blur=0.2))
    config = NetworkConfig(heads=heads, filters=(2, 2, 2))
    network = build_network(config)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    calibrate([(config, network)], cases)
    last = "output." if config.on_own_grid else "output_block.conv.conv."
    changed = {n for n, value in network.state_dict().items() if not torch.equal(value, before[n])}
    assert changed == ({f"{last}weight", f"{last}bias"} if pvs else set())
    if pvs:
        found = [assessment._pvs_of_networks([], case) for case in cases]
        (slope,), _ = fit_line(
            np.concatenate([share for share, _ in found], axis=1),
            np.concatenate([true for _, true in found]),
        )
        channel = config.channels("pvs")
        expected = before[f"{last}weight"][channel] * slope
        torch.testing.assert_close(network.state_dict()[f"{last}weight"][channel], expected)


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
    for name in ("classes", "pvs", "confidence"):
        own = made.own()[OWN_CHANNELS.index(name)]
        np.testing.assert_array_equal(own, after[name].astype(np.float16))


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


@pytest.mark.parametrize("first", [("anatomy",), ("anatomy", "pvs")])
def test_the_pvs_network_is_told_the_basal_ganglia(case, monkeypatch, first):
    """Those the first one, or who knows better, finds; logits of PVS add up."""
    boxed = case.boxed()
    shape = boxed.own.shape[1:]
    anatomy = np.zeros((7, *shape), np.float32)
    anatomy[0] = 0.5
    anatomy[2, 3:12] = 0.9
    anatomy[2, 6, 8:10, 8] = 0  # a tube that is taken for fluid
    rng = np.random.default_rng(0)
    pvs = {name: rng.uniform(0.1, 0.9, (1, *shape)) for name in ("first", "second")}
    seen = {}

    def apply(network, config, images, **options):
        seen[network] = images
        both = {"anatomy": anatomy, "pvs": pvs[network].astype(np.float32)}
        return {head: both[head] for head in config.heads}

    monkeypatch.setattr(members, "apply_network", apply)
    member = [(NetworkConfig(heads=first), "first"), (NetworkConfig(heads=("pvs",)), "second")]
    context = case_context(case.fine_classes())
    shares = apply_member(member, boxed, context)
    assert list(shares) == ["anatomy", "pvs"]
    np.testing.assert_array_equal(seen["first"], fine_input(boxed.fine, context, (0.5,) * 3))
    bg = np.zeros(shape, bool)
    bg[3:12] = True
    np.testing.assert_array_equal(seen["second"], pvs_input(boxed.own, bg, (0.5,) * 3))
    # Where the basal ganglia are known, a network that only finds them is not asked.
    seen.clear()
    bg = np.arange(shape[0])[:, None, None] * np.ones(shape) > 8
    shares = apply_member(member, boxed, context, bg=bg)
    assert list(seen) == (["second"] if len(first) == 1 else ["first", "second"])
    np.testing.assert_array_equal(seen["second"], pvs_input(boxed.own, bg, (0.5,) * 3))
    parts = [special.logit(pvs[name]) for name in seen]
    np.testing.assert_allclose(shares["pvs"], special.expit(sum(parts)), atol=1e-5)
    told = [name for name in ("first", "second") if name == "second" or "pvs" in first]
    apart = pvs_of_networks(member, boxed, context)
    np.testing.assert_allclose(apart, np.concatenate([pvs[name] for name in told]), atol=1e-6)
    # An ensemble is the mean.
    two = apply_ensemble([member, member], boxed, context)
    np.testing.assert_allclose(two["anatomy"], anatomy, rtol=1e-6)


def network_saying(config, classes, pvs):
    """Return a stand-in for `apply_network`."""

    def apply(network, config, images, **options):
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
    assert isinstance(task, PVSTask if heads == ("pvs",) else FineTask)
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
    alone = {name: value[None] for name, value in pvs.examples[3].items()}
    assert build_network(pvs.network)(alone["image"]).shape == (1, 1, 8, 8, 8)
    assert torch.isfinite(pvs.loss(logits[:, 7:], alone))


def test_the_coarse_task(tmp_path, monkeypatch):
    known = toy_case(tmp_path / "a")
    unknown = toy_case(tmp_path / "b", ventricles=False)
    task = coarse_task([known], [known, unknown], 1, (2, 2, 2), AugmentationConfig())
    assert task.held_out == [known, unknown]
    truth = np.asarray(known.coarse()[2], int)
    given = np.where(truth == 4, 0, truth)

    def apply(network, config, images, **options):
        assert len(images) == len(config.inputs) == 2
        return {"coarse": np.eye(5)[given].transpose(3, 0, 1, 2)}

    monkeypatch.setattr("bgpvs_wf.learning.tasks.apply_network", apply)
    assert task.scores(None) == {"nuclei_dice": 0.5}


def test_models_are_told_what_the_labels_say(case, tmp_path, monkeypatch):
    told, seen = [], {}

    def apply(members, images, context, **options):
        told.append((images.fine, context))
        return answers(case, 1)

    def applied(network, config, images, **options):
        seen[config.heads] = images
        return answers(case, 1)

    for module in (assessment, selftraining):
        monkeypatch.setattr(module, "apply_ensemble", apply)
    monkeypatch.setattr("bgpvs_wf.learning.tasks.apply_network", applied)
    settings = ((2, 2, 2), (8, 8, 8), AugmentationConfig())
    assess([], [case])
    relabel(case, [], tmp_path / "new")
    for heads in (("anatomy", "pvs"), ("pvs",)):
        fine_task([case], [case], 1, heads, *settings).scores(None)
    array = array_of(case)
    images = np.stack([array["T2w"], array["T1w"]])
    context = case_context(array["classes"].astype(np.uint8))
    assert len(told) == 2
    for given, its_context in told:
        np.testing.assert_array_equal(given, images)
        np.testing.assert_array_equal(its_context, context)
    expected = fine_input(images, context, (0.5,) * 3)
    np.testing.assert_array_equal(seen["anatomy", "pvs"], expected)
    bg = np.isin(array["classes"], BG_CLASSES)
    np.testing.assert_array_equal(seen["pvs",], pvs_input(images, bg, (0.5,) * 3))
