"""Change between sessions from results to table and page, on a growing phantom."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import bgpvs_wf
from bgpvs_wf.cli.main import main
from bgpvs_wf.cohort.change.files import change_files, find_sessions
from bgpvs_wf.cohort.change.placing import place_nuclei
from bgpvs_wf.cohort.change.table import COLUMNS
from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.ledger import Ledger
from bgpvs_wf.engine.record import Record
from bgpvs_wf.errors import BadLabelsError, UsageError
from bgpvs_wf.imaging.files import save_image, write_table
from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.phantom.growing.infant import simulate_growing
from bgpvs_wf.phantom.protocol import plain
from bgpvs_wf.phantom.truth import instance_labels
from bgpvs_wf.studies.longitudinal import write_changes
from bgpvs_wf.studies.observer import Observer

AGES = {"6m": 66.1, "12m": 92.2}


class Notes(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, *lines: str) -> None:
        self.lines += lines


@pytest.fixture(scope="module")
def infant():
    return simulate_growing(
        list(AGES.values()), seed=5, protocol=plain(1.2, hindbrain=False), n_tubes=10
    )


@pytest.fixture
def results(infant, tmp_path):
    """Write the truth of an infant as results of a run; tubes keep their numbers."""
    for session, one, numbers in zip(AGES, infant.sessions, infant.numbers, strict=True):
        stem = f"sub-01_ses-{session}"
        folder = tmp_path / "out" / "sub-01" / f"ses-{session}" / "anat"
        grid = Grid(one.dseg.shape, one.affine)
        pvs = instance_labels(one.tubes, grid, numbers)
        save_image(one.t2w, one.affine, folder / f"{stem}_desc-preproc_T2w.nii.gz")
        for name, labels in (("nuclei", one.dseg), ("pvs", pvs)):
            path = folder / f"{stem}_desc-{name}_dseg.nii.gz"
            save_image(labels, one.affine, path, labels=True)
        rows = [
            (n, "Putamen", "left", t.volume_mm3, t.volume_mm3, t.diameter_mm)
            for n, t in zip(numbers, one.tubes, strict=True)
            if (pvs == n).any()
        ]
        names = ["index", "region", "side", "volume_mm3", "volume_tube_mm3", "mean_diameter_mm"]
        write_table(pd.DataFrame(rows, columns=names), folder / f"{stem}_desc-pvs_objects.tsv")
    return tmp_path / "out"


def config(results) -> RunConfig:
    return RunConfig(
        bids_dir=results,
        output_dir=results,
        work_dir=results.parent / "work",
        plugin="Linear",
        nprocs=1,
        omp_nthreads=1,
    )


def test_nuclei_are_placed_where_the_tissue_is(infant):
    first, last = infant.sessions
    placed = place_nuclei(first.dseg, first.affine, last.dseg, last.affine)
    points = np.concatenate([tube.points for tube in first.tubes])
    told = points @ placed[:3, :3].T + placed[:3, 3]
    off = np.linalg.norm(told - infant.carry(points, 0, 1), axis=1)
    assert off.mean() < 0.8
    with pytest.raises(BadLabelsError, match="Only 0 nuclei"):
        place_nuclei(np.zeros_like(first.dseg), first.affine, last.dseg, last.affine)


def test_tubes_keep_their_numbers_from_results_to_page(infant, results):
    ages = {f"sub-01_ses-{name}": age for name, age in AGES.items()}
    # One of them without its smallest spaces.
    for name, least in (("6m", 0.0), ("12m", 2.5)):
        record = Record("1.0", {"quantify.min_volume_mm3": least})
        Ledger.of(results).write(f"sub-01_ses-{name}", record)
    said = "Not all were made alike: quantify.min_volume_mm3 is 0 in 1 and 2.5 in 1;"
    notes = Notes()
    done = write_changes(config(results), ages_weeks=ages, observer=notes)
    assert not done.problems
    assert any(f"sub-01: {said}" in line for line in notes.lines)
    files = change_files(results, "sub-01")
    assert done.written == {"sub-01": files["page"]}
    table = pd.read_csv(files["table"], sep="\t", dtype={"index_from": str, "index_to": str})
    assert list(table) == list(json.loads(files["dictionary"].read_text())) == list(COLUMNS)
    both = table[table["change"] == "persisted"]
    right = (both["index_from"] == both["index_to"]).sum()
    there = set(infant.numbers[0]) & set(infant.numbers[1])
    assert right >= 0.8 * len(there)
    page = files["page"].read_text()
    assert page.count("<svg") >= 2 + 2 * 3
    assert "ses-12m: 92.2 weeks" in page
    assert said in page


def test_python_is_told_who_is_written_and_who_is_not(results):
    next(results.rglob("sub-01_ses-6m_desc-pvs_objects.tsv")).write_text("index\n")
    work = {"work_dir": results.parent / "work", "plugin": "Linear", "nprocs": 1}
    done = bgpvs_wf.change(str(results), subjects=["sub-01"], **work)
    assert done.written == {}
    assert done.problems[0].startswith("sub-01: ")
    with pytest.raises(UsageError, match="sub-07 has not two finished sessions"):
        bgpvs_wf.change(results, subjects=["07"], **work)
    with pytest.raises(UsageError, match="did you mean 'nprocs'"):
        bgpvs_wf.change(results, nproc=2)


def test_without_ages_sessions_come_by_the_numbers_in_their_labels(results):
    found, problems = find_sessions(results, lambda label: None)
    assert [one.session for one in found["01"]] == ["6m", "12m"]
    assert problems == []


def test_a_session_that_lacks_a_file_is_named(results):
    next(results.rglob("sub-01_ses-6m_desc-pvs_objects.tsv")).unlink()
    found, problems = find_sessions(results, lambda label: None)
    assert found == {}
    assert "sub-01_ses-6m: there is no" in problems[0]
    with pytest.raises(
        UsageError, match=r"No infant has two finished .* sub-01_ses-6m: there is no"
    ):
        write_changes(config(results))


def test_an_infant_that_cannot_be_told_is_named_with_the_reason(results):
    table = next(results.rglob("sub-01_ses-6m_desc-pvs_objects.tsv"))
    table.write_text(table.read_text().replace("mean_diameter_mm", "width"))
    done = write_changes(config(results))
    assert done.written == {}
    assert "no column 'mean_diameter_mm'" in done.problems[0]


def test_the_verb_names_whom_it_cannot_serve(results, capsys):
    work = str(results.parent / "work")
    assert main(["change", str(results), "--participant-label", "07", "-w", work]) == 2
    assert "sub-07 has not two finished sessions" in capsys.readouterr().err
