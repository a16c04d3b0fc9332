"""The training loop: killed or not, it comes out the same; what it keeps, and when it ends."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_cases import toy_case
from train_here import STEPS, train_toy

from bgpvs_wf.interfaces.training import Train
from bgpvs_wf.learning.data.augmentation import AugmentationConfig
from bgpvs_wf.learning.nets.architectures import ANATOMY, PVS, NetworkConfig, build_network
from bgpvs_wf.learning.nets.sliding_window import WINDOWS
from bgpvs_wf.learning.training import loop as training
from bgpvs_wf.learning.training.loop import Progress, TrainingConfig, learning_rate, train
from bgpvs_wf.learning.training.monitor import FILE, Monitor, read_monitor

pytestmark = pytest.mark.usefixtures("one_thread")
NETWORK = NetworkConfig(tells=PVS, filters=(2, 2, 2))


class Noise:
    """Examples that are their number."""

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(number)
        return {"image": torch.randn((len(NETWORK.inputs), 8, 8, 8), generator=generator)}


@dataclass
class Scripted:
    """A task whose scores are given; it keeps the weights it was asked to score."""

    given: list[dict[str, float]] = field(default_factory=list)
    network: NetworkConfig = NETWORK
    examples: Any = field(default_factory=Noise)
    seen: list[dict[str, torch.Tensor]] = field(default_factory=list)

    def loss(self, logits, batch):
        return ((logits - batch["image"][:, :1]) ** 2).mean()

    def scores(self, network):
        self.seen.append({k: v.clone() for k, v in network.state_dict().items()})
        return self.given[len(self.seen) - 1] if self.given else {}


def config(**changes: Any) -> TrainingConfig:
    return TrainingConfig(**{"steps": 12, "device": "cpu", "workers": 0, "batch": 1, **changes})


def equal(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    toy_case(folder / "a")
    toy_case(folder / "b", seed=1, pvs=False, ventricles=False)
    toy_case(folder / "c", seed=2)
    return folder


@pytest.fixture(scope="module")
def undisturbed(cases, tmp_path_factory):
    return train_toy(cases, tmp_path_factory.mktemp("undisturbed"), 0)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_that_was_killed_comes_out_the_same(cases, undisturbed, tmp_path, workers):
    """Killed at a step without checkpoint; bit by bit, whoever makes the examples."""
    script = Path(__file__).with_name("train_here.py")
    killed = subprocess.run(
        [sys.executable, str(script), str(cases), str(tmp_path), str(workers), "27"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    content = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert content["progress"]["step"] == 20
    assert not list(tmp_path.glob(".*"))
    steps = []
    weights, progress = _go_on(cases, tmp_path, workers, steps)
    assert steps[0] == 21
    assert equal(weights, undisturbed[0])
    assert asdict(progress) == asdict(undisturbed[1])
    assert len(progress.scores) == 3
    assert progress.done
    # There is nothing to do a second time.
    steps.clear()
    again, _ = _go_on(cases, tmp_path, workers, steps)
    assert steps == []
    assert equal(again, weights)


def _go_on(cases, folder, workers, steps):
    """Train to the end; note the steps taken."""
    patched = pytest.MonkeyPatch()
    step = training._Run.step

    def counted(self, task, batch, number):
        steps.append(number + 1)
        return step(self, task, batch, number)

    with patched.context() as patch:
        patch.setattr(training._Run, "step", counted)
        return train_toy(cases, folder, workers)


def test_something_is_learnt(undisturbed):
    losses = [loss for _, loss in undisturbed[1].losses]
    assert [step for step, _ in undisturbed[1].losses] == [10, 20, 30, STEPS]
    assert losses[-1] < losses[0]


def test_another_seed_or_start_is_another_training(tmp_path):
    def trained(name, seed, start=None):
        return train(Scripted(), config(), tmp_path / name, seed=seed, start=start)[0]

    first = trained("a", 1)
    assert equal(first, trained("b", 1))
    assert not equal(first, trained("c", 2))
    torch.manual_seed(9)
    start = build_network(NETWORK).state_dict()
    assert equal(trained("d", 1, start), trained("e", 2, start))


def test_the_best_weights_are_kept(tmp_path):
    task = Scripted([{"a": 0.1, "b": 0.3}, {"a": 0.9, "b": 0.5}, {"a": 0.6, "b": 0.7}, {"a": 0.7}])
    weights, progress = train(task, config(validate_steps=3), tmp_path, seed=1)
    assert equal(weights, task.seen[1])
    assert not equal(weights, task.seen[3])
    assert (progress.best, progress.best_step, progress.waited) == (pytest.approx(0.7), 6, 2)
    assert [one["step"] for one in progress.scores] == [3, 6, 9, 12]


def test_without_cases_held_out_the_last_weights_come_back(tmp_path):
    task = Scripted()
    weights, progress = train(task, config(validate_steps=5), tmp_path, seed=1)
    assert len(task.seen) == 3
    assert equal(weights, task.seen[-1])
    assert not progress.scores
    assert (progress.best_step, progress.waited, progress.done) == (12, 0, True)


@pytest.mark.parametrize(("patience", "end"), [(0, 12), (1, 6), (2, 8), (9, 12)])
def test_patience_ends_a_training(tmp_path, patience, end):
    task = Scripted([{"a": s} for s in (0.1, 0.5, 0.5, 0.4, 0.3, 0.2)])
    settings = config(validate_steps=2, patience=patience)
    weights, progress = train(task, settings, tmp_path, seed=1)
    assert (progress.step, progress.done) == (end, True)
    assert progress.best_step == 4
    assert equal(weights, task.seen[1])
    # All losses are told, early as it ended.
    assert progress.losses[-1][0] == end


def test_weights_are_a_moving_average(tmp_path):
    """The first step's weights, then 99 parts of what was and one of what is."""
    seen = []
    task = Scripted()
    step = training._Run.step
    with pytest.MonkeyPatch.context() as patch:

        def noted(self, *args):
            loss = step(self, *args)
            seen.append({k: v.clone() for k, v in self.network.state_dict().items()})
            return loss

        patch.setattr(training._Run, "step", noted)
        weights, _ = train(task, config(steps=5), tmp_path, seed=1)
    expected = dict(seen[0])
    for one in seen[1:]:
        expected = {k: 0.99 * v + 0.01 * one[k] for k, v in expected.items()}
    for name, value in weights.items():
        torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=1e-5)


def test_the_rate_of_learning_rises_and_falls():
    settings = TrainingConfig(steps=200, learning_rate=0.01)
    rates = [learning_rate(step, settings) for step in range(200)]
    assert np.argmax(rates) in (9, 10)
    assert max(rates) == pytest.approx(0.01)
    assert all(np.diff(rates[:10]) > 0)
    assert all(np.diff(rates[10:]) < 0)
    # Half way down the cosine it is half.
    assert rates[105] == pytest.approx(0.005)
    assert 0 < rates[-1] < 1e-5
    assert learning_rate(0, TrainingConfig(steps=1, learning_rate=0.01)) == 0.01


def test_a_batch_may_be_larger_than_the_cases(tmp_path):
    one = Scripted()
    _, progress = train(one, config(batch=7, steps=2), tmp_path, seed=1)
    assert progress.losses[0][0] == 2


def interface(toys: Path, folder: Path, **changes: Any) -> Train:
    settings: dict[str, Any] = {
        "cases": [str(toys / "a" / "case.json")],
        "network": {"tells": ANATOMY, "filters": (2, 2, 2)},
        "patch": (8, 8, 8),
        "settings": asdict(config(steps=1)),
        "augmentation": asdict(AugmentationConfig()),
        "seed": 1,
        "folder": str(folder),
    }
    return Train(**{**settings, **changes})


def test_what_changes_a_training_changes_its_folder(cases, tmp_path):
    def folders() -> set[str]:
        return {path.name for path in (tmp_path / "training").iterdir()}

    def run(**changes: Any) -> Any:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        return interface(cases, tmp_path / "training", **changes).run(cwd=str(work)).outputs

    first = run()
    before = Path(first.weights).read_bytes()
    assert len(folders()) == 1
    progress = json.loads(Path(first.progress).read_text())
    assert progress["done"]
    assert progress["losses"][0][0] == 1
    # The same again, with other threads: what is there is taken.
    kept = next((tmp_path / "training").rglob("checkpoint.pt"))
    stamp = kept.stat().st_mtime_ns
    assert Path(run(threads=2).weights).read_bytes() == before
    assert Path(run(conduct={"checkpoint_minutes": 9.0}).weights).read_bytes() == before
    assert len(folders()) == 1
    assert kept.stat().st_mtime_ns == stamp
    start = tmp_path / "start.pt"
    torch.save(torch.load(first.weights, weights_only=True), start)
    for number, change in enumerate(
        (
            {"seed": 2},
            {"network": {"tells": ANATOMY, "filters": (2, 2, 4)}},
            {"patch": (8, 8, 16)},
            {"settings": asdict(config(steps=1, learning_rate=1e-3))},
            {"augmentation": asdict(AugmentationConfig(scaling=0.1))},
            {"cases": [str(cases / "c" / "case.json")]},
            {"start": str(start)},
            {"network": {"tells": PVS, "filters": (2, 2, 2)}},
        ),
        start=2,
    ):
        run(**change)
        assert len(folders()) == number, change


def test_new_labels_are_another_training_at_the_same_place(tmp_path):
    digests = set()
    for seed in (0, 1, 1):
        toy_case(tmp_path / "case", seed=seed)
        node = interface(tmp_path, tmp_path, cases=[str(tmp_path / "case" / "case.json")])
        digests.add(node.inputs.get_hashval(hash_method="content")[1])
    assert len(digests) == 2


def test_the_monitor_tells_where_a_training_is(tmp_path, monkeypatch):
    clock = itertools.count(0.0, 1.0)
    monkeypatch.setattr("bgpvs_wf.learning.training.monitor.time.monotonic", lambda: next(clock))
    monitor = Monitor(tmp_path, 100)
    assert read_monitor(tmp_path / FILE) is None
    for step in range(1, 12):
        monitor(Progress(step=step), 2.0)
    state = read_monitor(tmp_path / FILE)
    assert state["steps"] == 100
    assert state["loss"] == 2.0
    # A step a second.
    assert state["seconds_left"] == pytest.approx(100 - state["step"])
    assert not state["done"]
    scores = [{"step": 50, "bg_dice": 0.5}]
    monitor(Progress(step=50, scores=scores, done=True), math.pi)
    state = read_monitor(tmp_path / FILE)
    assert (state["step"], state["scores"], state["done"]) == (50, scores[0], True)
    (tmp_path / FILE).write_text("{")
    assert read_monitor(tmp_path / FILE) is None


def test_windows_are_as_they_were():
    """The toy training changes them for itself only."""
    assert WINDOWS[ANATOMY] == (40, 32, 28)
    assert os.environ["NIPYPE_NO_ET"] == "1"
