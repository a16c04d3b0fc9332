"""Settings: whatever they come from, what cannot be is refused with the same words."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpvs_wf.cli.main import main
from bgpvs_wf.config import (
    AnatomyConfig,
    PredictConfig,
    PseudolabelConfig,
    QuantifyConfig,
    RunConfig,
)
from bgpvs_wf.errors import ModelError, UsageError
from bgpvs_wf.evaluation.infants import SyntheticInfants
from bgpvs_wf.learning.data.augmentation import AugmentationConfig
from bgpvs_wf.learning.training.loop import TrainingConfig
from bgpvs_wf.paths import check_path
from bgpvs_wf.phantom.protocol import AcquisitionConfig

NAN, INF = math.nan, math.inf
STAGES = {
    "anatomy": AnatomyConfig,
    "pseudolabel": PseudolabelConfig,
    "predict": PredictConfig,
    "quantify": QuantifyConfig,
}

BAD: list[tuple[str, Any, str]] = [
    ("nprocs", "two", "give a whole number, 1 to"),
    ("nprocs", 0, "give 1 to"),
    ("nprocs", -3, "give 1 to"),
    ("nprocs", 1.5, "give a whole number"),
    ("nprocs", True, "give a whole number"),
    ("nprocs", 10**400, "give 1 to"),
    ("omp_nthreads", -1, "give 0 to"),
    ("memory_gb", NAN, "give 0 or more"),
    ("memory_gb", INF, "give 0 or more"),
    ("memory_gb", -1, "give 0 or more"),
    ("memory_gb", "8 apples", "give a number, 0 or more"),
    ("random_seed", -1, "give 0 to"),
    ("random_seed", 2**64, "give 0 to"),
    ("stop_on_first_crash", "no", "give true or false"),
    ("stop_on_first_crash", 1, "give true or false"),
    ("participant_label", "01", "give a list"),
    ("participant_label", [1], "give text"),
    ("segmentation", "magic", "choose one of model, pseudolabel, both"),
    ("segmentation", ["model"], "choose one of"),
    ("clean", "", "choose one of never, done"),
    ("analysis_level", "session", "choose one of participant, group"),
    ("derivatives", {"a": 5}, "give a path"),
    ("derivatives", ["a"], "must be a table"),
    ("plugin_args", [1], "must be a table"),
    ("plugin", 3, "give text"),
    ("work_dir", "a\nb", "control characters"),
    ("work_dir", "a\0b", "control characters"),
    ("work_dir", "a\x1b[2Jb", "control characters"),
    ("work_dir", "", "which is empty"),
    ("work_dir", "~nosuchuser/x", "no home here"),
    ("work_dir", "x" * 300, "too long"),
    ("work_dir", "x/" * 3000, "too long"),
    ("work_dir", "a\udcffb", "not UTF-8"),
    ("work_dir", 5, "give a path"),
    ("pseudolabel.false_discovery_rate", 7, "give more than 0 and less than 1"),
    ("pseudolabel.false_discovery_rate", 2, "give more than 0 and less than 1"),
    ("pseudolabel.false_discovery_rate", NAN, "give more than 0 and less than 1"),
    ("pseudolabel.false_discovery_rate", 0, "give more than 0 and less than 1"),
    ("pseudolabel.rim_mm", INF, "give 0 to 10"),
    ("pseudolabel.rim_mm", -1, "give 0 to 10"),
    ("pseudolabel.scales_mm", [], "give 1 to 20 of them"),
    ("pseudolabel.scales_mm", [NAN], "give 0.1 to 5"),
    ("pseudolabel.scales_mm", [0.3, 0], "give 0.1 to 5"),
    ("pseudolabel.scales_mm", "0.3", "give a list"),
    ("pseudolabel.scales_mm", ["0.3"], "give a number"),
    ("pseudolabel.min_contrast", NAN, "give 0 to 1"),
    ("pseudolabel.min_length_mm", -2, "give 0 or more"),
    ("pseudolabel.min_isolation", 1.1, "give 0 to 1"),
    ("pseudolabel.strategy", "luck", "choose one of anatomy, vesselness, filter"),
    ("quantify.min_volume_mm3", NAN, "give 0 to 10000"),
    ("quantify.min_volume_mm3", -0.1, "give 0 to 10000"),
    ("quantify.min_volume_mm3", INF, "give 0 to 10000"),
    ("quantify.min_volume_mm3", "small", "give a number, 0 to 10000"),
    ("predict.device", "tpu", "choose one of auto, cpu, cuda"),
    ("predict.flips", "yes", "give true or false"),
    ("predict.model", 1, "give text"),
    ("anatomy.source", None, "choose one of auto, derivatives, atlas"),
    ("anatomy.atlases", "crl", "give a list"),
]


def _mapping(name: str, value: Any) -> dict[str, Any]:
    stage, dot, key = name.partition(".")
    settings = {stage: {key: value}} if dot else {name: value}
    return {"bids_dir": "bids", "output_dir": "out", **settings}


@pytest.mark.parametrize(("name", "value", "words"), BAD)
def test_python_and_a_file_are_refused_alike(name, value, words):
    with pytest.raises(UsageError) as by_file:
        RunConfig.from_mapping(_mapping(name, value))
    stage, dot, key = name.partition(".")
    folders = {"bids_dir": Path("bids"), "output_dir": Path("out")}
    build = partial(STAGES[stage], **{key: value}) if dot else partial(RunConfig, **folders)
    with pytest.raises(UsageError) as by_hand:
        build(**({} if dot else {name: value}))
    assert str(by_hand.value) == str(by_file.value)
    assert words in str(by_hand.value)
    assert name in str(by_hand.value)
    assert "\n" not in str(by_hand.value)


OPTIONS = [
    ("--nprocs", "two", "nprocs"),
    ("--nprocs", "-3", "nprocs"),
    ("--nprocs", "nan", "nprocs"),
    ("--omp-nthreads", "1.5", "omp_nthreads"),
    ("--mem", "nan", "memory_gb"),
    ("--mem", "-1", "memory_gb"),
    ("--random-seed", "x", "random_seed"),
    ("--min-volume-mm3", "nan", "quantify.min_volume_mm3"),
    ("--min-volume-mm3", "-1", "quantify.min_volume_mm3"),
    ("--false-discovery-rate", "7", "pseudolabel.false_discovery_rate"),
    ("--false-discovery-rate", "inf", "pseudolabel.false_discovery_rate"),
]


@pytest.mark.parametrize(("option", "text", "name"), OPTIONS)
def test_the_command_line_is_refused_with_the_words_of_a_file(capsys, option, text, name):
    value = next((kind(text) for kind in (int, float) if _reads(kind, text)), text)
    with pytest.raises(UsageError) as by_file:
        RunConfig.from_mapping(_mapping(name, value))
    assert main(["run", "bids", "out", f"{option}={text}"]) == 2
    assert str(by_file.value) in capsys.readouterr().err


SAME: list[tuple[str, Any, list[str]]] = [
    ("nprocs", "two", ["--nprocs=two"]),
    ("nprocs", -3, ["--nprocs=-3"]),
    ("nprocs", 1.5, ["--n-cpus", "1.5"]),
    ("memory_gb", "much", ["--mem", "much"]),
    ("random_seed", -1, ["--random-seed=-1"]),
    ("work_dir", "a\tb", ["-w", "a\tb"]),
    ("clean", "always", ["--clean", "always"]),
    ("segmentation", "magic", ["--segmentation", "magic"]),
    ("analysis_level", "session", ["session"]),
    ("pseudolabel.false_discovery_rate", 7, ["--false-discovery-rate", "7"]),
    ("pseudolabel.false_discovery_rate", "few", ["--false-discovery-rate=few"]),
    ("pseudolabel.strategy", "luck", ["--strategy", "luck"]),
    ("predict.device", "tpu", ["--device", "tpu"]),
    ("quantify.min_volume_mm3", NAN, ["--min-volume-mm3", "nan"]),
]


@pytest.mark.parametrize(("name", "value", "words"), SAME)
def test_python_a_file_and_the_command_line_say_the_same(tmp_path, capsys, name, value, words):
    stage, dot, key = name.partition(".")
    build = partial(STAGES[stage], **{key: value}) if dot else None
    with pytest.raises(UsageError) as by_hand:
        build() if build else RunConfig(**_mapping(name, value))
    text = str(by_hand.value)
    assert text.startswith(f"{name} is ")
    file = _file(tmp_path, name, value)
    assert main(["run", "bids", "out", "--config", str(file)]) == 2
    assert capsys.readouterr().err == f"bgpvs-wf: {file}: {text}\n"
    assert main(["run", "bids", "out", *words]) == 2
    assert capsys.readouterr().err == f"bgpvs-wf: {text}\n"


@pytest.mark.parametrize("name", ["nproc", "quantify.min_volume", "oddity", "plugin"])
def test_a_file_that_says_what_nobody_knows_is_named(tmp_path, capsys, name):
    file = _file(tmp_path, name, "none such")
    if name == "plugin":
        text = "Unknown plugin 'none such'; "
    else:
        with pytest.raises(UsageError) as by_hand:
            RunConfig.from_mapping(_mapping(name, "none such"))
        text = str(by_hand.value)
        assert text.startswith(f"Unknown setting '{name}'; ")
    # What the command line has over the file does not hide it.
    assert main(["run", "bids", "out", "--config", str(file), "--plugin", "Linear"]) == 2
    assert capsys.readouterr().err.startswith(f"bgpvs-wf: {file}: {text}")


def test_a_table_may_be_a_mapping_in_python():
    config = RunConfig(**_mapping("quantify.min_volume_mm3", 2))
    assert config.quantify == QuantifyConfig(min_volume_mm3=2.0)
    with pytest.raises(UsageError, match=r"'quantify' must be a table of settings"):
        RunConfig(**_mapping("quantify", PredictConfig()))


def _file(folder: Path, name: str, value: Any) -> Path:
    import tomli_w

    file = folder / "settings.toml"
    content = _mapping(name, value)
    del content["bids_dir"], content["output_dir"]
    file.write_text(tomli_w.dumps(content))
    return file


def _reads(kind: type, text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "build",
    [
        lambda: TrainingConfig(learning_rate=NAN),
        lambda: TrainingConfig(learning_rate=INF),
        lambda: TrainingConfig(learning_rate=0),
        lambda: TrainingConfig(batch=0),
        lambda: TrainingConfig(weight_decay=-1),
        lambda: AugmentationConfig(contrast=NAN),
        lambda: AugmentationConfig(rotation_deg=400),
        lambda: AcquisitionConfig(snr=NAN),
        lambda: AcquisitionConfig(voxel_mm=(0.8, 0.8)),
        lambda: AcquisitionConfig(voxel_mm=(0.8, 0.8, INF)),
        lambda: SyntheticInfants(preset="bcp", subjects=0, ages=("40w",), seed=1),
        lambda: SyntheticInfants(preset="bcp", subjects=1, ages=("40w",), seed=-1),
    ],
)
def test_other_settings_have_bounds_as_well(build):
    with pytest.raises(UsageError, match="; give"):
        build()


def test_good_values_are_taken_and_made_plain():
    config = RunConfig(
        bids_dir="bids", output_dir="out", nprocs=np.int64(3), memory_gb=2, participant_label=["1"]
    )
    assert (config.nprocs, config.memory_gb, config.participant_label) == (3, 2.0, ("1",))
    assert type(config.nprocs) is int
    assert type(config.memory_gb) is float
    assert PseudolabelConfig(scales_mm=[0.5, 1]).scales_mm == (0.5, 1.0)
    assert AcquisitionConfig(snr=INF).snr == INF


@given(st.text(st.characters(blacklist_categories=("Cc", "Cs")), min_size=1, max_size=60))
def test_any_other_name_is_a_path(text):
    if text.startswith("~") or "/" in text:
        text = f"./{text.replace('/', '_')}"
    assert str(check_path(text, "work_dir")) == str(Path(text))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("pvs_threshold", NAN, "pvs_threshold is nan"),
        ("pvs_threshold", 2, "pvs_threshold is 2"),
        ("pvs_threshold", "half", "pvs_threshold is 'half'"),
        ("tube_volume_margin", NAN, "tube_volume_margin is nan"),
        ("tube_volume_margin", -1, "tube_volume_margin is -1"),
        ("coarse.file", "../coarse.pt", "no name inside of the model"),
        ("coarse.file", "/etc/passwd", "no name inside of the model"),
        ("coarse.file", "", "no name inside of the model"),
        ("coarse.filters", [8, 0], "filters is 0"),
        ("coarse.filters", ["8"], "filters is '8'"),
    ],
)
def test_a_models_description_is_checked(tmp_path, key, value, words):
    import json

    from bgpvs_wf.learning.models.bundle import find_model, read_bundle

    described = json.loads((find_model("").folder / "configs" / "metadata.json").read_text())
    section = next(v for v in described.values() if isinstance(v, dict) and "pvs_threshold" in v)
    name, dot, inner = key.partition(".")
    (section[name] if dot else section)[inner if dot else name] = value
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps(described))
    with pytest.raises(ModelError) as refused:
        read_bundle(tmp_path)
    assert words in str(refused.value)
    assert "metadata.json" in str(refused.value)
