"""`bgpvs-wf finetune`: what it learns from which model, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.cli.main import main
from bgpvs_wf.cli.terminal import Terminal
from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.jobs import Job
from bgpvs_wf.errors import UsageError
from bgpvs_wf.imaging.files import save_image, write_json
from bgpvs_wf.learning.models.bundle import Model, write_bundle
from bgpvs_wf.learning.nets.architectures import (
    ANATOMY,
    COARSE,
    HEAD,
    JOINT,
    MASK,
    PVS,
    NetworkConfig,
    build_network,
)
from bgpvs_wf.studies.finetuning import finetuning_recipe
from bgpvs_wf.studies.training_cases import _usable

FILTERS = {COARSE: (2, 4, 4), ANATOMY: (4, 8, 8), PVS: (3, 3)}


@pytest.fixture
def make_model(tmp_path):
    """Return a function that writes a model of tiny networks."""

    def trained(tells: str):
        config = NetworkConfig(tells=tells, filters=FILTERS[tells])
        return config, build_network(config).state_dict()

    def make(members: int = 1, **more: Any) -> Model:
        settings: dict[str, Any] = {
            "name": "tiny",
            "strategy": "manual",
            "coarse": trained(COARSE),
            "fine": [(trained(ANATOMY), trained(PVS)) for _ in range(members)],
            "pvs_threshold": 0.3,
            "card": "",
            "facts": {},
        }
        return write_bundle(tmp_path / "model", **{**settings, **more})

    return make


def recipe_of(model, tmp_path, **choices):
    for name in ("bids", "labels"):
        (tmp_path / name).mkdir(exist_ok=True)
    folders = {"bids_dir": tmp_path / "bids", "labels": tmp_path / "labels"}
    return finetuning_recipe(model, **folders, **choices)


def test_all_networks_of_a_member_go_on_learning(make_model, tmp_path):
    model = make_model(members=2)
    recipe = recipe_of(model, tmp_path, steps=40, learning_rate=1e-4)
    assert (recipe.name, recipe.strategy) == ("tiny-finetuned", "manual")
    assert recipe.coarse.model == recipe.fine.start == recipe.pvs.start == str(model.folder)
    assert recipe.fine.filters == (4, 8, 8)
    assert recipe.pvs.filters == (3, 3)
    assert (recipe.fine.steps, recipe.pvs.steps, recipe.fine.members) == (40, 40, 2)
    assert recipe.training.learning_rate == 1e-4
    assert recipe.settings["predict"] == {"model": str(model.folder)}


def test_the_networks_for_whole_heads_are_kept(make_model, tmp_path):
    assert recipe_of(make_model(), tmp_path).head.model == ""  # that of the box stays in use
    networks = [NetworkConfig(tells=tells, filters=(4, 8, 8)) for tells in (HEAD, MASK)]
    model = make_model(head=[(one, build_network(one).state_dict()) for one in networks])
    assert recipe_of(model, tmp_path).head.model == str(model.folder)


def test_one_network_for_nuclei_and_pvs_is_not_finetuned(make_model, tmp_path):
    network = NetworkConfig(tells=JOINT, filters=(4, 8, 8))
    model = make_model(fine=[[(network, build_network(network).state_dict())]])
    with pytest.raises(UsageError, match="one network for nuclei and PVS"):
        recipe_of(model, tmp_path)


def test_what_cannot_be_finetuned(make_model, tmp_path):
    def said(out: Path, *words: str) -> str:
        program = [sys.executable, "-m", "bgpvs_wf", "finetune"]
        command = [*program, str(tmp_path / "bids"), str(out), "--labels", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 2
        (line,) = done.stderr.strip().splitlines()
        return line

    (tmp_path / "bids").mkdir()
    model = str(make_model().folder)
    nowhere = str(tmp_path / "nowhere")
    assert f"--labels {nowhere} is no folder" in said(tmp_path / "out", nowhere, "--model", model)
    kept = said(tmp_path, str(tmp_path / "bids"), "--model", model)
    assert "holds the model to start from" in kept


@pytest.fixture
def scans(tmp_path):
    """Return a dataset of one scan, and a function that writes its labels."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    image = np.arange(12**3, dtype=np.float32).reshape(12, 12, 12)
    save_image(image, affine, tmp_path / "bids" / "sub-01" / "anat" / "sub-01_T2w.nii.gz")
    described = {"Name": "x", "BIDSVersion": "1.10.0"}
    write_json(described, tmp_path / "bids" / "dataset_description.json")
    labels = np.zeros(image.shape, np.int16)
    labels[3:9, 3:9, 3:9] = 1
    labels[5, 5, 4:7] = 2
    (tmp_path / "labels").mkdir()

    def write(data=labels, at=affine, name="sub-01_desc-bgpvs_dseg.nii.gz", **kwargs) -> Path:
        return save_image(data, at, tmp_path / "labels" / name, **kwargs)

    return labels, affine, write


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("none", "holds no labels; put them there as"),
        ("shape", "sub-01: {path} is on another grid than {scan}"),
        ("moved", "sub-01: {path} is on another grid than {scan} (elsewhere in space"),
        ("empty", "sub-01: labels {path} hold no basal ganglia"),
        ("mask", "sub-01: {path} has labels beyond 0 (rest), 1 (BG) and 2 (PVS)"),
        ("nuclei", "sub-01: {path} has labels beyond 0 (rest), 1 (BG) and 2 (PVS)"),
        ("negative", "sub-01: {path} has labels beyond 0"),
        ("interpolated", "sub-01: {path} has labels beyond 0"),
        ("nan", "sub-01: labels {path} has "),
        ("truncated", "sub-01: labels {path} is truncated or damaged"),
        ("zero bytes", "sub-01: labels {path} is empty (0 bytes)"),
        ("folder", "labels holds no labels; put them there as"),
        ("broken link", "sub-01: labels {path} is a broken link"),
        ("pipe", "sub-01: labels {path} cannot be read: it is a pipe"),
        ("stranger", "sub-07: there are labels, {path}, but no scan in {bids}"),
        ("twice", "sub-01: there are several: {path}"),
        ("ignore", "desc-ignore_mask.nii.gz is on another grid than {path}"),
        ("occupancy", "label-PVS_probseg.nii.gz has values beyond 0 to 1"),
    ],
)
def test_labels_that_cannot_be_learnt_from_are_named(
    make_model, scans, tmp_path, capfd, monkeypatch, harm, says
):
    labels, affine, write = scans
    monkeypatch.setattr("bgpvs_wf.cli.process.set_up_process", lambda *_: None)
    path = tmp_path / "labels" / "sub-01_desc-bgpvs_dseg.nii.gz"
    if harm == "shape":
        write(labels[:-1])
    elif harm == "moved":
        write(at=affine + np.array([[0, 0, 0, 3.0], *[[0] * 4] * 3]))
    elif harm in ("empty", "mask", "nuclei", "negative"):
        change = {"empty": 0, "mask": 255, "nuclei": 12, "negative": -1}
        write(labels * change[harm])
    elif harm in ("interpolated", "nan"):
        write(labels * (0.5 if harm == "interpolated" else np.nan), dtype=np.float32)
    elif harm == "truncated":
        path.write_bytes(write().read_bytes()[:-20])
    elif harm == "zero bytes":
        path.touch()
    elif harm == "folder":
        path.mkdir()
    elif harm == "broken link":
        path.symlink_to("nowhere")
    elif harm == "pipe":
        os.mkfifo(path)
    elif harm == "stranger":
        path = write(name="sub-07_desc-bgpvs_dseg.nii.gz")
    elif harm == "twice":
        write()
        write(name="more/sub-01_desc-bgpvs_dseg.nii.gz")
        path = tmp_path / "labels"
    elif harm == "ignore":
        write()
        write(labels[:-1], name="sub-01_desc-ignore_mask.nii.gz")
    elif harm == "occupancy":
        write()
        write(labels * 3.5, name="sub-01_label-PVS_probseg.nii.gz")
    model = str(make_model().folder)
    bids = tmp_path / "bids"
    command = ["finetune", str(bids), str(tmp_path / "out"), "--model", model]
    command += ["--labels", str(tmp_path / "labels"), "-w", str(tmp_path / "work")]
    assert main(command) == 2
    (line,) = capfd.readouterr().err.splitlines()
    scan = bids / "sub-01" / "anat" / "sub-01_T2w.nii.gz"
    assert says.format(path=path, scan=scan, bids=bids) in line
    assert "above" not in line


def test_one_of_two_with_bad_labels_is_left_out(scans, tmp_path, capsys):
    labels, _, write = scans
    write(np.minimum(labels, 1))
    write(labels * 12, name="sub-02_desc-bgpvs_dseg.nii.gz")
    config = RunConfig(
        bids_dir=tmp_path / "bids",
        output_dir=tmp_path / "out",
        work_dir=tmp_path / "work",
        segmentation="pseudolabel",
    )
    scan = tmp_path / "bids" / "sub-01" / "anat" / "sub-01_T2w.nii.gz"
    jobs = [
        Job(SubjectInputs(subject=one, t2w=scan), {"case": tmp_path / one}) for one in ("01", "02")
    ]
    usable, (problem,) = _usable(config, jobs, tmp_path / "labels", Terminal())
    assert usable == jobs[:1]
    assert problem.startswith(f"sub-02: {tmp_path}/labels/sub-02_desc-bgpvs_dseg.nii.gz has labels")
    assert "without any PVS (2), as where there are none: sub-01." in capsys.readouterr().out
