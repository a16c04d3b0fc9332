from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from toy_scan import HOME, NUCLEI, OTHER, toy_scan

from bgpvs_wf.bids.ages import AgeReader
from bgpvs_wf.cli.main import main
from bgpvs_wf.errors import BadImageError, BadLabelsError, UsageError
from bgpvs_wf.phantom.hybrid_case import read_sidecar, save_like
from bgpvs_wf.phantom.hybrid_dataset import Nuclei, find_nuclei, hybrid_dataset


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Two infants, one with a session; T2w as scaled integers; nuclei in a flat folder."""
    root = tmp_path_factory.mktemp("source")
    bids, nuclei = root / "bids", root / "nuclei"
    nuclei.mkdir()
    for stem in ("sub-a", "sub-b_ses-3mo"):
        folder = bids.joinpath(*stem.split("_"), "anat")
        folder.mkdir(parents=True)
        t2w = nib.Nifti1Image(toy_scan("T2w", 8).astype(np.int16), HOME.affine)
        t2w.header.set_slope_inter(0.5, 0)
        t2w.header["descrip"] = b"of a scanner"
        nib.save(t2w, folder / f"{stem}_T2w.nii.gz")
        nib.save(nib.Nifti1Image(toy_scan("T1w", 8), OTHER.affine), folder / f"{stem}_T1w.nii.gz")
        (folder / f"{stem}_T2w.json").write_text('{"SkullStripped": true}')
        nib.save(
            nib.Nifti1Image(NUCLEI.astype(np.uint8), HOME.affine),
            nuclei / f"{stem}_desc-nuclei_dseg.nii.gz",
        )
    (bids / "dataset_description.json").write_text('{"Name": "Toys", "BIDSVersion": "1.9.0"}')
    (bids / "participants.tsv").write_text("participant_id\tage\nsub-a\t46.5\nsub-b\tn/a\n")
    (bids / "participants.json").write_text(
        json.dumps({"age": {"Description": "post-menstrual age", "Units": "weeks"}})
    )
    return bids, nuclei


@pytest.fixture(scope="module")
def made(source, tmp_path_factory):
    bids, folder = source
    out = tmp_path_factory.mktemp("made") / "out"
    nuclei = find_nuclei(bids, {"ref": folder}, out)
    return hybrid_dataset(bids, nuclei, out, cases_per_scan=2, seed=4, n_tubes=4), nuclei


def test_is_a_bids_dataset_with_ages(made):
    from bids import BIDSLayout

    out, _ = made
    assert BIDSLayout(out, validate=True).get_subjects() == [
        "ah01",
        "ah02",
        "bses3moh01",
        "bses3moh02",
    ]
    ages = AgeReader([out])
    assert ages.read("ah02").weeks == pytest.approx(46.5)
    assert ages.read("bses3moh01").weeks is None
    assert sorted(path.name for path in out.iterdir()) == [
        "README",
        "dataset_description.json",
        "derivatives",
        "participants.json",
        "participants.tsv",
        "sub-ah01",
        "sub-ah02",
        "sub-bses3moh01",
        "sub-bses3moh02",
    ]


def test_scans_keep_header_type_and_scaling(source, made):
    for name, grid in (("T2w", HOME), ("T1w", OTHER)):
        before = nib.load(source[0] / "sub-a" / "anat" / f"sub-a_{name}.nii.gz")
        after = nib.load(made[0] / "sub-ah01" / "anat" / f"sub-ah01_{name}.nii.gz")
        assert after.get_data_dtype() == before.get_data_dtype()
        assert (after.dataobj.slope, after.dataobj.inter) == (
            before.dataobj.slope,
            before.dataobj.inter,
        )
        assert (after.affine == before.affine).all()
        assert np.abs(after.affine - grid.affine).max() < 1e-5
        for field in ("descrip", "qform_code", "sform_code", "pixdim"):
            assert np.array_equal(after.header[field], before.header[field])
        same = np.asarray(before.dataobj.get_unscaled()) == after.dataobj.get_unscaled()
        assert 0.98 < same.mean() < 1
    sidecar = json.loads((made[0] / "sub-ah01" / "anat" / "sub-ah01_T2w.json").read_text())
    assert sidecar["SkullStripped"] is True
    assert sidecar["Sources"] == ["bids:raw:sub-a/anat/sub-a_T2w.nii.gz"]


def test_truth_has_what_to_ignore_and_the_tubes(made):
    folder = made[0] / "derivatives" / "truth" / "sub-bses3moh02" / "anat"
    names = sorted(path.name.removeprefix("sub-bses3moh02_") for path in folder.glob("*.nii.gz"))
    assert names == [
        "desc-anatomy_dseg.nii.gz",
        "desc-bgpvs_dseg.nii.gz",
        "desc-ignore_mask.nii.gz",
        "desc-pvs_dseg.nii.gz",
        "label-PVS_probseg.nii.gz",
    ]
    bgpvs = nib.load(folder / "sub-bses3moh02_desc-bgpvs_dseg.nii.gz")
    assert np.abs(bgpvs.affine - HOME.affine).max() < 1e-4
    assert np.count_nonzero(np.asarray(bgpvs.dataobj) == 2) > 10


def test_same_seed_same_bytes_with_more_jobs_and_elsewhere(source, made, tmp_path):
    out, nuclei = made
    elsewhere = shutil.copytree(source[0], tmp_path / "elsewhere" / source[0].name)
    again = hybrid_dataset(
        elsewhere, nuclei, tmp_path / "again", cases_per_scan=2, seed=4, n_tubes=4, jobs=2
    )
    files = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    for file in files:
        assert (out / file).read_bytes() == (again / file).read_bytes(), file
    seeds = [
        line.split("\t")[2] for line in (out / "participants.tsv").read_text().split("\n")[1:5]
    ]
    assert len(set(seeds)) == 4


def test_no_nuclei_is_one_clear_line_before_anything_is_written(source, made, tmp_path):
    out = tmp_path / "new"
    some = {"sub-a": made[1]["sub-a"]}
    with pytest.raises(UsageError, match=r"No nuclei of sub-b_ses-3mo .* --derivatives"):
        hybrid_dataset(source[0], some, out, cases_per_scan=1, seed=1)
    assert not out.exists()
    with pytest.raises(UsageError, match="0 cases"):
        hybrid_dataset(source[0], made[1], out, cases_per_scan=0, seed=1)


def test_some_participants_and_diameters(source, made, tmp_path):
    bids, folder = source
    nuclei = find_nuclei(bids, {"ref": folder}, tmp_path / "out", ["sub-b"])
    assert list(nuclei) == ["sub-b_ses-3mo"]
    settings = {"cases_per_scan": 2, "seed": 4, "n_tubes": 4}
    out = hybrid_dataset(bids, nuclei, tmp_path / "out", participants=["b"], **settings)
    name = "sub-bses3moh01/anat/sub-bses3moh01_T2w.nii.gz"
    assert (out / name).read_bytes() == (made[0] / name).read_bytes()
    assert not list(out.glob("sub-a*"))
    wide = hybrid_dataset(
        bids, nuclei, tmp_path / "w", participants=["b"], diameters_mm=(1.7, 1.8), **settings
    )
    rows = (wide / "derivatives" / "truth" / "sub-bses3moh01" / "anat").glob("*objects.tsv")
    table = pd.read_csv(next(rows), sep="\t").groupby("tree").first()
    assert table["diameter_mm"].between(1.7, 1.8).all()
    with pytest.raises(UsageError, match="No participant c found"):
        find_nuclei(bids, {"ref": folder}, tmp_path / "out", ["c"])


def test_bad_nuclei_are_named_and_nothing_appears(source, made, tmp_path):
    wrong = tmp_path / "sub-a_desc-nuclei_dseg.nii.gz"
    nib.save(nib.Nifti1Image(NUCLEI[:-1].astype(np.uint8), HOME.affine), wrong)
    nuclei = {**made[1], "sub-a": made[1]["sub-a"]._replace(path=wrong)}
    out = tmp_path / "new"
    with pytest.raises(BadLabelsError, match=r"sub-a_desc-nuclei_dseg\.nii\.gz is on another grid"):
        hybrid_dataset(source[0], nuclei, out, cases_per_scan=1, seed=1)
    assert not list(out.iterdir())


def test_a_bad_scan_is_left_out_and_told_once(source, made, tmp_path):
    bids = shutil.copytree(source[0], tmp_path / "bids")
    bad = bids / "sub-a" / "anat" / "sub-a_T2w.nii.gz"
    bad.write_bytes(bad.read_bytes()[:1000])
    told: list[str] = []
    settings = {"seed": 4, "n_tubes": 4, "on_failure": told.append}
    out = hybrid_dataset(bids, made[1], tmp_path / "out", cases_per_scan=2, **settings)
    assert len(told) == 1
    assert str(bad) in told[0]
    assert not list(out.rglob("*sub-a*"))
    rows = (out / "participants.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows[1:]] == ["sub-bses3moh01", "sub-bses3moh02"]
    nobody = tmp_path / "nobody"
    with pytest.raises(BadImageError, match="sub-a_T2w"):
        hybrid_dataset(bids, made[1], nobody, cases_per_scan=1, participants=["a"], **settings)
    assert not list(nobody.iterdir())


def test_sessions_and_subjects_do_not_collide(tmp_path):
    def dataset(*stems):
        bids = tmp_path / stems[0]
        for stem in stems:
            folder = bids.joinpath(*stem.split("_"), "anat")
            folder.mkdir(parents=True)
            image = nib.Nifti1Image(toy_scan("T2w", 8), HOME.affine)
            nib.save(image, folder / f"{stem}_T2w.nii.gz")
        (bids / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
        nuclei = tmp_path / "nuclei.nii.gz"
        nib.save(nib.Nifti1Image(NUCLEI.astype(np.uint8), HOME.affine), nuclei)
        return bids, {stem: Nuclei(nuclei) for stem in stems}

    settings = {"cases_per_scan": 1, "seed": 1, "n_tubes": 1}
    out = hybrid_dataset(*dataset("sub-1_ses-11", "sub-11_ses-1"), tmp_path / "out", **settings)
    assert sorted(p.name for p in out.glob("sub-*")) == ["sub-11ses1h01", "sub-1ses11h01"]
    with pytest.raises(UsageError, match="both become sub-2ses1h01"):
        hybrid_dataset(*dataset("sub-2_ses-1", "sub-2ses1"), tmp_path / "twice", **settings)
    assert not (tmp_path / "twice").exists()


@pytest.mark.parametrize("text", ["{broken", "[1, 2]", "\xff"])
def test_a_broken_sidecar_is_warned_of_and_not_used(tmp_path, caplog, text):
    (tmp_path / "a_T2w.json").write_bytes(text.encode("latin-1"))
    assert read_sidecar(tmp_path / "a_T2w.nii.gz") == {}
    assert "a_T2w.json" in caplog.text
    assert read_sidecar(tmp_path / "none_T2w.nii.gz") == {}


def test_from_the_command_line(source, tmp_path, capsys):
    bids, folder = source
    command = ["simulate", str(tmp_path / "out"), "--onto", str(bids), "--tubes", "3"]
    assert main(command) == 2
    assert "--derivatives" in capsys.readouterr().err
    assert main([*command, "--derivatives", f"ref={folder}", "--cases", "1"]) == 0
    assert "sub-ah01: " in capsys.readouterr().out
    assert (tmp_path / "out" / "derivatives" / "truth" / "sub-ah01").is_dir()


def test_the_command_line_tells_of_bad_scans_and_exits_1(source, tmp_path, capsys):
    bids = shutil.copytree(source[0], tmp_path / "bids")
    bad = bids / "sub-a" / "anat" / "sub-a_T1w.nii.gz"
    bad.write_bytes(bad.read_bytes()[:1000])
    command = ["simulate", str(tmp_path / "out"), "--onto", str(bids), "--tubes", "2"]
    assert main([*command, "--derivatives", f"ref={source[1]}"]) == 1
    said = capsys.readouterr().out
    assert f"Left out:\n  T1w image {bad}" in said
    assert "sub-bses3moh01: " in said


def test_an_unscaled_image_is_written_as_it_was(tmp_path):
    data = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "a.nii.gz")
    save_like(data + 7, tmp_path / "a.nii.gz", tmp_path / "b.nii.gz")
    again = nib.load(tmp_path / "b.nii.gz")
    assert (np.asanyarray(again.dataobj) == data + 7).all()
    assert again.get_data_dtype() == np.uint16
