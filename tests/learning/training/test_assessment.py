"""Models on cases held out: scores, the threshold, labels that a model gives."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from toy_cases import rewritten, toy_case

from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.learning.data.augmentation import AugmentationConfig
from bgpvs_wf.learning.data.cascade_input import case_context
from bgpvs_wf.learning.data.case import FINE_CHANNELS, OWN_CHANNELS, read_case
from bgpvs_wf.learning.data.classes import BG_CLASSES, SURE, VENTRICLE_CLASS
from bgpvs_wf.learning.data.painted_case import with_tubes
from bgpvs_wf.learning.data.pvs_input import pvs_input
from bgpvs_wf.learning.inference import ensemble as members
from bgpvs_wf.learning.inference.border_refinement import follow_borders
from bgpvs_wf.learning.inference.calibration import fit_line
from bgpvs_wf.learning.inference.ensemble import FoundPVS, Member, apply_anatomy, apply_pvs
from bgpvs_wf.learning.nets.architectures import (
    ANATOMY,
    COARSE,
    PVS,
    NetworkConfig,
    build_network,
    reach_voxels,
)
from bgpvs_wf.learning.training import assessment, selftraining
from bgpvs_wf.learning.training.assessment import THRESHOLDS, assess, assess_model, calibrate
from bgpvs_wf.learning.training.selftraining import relabel, relabel_all
from bgpvs_wf.learning.training.tasks import FineTask, PVSTask, dice, make_task
from bgpvs_wf.learning.training.trained_model import model_card
from bgpvs_wf.pseudolabels.region import with_gaps


@pytest.fixture
def case(tmp_path):
    return toy_case(tmp_path / "case")


def array_of(case):
    """Return all that is in a case whose fine grid is its own."""
    arrays = {}
    for names, array in ((FINE_CHANNELS, case.fine()), (OWN_CHANNELS, case.own())):
        arrays |= dict(zip(names, np.asarray(array, np.float32), strict=True))
    return arrays


def task_of(tells, case, held_out=None):
    network = NetworkConfig(tells=tells, filters=(2, 2, 2))
    options = {"seed": 1, "augmentation": AugmentationConfig(), "patch": (8, 8, 8)}
    return make_task(network, [case], [case] if held_out is None else held_out, **options)


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


def found(probability):
    """Return what networks tell that know a probability."""
    return FoundPVS(probability.copy(), np.zeros_like(probability), np.zeros_like(probability))


@pytest.fixture
def answering(monkeypatch):
    """Let models answer as told, by the case's T2w."""
    told = {}

    def anatomy(members, images, context, **options):
        return told[float(images.own.sum())]["anatomy"].copy()

    def pvs(members, images, bg, **options):
        return found(told[float(images.own.sum())]["pvs"][0])

    for module in (assessment, selftraining):
        monkeypatch.setattr(module, "apply_anatomy", anatomy)
        monkeypatch.setattr(module, "apply_pvs", pvs)

    def tell(case, given):
        for one in (case, *(with_tubes(case, number) for number in range(16))):
            told[float(one.boxed().own.sum())] = given

    return tell


def test_dice():
    a, b = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert dice(a, b) == 0.5
    assert dice(a, a) == 1
    assert dice(a, ~a) == 0
    assert dice(a & ~a, b & ~b) == 1


def test_the_threshold_is_the_best_one(tmp_path, answering):
    cases = [toy_case(tmp_path / name, seed=i) for i, name in enumerate("abc")]
    unsure = np.array(cases[0].own())
    unsure[OWN_CHANNELS.index("confidence"), :, :9] = 0.4
    cases[0] = rewritten(cases[0], own=unsure)
    given = [answers(case, seed) for seed, case in enumerate(cases)]
    for case, one in zip(cases, given, strict=True):
        answering(case, one)

    def voxels(case, one):
        array = array_of(case)
        sides = np.zeros(array["classes"].shape, bool)
        labels = follow_borders(one["anatomy"], case.boxed(), sides).labels
        nuclei = np.where(np.isin(labels, BG_LABELS), labels, 0)
        inside = with_gaps(nuclei > 0, nuclei, np.eye(4))
        true = np.isin(array["classes"], BG_CLASSES)
        known = (inside | true | (array["pvs"] > 0)) & (array["confidence"] > 0.5)
        return np.where(inside, one["pvs"][0], 0)[known], array["pvs"][known] > 0

    pairs = [voxels(case, one) for case, one in zip(cases, given, strict=True)]
    best = max(THRESHOLDS, key=lambda t: np.mean([dice(p >= t, true) for p, true in pairs]))
    result = assess([], cases)
    assert result.pvs_threshold == best
    table = result.cases.set_index("subject")
    for case, (p, t) in zip(cases, pairs, strict=True):
        row = table.loc[case.subject]
        assert row["pvs_dice"] == pytest.approx(dice(p >= best, t))
        assert (row["pvs_voxels"], row["pvs_voxels_true"]) == ((p >= best).sum(), t.sum())
        assert 0.5 < row["bg_dice"] <= 1


def test_what_was_learnt_is_no_measure_of_accuracy(case, answering):
    answering(case, answers(case, 0))
    told, learnt = (assess_model([], [case], held_out=known) for known in (True, False))
    both = assess([], [case, with_tubes(case)])
    assert told.cases.equals(both.cases.iloc[:1])
    assert told.pvs_threshold == both.pvs_threshold
    assert learnt.pvs_threshold == told.pvs_threshold
    assert learnt.cases.empty
    assert list(learnt.cases) == list(told.cases)
    assert learnt.tube_volume_margin is None


def test_the_margin_is_that_of_volumes_as_measured_and_true(tmp_path, monkeypatch):
    cases = [toy_case(tmp_path / str(i), seed=i) for i in range(10)]
    given = answers(cases[0], 0, blur=0)
    monkeypatch.setattr(assessment, "apply_anatomy", lambda *_, **__: given["anatomy"].copy())
    monkeypatch.setattr(assessment, "apply_pvs", lambda *_, **__: found(given["pvs"][0]))
    # As they are, all are off alike.
    alike = assess([], cases[:9]).tube_volume_margin
    assert 0 < alike < 0.3
    # The tube has 12 voxels of 1 mm.
    assert {case.pvs_volume_mm3() for case in cases} == {12}
    measured = {case.subject: 10.0 + 3 * i for i, case in enumerate(cases)}
    told = []

    def tube_volume(case, labels, probability, threshold):
        told.append((labels.shape, probability.shape, threshold))
        return measured[case.subject]

    monkeypatch.setattr(assessment, "tube_volume", tube_volume)
    result = assess([], cases)
    assert result.tube_volume_margin == pytest.approx(np.log(47 / 22))
    assert set(told) == {((20, 18, 16), (20, 18, 16), result.pvs_threshold)}
    # Nothing is measured in one of them: the largest score is that of the ninth.
    measured["9"] = np.nan
    assert assess([], cases).tube_volume_margin == pytest.approx(np.log(44 / 22))
    measured["8"] = np.nan
    assert assess([], cases).tube_volume_margin is None


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
    config = NetworkConfig(tells=PVS, filters=(2, 2))
    network = build_network(config)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    member = Member((NetworkConfig(tells=ANATOMY), None), (config, network))
    calibrate(member, cases)
    changed = {n for n, value in network.state_dict().items() if not torch.equal(value, before[n])}
    assert changed == ({"output.weight", "output.bias"} if pvs else set())
    if pvs:
        known = [array_of(case) for case in cases]
        inside = [
            (np.isin(k["classes"], BG_CLASSES) | (k["pvs"] > 0)) & (k["confidence"] > SURE)
            for k in known
        ]
        given = [answers(case, seed, blur=0.2)["pvs"][0] for seed, case in enumerate(cases)]
        probability = np.concatenate([g[i] for g, i in zip(given, inside, strict=True)])
        labels = np.concatenate([k["pvs"][i] > 0 for k, i in zip(known, inside, strict=True)])
        slope, _ = fit_line(probability, labels)
        weight = network.state_dict()["output.weight"]
        torch.testing.assert_close(weight[0], before["output.weight"][0] * slope)
        torch.testing.assert_close(weight[1:], before["output.weight"][1:])


@pytest.mark.parametrize(("count", "slope"), [(8, 2.5), (7, 1.0)])
def test_brightness_is_calibrated_on_painted_tubes(tmp_path, monkeypatch, count, slope):
    """Networks draw the extremes to the middle; few cases do not tell by how much."""
    cases = [
        with_tubes(toy_case(tmp_path / str(i), shape=(32, 30, 28), seed=i)) for i in range(count)
    ]

    def told(members, images, bg, **options):
        case = next(c for c in cases if np.array_equal(c.boxed().own, images.own))
        told = np.full(bg.shape, 0.4 * np.log(case.tubes()[1]) - 0.2)
        return FoundPVS(np.where(case.tubes()[0], 0.9, 0.1), told, np.zeros(bg.shape))

    monkeypatch.setattr(assessment, "apply_pvs", told)
    config = NetworkConfig(tells=PVS, filters=(2, 2))
    network = build_network(config)
    before = network.output.weight.detach().clone()
    calibrate(Member((NetworkConfig(tells=ANATOMY), None), (config, network)), cases)
    torch.testing.assert_close(network.output.weight[1], before[1] * slope)
    torch.testing.assert_close(network.output.weight[2], before[2])


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
    inside = with_gaps(nuclei > 0, nuclei, np.eye(4))
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


def test_given_labels_stay(tmp_path, answering, monkeypatch):
    given, made = (toy_case(tmp_path / name, seed=i) for i, name in enumerate(("given", "made")))
    made = dataclasses.replace(made, by_hand=False)
    for seed, case in enumerate((given, made)):
        answering(case, answers(case, seed))
    calibrated = []
    monkeypatch.setattr(
        assessment, "calibrate", lambda member, cases: calibrated.append((member, cases))
    )
    one, two = relabel_all([given, made], "member", tmp_path / "new")
    both = (given, made)
    seen = [*both, *(with_tubes(one, number) for number in range(8) for one in both)]
    assert calibrated == [("member", seen)]
    assert one is given
    assert two.folder == tmp_path / "new" / "00001"
    threshold = assess([], seen).pvs_threshold
    assert two.digest == relabel(made, [], tmp_path / "again", threshold).digest


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


def test_networks_see_the_box_and_what_was_found_before(case, monkeypatch):
    boxed, context = case.boxed(), case_context(case.fine_classes())
    shape = boxed.own.shape[1:]
    rng = np.random.default_rng(0)
    given = {ANATOMY: rng.random((7, *shape)), PVS: rng.random((3, *shape))}
    seen, weights = {}, {"first": 0.5, "second": 1.5}

    def apply(network, config, images, **options):
        assert options == {"flips": True, "fast": False}
        assert len(images) == len(config.inputs)
        seen[config.tells] = images
        answer = given[config.tells][:, shape[0] - images.shape[1] :]
        return (answer * weights[network]).astype(np.float32)

    monkeypatch.setattr(members, "apply_network", apply)
    ensemble = [
        Member(*((NetworkConfig(tells=tells), name) for tells in (ANATOMY, PVS)))
        for name in weights
    ]
    shares = apply_anatomy(ensemble, boxed, context, flips=True)
    assert list(seen) == [ANATOMY]
    np.testing.assert_array_equal(seen[ANATOMY], np.concatenate([boxed.fine, context]))
    # An ensemble is the mean.
    np.testing.assert_allclose(shares, given[ANATOMY], rtol=1e-6)
    bg = np.arange(shape[0])[:, None, None] * np.ones(shape) > 8
    told = apply_pvs(ensemble, boxed, bg, brightness=0.6, flips=True)
    near = slice(9 - reach_voxels(ensemble[0].pvs[0]), None)
    whole = pvs_input(boxed.own, bg, (1.0,) * 3, brightness=0.6)
    np.testing.assert_array_equal(seen[PVS], whole[:, near])
    np.testing.assert_allclose(np.stack(told[:3])[:, near], given[PVS][:, near], rtol=1e-6)


def saying(answer):
    """Return a stand-in for `apply_network`."""

    def apply(network, config, images, **options):
        assert len(images) == len(config.inputs)
        return answer.astype(np.float32)

    return apply


def one_hot(classes, count):
    return np.eye(count)[classes].transpose(3, 0, 1, 2)


def test_nuclei_are_scored_on_cases_held_out(case, monkeypatch):
    classes = array_of(case)["classes"].astype(int)
    bg = np.isin(classes, BG_CLASSES)
    found = classes.copy()
    found[:, :4] = 0
    task = task_of(ANATOMY, case)
    assert isinstance(task, FineTask)
    monkeypatch.setattr("bgpvs_wf.learning.training.tasks.apply_network", saying(one_hot(found, 7)))
    expected = dice(bg & (np.arange(18)[:, None] >= 4), bg)
    assert task.scores(None) == pytest.approx({"bg_dice": expected})
    task.held_out = []
    assert task.scores(None) == {}


def test_pvs_are_scored_on_cases_held_out(case, tmp_path, monkeypatch):
    array = array_of(case)
    pvs = (array["pvs"] > 0) & (np.arange(16) > 6)
    expected = dice(pvs, array["pvs"] > 0)
    pvs[0, 0, 0] = True  # far from the nuclei; nobody asks there
    task = task_of(PVS, case)
    assert isinstance(task, PVSTask)
    monkeypatch.setattr(
        "bgpvs_wf.learning.training.tasks.apply_pvs", lambda *given, **options: found(pvs * 1.0)
    )
    assert task.scores(None) == pytest.approx({"pvs_dice": expected})
    task.held_out = [toy_case(tmp_path / "without", pvs=False)]
    assert task.scores(None) == {}


@pytest.mark.parametrize(("tells", "channels"), [(ANATOMY, 7), (PVS, 3)])
def test_a_batch_has_a_loss(case, tells, channels):
    task = task_of(tells, case)
    batch = {name: value[None] for name, value in task.examples[3].items()}
    logits = build_network(task.network)(batch["image"])
    assert logits.shape == (1, channels, 8, 8, 8)
    loss = task.loss(logits, batch)
    assert torch.isfinite(loss)
    loss.backward()


def test_the_coarse_task(tmp_path, monkeypatch):
    known = toy_case(tmp_path / "a")
    unknown = toy_case(tmp_path / "b", ventricles=False)
    task = task_of(COARSE, known, [known, unknown])
    assert task.held_out == [known, unknown]
    truth = np.asarray(known.coarse()[2], int)
    given = np.where(truth == 4, 0, truth)

    monkeypatch.setattr("bgpvs_wf.learning.training.tasks.apply_network", saying(one_hot(given, 5)))
    assert task.scores(None) == {"nuclei_dice": 0.5}


def test_models_are_told_what_the_labels_say(case, tmp_path, monkeypatch):
    told, seen = [], {}

    def apply(members, images, context, **options):
        told.append((images.fine, context))
        return answers(case, 1)["anatomy"]

    def pvs(members, images, bg, **options):
        return found(answers(case, 1)["pvs"][0])

    def applied(network, config, images, **options):
        seen[config.tells] = images
        return answers(case, 1)[config.tells]

    def validated(members, images, bg, **options):
        seen[members[0].pvs[0].tells] = images.own, bg
        return pvs(members, images, bg)

    for module in (assessment, selftraining):
        monkeypatch.setattr(module, "apply_anatomy", apply)
        monkeypatch.setattr(module, "apply_pvs", pvs)
    monkeypatch.setattr("bgpvs_wf.learning.training.tasks.apply_pvs", validated)
    monkeypatch.setattr("bgpvs_wf.learning.training.tasks.apply_network", applied)
    assess([], [case])
    relabel(case, [], tmp_path / "new")
    for tells in (ANATOMY, PVS):
        task_of(tells, case).scores(None)
    array = array_of(case)
    images = np.stack([array["T2w"], array["T1w"]])
    context = case_context(array["classes"].astype(np.uint8))
    assert len(told) == 2
    for given, its_context in told:
        np.testing.assert_array_equal(given, images)
        np.testing.assert_array_equal(its_context, context)
    np.testing.assert_array_equal(seen[ANATOMY], np.concatenate([images, context]))
    for given, expected in zip(
        seen[PVS], (images, np.isin(array["classes"], BG_CLASSES)), strict=True
    ):
        np.testing.assert_array_equal(given, expected)
