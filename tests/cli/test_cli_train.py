"""`bgpvs-wf train` on infants so small, and with so few steps, that it takes seconds."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from program import call_program
from toy_maps import toy_map

from bgpvs_wf.imaging.files import save_image
from bgpvs_wf.learning.models.bundle import check_weights, read_bundle
from bgpvs_wf.learning.training.recipe import read_recipe
from bgpvs_wf.studies.training import train
from bgpvs_wf.studies.training_cases import split

PROTOCOL = """
hindbrain = false
[t2w]
voxel_mm = [2.5, 2.5, 2.5]
[t1w]
voxel_mm = [2.5, 2.5, 2.5]
"""
RECIPE = """
name = "tiny"
strategy = "manual"
held_out = 0.5
[cohorts.drawn]
preset = "scanner.toml"
subjects = 2
ages = ["92w"]
seed = 4
anatomy_from = "truth"
[coarse]
filters = [2, 4, 4]
steps = 2
[fine]
filters = [2, 4, 4]
steps = 4
patch = [16, 16, 16]
[pvs]
filters = [2, 2]
steps = 3
batch = 1
patch = [8, 8, 8]
[training]
workers = 0
device = "cpu"
[run.prepare]
bias_correction = false
"""


@dataclass
class Site:
    """A recipe, and where it is followed."""

    root: Path

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def model(self) -> Path:
        return self.out / "model"

    def train(self, recipe: str = RECIPE, out: str = "out") -> subprocess.CompletedProcess[str]:
        (self.root / "scanner.toml").write_text(PROTOCOL)
        (self.root / "recipe.toml").write_text(recipe)
        command = ["train", "recipe.toml", out, "-w", "work"]
        return call_program(self.root, *command, "--nprocs", "2")

    def times(self) -> dict[Path, int]:
        """When each file was written, but those of logs, of which a run has its own."""
        return {
            path: path.stat().st_mtime_ns
            for path in self.out.rglob("*")
            if path.is_file() and "logs" not in path.parts
        }

    def trainings(self) -> dict[str, int]:
        """Name of a network to the number of trainings that there are of it."""
        folders = self.out.glob("training/*")
        return {path.name: len(list(path.glob("*/checkpoint.pt"))) for path in folders}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, str]:
    """Return where a model was trained, and what was said."""
    site = Site(tmp_path_factory.mktemp("train"))
    done = site.train()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return site, done.stdout


def test_a_model_comes_out(site):
    where, said = site
    model = read_bundle(where.model)
    check_weights(model)
    assert (model.name, model.strategy) == ("tiny", "manual")
    assert [one.network.tells for one in model.fine[0]] == ["anatomy", "pvs"]
    assert model.coarse.network.filters == (2, 4, 4)
    assert f"Model: {where.model}" in said
    assert f"--model {where.model}" in said
    assert "Learning from 1 cases; 1 held out." in said
    card = (where.model / "docs" / "README.md").read_text()
    assert "2 synthetic infants, protocol scanner, ages 92w, seed 4" in card
    assert str(where.root) not in card
    scores = pd.read_csv(where.model / "docs" / "held_out.tsv", sep="\t")
    assert len(scores) == 1
    assert scores["bg_dice"].between(0, 1).all()
    curves = (where.model / "docs" / "curves.svg").read_text()
    assert "anatomy, loss" in curves
    record = json.loads((where.model / "configs" / "training.json").read_text())
    assert record["recipe"]["fine"]["steps"] == 4
    assert set(record["trainings"]) == {"coarse", "anatomy", "pvs"}
    assert record["trainings"]["anatomy"]["step"] == 4
    assert record["trainings"]["pvs"]["step"] == 3


def test_what_was_made_on_the_way(site):
    where, _ = site
    assert where.trainings() == {"coarse": 1, "anatomy": 1, "pvs": 1}
    assert len(list(where.out.glob("training/*/*/tensorboard/*"))) == 3
    for label in ("sub-01", "sub-02"):
        facts = json.loads((where.out / "cases" / "drawn_given" / label / "case.json").read_text())
        assert facts["by_hand"]
        assert facts["ventricles"]
    (settings,) = where.out.glob("logs/*/config.toml")
    assert 'strategy = "manual"' in settings.read_text()


def test_again_nothing_is_done(site):
    where, _ = site
    before = where.times()
    again = where.train()
    assert again.returncode == 0, again.stdout + again.stderr
    assert "step" not in again.stdout
    assert "Making" not in again.stdout
    assert f"Model: {where.model}" in again.stdout
    assert where.times() == before


def test_from_python_it_says_nothing_and_returns_the_same(site, capsys):
    where, _ = site
    before = where.times()
    machine = {"nprocs": 2, "work_dir": where.root / "work"}
    done = train(read_recipe(where.root / "recipe.toml"), where.out, machine)
    assert capsys.readouterr().out == ""
    assert (done.model, done.problems) == (where.model, ())
    assert where.times() == before


def test_a_lost_model_is_assembled_again(site):
    where, _ = site
    before = read_bundle(where.model).checksum
    shutil.rmtree(where.model)
    again = where.train()
    assert again.returncode == 0, again.stdout + again.stderr
    assert read_bundle(where.model).checksum == before
    assert where.trainings() == {"coarse": 1, "anatomy": 1, "pvs": 1}


def test_a_changed_setting_trains_what_it_concerns(site):
    where, _ = site
    changed = RECIPE.replace("steps = 4", "steps = 3").replace('"tiny"', '"other"')
    again = where.train(changed)
    assert again.returncode == 0, again.stdout + again.stderr
    assert where.trainings() == {"coarse": 1, "anatomy": 2, "pvs": 1}
    assert read_bundle(where.model).name == "other"


@pytest.mark.slow
def test_pseudo_labels_members_and_self_training(site):
    """On the infants of the others; the coarse network is that of their model."""
    where, _ = site
    model = where.root / "first"
    shutil.copytree(where.model, model)
    recipe = RECIPE.replace('"manual"', '"anatomy"').replace('"tiny"', '"taught"')
    recipe = recipe.replace("[coarse]", f'[coarse]\nmodel = "{model}"')
    recipe = recipe.replace("[fine]", "[fine]\nself_training = 1\nmembers = 2")
    done = where.train(recipe)
    assert done.returncode == 0, done.stdout + done.stderr
    trained = read_bundle(where.model)
    assert trained.coarse.sha256 == read_bundle(model).coarse.sha256
    assert len(trained.fine) == 2
    assert (where.out / "cases" / "drawn_anatomy" / "sub-01" / "case.json").is_file()
    for member in (1, 2):
        (facts,) = where.out.glob(f"training/relabelled_{member}_1/*/case.json")
        assert not json.loads(facts.read_text())["by_hand"]
    names = ("", "_member2", "_round2", "_member2_round2")
    assert {f"{head}{name}" for head in ("anatomy", "pvs") for name in names} <= set(
        where.trainings()
    )


@pytest.mark.slow
def test_a_network_for_whole_heads(site):
    """On the infants of the others, whose coarse network it takes."""
    where, _ = site
    model = where.root / "whole"
    shutil.copytree(where.model, model)
    for number in (1, 2):
        labels, affine = toy_map(2.0)
        save_image(labels, affine, where.root / "maps" / f"toy-{number}.nii.gz", labels=True)
    table = '[head]\nmaps = "maps"\nwithout = ["toy-2"]\nheld_out = 0\nsteps = 2\n[coarse]'
    done = where.train(RECIPE.replace("[coarse]", f'{table}\nmodel = "{model}"'))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    trained = read_bundle(where.model)
    assert trained.head is not None
    assert trained.head.network.filters == (8, 16, 32, 64, 128)
    assert where.trainings()["head"] == 1
    assert "  head: step 2 of 2, loss" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"manual"', '"magic"', "recipe.toml: strategy is 'magic'"),
        ('"scanner.toml"', '"no-such-scanner"', "no protocol 'no-such-scanner'"),
        ("[16, 16, 16]", "[16, 16, 15]", "fine.patch is [16, 16, 15]"),
        ("[coarse]", '[coarse]\nmodel = "nowhere"', "coarse.model: "),
        ("[coarse]", '[head]\nmodel = "nowhere"\n[coarse]', "head.model: "),
        ("[coarse]", '[head]\nmaps = "."\n[coarse]', "has no label maps; put them there as"),
        ("subjects", "subject", "did you mean 'cohorts.drawn.subjects'"),
        ('preset = "scanner.toml"', 'bids_dir = "missing"', "cohorts.drawn"),
    ],
)
def test_recipes_that_cannot_be_followed(tmp_path, old, new, words):
    assert old in RECIPE
    done = Site(tmp_path).train(RECIPE.replace(old, new, 1))
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.returncode == 2
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_into_raw_data(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "dataset_description.json").write_text("{}")
    recipe = RECIPE[: RECIPE.index("[cohorts")] + (
        '[cohorts.mine]\nbids_dir = "raw"\ntruth = "raw"\n'
    )
    done = Site(tmp_path).train(recipe, out="raw/out")
    assert done.returncode == 2
    assert "inside the raw dataset" in done.stderr
    assert [path.name for path in raw.iterdir()] == ["dataset_description.json"]


def test_labels_that_are_not_there_are_named(tmp_path):
    raw = tmp_path / "raw"
    (raw / "sub-01" / "anat").mkdir(parents=True)
    (raw / "dataset_description.json").write_text('{"Name": "raw", "BIDSVersion": "1.9.0"}')
    (raw / "sub-01" / "anat" / "sub-01_T2w.nii.gz").write_bytes(b"not read before")
    (tmp_path / "drawn").mkdir()
    recipe = RECIPE[: RECIPE.index("[cohorts")] + (
        '[cohorts.mine]\nbids_dir = "raw"\ntruth = "drawn"\n'
    )
    done = Site(tmp_path).train(recipe)
    assert done.returncode == 2
    assert f"{tmp_path}/drawn holds no labels; put them there as" in done.stderr


@pytest.mark.parametrize(
    ("count", "share", "expected"), [(10, 0.1, 1), (3, 0.1, 0), (4, 0.5, 2), (5, 0, 0), (1, 0.9, 1)]
)
def test_a_share_is_held_out(count, share, expected):
    cases = [Path(f"{i}") for i in range(count)]
    kept, left_out = split(cases, share)
    assert len(left_out) == expected
    assert sorted([*kept, *left_out], key=lambda p: int(p.name)) == cases
