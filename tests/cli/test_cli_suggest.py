from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from program import call_program

from bgpvs_wf.errors import UsageError
from bgpvs_wf.imaging.files import save_image, write_json
from bgpvs_wf.quantification import measure
from bgpvs_wf.quantification.group import write_tsv
from bgpvs_wf.studies.annotation import suggest
from bgpvs_wf.studies.training_cases import given_labels

AFFINE = np.array([[-0.8, 0, 0, 5], [0, 0.8, 0, -7], [0, 0, 0.8, 3], [0, 0, 0, 1]])


def add(out: Path, label: str, unsure: float, width: int = 6, t2w: bool = True, t1w: bool = True):
    """Write what a run with a model leaves of a subject."""
    subject, _, session = label.partition("_")
    anat = out / subject / session / "anat"
    nuclei = np.zeros((16, 20, 12), np.int16)
    for i, pair in enumerate([(11, 50), (12, 51), (13, 52)]):
        nuclei[2 : 2 + width, 1 + 6 * i : 6 + 6 * i, 3:9] = pair[1]
        nuclei[9 : 9 + width, 1 + 6 * i : 6 + 6 * i, 3:9] = pair[0]
    dseg = (nuclei > 0).astype(np.uint8)
    dseg[4, 3, 4:8] = 2
    image = (100 + nuclei).astype(np.float32)
    images = {
        "desc-uncertainty_probseg": np.where(dseg > 0, unsure, 0).astype(np.float32),
        "label-PVS_probseg": (dseg == 2).astype(np.float32),
    }
    if t2w:
        images["desc-preproc_T2w"] = image
    if t1w:
        images["space-T2w_desc-preproc_T1w" if t2w else "desc-preproc_T1w"] = image
    for name, data in images.items():
        save_image(data, AFFINE, anat / f"{label}_{name}.nii.gz")
        write_json({"Sources": ["bids:raw:x"], "Units": "1"}, anat / f"{label}_{name}.json")
    for name, data in (("bgpvs", dseg), ("nuclei", nuclei)):
        save_image(data, AFFINE, anat / f"{label}_desc-{name}_dseg.nii.gz", labels=True)
    regions = measure(bgpvs=dseg, anatomy=nuclei, affine=AFFINE).regions
    write_tsv(regions, anat / f"{label}_desc-bgpvs_morph.tsv")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a folder with the results of a run: two of a kind, and two others."""
    out = tmp_path / "out"
    add(out, "sub-01", 0.50)
    add(out, "sub-02", 0.49)
    add(out, "sub-03_ses-a", 0.30, width=3, t1w=False)
    add(out, "sub-04", 0.05, width=5, t2w=False)
    return tmp_path


def call(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bgpvs_wf", "suggest", *words]
    return subprocess.run(
        command, cwd=site, capture_output=True, text=True, timeout=120, check=False
    )


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_ranks_and_exports_what_annotating_takes(site):
    before = content(site / "out")
    done = call(site, "out", "export", "--number", "2")
    assert done.returncode == 0, done.stderr + done.stdout
    assert content(site / "out") == before
    export = site / "export"
    table = pd.read_csv(export / "suggestions.tsv", sep="\t")
    assert list(table.columns) == [
        *("rank", "participant", "session", "uncertainty", "distance", "why")
    ]
    assert list(table["participant"]) == ["sub-01", "sub-03"]
    assert list(table["session"].fillna("")) == ["", "ses-a"]
    assert table["distance"].isna().tolist() == [True, False]
    assert table["why"][0] == "most uncertain of 4"
    assert "nearest is sub-01" in table["why"][1]

    anat = Path("sub-01/anat")
    names = {path.name for path in (export / anat).iterdir()}
    assert {name for name in names if name.endswith(".nii.gz")} == {
        "sub-01_desc-bgpvs_dseg.nii.gz",
        "sub-01_desc-preproc_T2w.nii.gz",
        "sub-01_desc-uncertainty_probseg.nii.gz",
        "sub-01_space-T2w_desc-preproc_T1w.nii.gz",
    }
    name = anat / "sub-01_desc-bgpvs_dseg.nii.gz"
    ours, theirs = nib.load(export / name), nib.load(site / "out" / name)
    assert ours.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(ours.dataobj, theirs.dataobj)
    np.testing.assert_allclose(ours.affine, theirs.affine)
    t2w = anat / "sub-01_desc-preproc_T2w.nii.gz"
    assert (export / t2w).read_bytes() == (site / "out" / t2w).read_bytes()
    sidecar = json.loads((export / anat / "sub-01_desc-preproc_T2w.json").read_text())
    assert sidecar == {"Sources": [f"bids:results:{t2w.as_posix()}"], "Units": "1"}
    described = json.loads((export / "dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert described["DatasetLinks"] == {"results": (site / "out").as_uri()}
    # Fine-tuning finds the labels, and takes no guess of the model for truth beside them.
    labels = given_labels(export)
    assert set(labels) == {"sub-01", "sub-03_ses-a"}
    assert labels["sub-01"].bgpvs == export / name
    assert labels["sub-01"].fluid is None

    readme = (export / "README.txt").read_text()
    commands = [line.split() for line in readme.splitlines() if "itksnap -l" in line]
    assert len(commands) == 2
    for command in commands:
        files = [word for word in command[1:] if not word.startswith("-")]
        assert all((export / file).is_file() for file in files)
    assert f"--labels {export}" in readme
    snap = (export / "labels_itksnap.txt").read_text().splitlines()
    assert snap[0] == "# ITK-SnAP Label Description File"
    rows = [line.split(maxsplit=7) for line in snap if not line.startswith("#")]
    assert [(row[0], row[7]) for row in rows] == [
        ("0", '"Clear Label"'),
        ("1", '"Basal-Ganglia"'),
        ("2", '"Basal-Ganglia-PVS"'),
    ]
    slicer = (export / "labels_slicer.ctbl").read_text().splitlines()
    assert slicer[0].startswith("# Color table file")
    assert [len(line.split()) for line in slicer[2:]] == [6, 6, 6]
    assert [line.split()[2:5] for line in slicer[3:]] == [row[1:4] for row in rows[1:]]


def test_labels_that_are_there_are_kept_and_count_as_labelled(site):
    assert call(site, "out", "export", "--number", "1").returncode == 0
    dseg = site / "export" / "sub-01" / "anat" / "sub-01_desc-bgpvs_dseg.nii.gz"
    dseg.write_bytes(b"corrected")
    again = call(site, "out", "export", "--number", "1")
    assert again.returncode == 0, again.stderr
    assert f"kept: {dseg}" in again.stdout
    assert dseg.read_bytes() == b"corrected"
    uncompressed = dseg.with_suffix("")
    dseg.rename(uncompressed)
    assert f"kept: {uncompressed}" in call(site, "out", "export", "--number", "1").stdout
    assert not dseg.exists()

    others = site / "others" / "sub-77_desc-bgpvs_dseg.nii.gz"
    others.parent.mkdir()
    others.write_bytes(b"of another cohort")
    done = call(site, "out", "export", "--labelled", "export", "others", "--number", "9")
    assert done.returncode == 0, done.stderr
    assert "for want of results: sub-77" in done.stdout
    table = pd.read_csv(site / "export" / "suggestions.tsv", sep="\t")
    assert list(table["participant"]) == ["sub-03", "sub-04", "sub-02"]  # 02 is like 01
    assert table["distance"].notna().all()
    assert uncompressed.read_bytes() == b"corrected"
    assert (site / "export" / "sub-04" / "anat" / "sub-04_desc-preproc_T1w.nii.gz").is_file()

    done = call(site, "out", "export", "--labelled", "export")
    assert done.returncode == 2
    assert "All 4 subjects" in done.stderr


def test_broken_and_missing_files_are_said_and_change_the_status(site):
    anat = site / "out" / "sub-{0}" / "anat" / "sub-{0}_{1}"
    whole = Path(str(anat).format("01", "desc-uncertainty_probseg.nii.gz"))
    whole.write_bytes(whole.read_bytes()[:200])
    Path(str(anat).format("02", "desc-bgpvs_dseg.nii.gz")).unlink()
    morph = Path(str(anat).format("04", "desc-bgpvs_morph.tsv"))
    morph.write_text("a\tb\n1\t2\n")
    done = call(site, "out", "export")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = done.stdout.partition("Left out")[2].splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == ["sub-01", "sub-02", "sub-04"]
    assert "truncated or damaged" in lines[0]
    assert "does not exist" in lines[1]
    assert "no column" in lines[2]
    table = pd.read_csv(site / "export" / "suggestions.tsv", sep="\t")
    assert list(table["participant"]) == ["sub-03"]


def test_an_image_that_cannot_be_copied_is_left_out_and_said(site):
    t1w = site / "out" / "sub-01" / "anat" / "sub-01_space-T2w_desc-preproc_T1w.nii.gz"
    t1w.write_bytes(b"")
    done = call(site, "out", "export", "--number", "1")
    assert done.returncode == 1
    assert "sub-01, exported without: " in done.stdout
    names = {path.name for path in (site / "export" / "sub-01" / "anat").glob("*.nii.gz")}
    assert t1w.name not in names
    assert len(names) == 3


def test_labels_on_another_grid_or_beyond_two_are_refused(site):
    for subject, affine, top in (("01", AFFINE + np.eye(4)[3], 2), ("02", AFFINE, 3)):
        path = site / "out" / f"sub-{subject}" / "anat" / f"sub-{subject}_desc-bgpvs_dseg.nii.gz"
        data = np.asanyarray(nib.load(path).dataobj) + 0
        data[0, 0, 0] = top
        save_image(data, affine, path, labels=True)
    done = call(site, "out", "export")
    assert done.returncode == 1
    assert "another grid" in done.stdout
    assert "labels beyond 0, 1 and 2" in done.stdout


def test_nothing_that_can_be_read_is_one_line(site):
    for path in (site / "out").rglob("*_desc-uncertainty_probseg.nii.gz"):
        path.write_bytes(b"x")
    done = call(site, "out", "export")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "sub-01: " in done.stderr
    assert "(4 such)" in done.stderr


def test_results_of_pseudo_labels_have_no_uncertainty(site):
    for path in (site / "out").rglob("*_desc-uncertainty_probseg.nii.gz"):
        path.unlink()
    done = call(site, "out", "export")
    assert done.returncode == 2
    assert "run with a model" in done.stderr
    assert not (site / "export").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere", "export"], "no folder"),
        (["empty", "export"], "no results"),
        (["out", "out"], "overlap"),
        (["out", "out/export"], "overlap"),
        (["out", "."], "overlap"),
        (["out", "raw/export"], "inside the raw dataset"),
        (["out", "another"], "another dataset"),
        (["out", "raw2"], "another dataset"),
        (["out", "export", "--number", "0"], "--number is 0; give 1 or more"),
        (["out", "export", "--seed", "-1"], "--seed is -1; give 0 to"),
        (["out", "export", "--labelled", "nowhere"], "nowhere"),
        (["out", "export", "--labelled", "empty"], "has no sub-*_desc-bgpvs_dseg"),
    ],
)
def test_wrong_calls_give_one_line_and_status_2(site, words, message):
    (site / "empty").mkdir()
    (site / "raw").mkdir()
    (site / "raw2" / "sub-01").mkdir(parents=True)
    write_json({"Name": "someone's"}, site / "another" / "dataset_description.json")
    links = {"DatasetLinks": {"raw": (site / "raw").as_uri(), "web": "https://example.org"}}
    write_json(links, site / "out" / "dataset_description.json")
    before = content(site)
    done = call(site, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert content(site) == before


@pytest.mark.parametrize(
    "links",
    ["[1]", '{"raw": 5, "x": null}', '{"raw": "http://[", "y": [], "z": "file:///%00"}'],
)
def test_a_damaged_description_of_the_results_stops_nobody(site, links):
    path = site / "out" / "dataset_description.json"
    path.write_text(f'{{"DatasetLinks": {links}}}')
    for name in ("uncertainty_probseg", "bgpvs_dseg", "preproc_T2w"):
        (site / "out" / "sub-01" / "anat" / f"sub-01_desc-{name}.json").write_text("[" * 100_000)
    done = call(site, "out", "export", "--number", "2")
    assert done.returncode == 0, done.stderr
    assert (site / "export" / "sub-01" / "anat" / "sub-01_desc-bgpvs_dseg.json").is_file()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("\tLeft-Putamen\t", "\tLeft-Pudding\t", "which is no region"),
        ("\tboth\t", "\tboth\t-", "below 0"),
        ("\tboth\t", "\tboth\tx", "no number"),
        ("\t", ",", "is separated by commas"),
    ],
)
def test_a_damaged_table_leaves_its_subject_out(site, old, new, says):
    path = site / "out" / "sub-01" / "anat" / "sub-01_desc-bgpvs_morph.tsv"
    path.write_text(path.read_text().replace(old, new))
    done = call(site, "out", "export")
    assert done.returncode == 1
    (line,) = done.stdout.partition("Left out\n")[2].splitlines()
    assert line.startswith(f"  sub-01: {path} ")
    assert says in line
    table = pd.read_csv(site / "export" / "suggestions.tsv", sep="\t")
    assert set(table["participant"]) == {"sub-02", "sub-03", "sub-04"}


def test_from_python_it_says_nothing_and_exports_the_same(site, capsys):
    said = call(site, "out", "export", "--number", "2").stdout
    done = suggest(site / "out", site / "python", number=2)
    assert capsys.readouterr() == ("", "")
    assert [one.label for one in done.chosen] == ["sub-01", "sub-03_ses-a"]
    assert all(one.why in said for one in done.chosen)
    assert done.problems == ()
    assert done.readme == site / "python" / "README.txt"
    ours, theirs = content(site / "python"), content(site / "export")
    for files in (ours, theirs):
        del files["README.txt"]  # names its own folder
    assert ours == theirs
    with pytest.raises(UsageError, match="All 4 subjects"):
        suggest(site / "out", site / "python", labelled=[site / "out"])


def test_finetune_names_labels_in_which_nothing_was_changed(site):
    assert call(site, "out", "export", "--number", "3").returncode == 0
    anat = site / "export" / "sub-01" / "anat"
    dseg = anat / "sub-01_desc-bgpvs_dseg.nii.gz"
    labels = np.asarray(nib.load(dseg).dataobj).copy()
    labels[4, 3, 4] = 1
    save_image(labels, AFFINE, dseg, labels=True)
    dseg = site / "export" / "sub-03" / "ses-a" / "anat" / "sub-03_ses-a_desc-bgpvs_dseg.nii.gz"
    # Another program writes other types and headers.
    nib.save(nib.Nifti1Image(np.asarray(nib.load(dseg).dataobj, np.int16), AFFINE), dseg)

    for preprocessed in (site / "export").rglob("*_desc-preproc_*"):
        preprocessed.unlink()
    for label in ("sub-01", "sub-03_ses-a", "sub-04"):
        scan = site / "bids" / label.replace("_", "/") / "anat" / f"{label}_T2w.nii.gz"
        scan.parent.mkdir(parents=True)
        scan.write_bytes(b"no scan")
    write_json({"Name": "x", "BIDSVersion": "1.10.0"}, site / "bids" / "dataset_description.json")
    done = call_program(site, "finetune", "bids", "tuned", "--labels", "export", "-w", "work")
    assert done.returncode == 2, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if "just as suggest wrote" in line]
    named = line.partition(": ")[2].partition(". ")[0]
    assert named == "sub-03_ses-a, sub-04"
