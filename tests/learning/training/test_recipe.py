"""Recipes: read whole, and refused in one line that says what to do."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import tomli_w

from bgpvs_wf.errors import UsageError
from bgpvs_wf.evaluation.infants import HybridInfants, OwnInfants, SyntheticInfants
from bgpvs_wf.learning.data.augmentation import AugmentationConfig
from bgpvs_wf.learning.training.loop import TrainingConfig
from bgpvs_wf.learning.training.recipe import (
    STRATEGIES,
    CoarseConfig,
    FineConfig,
    HeadConfig,
    PVSConfig,
    describe_infants,
    read_recipe,
    to_mapping,
)

RECIPE = """
name = "ours"
strategy = "anatomy"
seed = 7
held_out = 0.2
[cohorts.ours]
bids_dir = "bids"
[cohorts.known]
preset = "dhcp"
subjects = 4
ages = ["36w", "1m"]
seed = 1
anatomy_from = "truth"
labels = "given"
held_out = 0.5
[cohorts.known.run.pseudolabel]
strategy = "vesselness"
[head]
maps = "maps"
without = ["last"]
steps = 7
[coarse]
steps = 5
[fine]
filters = [4, 8, 8]
patch = [16, 24, 32]
members = 2
self_training = 1
[pvs]
patch = [24, 24, 20]
[training]
learning_rate = 1e-3
[augmentation]
motion = 0
[run.prepare]
denoise = false
"""


def read(tmp_path: Path, text: str = RECIPE):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return read_recipe(path)


def test_a_recipe_is_read_whole(tmp_path):
    recipe = read(tmp_path)
    assert (recipe.name, recipe.strategy, recipe.seed) == ("ours", "anatomy", 7)
    ours, known = recipe.cohorts
    assert ours.cohort.infants == OwnInfants(bids_dir=tmp_path / "bids")
    assert (ours.labels, known.labels) == ("anatomy", "given")
    assert (ours.held_out, known.held_out) == (0.2, 0.5)
    assert known.cohort.infants.subjects == 4
    assert recipe.head == HeadConfig(maps=str(tmp_path / "maps"), without=("last",), steps=7)
    assert recipe.coarse == CoarseConfig(steps=5)
    assert recipe.fine == FineConfig(
        filters=(4, 8, 8), patch=(16, 24, 32), members=2, self_training=1
    )
    assert recipe.pvs == PVSConfig(patch=(24, 24, 20))
    assert recipe.training == TrainingConfig(learning_rate=1e-3)
    assert recipe.augmentation == AugmentationConfig(motion=0.0)
    assert recipe.coarse_augmentation == AugmentationConfig(motion=0.0, contrast=0.6)


def test_heads_may_be_changed_otherwise(tmp_path):
    text = RECIPE + "\n[coarse.augmentation]\nbending = 0.3\n"
    recipe = read(tmp_path, text)
    assert recipe.coarse == CoarseConfig(steps=5)
    assert recipe.augmentation == AugmentationConfig(motion=0.0)
    assert recipe.coarse_augmentation == AugmentationConfig(motion=0.0, contrast=0.6, bending=0.3)
    assert to_mapping(recipe)["coarse"]["augmentation"]["bending"] == 0.3


def test_runs_have_the_settings_of_all_then_of_the_cohort_then_of_the_labels(tmp_path):
    recipe = read(tmp_path)
    ours, known = (recipe.run_settings(cohort) for cohort in recipe.cohorts)
    assert ours == {
        "segmentation": "pseudolabel",
        "anatomy": {"source": "auto"},
        "prepare": {"denoise": False},
        "pseudolabel": {"strategy": "anatomy"},
    }
    assert known["anatomy"] == {"source": "derivatives"}
    assert known["pseudolabel"] == {"strategy": "vesselness"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_cohort_has_the_labels_of_the_strategy(tmp_path, strategy):
    text = RECIPE.replace('"anatomy"', f'"{strategy}"', 1).replace('labels = "given"', "")
    text = text.replace('bids_dir = "bids"', 'bids_dir = "bids"\ntruth = "truth"')
    if strategy == "joint":
        text = text[: text.index("[pvs]")] + text[text.index("[training]") :]
    assert {one.labels for one in read(tmp_path, text).cohorts} == {STRATEGIES[strategy]}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('strategy = "anatomy"', 'strategy = "joint"', "pvs is not used with the strategy joint"),
        ('strategy = "anatomy"', 'strategy = "magic"', "strategy is 'magic'; choose one of manual"),
        ("seed = 7", "seed = -1", "seed is -1; give 0 to"),
        ("held_out = 0.2", "held_out = 1", "held_out is 1; give 0 or more and less than 1"),
        ("held_out = 0.2", "held_out = -0.1", "held_out is -0.1; give 0 or more and less than 1"),
        ("held_out = 0.5", 'held_out = "half"', "cohorts.known.held_out is 'half'; give a number"),
        ("held_out = 0.2", "heldout = 0.2", "did you mean 'held_out'"),
        ('name = "ours"', "", "Missing setting: name"),
        ('name = "ours"', "name = 3", "name is 3; give text"),
        ("[cohorts.ours]", '[cohorts."a/b"]', "'a/b' of cohorts cannot name a folder"),
        ('bids_dir = "bids"', "", "cohorts.ours has no infants; give one of preset"),
        ('bids_dir = "bids"', 'bids_dir = "b"\npreset = "x"', "has preset and bids_dir"),
        ('bids_dir = "bids"', 'bids_dir = "${NO_SUCH_1}"', "variable NO_SUCH_1, which is not set"),
        ('bids_dir = "bids"', 'bids_dir = "b"\nlabels = "given"', "cohorts.ours.truth is missing"),
        ('labels = "given"', 'labels = "mine"', "cohorts.known.labels is 'mine'; choose one of"),
        ("subjects = 4", "subjects = 0", "cohorts.known.subjects is 0; give 1 or more"),
        ('"1m"]', '"old"]', "cohorts.known.ages"),
        (
            'maps = "maps"',
            'maps = "${NO_SUCH_1}"',
            "head.maps needs the environment variable NO_SU",
        ),
        ('maps = "maps"', 'map = "maps"', "did you mean 'head.maps'"),
        ('maps = "maps"', 'maps = "m"\nmodel = "a"', "head.maps is not used with head.model"),
        ('maps = "maps"', 'model = "a"\nstart = "a"', "head.start is not used with head.model"),
        ('maps = "maps"', 'start = "a"', "head.start is not used without head.maps; give head.m"),
        ('maps = "maps"', "", "head.without is not used without head.maps; give head.maps, too"),
        ('maps = "maps"', 'maps = "m"\nfilters = [8, 8]', "head.filters is [8, 8]; give three to"),
        ('maps = "maps"', 'maps = "m"\nheld_out = -1', "head.held_out is -1; give 0 or more"),
        ('maps = "maps"', 'maps = "m"\nbatch = 0', "head.batch is 0; give 1 or more"),
        ('without = ["last"]', 'without = "last"', "head.without is 'last'; give a list"),
        ("steps = 7", "steps = 0", "head.steps is 0; give 1 or more"),
        ("[coarse]\nsteps = 5", "[coarse]\nsteps = 0", "coarse.steps is 0; give 1 or more"),
        ("[coarse]", "[coarse]\nbatch = 0", "coarse.batch is 0"),
        ("[coarse]", "[coarse]\naugmentation = 3", "coarse.augmentation"),
        ("[coarse]", "[coarse]\naugmentation.bend = 1", "did you mean 'coarse.augmentation.ben"),
        ("[coarse]", "[coarse]\naugmentation.bending = 2", "coarse.augmentation.bending is 2; gi"),
        ("[coarse]", "[coarse]\nfilters = [4, 8]", "coarse.filters is [4, 8]; give three to five"),
        ("[coarse]", '[coarse]\nmodel = "a"\nstart = "b"', "start is not used with coarse.model"),
        ("filters = [4, 8, 8]", "filters = [4]", "fine.filters is [4]; give three to five"),
        ("filters = [4, 8, 8]", "filters = [4, 8, 0]", "fine.filters is [4, 8, 0]"),
        ("filters = [4, 8, 8]", "filters = [1, 1, 1, 1, 1, 1]", "give three to five"),
        ("[16, 24, 32]", "[16, 24, 30]", "fine.patch is [16, 24, 30]; give three multiples of 4"),
        ("[16, 24, 32]", "[16, 24]", "fine.patch is [16, 24]"),
        ("[16, 24, 32]", "[4, 4, 4]", "multiples of 4 from 8 up"),
        ("members = 2", "members = 2\nsteps = 0", "fine.steps is 0; give 1 or more"),
        ("[24, 24, 20]", "[24, 24, 3]", "pvs.patch is [24, 24, 3]; give three numbers from 4 up"),
        ("[24, 24, 20]", "[24, 24]", "pvs.patch is [24, 24]"),
        ("[24, 24, 20]", "[24, 24, 20]\nbatch = 0", "pvs.batch is 0"),
        ("[24, 24, 20]", "[24, 24, 20]\nsteps = 0", "pvs.steps is 0; give 1 or more"),
        ("[24, 24, 20]", "[24, 24, 20]\nfilters = [8, 4]", "pvs.filters is [8, 4]; give a number"),
        ("members = 2", "members = 0", "fine.members is 0"),
        ("self_training = 1", "self_training = -1", "fine.self_training is -1; give 0 or more"),
        ("self_training = 1", "selftraining = 1", "did you mean 'fine.self_training'"),
        ("learning_rate = 1e-3", "learning_rate = 0", "learning_rate is 0; give more than 0"),
        ("learning_rate = 1e-3", "batch = 0", "training.batch is 0"),
        ("learning_rate = 1e-3", "validate_steps = 0", "training.validate_steps is 0"),
        ("learning_rate = 1e-3", "workers = -1", "training.workers is -1"),
        ("learning_rate = 1e-3", "patience = -1", "training.patience is -1"),
        ("learning_rate = 1e-3", "steps = 9", "steps is not used; give coarse.steps"),
        ("motion = 0", "motion = 1.5", "augmentation.motion is 1.5; give 0 to 1"),
        ("motion = 0", "motion = 'x'", "augmentation.motion is 'x'; give a number, 0 to 1"),
        ("denoise = false", "denoize = false", "did you mean 'prepare.denoise'"),
        ('"vesselness"', '"luck"', "run, or cohorts."),
    ],
)
def test_a_bad_recipe_is_refused_in_a_line(tmp_path, old, new, words):
    assert RECIPE.count(old) == 1
    with pytest.raises(UsageError) as refused:
        read(tmp_path, RECIPE.replace(old, new))
    said = str(refused.value)
    assert words in said
    assert said.startswith(str(tmp_path / "recipe.toml"))
    assert "\n" not in said


def test_files_that_are_no_recipes(tmp_path):
    with pytest.raises(UsageError, match=r"missing\.toml"):
        read_recipe(tmp_path / "missing.toml")
    with pytest.raises(UsageError, match=r"recipe\.toml"):
        read(tmp_path, "name = [")
    with pytest.raises(UsageError, match="There are no cohorts"):
        read(tmp_path, 'name = "a"\nstrategy = "anatomy"\n[cohorts]\n')


def test_a_recipe_can_be_kept_with_its_model(tmp_path):
    recipe = read(tmp_path)
    values = to_mapping(recipe)
    assert json.loads(json.dumps(values)) == values
    assert tomli_w.dumps(values)
    assert values["cohorts"]["ours"]["infants"] == "scans of bids"
    assert values["cohorts"]["known"]["labels"] == "given"
    assert values["head"]["maps"] == "maps"
    assert values["fine"]["patch"] == [16, 24, 32]
    assert values["training"] == dataclasses.asdict(recipe.training)
    assert str(tmp_path) not in json.dumps(values)


def test_infants_are_described_without_paths():
    drawn = SyntheticInfants(preset="/home/me/mine.toml", subjects=2, ages=("40w",), seed=3)
    hybrid = HybridInfants(onto=Path("/data/cohort"), derivatives={}, cases=2, seed=1)
    own = OwnInfants(bids_dir=Path("/data/bids"))
    assert describe_infants(drawn) == "2 synthetic infants, protocol mine, ages 40w, seed 3"
    assert "real scans of cohort, 2 cases a scan, seed 1" in describe_infants(hybrid)
    assert describe_infants(own) == "scans of bids"


@pytest.mark.parametrize(
    ("name", "learnt"),
    [
        # sub-02 is kept for tests of the model in the box; the others are tests of the method.
        ("data/models/recipe", ["01", "03"]),
        ("benchmarks/left_out/phantoms", []),
        ("benchmarks/left_out/without_01", ["02", "03"]),
        ("benchmarks/left_out/without_03", ["01", "02"]),
    ],
)
def test_the_recipes_of_the_repository(name, learnt, monkeypatch):
    monkeypatch.setenv("BGPVS_TEST_DATA", "/data")
    root = Path(__file__).parents[3]
    recipe = read_recipe(root / f"{name}.toml")
    assert recipe.strategy == "manual"
    # They differ by the real infants only.
    drawn, of_the_box = (
        [cohort for cohort in one.cohorts if isinstance(cohort.cohort.infants, SyntheticInfants)]
        for one in (recipe, read_recipe(root / "data/models/recipe.toml"))
    )
    assert drawn == of_the_box
    participants = [
        cohort.cohort.infants.participants
        for cohort in recipe.cohorts
        if isinstance(cohort.cohort.infants, HybridInfants)
    ]
    assert sum(participants, ()) == tuple(learnt)
