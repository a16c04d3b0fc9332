"""`bgpvs-wf atlas` as a user calls it: a process, its two streams and its status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with a tiny T2w, its labels with numbers of their own, and their table."""
    dseg = np.zeros((20, 16, 10), np.int16)
    dseg[1:19, 1:15, 1:9] = 1
    dseg[2:18, 2:14, 2:8] = 2
    dseg[4:8, 6:10, 4:7], dseg[12:16, 6:10, 4:7] = 3, 4
    folder = tmp_path / "files"
    folder.mkdir()
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    nib.Nifti1Image(dseg, affine).to_filename(folder / "labels.nii.gz")
    t2w = np.array([0, 900, 700, 550, 560], np.float32)[dseg]
    nib.Nifti1Image(t2w, affine).to_filename(folder / "T2w.nii.gz")
    nib.Nifti1Image(t2w[2:], affine).to_filename(folder / "small.nii.gz")
    (folder / "key.txt").write_text("1 CSF\n2 White matter\n3 Putamen left\n4 Putamen right\n")
    return folder


@pytest.fixture
def atlas(tmp_path: Path):
    """Return a function that runs ``bgpvs-wf atlas ARGS`` with an own atlas folder."""
    environ = {**os.environ, "BGPVS_WF_ATLASES": str(tmp_path / "home"), "COLUMNS": "200"}

    def run(*args: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bgpvs_wf", "atlas", *map(str, args)]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)

    return run


def test_add_list_show(atlas, files, tmp_path):
    added = atlas(
        "add", "--name", "tiny", "--age", "3m", "--dseg", files / "labels.nii.gz",
        "--t2w", files / "T2w.nii.gz", "--labels", files / "key.txt", "--license", "CC0",
    )  # fmt: skip
    assert (added.returncode, added.stderr) == (0, "")
    assert "tiny" in added.stdout
    about = json.loads((tmp_path / "home" / "tiny" / "atlas.json").read_text())
    entry = about["entries"][0]
    assert entry["age_weeks"] == pytest.approx(53.044, abs=1e-3)
    assert (entry["T1w"], about["license"]) == (None, "CC0")
    labels = np.asarray(nib.load(tmp_path / "home" / "tiny" / entry["dseg"]).dataobj)
    assert set(np.unique(labels)) == {0, 24, 219, 12, 51}

    listed = atlas("list")
    assert listed.returncode == 0
    row = next(line for line in listed.stdout.splitlines() if line.startswith("tiny"))
    assert all(word in row for word in ("53.04", "T2w", "2 BG nuclei", "CC0", "home"))

    shown = atlas("show", "tiny")
    assert shown.returncode == 0
    assert "12 Left-Putamen             0.05 mL" in shown.stdout
    assert "20 x 16 x 10 voxels of 1 x 1 x 1 mm" in shown.stdout


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--name", "x", "--age", "40w", "--dseg", "labels.nii.gz", "--t2w", "small.nii.gz",
          "--labels", "key.txt"], "another grid"),
        (["--name", "x", "--dseg", "labels.nii.gz", "--labels", "key.txt"], "--age"),
        (["--name", "x", "--age", "40w", "--dseg", "labels.nii.gz"], "label table file"),
        (["--name", "x", "--age", "40", "--dseg", "labels.nii.gz"], "no age"),
        (["--age", "40w", "--dseg", "labels.nii.gz"], "--name"),
        (["--name", "x", "--age", "40w", "--dseg", "T2w.nii.gz", "--labels", "aseg"], "labels"),
        ([], "either"),
        (["."], "known layouts"),
        (["nowhere"], "no folder"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_leaves_nothing(atlas, files, tmp_path, args, says):
    paths = [files / arg if (files / arg).exists() and arg[0] != "-" else arg for arg in args]
    failed = atlas("add", *paths)
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.startswith("bgpvs-wf: ")
    assert failed.stderr.count("\n") == 1
    assert says in failed.stderr
    home = tmp_path / "home"
    assert not home.exists() or not list(home.iterdir())


def test_show_of_an_unknown_atlas_names_the_known(atlas):
    failed = atlas("show", "nobody")
    assert failed.returncode == 1
    assert "Unknown atlas 'nobody'; known:" in failed.stderr
