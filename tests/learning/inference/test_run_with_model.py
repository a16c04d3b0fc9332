"""`bgpvs-wf run` with a model, on toy heads that it knows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bids_standard import bids_errors
from growing_infants import cohort
from toy_networks import random_model, toy_model
from toy_site import Site

from bgpvs_wf import segment
from bgpvs_wf.bids.derivatives import expected_outputs
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.cohort.growth import fitting
from bgpvs_wf.cohort.growth.norms import make_norms
from bgpvs_wf.cohort.growth.norms_file import write_norms
from bgpvs_wf.config import AnatomyConfig, PredictConfig, RunConfig
from bgpvs_wf.engine.ledger import describe_subject
from bgpvs_wf.errors import ModelError
from bgpvs_wf.learning.models.bundle import Model, read_bundle
from bgpvs_wf.workflows.subject import init_subject_wf


@pytest.fixture(autouse=True, scope="module")
def toy_windows():
    """Leave the networks their windows: processes of their own have no others."""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Site:
    root = tmp_path_factory.mktemp("model_run")
    site = Site.found(root)
    site.add("01", "T2w", "T1w")
    toy_model(site.model, tube_volume_margin=0.5)
    return site


@pytest.fixture(scope="module")
def done(site) -> subprocess.CompletedProcess[str]:
    done = site.run()
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_model_needs_neither_atlas_nor_age(site, done):
    assert "sub-01: predict done" in done.stdout
    assert "anatomy" not in done.stdout
    np.testing.assert_array_equal(site.load("desc-bgpvs_dseg"), site.toy.bgpvs)
    nuclei = np.where(np.isin(site.toy.dseg, (12, 51)), site.toy.dseg, 0)
    np.testing.assert_array_equal(site.load("desc-nuclei_dseg"), nuclei)
    np.testing.assert_array_equal(site.load("label-PVS_probseg") >= 0.5, site.toy.tubes)
    assert site.load("desc-uncertainty_probseg").max() <= 1
    assert not list(site.out.rglob("*pseudo*"))
    assert (site.out / "group_bgpvs.tsv").is_file()


def test_the_validator_has_nothing_against_the_results(site, done):
    assert bids_errors(site.out) == []


def test_viewers_have_names_and_colours_of_all_labels(site, done):
    for name in ("nuclei", "bgpvs"):
        present = set(np.unique(site.load(f"desc-{name}_dseg")).tolist()) - {0}
        for file in ("itksnap.txt", "slicer.ctbl", "freeview.txt"):
            text = (site.out / "labels" / f"{name}_{file}").read_text()
            known = {int(row.split()[0]) for row in text.splitlines() if not row.startswith("#")}
            assert present <= known


def test_sidecars_say_where_an_image_lies_and_what_was_cut_away(site, done):
    anat = site.out / "sub-01" / "anat"
    said = {path.name[7:-5]: json.loads(path.read_text()) for path in anat.glob("*.json")}
    home = "bids::sub-01/anat/sub-01_desc-preproc_T2w.nii.gz"
    assert said["space-T2w_desc-preproc_T1w"]["SpatialReference"] == home
    assert said["desc-nuclei_dseg"]["SpatialReference"] == home
    assert "SpatialReference" not in said["desc-preproc_T2w"]
    # The toy head has nothing around its brain.
    assert said["desc-preproc_T2w"]["SkullStripped"] is True


def test_each_pvs_has_the_mean_probability_of_its_voxels(site, done):
    path = site.out / "sub-01" / "anat" / "sub-01_desc-pvs_objects.tsv"
    found = pd.read_csv(path, sep="\t").set_index("index")["mean_probability"]
    numbers, probability = site.load("desc-pvs_dseg"), site.load("label-PVS_probseg")
    assert set(found.index) == set(np.unique(numbers[numbers > 0]))
    means = {index: probability[numbers == index].mean() for index in found.index}
    assert found.to_dict() == pytest.approx(means, rel=1e-4)


def test_how_far_the_volume_may_be_off_is_in_the_tables_and_on_the_page(site, done):
    names = [f"pvs_volume_tube{end}_mm3" for end in ("", "_low", "_high")]
    for path in (site.out / "sub-01" / "anat" / "sub-01_desc-bgpvs_morph.tsv", "group_bgpvs.tsv"):
        table = pd.read_csv(site.out / path, sep="\t")
        whole = (table["region"] == "BG") & (table["side"] == "both")
        volume, *ends = table.loc[whole, names].to_numpy()[0]
        expected = [max((volume + 10) * np.exp(way) - 10, 0) for way in (-0.5, 0.5)]
        assert ends == pytest.approx(expected, rel=1e-4)
        assert table.loc[~whole, names[1:]].isna().all(axis=None)
    page = re.sub(r"\s+", " ", (site.out / "sub-01.html").read_text())
    told = re.search(r"The true volume is (\S+) to (\S+) mm³ with nine chances in ten", page)
    assert [float(end) for end in told.groups()] == pytest.approx(ends, rel=0.01)
    assert "PVS volume margin" not in page


def test_sidecars_and_page_say_which_model(site, done):
    model = read_bundle(site.model)
    path = site.out / "sub-01" / "anat" / "sub-01_label-PVS_probseg.json"
    said = json.loads(path.read_text())
    assert said["Parameters"]["predict"] == {
        "model": "toy",
        "checksum": model.checksum,
        "strategy": "manual",
        "members": 1,
        "pvs_threshold": 0.5,
        "flips": False,
    }
    assert said["Parameters"]["segmentation"] == "model"
    assert "pseudolabel" not in said["Parameters"]
    assert {"torch", "monai"} <= set(said["PackageVersions"])
    assert all("dseg" not in source for source in said["Sources"])
    page = (site.out / "sub-01.html").read_text()
    assert "the trained model &#39;toy&#39; (SHA-256 " + model.checksum[:12] in page
    assert "thalamus were segmented by the model" in page
    assert "vesselness" not in page
    assert model.caution == "It knows toys only."
    assert "Model toy: It knows toys only." in page
    assert "sub-01/anat/sub-01_T2w.nii.gz" in page
    assert str(site.root) not in page  # pages are the same wherever the folders are


def test_what_makes_a_subject_run_again(site, done):
    again = site.run()
    assert again.stdout.startswith("Nothing to do: sub-01 finished before")
    moved = site.root / "moved"
    shutil.copytree(site.model, moved, dirs_exist_ok=True)
    elsewhere = site.run("--model", moved, "--device", "cpu")
    assert elsewhere.stdout.startswith("Nothing to do: sub-01 finished before")
    before = read_bundle(moved)
    path = moved / "configs" / "metadata.json"
    path.write_text(path.read_text().replace('"pvs_threshold": 0.5', '"pvs_threshold": 0.25'))
    changed = site.run("--model", moved)
    assert changed.returncode == 0, changed.stdout
    after = read_bundle(moved)
    reason = f'sub-01 will run: model was "{before.label}", is "{after.label}".'
    assert reason in changed.stdout
    assert "sub-01: ran predict, quantify, sink; reused prepare" in changed.stdout
    assert site.run().returncode == 0  # as it was


def test_all_that_pages_of_one_infant_name_is_in_its_folder(site, tmp_path):
    scans = [site.bids / "sub-01" / "anat" / f"sub-01_{name}.nii.gz" for name in ("T2w", "T1w")]
    quick = {"prepare": {"bias_correction": False}, "predict": {"flips": False}}
    found = segment(*scans, model=site.model, nprocs=1, settings={"plugin": "Linear", **quick})
    folder = found.save(tmp_path / "one")
    named = {}
    for page in sorted(folder.glob("*.html")):
        addresses = re.findall(r'\s(?:src|href)="([^"#]+)', page.read_text(encoding="utf-8"))
        named[page.name] = {one for one in addresses if not re.match("(?:data|https?):", one)}
    assert "sub-infant_3d.html" in named["sub-infant.html"]
    assert len(named["sub-infant_3d.html"]) == 3  # page, picture, script
    assert [one for one in set().union(*named.values()) if not (folder / one).is_file()] == []
    assert (folder / "sub-infant_desc-bgpvs_morph.tsv").is_file()


@pytest.mark.slow
def test_one_image_and_given_nuclei(site, done):
    site.add("02", "T2w")
    truth = site.bids / "derivatives" / "truth"
    words = ("--derivatives", f"truth={truth}", "--anatomy", "derivatives")
    only = site.run("--participant-label", "02", *words)
    assert only.returncode == 0, only.stdout + only.stderr
    assert "sub-02: anatomy done" in only.stdout
    np.testing.assert_array_equal(site.load("desc-bgpvs_dseg", "02"), site.toy.bgpvs)
    page = (site.out / "sub-02.html").read_text()
    assert "were taken from existing segmentations" in page
    assert "T2w only, no T1w" in page


@pytest.mark.slow
def test_both(site, done):
    truth = site.bids / "derivatives" / "truth"
    words = ("--segmentation", "both", "--derivatives", f"truth={truth}", "--strategy", "filter")
    both = site.run("--participant-label", "01", *words)
    assert both.returncode == 0, both.stdout + both.stderr
    np.testing.assert_array_equal(site.load("desc-bgpvs_dseg"), site.toy.bgpvs)
    assert site.load("desc-pseudo_dseg").max() > 0
    page = (site.out / "sub-01.html").read_text()
    assert "Those of the pseudo-labels were taken from existing segmentations" in page
    assert "Pseudo-labels, written but not measured, were voxels" in page


def test_a_model_that_is_not_there_or_damaged(site, tmp_path):
    missing = site.run("--model", tmp_path / "nowhere")
    assert missing.returncode == 2
    (line,) = missing.stderr.splitlines()
    assert "nowhere" in line
    assert "give --model PATH or --segmentation pseudolabel" in line
    assert "Traceback" not in missing.stderr


def _config(tmp_path: Path, model: Path, segmentation: str, source: str = "auto") -> RunConfig:
    return RunConfig(
        bids_dir=tmp_path,
        output_dir=tmp_path / "out",
        nprocs=4,
        segmentation=segmentation,
        anatomy=AnatomyConfig(source=source),
        predict=PredictConfig(model=str(model)),
    )


@pytest.fixture(scope="module")
def random(tmp_path_factory) -> Model:
    return random_model(tmp_path_factory.mktemp("random") / "model")


_INPUTS = SubjectInputs(subject="01", t2w=Path("a.nii"), dseg=Path("b.nii"))


@pytest.mark.parametrize(
    ("segmentation", "source", "stages"),
    [
        ("model", "auto", {"predict"}),
        ("model", "derivatives", {"anatomy", "predict"}),
        ("pseudolabel", "auto", {"anatomy", "pseudolabel"}),
        ("both", "auto", {"anatomy", "pseudolabel", "predict"}),
        ("both", "derivatives", {"anatomy", "pseudolabel", "predict"}),
    ],
)
def test_only_what_is_needed_is_in_the_workflow(tmp_path, random, segmentation, source, stages):
    config = _config(tmp_path, random.folder, segmentation, source)
    workflow = init_subject_wf(config=config, inputs=_INPUTS)
    names = workflow.list_node_names()
    found = {name.split("_wf.")[0] for name in names if "_wf." in name}
    assert found == {"prepare", "quantify", "sink", *stages}
    outputs = expected_outputs(config, _INPUTS)
    assert {n for n in outputs if n.startswith("pseudo")} == (
        {"pseudo_dseg", "pseudo_probseg"} if "pseudolabel" in stages else set()
    )
    assert ("pvs_probseg" in outputs) == ("predict" in stages)
    if "predict" in stages:
        node = workflow.get_node("predict_wf").get_node("segment")
        assert node.n_procs == 4
        assert node.inputs.model_checksum == random.checksum
    # Where the model finds the nuclei, it is not told any.
    graph = workflow._graph
    pairs = {(a.name, b.name) for a, b in graph.edges()}
    told = ("anatomy_wf", "predict_wf") in pairs
    assert told == (source == "derivatives" and "predict" in stages)


def test_the_ledger_knows_the_model_and_not_where_it_is(tmp_path, random):
    config = _config(tmp_path, random.folder, "model")
    then = describe_subject(config, _INPUTS)
    copied = tmp_path / "copy"
    shutil.copytree(random.folder, copied)
    assert then.changes(describe_subject(_config(tmp_path, copied, "model"), _INPUTS)) == []
    changed = random_model(copied, pvs_threshold=0.2)
    now = describe_subject(_config(tmp_path, copied, "model"), _INPUTS)
    assert then.changes(now) == [f'model was "{random.label}", is "{changed.label}"']
    pseudo = describe_subject(_config(tmp_path, copied, "pseudolabel"), _INPUTS)
    assert "model" not in pseudo.facts
    with pytest.raises(ModelError, match="nowhere"):
        describe_subject(_config(tmp_path, tmp_path / "nowhere", "model"), _INPUTS)


def test_norms_write_only_the_page_again(site, done, monkeypatch):
    monkeypatch.setattr(fitting, "RESAMPLES", 2)
    made = make_norms(cohort(70), dataset="toy <infants>", voxels_mm3=np.ones(70))
    path = write_norms(made, site.root / "norms.json")
    again = site.run("--norms", str(path))
    assert again.returncode == 0
    assert "sub-01: ran sink; reused prepare, predict, quantify" in again.stdout
    page = (site.out / "sub-01.html").read_text()
    # The toy has no age.
    assert "Among the norms of toy &lt;infants&gt;: The age is not known." in page
    assert site.run("--norms", str(path)).stdout.startswith("Nothing to do")
