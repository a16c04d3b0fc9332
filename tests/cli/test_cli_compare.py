"""`bgpvs-wf compare` on infants so small that it takes seconds, with their nuclei given."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from program import call_program

from bgpvs_wf.engine.summary import Report
from bgpvs_wf.errors import UsageError
from bgpvs_wf.evaluation.experiment import read_experiment
from bgpvs_wf.evaluation.infants import Cohort, HybridInfants
from bgpvs_wf.studies import comparison
from bgpvs_wf.studies.datasets.cohorts import make_cohort
from bgpvs_wf.studies.observer import Observer

PROTOCOL = """
hindbrain = false
[t2w]
voxel_mm = [2.5, 2.5, 2.5]
[t1w]
voxel_mm = [2.5, 2.5, 2.5]
"""
EXPERIMENT = """
proposed = "anatomy"
[cohorts.tiny]
preset = "scanner.toml"
subjects = 2
ages = ["92w"]
seed = 4
anatomy_from = "truth"
[run]
segmentation = "pseudolabel"
[run.prepare]
bias_correction = false
[strategies.filter.pseudolabel]
strategy = "filter"
[strategies.anatomy.pseudolabel]
strategy = "anatomy"
"""


@dataclass
class Site:
    """An experiment, and where it is run."""

    root: Path

    @property
    def cohort(self) -> Path:
        return self.root / "out" / "tiny"

    def write(self, text: str) -> None:
        (self.root / "scanner.toml").write_text(PROTOCOL)
        (self.root / "experiment.toml").write_text(text)

    def compare(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["compare", "experiment.toml", "out", "-w", "work", *words]
        return call_program(self.root, *command, "--nprocs", "2")

    def times(self) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in self.cohort.rglob("*")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, str]:
    """Return where the experiment was run, and what it said."""
    site = Site(tmp_path_factory.mktemp("compare"))
    site.write(EXPERIMENT)
    done = site.compare("--omp-nthreads", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return site, done.stdout


def test_the_table_of_all_cohorts(site):
    where, said = site
    table = pd.read_csv(where.root / "out" / "comparison.tsv", sep="\t", dtype=str)
    assert table["cohort"].tolist() == ["tiny", "tiny"]
    assert table["method"].tolist() == ["anatomy", "filter"]
    assert table["nuclei"].tolist() == ["given", "given"]
    assert table["BG Dice"].tolist()[0] == "1.00 ± 0.00"
    assert table["BG-PVS Dice"].notna().all()
    assert "PVS volume MAE (mm3)" in table
    assert "tiny: 2 scans, nuclei given" in said
    assert "BG-PVS Dice" in said
    page = (where.root / "out" / "comparison.html").read_text()
    assert 'href="tiny/evaluation/evaluation.html"' in page
    assert (where.cohort / "evaluation" / "evaluation.html").is_file()


def test_each_strategy_has_an_ordinary_output_folder(site):
    where, _ = site
    for strategy in ("anatomy", "filter"):
        folder = where.cohort / strategy
        assert (folder / "sub-01.html").is_file()
        assert (folder / "group_bgpvs.tsv").is_file()
        (used,) = folder.glob("logs/*/config.toml")
        assert f'strategy = "{strategy}"' in used.read_text()


def test_what_strategies_have_in_common_runs_once(site):
    where, said = site
    first, second = said.split("Strategy filter on tiny")
    assert "reused" not in first
    for label in ("sub-01", "sub-02"):
        assert f"{label}: ran pseudolabel, quantify, sink; reused prepare, anatomy" in second
    for name in ("desc-nuclei_dseg", "space-T2w_desc-preproc_T1w"):
        images = [
            where.cohort / strategy / "sub-01" / "anat" / f"sub-01_{name}.nii.gz"
            for strategy in ("anatomy", "filter")
        ]
        assert images[0].read_bytes() == images[1].read_bytes()


def test_a_second_run_does_nothing(site):
    where, _ = site
    before = where.times()
    again = where.compare()
    assert again.returncode == 0
    assert again.stdout.count("Nothing to do: sub-01, sub-02") == 2
    assert "Making" not in again.stdout
    assert "Scoring" not in again.stdout
    assert "BG-PVS Dice" in again.stdout
    assert where.times() == before


def test_a_broken_scan_is_told_and_its_older_results_do_not_count(site, tmp_path):
    site = Site(shutil.copytree(site[0].root, tmp_path / "copy"))
    image = site.cohort / "bids" / "sub-02" / "anat" / "sub-02_T2w.nii.gz"
    whole = image.read_bytes()
    image.write_bytes(whole[:2000])
    done = site.compare("--plugin", "Linear")
    assert done.returncode == 1
    assert "tiny, filter, sub-02: T2w" in done.stdout.split("Failed; run the same")[1]
    assert "Not scored: sub-02, anatomy: the last run failed" in done.stdout
    cases = pd.read_csv(
        site.cohort / "evaluation" / "evaluation_cases.tsv", sep="\t", dtype={"subject": str}
    )
    scored = cases[cases["structure"] == "BG"].set_index(["subject", "method"])["dice"]
    assert scored["01"].notna().all()
    assert scored["02"].isna().all()

    image.write_bytes(whole)
    again = site.compare("--plugin", "Linear")
    assert again.returncode == 0, again.stdout
    assert "Not scored" not in again.stdout
    assert "Unchanged: sub-01" in again.stdout


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"scanner.toml"', '"no-such-scanner"', "no protocol 'no-such-scanner'"),
        ('"92w"', '"900w"', "cohorts.tiny.ages 900w"),
        ('"anatomy"\n[cohorts', '"network"\n[cohorts', "'network' is none of"),
        ("subjects", "subject", "did you mean 'cohorts.tiny.subjects'"),
    ],
)
def test_experiments_that_cannot_be_served(tmp_path, old, new, words):
    assert old in EXPERIMENT
    site = Site(tmp_path)
    site.write(EXPERIMENT.replace(old, new))
    done = site.compare()
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_calls_that_cannot_be_served(tmp_path):
    site = Site(tmp_path)
    for words, call in {"Cannot read": (), "does not wait": ("--plugin", "SLURMGraph")}.items():
        done = site.compare(*call)
        assert done.returncode == 2
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def test_hybrids_of_some_participants_with_their_nuclei(site, tmp_path):
    bids = site[0].cohort / "bids"
    hybrid = HybridInfants(
        onto=bids,
        derivatives={"nuclei": bids / "derivatives" / "truth"},
        participants=("02",),
        cases=1,
        seed=3,
        anatomy_from="reference",
    )
    made = make_cohort(Cohort("h", hybrid, {}), tmp_path / "h", nprocs=1)
    assert [path.name for path in sorted(made.bids_dir.glob("sub-*"))] == ["sub-02h01"]
    assert made.derivatives == {"truth": made.truth}
    assert list(made.truth.rglob("sub-02h01_desc-anatomy_dseg.nii.gz"))
    # A corrected age is in the hybrids' table, too.
    note = (tmp_path / "h" / "bids.json").read_text()
    assert str(bids / "participants.tsv") in note
    assert "version" in note


def test_a_strategy_that_cannot_run_stops_no_other(tmp_path, monkeypatch):
    site = Site(tmp_path)
    site.write(EXPERIMENT)
    scored = []

    def run(config, observer, verbose):
        if config.output_dir.name == "anatomy":
            raise UsageError("It holds another dataset.")
        return Report(config.output_dir), []

    monkeypatch.setattr(
        comparison, "make_cohort", lambda *_: comparison.Dataset(tmp_path, tmp_path, {})
    )
    monkeypatch.setattr(comparison, "run_both_levels", run)
    monkeypatch.setattr(comparison, "score_cohort", lambda *args: scored.append(list(args[4])))
    experiment = read_experiment(tmp_path / "experiment.toml")
    machine = {"nprocs": 1, "work_dir": tmp_path / "work"}
    cohort, observer = experiment.cohorts[0], Observer()
    _, incomplete = comparison._run_cohort(experiment, cohort, tmp_path, machine, observer, 0)
    assert scored == [["filter"]]
    assert incomplete == ["anatomy: It holds another dataset."]


def test_from_python_it_says_nothing_and_returns_the_same(site, capsys):
    where, said = site
    machine = {"nprocs": 2, "omp_nthreads": 1, "work_dir": where.root / "work"}
    done = comparison.compare(where.root / "experiment.toml", where.root / "out", machine)
    assert capsys.readouterr().out == ""
    assert done.complete
    assert (done.proposed, done.failures) == ("anatomy", ())
    assert done.table == where.root / "out" / "comparison.tsv"
    assert f"Table: {done.table}\nPage: {done.page}" in said
    (scores,) = done.scores
    assert scores.heading in said
