"""The schema of settings, and what documentation, editors, options and traits take from it."""

from __future__ import annotations

import json
import runpy
import tomllib
from pathlib import Path

import pytest

from bgpvs_wf.cli.main import build_parser
from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import UsageError
from bgpvs_wf.schema import all_settings, find_setting, json_schema
from bgpvs_wf.settings import tables_of

DOCS = Path(__file__).resolve().parents[1] / "docs"
SETTINGS = {one.name: one for one in all_settings(RunConfig)}


def _config(**settings):
    return RunConfig(bids_dir="bids", output_dir="out", **settings)


def test_what_is_made_for_the_documentation_is_up_to_date():
    for path, text in runpy.run_path(str(DOCS / "generate.py"))["generated"]().items():
        assert path.read_text(encoding="utf-8") == text, "run: python docs/generate.py"


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_has_help_and_a_default_that_it_allows(name):
    one = SETTINGS[name]
    assert one.help.endswith(".")
    assert one.allowed
    if one.default is not None:
        one.check(one.default)


def test_all_settings_are_those_of_a_run():
    names = set()
    for key, value in _config().to_mapping().items():
        stage = key in tables_of(RunConfig)
        names |= {f"{key}.{inner}" for inner in value} if stage else {key}
    assert names | {"bids_filter_file", "ratings", "norms"} == set(SETTINGS)


def test_options_take_choices_and_help_from_the_settings():
    actions = {a.dest: a for a in build_parser().leaf(["run"])._actions}
    options = [actions[name] for name in SETTINGS if name in actions]
    assert len(options) > 20
    for action in options:
        assert action.choices is None
        for choice in SETTINGS[action.dest].rule.choices:
            assert choice in action.metavar
    words = actions["pseudolabel.false_discovery_rate"].help
    assert words.startswith("accepted share of false tubes")
    assert words.endswith("(default: 0.1)")


def test_traits_take_choices_from_the_settings():
    from bgpvs_wf.interfaces.predict import PredictInputSpec

    trait = PredictInputSpec().trait("device")
    assert trait.handler.values == find_setting(RunConfig, "predict.device").rule.choices
    assert PredictInputSpec().bg_region == RunConfig(bids_dir="b", output_dir="o").anatomy.bg_region


def test_the_json_schema_says_what_a_setting_may_be():
    schema = json_schema(RunConfig, partial=True)
    keys = schema["properties"]
    assert "required" not in schema
    assert schema["additionalProperties"] is False
    assert keys["nprocs"] | {"description": ""} == {
        "type": "integer",
        "minimum": 1,
        "maximum": 100_000,
        "description": "",
    }
    assert keys["segmentation"]["enum"] == ["model", "pseudolabel", "both"]
    stage = keys["pseudolabel"]["properties"]
    assert stage["false_discovery_rate"]["exclusiveMinimum"] == 0
    assert stage["scales_mm"]["items"]["maximum"] == 5
    assert stage["scales_mm"]["maxItems"] == 20
    assert json_schema(RunConfig)["required"] == ["bids_dir", "output_dir"]


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("recipe", "data/models/recipe.toml"),
        ("experiment", "benchmarks/model.toml"),
        ("experiment", "benchmarks/phantoms.toml"),
        ("experiment", "benchmarks/hybrids.toml"),
    ],
)
def test_recipes_and_experiments_are_as_their_schemas_have_them(schema, file):
    jsonschema = pytest.importorskip("jsonschema")
    text = (DOCS / "schema" / f"{schema}.json").read_text(encoding="utf-8")
    checker = jsonschema.Draft202012Validator(json.loads(text))
    content = tomllib.loads((DOCS.parent / file).read_text(encoding="utf-8"))
    checker.validate(content)
    first = next(iter(content["cohorts"]))
    for wrong in ({"seed": -1}, {"oddity": 1}, {"cohorts": {first: {"preset": "bcp"}}}):
        assert not checker.is_valid(content | wrong)


@pytest.mark.parametrize(
    "settings",
    [
        {"nprocs": "two"},
        {"nprocs": -3},
        {"nproc": 2},
        {"segmentation": "magic"},
        {"stop_on_first_crash": 1},
        {"derivatives": {"a": 5}},
        {"participant_label": "01"},
        {"pseudolabel": {"false_discovery_rate": 7}},
        {"pseudolabel": {"false_discovery_rate": 0}},
        {"pseudolabel": {"scales_mm": []}},
        {"pseudolabel": {"rim": 1}},
        {"quantify": 3},
    ],
)
def test_editors_and_the_program_refuse_the_same(settings):
    jsonschema = pytest.importorskip("jsonschema")
    checker = jsonschema.Draft202012Validator(json.loads((DOCS / "schema/run.json").read_text()))
    good = _config(nprocs=3, derivatives={"a": "x"}, participant_label=["01"]).to_mapping()
    checker.validate(good)
    with pytest.raises(UsageError):
        RunConfig.from_mapping({**good, **settings})
    assert not checker.is_valid({**good, **settings})
