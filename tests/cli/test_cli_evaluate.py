from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bgpvs_wf.imaging.files import save_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a truth and the results of two methods."""
    for subject in ("01", "02", "03"):
        labels = np.zeros((10, 11, 12), np.uint8)
        labels[1:9, 1:10, 1:11] = 1
        labels[3, 2 : 4 + int(subject), 5] = 2
        worse = labels.copy()
        worse[8] = 0
        for method, data in (("truth", labels), ("ours", labels), ("theirs", worse)):
            path = tmp_path / method / f"sub-{subject}_desc-bgpvs_dseg.nii.gz"
            save_image(data, np.diag([0.8, 0.8, 0.8, 1]), path, labels=True)
    return tmp_path


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bgpvs_wf", "evaluate", *words]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_scores_two_methods_and_writes_tables_and_page(folder):
    done = call(
        *(folder, "--reference", "truth", "--prediction", "theirs"),
        *("--prediction", "proposed=ours", "--proposed", "proposed", "--out", "out"),
    )
    assert done.returncode == 0, done.stderr
    assert "BG-PVS Dice" in done.stdout
    assert "1.00 ± 0.00" in done.stdout
    assert "p: against proposed" in done.stdout
    assert "theirs, BG volume (n = 3)" in done.stdout
    assert "Warning" not in done.stderr
    table = pd.read_csv(folder / "out" / "evaluation_comparison.tsv", sep="\t")
    assert set(table["method"]) == {"theirs"}
    page = folder / "out" / "evaluation.html"
    assert str(page.relative_to(folder)) in done.stdout
    assert "theirs" in page.read_text()


def test_a_missing_subject_is_said_and_changes_the_status(folder):
    (folder / "theirs" / "sub-02_desc-bgpvs_dseg.nii.gz").unlink()
    done = call(folder, "--reference", "truth", "--prediction", "theirs", "--out", "out")
    assert done.returncode == 1
    assert "Not scored" in done.stdout
    assert "sub-02, theirs" in done.stdout
    assert (folder / "out" / "evaluation.html").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--prediction", "nowhere"], "no folder nowhere"),
        (["--prediction", "ours", "--prediction", "x/../ours"], "called 'ours'"),
        (["--prediction", "=ours"], "NAME=FOLDER"),
        (["--prediction", "ours", "--proposed", "x"], "none of ours"),
        (["--prediction", "ours", "--seed", "-1"], "seed"),
        ([], "--prediction"),
    ],
)
def test_wrong_calls_give_one_line_and_status_2(folder, words, message):
    done = call(folder, "--reference", "truth", *words, "--out", "out")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "out").exists()
