from __future__ import annotations

from pathlib import Path

import pytest

from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import UsageError
from bgpvs_wf.evaluation.experiment import Experiment, read_experiment
from bgpvs_wf.evaluation.infants import HybridInfants, OwnInfants, SyntheticInfants

STRATEGIES = """
[strategies.filter]
segmentation = "pseudolabel"
pseudolabel.strategy = "filter"
[strategies.anatomy]
segmentation = "pseudolabel"
pseudolabel.strategy = "anatomy"
"""
SYNTHETIC = """
[cohorts.drawn]
preset = "dhcp"
subjects = 3
ages = ["36w", "3m"]
seed = 7
"""


def _read(folder: Path, text: str) -> Experiment:
    path = folder / "experiment.toml"
    path.write_text(text)
    return read_experiment(path)


def test_all_kinds_of_cohorts(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_SCANS", str(tmp_path / "scans"))
    drawn, hybrid, own = _read(
        tmp_path,
        f"""
        proposed = "anatomy"
        seed = 3
        {SYNTHETIC}
        [cohorts.hybrid]
        onto = "${{MY_SCANS}}/infants"
        derivatives = {{ reference = "../reference" }}
        participants = ["01"]
        cases = 5
        seed = 8
        anatomy_from = "reference"
        [cohorts.own]
        bids_dir = "bids"
        truth = "/truth"
        {STRATEGIES}
        """,
    ).cohorts
    assert drawn.infants == SyntheticInfants(
        preset="dhcp", subjects=3, ages=("36w", "3m"), seed=7, anatomy_from="atlas"
    )
    assert hybrid.infants == HybridInfants(
        onto=tmp_path / "scans" / "infants",
        derivatives={"reference": tmp_path.parent / "reference"},
        participants=("01",),
        cases=5,
        seed=8,
        anatomy_from="reference",
    )
    assert own.infants == OwnInfants(bids_dir=tmp_path / "bids", truth=Path("/truth"))
    assert [cohort.nuclei_given for cohort in (drawn, hybrid, own)] == [False, True, False]


def test_a_protocol_file_is_beside_the_experiment(tmp_path):
    text = SYNTHETIC.replace("dhcp", "scanner.toml")
    (cohort,) = _read(tmp_path, f'proposed = "anatomy"\n{text}{STRATEGIES}').cohorts
    assert cohort.infants.preset == str(tmp_path / "scanner.toml")


def test_settings_of_a_run_from_the_general_to_the_special(tmp_path):
    experiment = _read(
        tmp_path,
        f"""
        proposed = "anatomy"
        {SYNTHETIC}
        [cohorts.drawn.run.quantify]
        min_volume_mm3 = 2.0
        [cohorts.given]
        preset = "bcp"
        subjects = 1
        ages = ["40w"]
        seed = 1
        anatomy_from = "truth"
        [run.anatomy]
        atlases = ["mcrib"]
        [run.pseudolabel]
        rim_mm = 2.0
        strategy = "anatomy"
        {STRATEGIES}
        """,
    )
    assert list(experiment.strategies) == ["anatomy", "filter"]
    drawn, given = experiment.cohorts
    settings = experiment.run_settings(drawn, "filter")
    config = RunConfig.from_mapping({**settings, "bids_dir": "b", "output_dir": "o"})
    assert config.anatomy.source == "atlas"
    assert config.anatomy.atlases == ("mcrib",)
    assert config.pseudolabel.strategy == "filter"
    assert config.pseudolabel.rim_mm == 2.0
    assert config.quantify.min_volume_mm3 == 2.0
    settings = experiment.run_settings(given, "anatomy")
    assert settings["anatomy"]["source"] == "derivatives"
    assert "quantify" not in settings


@pytest.mark.parametrize("segmentation", ["model", "both", "pseudolabel"])
def test_a_model_finds_the_nuclei_itself_unless_they_are_given(tmp_path, segmentation):
    experiment = _read(
        tmp_path,
        f"""
        proposed = "net"
        {SYNTHETIC}
        {SYNTHETIC.replace("drawn", "given")}
        anatomy_from = "truth"
        [strategies.net]
        segmentation = "{segmentation}"
        predict.model = "models/mine"
        [strategies.other.predict]
        model = "infant"
        """,
    )
    found, given = (experiment.run_settings(c, "net")["anatomy"] for c in experiment.cohorts)
    assert found["source"] == ("atlas" if segmentation == "pseudolabel" else "auto")
    assert given["source"] == "derivatives"
    # A path is relative to the file, a name is none.
    assert experiment.strategies["net"]["predict"]["model"] == str(tmp_path / "models" / "mine")
    assert experiment.strategies["other"]["predict"]["model"] == "infant"


ONTO = '[cohorts.h]\nonto = "x"\nderivatives = {}\ncases = 1\nseed = 1\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SYNTHETIC + STRATEGIES, "Missing setting: proposed"),
        ('proposd = "anatomy"', "did you mean 'proposed'"),
        (f'proposed = "x"\n{SYNTHETIC}{STRATEGIES}', "'x' is none of filter, anatomy"),
        (f'proposed = "anatomy"\nseed = -1\n{SYNTHETIC}{STRATEGIES}', "seed is -1"),
        (f'proposed = "a"\n[cohorts]\n{STRATEGIES}', "no cohorts"),
        (f'proposed = "a"\n[strategies]\n{SYNTHETIC}', "no strategies"),
    ],
)
def test_what_is_wrong_with_the_file(tmp_path, text, words):
    with pytest.raises(UsageError) as caught:
        _read(tmp_path, text)
    _one_line(caught, tmp_path, words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SYNTHETIC + "subject = 3\n", "'cohorts.drawn.subject'; did you mean"),
        (SYNTHETIC.replace("subjects = 3", ""), "Missing setting: cohorts.drawn.subjects"),
        (SYNTHETIC.replace("= 3", "= 0"), "cohorts.drawn.subjects is 0; give 1 or more"),
        (
            SYNTHETIC.replace("= 3", "= 'three'"),
            "cohorts.drawn.subjects is 'three'; give a whole number, 1 or more",
        ),
        (SYNTHETIC + "fill = [0.9, 0.3]\n", "cohorts.drawn.fill is [0.9, 0.3]; give the least"),
        (SYNTHETIC + "fill = [0.3, 1.2]\n", "cohorts.drawn.fill is 1.2; give 0 to 1"),
        (ONTO + "diameters_mm = [0.4]\n", "cohorts.h.diameters_mm is [0.4]; give 2 of them"),
        (SYNTHETIC.replace("36w", "36"), "cohorts.drawn.ages: '36' is no age"),
        (SYNTHETIC.replace('["36w", "3m"]', "[]"), "cohorts.drawn.ages is empty"),
        (SYNTHETIC + 'anatomy_from = "reference"\n', "choose one of atlas, truth"),
        (SYNTHETIC + 'bids_dir = "x"\n', "cohorts.drawn has preset and bids_dir"),
        ("[cohorts.drawn]\nsubjects = 3\n", "cohorts.drawn has no infants"),
        ('[cohorts."a/b"]\n', "'a/b' of cohorts cannot name a folder"),
        (ONTO + 'anatomy_from = "reference"\n', "cohorts.h.derivatives is empty"),
        (ONTO.replace('"x"', '"${NOT_SET_HERE}/x"'), "variable NOT_SET_HERE, which is not set"),
        (ONTO.replace("{}", "{ a = 1 }"), "cohorts.h.derivatives.a is 1; give a path"),
        (SYNTHETIC + "[run]\nnprocs = 3\n", "run.nprocs cannot be set here"),
        (SYNTHETIC + "[run.anatomi]\n", "run: Unknown setting 'anatomi'; did you mean 'anatomy'"),
        (SYNTHETIC + "[strategies.x.pseudolabel]\nstrategi = 'filter'\n", "strategies.x: Unknown"),
        (SYNTHETIC + "[cohorts.drawn.run.quantify]\nmin = 1\n", "cohorts.drawn.run: Unknown"),
        (SYNTHETIC + "[strategies.bids]\n", "can be called 'bids'"),
    ],
)
def test_what_is_wrong_with_a_table(tmp_path, text, words):
    with pytest.raises(UsageError) as caught:
        _read(tmp_path, f'proposed = "anatomy"\n{STRATEGIES}{text}')
    _one_line(caught, tmp_path, words)


def _one_line(caught: pytest.ExceptionInfo, folder: Path, words: str) -> None:
    message = str(caught.value)
    assert message.startswith(f"{folder / 'experiment.toml'}: ")
    assert "\n" not in message
    assert words in message


@pytest.mark.parametrize(
    ("name", "proposed", "cohorts"),
    [
        ("phantoms", "anatomy", 3),
        ("hybrids", "anatomy", 3),
        ("model", "model", 6),
        ("left_out/test", "model", 2),
    ],
)
def test_the_experiments_of_the_benchmarks(name, proposed, cohorts, monkeypatch):
    monkeypatch.setenv("BGPVS_TEST_DATA", "/data")
    path = Path(__file__).parents[2] / "benchmarks" / f"{name}.toml"
    experiment = read_experiment(path)
    assert len(experiment.cohorts) == cohorts
    assert experiment.proposed == proposed
