"""The cohorts of an experiment: made once, and never into raw data."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bgpvs_wf.errors import UsageError
from bgpvs_wf.evaluation.infants import Cohort, HybridInfants, SyntheticInfants
from bgpvs_wf.evaluation.multi_cohort import CohortScores, comparison_table
from bgpvs_wf.studies.datasets.cohorts import check_cohort, make_cohort

PROTOCOL = """
hindbrain = false
[t2w]
voxel_mm = [2.5, 2.5, 2.5]
[t1w]
voxel_mm = [2.5, 2.5, 2.5]
"""


@pytest.fixture
def drawn(tmp_path: Path) -> SyntheticInfants:
    (tmp_path / "scanner.toml").write_text(PROTOCOL)
    return SyntheticInfants(
        preset=str(tmp_path / "scanner.toml"), subjects=2, ages=("92w",), seed=4
    )


def test_a_cohort_is_made_again_only_if_its_settings_change(tmp_path, drawn):
    def times() -> dict[str, int]:
        found = (tmp_path / "cohort" / "bids").rglob("*.nii.gz")
        return {path.name: path.stat().st_mtime_ns for path in found}

    folder = tmp_path / "cohort"
    made = make_cohort(Cohort("c", drawn, {}), folder, nprocs=1)
    assert made.truth == folder / "bids" / "derivatives" / "truth"
    assert made.derivatives == {}
    before = times()
    make_cohort(Cohort("c", drawn, {}), folder, nprocs=1)
    assert times() == before
    # The protocol is a setting, too, although its name stays the same.
    Path(drawn.preset).write_text(PROTOCOL + "snr = 10\n")
    make_cohort(Cohort("c", drawn, {}), folder, nprocs=1)
    after = times()
    assert after.keys() == before.keys()
    # Of the T1w only; what comes out as it was keeps its time.
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"sub-01_T1w.nii.gz", "sub-02_T1w.nii.gz"}
    assert not (folder / "bids.old").exists()


def test_a_folder_of_others_is_left_alone(tmp_path, drawn):
    file = tmp_path / "cohort" / "bids" / "mine.txt"
    file.parent.mkdir(parents=True)
    file.write_text("")
    with pytest.raises(UsageError, match="was not made by this command"):
        make_cohort(Cohort("c", drawn, {}), tmp_path / "cohort", nprocs=1)
    assert file.exists()


@pytest.mark.parametrize("what", ["output", "work"])
def test_nothing_is_written_into_raw_data(tmp_path, what):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "dataset_description.json").write_text("{}")
    hybrid = HybridInfants(onto=raw, derivatives={}, cases=1, seed=1)
    folders = {"output": tmp_path / "out", "work": tmp_path / "work"}
    check_cohort(Cohort("h", hybrid, {}), folders)
    with pytest.raises(UsageError, match=f"The {what} folder .* is inside the raw dataset"):
        check_cohort(Cohort("h", hybrid, {}), folders | {what: raw / "x"})


def test_hybrids_are_told_from_infants():
    table = pd.DataFrame({"method": ["a"], "BG Dice": ["0.90"]})
    infants = CohortScores("i", 3, True, table)
    hybrids = CohortScores("h", 10, True, table, scans=2)
    assert infants.heading == "i: 3 scans, nuclei given"
    assert hybrids.heading == "h: 10 hybrids of 2 scans, nuclei given"
    assert not infants.notes
    assert "not independent infants" in hybrids.notes[0]
    assert comparison_table([infants, hybrids])["scans"].tolist() == ["n/a", "2"]
