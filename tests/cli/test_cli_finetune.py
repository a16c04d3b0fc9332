"""`bgpvs-wf finetune`: what it learns from which model, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bgpvs_wf.cli.finetune import finetuning_recipe
from bgpvs_wf.cli.main import build_parser
from bgpvs_wf.learning.bundle import Model, write_bundle
from bgpvs_wf.learning.networks import ANATOMY, COARSE, PVS, NetworkConfig, build_network

FILTERS = {COARSE: (2, 4, 4), ANATOMY: (4, 8, 8), PVS: (3, 3)}


@pytest.fixture
def make_model(tmp_path):
    """Return a function that writes a model of tiny networks."""

    def trained(tells: str):
        config = NetworkConfig(tells=tells, filters=FILTERS[tells])
        return config, build_network(config).state_dict()

    def make(members: int = 1) -> Model:
        return write_bundle(
            tmp_path / "model",
            name="tiny",
            strategy="manual",
            coarse=trained(COARSE),
            fine=[(trained(ANATOMY), trained(PVS)) for _ in range(members)],
            pvs_threshold=0.3,
            card="",
            facts={},
        )

    return make


def recipe_of(model, tmp_path, *words):
    for name in ("bids", "labels"):
        (tmp_path / name).mkdir(exist_ok=True)
    folders = [str(tmp_path / name) for name in ("bids", "out", "labels")]
    command = ["finetune", folders[0], folders[1], "--labels", folders[2], *words]
    return finetuning_recipe(model, build_parser().parse_args(command))


def test_all_networks_of_a_member_go_on_learning(make_model, tmp_path):
    model = make_model(members=2)
    recipe = recipe_of(model, tmp_path, "--steps", "40", "--learning-rate", "1e-4")
    assert (recipe.name, recipe.strategy) == ("tiny-finetuned", "manual")
    assert recipe.coarse.model == recipe.fine.start == recipe.pvs.start == str(model.folder)
    assert recipe.fine.filters == (4, 8, 8)
    assert recipe.pvs.filters == (3, 3)
    assert (recipe.fine.steps, recipe.pvs.steps, recipe.fine.members) == (40, 40, 2)
    assert recipe.training.learning_rate == 1e-4
    assert recipe.settings["predict"] == {"model": str(model.folder)}


def test_what_cannot_be_finetuned(make_model, tmp_path):
    def said(out: Path, *words: str) -> str:
        program = [sys.executable, "-m", "bgpvs_wf.cli.main", "finetune"]
        command = [*program, str(tmp_path / "bids"), str(out), "--labels", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 2
        (line,) = done.stderr.strip().splitlines()
        return line

    (tmp_path / "bids").mkdir()
    model = str(make_model().folder)
    nowhere = str(tmp_path / "nowhere")
    assert f"--labels {nowhere} is no folder" in said(tmp_path / "out", nowhere, "--model", model)
    kept = said(tmp_path, str(tmp_path / "bids"), "--model", model)
    assert "holds the model to start from" in kept
