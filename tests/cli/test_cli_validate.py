"""`bgpvs-wf validate` on a synthetic infant so small that it takes seconds, its nuclei given."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from program import call_program

from bgpvs_wf.evaluation.score_tables import TABLES
from bgpvs_wf.phantom import simulate_dataset
from bgpvs_wf.phantom.protocol import plain


@dataclass
class Site:
    """A dataset, and where it is validated."""

    root: Path

    @property
    def bids(self) -> Path:
        return self.root / "bids"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def truth(self) -> str:
        return f"truth={self.bids / 'derivatives' / 'truth'}"

    def validate(self, *words: str | Path, out: str = "out") -> subprocess.CompletedProcess[str]:
        machine = ["-w", "work", "--nprocs", "2", "--omp-nthreads", "1"]
        machine += ["--segmentation", "pseudolabel"]
        return call_program(self.root, "validate", self.bids, out, *machine, *words)

    def times(self) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in self.out.rglob("*")}


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("validate"))
    simulate_dataset(
        site.bids,
        n_subjects=1,
        ages_weeks=[92],
        seed=4,
        n_tubes=0,
        protocol=plain(1.8, hindbrain=False),
    )
    return site


@pytest.fixture(scope="module")
def validated(scan: Site) -> tuple[Site, str]:
    """Return where it was run, and what it said."""
    done = scan.validate("--cases", "2", "--derivatives", scan.truth)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return scan, done.stdout


@pytest.mark.slow
def test_the_answer_is_said(validated):
    site, said = validated
    assert "Looking for the nuclei" not in said
    assert not (site.out / "nuclei").exists()
    answer = said.split("Scoring ...")[1]
    assert "2 hybrids of 1 scan, " in answer
    assert "voxels of 1.80 mm" in answer
    for level in ("50 %", "90 %"):
        assert f"Smallest PVS seen {level} of the time: " in answer
    assert "PVS volume, bias per scan: " in answer
    assert "PVS count, bias per scan: " in answer
    assert "limits of agreement" in answer
    assert "PVS Dice: " in answer
    assert "All rests on 1 scan" in answer
    assert "p and intervals are about tubes, not about infants" in answer
    assert f"Page: {site.out / 'validation.html'}" in answer


@pytest.mark.slow
def test_tables_and_page_are_there(validated):
    site, _ = validated
    for name in TABLES:
        assert (site.out / f"evaluation_{name}.tsv").is_file()
        assert (site.out / f"evaluation_{name}.json").is_file()
    tubes = pd.read_csv(site.out / "evaluation_tubes.tsv", sep="\t")
    assert tubes["diameter_mm"].between(0.4, 1.8).all()
    assert tubes["diameter_mm"].max() > 1.2
    page = (site.out / "validation.html").read_text()
    assert "Validation on bids" in page
    assert "Dice of PVS" in page
    assert page.count("data:image/png;base64,") == 4
    assert "sub-01h01, PVS Dice" in page
    assert "The nuclei were given" in page
    assert "nan" not in page.split("<img")[0].split("<h2")[-1]


@pytest.mark.slow
def test_folders_are_datasets(validated):
    site, _ = validated
    labels = ["sub-01h01", "sub-01h02"]
    for folder in (site.out / "hybrids", site.out / "results"):
        assert sorted(path.name for path in folder.glob("sub-*") if path.is_dir()) == labels
        assert (folder / "dataset_description.json").is_file()
    assert (site.out / "results" / "sub-01h02.html").is_file()
    assert not list(site.out.rglob("*.old"))


@pytest.mark.slow
def test_a_second_run_does_nothing_and_says_the_same(validated):
    site, said = validated
    before = site.times()
    again = site.validate("--cases", "2", "--derivatives", site.truth)
    assert again.returncode == 0
    assert "Nothing to do: sub-01h01, sub-01h02" in again.stdout
    assert "Making" not in again.stdout
    assert "Scoring" not in again.stdout
    assert again.stdout.endswith(said.split("Scoring ...")[1])
    assert site.times() == before


@pytest.mark.slow
def test_what_is_missing_is_made_again(validated):
    site, said = validated
    (site.out / "validation.html").unlink()
    again = site.validate("--cases", "2", "--derivatives", site.truth)
    assert "Nothing to do: sub-01h01, sub-01h02" in again.stdout
    assert again.stdout.split("Scoring ...")[1] == said.split("Scoring ...")[1]
    assert (site.out / "validation.html").is_file()


def test_no_nuclei_is_one_clear_line(scan, tmp_path):
    site = Site(tmp_path)
    site.bids.symlink_to(scan.bids)
    done = site.validate("--cases", "1", "--atlas", "nobody")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "No nuclei were found in the scans of" in done.stderr
    assert "sub-01: Unknown atlas 'nobody'" in done.stderr
    assert "--derivatives" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (site.out / "hybrids").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cases", "0"], "--cases is 0"),
        (["--participant-label", "77"], "No participant 77 found"),
        (["--derivatives", "x=nowhere"], "'x' are not at"),
        (["--plugin", "SLURMGraph"], "does not wait"),
        (["--nprocs", "0"], "nprocs is 0; give 1 to"),
    ],
)
def test_calls_that_cannot_be_served(scan, tmp_path, words, message):
    site = Site(tmp_path)
    site.bids.symlink_to(scan.bids)
    done = site.validate(*words)
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not site.out.exists()


@pytest.mark.parametrize("where", ["out", "work"])
def test_nothing_is_written_into_raw_data(scan, tmp_path, where):
    site = Site(tmp_path)
    site.bids.symlink_to(scan.bids)
    inside = str(site.bids / "mine")
    done = site.validate(*(["-w", inside] if where == "work" else []), out=inside)
    assert done.returncode == 2, done.stdout
    assert "inside the raw dataset" in done.stderr
    assert not (scan.bids / "mine").exists()
