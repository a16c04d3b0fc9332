from __future__ import annotations

import json
from pathlib import Path

import pytest
from bids.layout import BIDSLayout

from bgpvs_wf.bids.derivatives import (
    bids_uri,
    dataset_links,
    derivative_path,
    expected_outputs,
    label_table_path,
    sidecar,
    sidecar_path,
    write_dataset_description,
)
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.bids.query import find_subjects

IMAGE = Path("raw/sub-01/anat/sub-01_T2w.nii.gz")


def names(config, inputs):
    found = expected_outputs(config, inputs)
    return {key: path.relative_to(config.output_dir).as_posix() for key, path in found.items()}


def test_a_pair_gives_the_files_of_the_design(raw):
    inputs = SubjectInputs(subject="01", t2w=IMAGE, t1w=IMAGE)
    assert names(raw.config(), inputs) == {
        "t2w_preproc": "sub-01/anat/sub-01_desc-preproc_T2w.nii.gz",
        "t1w_preproc": "sub-01/anat/sub-01_space-T2w_desc-preproc_T1w.nii.gz",
        "brain_mask": "sub-01/anat/sub-01_desc-brain_mask.nii.gz",
        "nuclei_dseg": "sub-01/anat/sub-01_desc-nuclei_dseg.nii.gz",
        "bgpvs_dseg": "sub-01/anat/sub-01_desc-bgpvs_dseg.nii.gz",
        "pseudo_dseg": "sub-01/anat/sub-01_desc-pseudo_dseg.nii.gz",
        "pseudo_probseg": "sub-01/anat/sub-01_desc-pseudo_probseg.nii.gz",
        "pvs_dseg": "sub-01/anat/sub-01_desc-pvs_dseg.nii.gz",
        "pvs_objects": "sub-01/anat/sub-01_desc-pvs_objects.tsv",
        "bgpvs_morph": "sub-01/anat/sub-01_desc-bgpvs_morph.tsv",
        "bgpvs_quality": "sub-01/anat/sub-01_desc-bgpvs_quality.tsv",
        "figure": "sub-01/figures/sub-01_desc-bgpvs_figure.svg",
        "thumbnail": "sub-01/figures/sub-01_desc-bgpvs_thumbnail.jpg",
        "viewer": "sub-01_3d.html",
        "report": "sub-01.html",
    }


def test_sessions_have_folders_and_pages_of_their_own(raw):
    found = names(raw.config(), SubjectInputs(subject="01", session="3mo", t2w=IMAGE))
    assert found["report"] == "sub-01_ses-3mo.html"
    assert found["pvs_objects"] == "sub-01/ses-3mo/anat/sub-01_ses-3mo_desc-pvs_objects.tsv"
    assert "t1w_preproc" not in found


def test_the_t1w_is_home_where_there_is_no_t2w(raw):
    found = names(raw.config(), SubjectInputs(subject="01", t1w=IMAGE))
    assert found["t1w_preproc"] == "sub-01/anat/sub-01_desc-preproc_T1w.nii.gz"
    assert "t2w_preproc" not in found


def test_unknown_entities_are_an_error():
    inputs = SubjectInputs(subject="01", t2w=IMAGE)
    for entities in ({"suffix": "bold"}, {"suffix": "dseg", "task": "rest"}):
        with pytest.raises(ValueError, match="no output pattern"):
            derivative_path(Path("out"), inputs, **entities)


def test_what_goes_beside():
    dseg = Path("out/sub-01_desc-bgpvs_dseg.nii.gz")
    assert sidecar_path(dseg).name == "sub-01_desc-bgpvs_dseg.json"
    assert label_table_path(dseg).name == "sub-01_desc-bgpvs_dseg.tsv"


def test_uris_are_relative_to_the_innermost_dataset(raw, derived, tmp_path):
    config = raw.config(
        derivatives={"anat": derived.root}, output_dir=raw.root / "derivatives" / "bgpvs"
    )
    links = dataset_links(config)
    out = config.output_dir
    assert bids_uri(raw.root / "sub-1" / "x", out, links) == "bids:raw:sub-1/x"
    assert bids_uri(derived.root / "sub-1" / "x", out, links) == "bids:anat:sub-1/x"
    assert bids_uri(out / "sub-1" / "x", out, links) == "bids::sub-1/x"
    assert bids_uri(tmp_path / "atlas.nii", out, links) == (tmp_path / "atlas.nii").as_uri()


def test_a_derivative_named_raw_keeps_its_name(raw, derived):
    links = dataset_links(raw.config(derivatives={"raw": derived.root}))
    assert links == {"bids_dir": raw.root, "raw": derived.root}


def test_the_sidecar_says_from_what_and_with_what(raw):
    config = raw.config()
    image = raw.root / "sub-01" / "anat" / "sub-01_T2w.nii.gz"
    content = sidecar(
        [image], config.output_dir, dataset_links(config), {"denoise": False}, SkullStripped=True
    )
    assert content["Sources"] == ["bids:raw:sub-01/anat/sub-01_T2w.nii.gz"]
    assert content["Parameters"] == {"denoise": False}
    assert content["SkullStripped"] is True
    assert {"bgpvs-wf", "nipype", "numpy"} <= set(content["PackageVersions"])


def test_the_output_is_a_derivative_dataset_that_pybids_reads(raw):
    image = raw.image("sub-01_T2w.nii.gz")
    config = raw.config()
    path = write_dataset_description(config)
    content = json.loads(path.read_text())
    assert content["DatasetType"] == "derivative"
    assert content["DatasetLinks"] == {"raw": raw.root.as_uri()}
    inputs = SubjectInputs(subject="01", t2w=image, t1w=image)
    for output in expected_outputs(config, inputs).values():
        output.parent.mkdir(parents=True, exist_ok=True)
        output.touch()
    layout = BIDSLayout(raw.root, derivatives=config.output_dir)
    found = layout.get(scope="bgpvs-wf", desc="nuclei", suffix="dseg", subject="01")
    assert [file.filename for file in found] == ["sub-01_desc-nuclei_dseg.nii.gz"]
    assert (config.output_dir / ".bidsignore").read_text()


def test_a_second_run_leaves_the_description_alone_and_is_let_in(raw):
    raw.image("sub-01_T2w.nii.gz")
    config = raw.config()
    path = write_dataset_description(config)
    before = path.stat().st_mtime_ns
    write_dataset_description(config)
    assert path.stat().st_mtime_ns == before
    assert len(find_subjects(config).subjects) == 1
    path.write_text("{")
    write_dataset_description(config)
    assert json.loads(path.read_text())["Name"]
