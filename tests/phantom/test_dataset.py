from __future__ import annotations

import json
import os

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bids_standard import bids_errors

from bgpvs_wf import simulate
from bgpvs_wf.bids.ages import AgeReader
from bgpvs_wf.errors import AgeError, BGPVSError, UsageError
from bgpvs_wf.phantom import simulate_dataset
from bgpvs_wf.phantom.dataset import run_all
from bgpvs_wf.phantom.protocol import plain


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "bids"
    return simulate_dataset(out, n_subjects=2, ages_weeks=[40, 92.2], seed=1, protocol=plain(2.0))


def test_is_a_bids_dataset(dataset):
    from bids import BIDSLayout

    layout = BIDSLayout(dataset, validate=True)
    assert layout.get_subjects() == ["01", "02"]
    for suffix in ("T1w", "T2w"):
        assert len(layout.get(suffix=suffix, extension=".nii.gz")) == 2
    image = layout.get(subject="01", suffix="T2w", extension=".nii.gz")[0]
    assert image.get_metadata()["SkullStripped"] is True


def test_the_validator_has_nothing_against_it(dataset):
    assert bids_errors(dataset) == []
    assert bids_errors(dataset / "derivatives" / "truth") == []


def test_ages_are_read_as_post_menstrual(dataset):
    ages = AgeReader([dataset])
    assert ages.read("01").weeks == pytest.approx(40)
    assert ages.read("02").weeks == pytest.approx(92.2)


def test_truth_matches_the_images(dataset):
    truth = dataset / "derivatives" / "truth"
    assert json.loads((truth / "dataset_description.json").read_text())["DatasetType"] == (
        "derivative"
    )
    home = nib.load(dataset / "sub-01" / "anat" / "sub-01_T2w.nii.gz")
    folder = truth / "sub-01" / "anat"
    for name in ("desc-anatomy_dseg", "desc-bgpvs_dseg", "label-PVS_probseg"):
        image = nib.load(folder / f"sub-01_{name}.nii.gz")
        assert image.shape == home.shape
        assert np.allclose(image.affine, home.affine)
    anatomy = np.unique(np.asarray(nib.load(folder / "sub-01_desc-anatomy_dseg.nii.gz").dataobj))
    table = pd.read_csv(folder / "sub-01_desc-anatomy_dseg.tsv", sep="\t")
    assert set(table["index"]) == set(anatomy) - {0}
    objects = pd.read_csv(folder / "sub-01_desc-pvs_objects.tsv", sep="\t")
    described = json.loads((folder / "sub-01_desc-pvs_objects.json").read_text())
    assert list(objects) == list(described)
    assert (objects["length_mm"] >= 3).all()


def test_same_seed_same_bytes(dataset, tmp_path):
    again = simulate_dataset(
        tmp_path / "again", n_subjects=2, ages_weeks=[40, 92.2], seed=1, protocol=plain(2.0)
    )
    files = sorted(path.relative_to(dataset) for path in dataset.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    for file in files:
        assert (dataset / file).read_bytes() == (again / file).read_bytes(), file


def test_refuses_a_folder_in_use_and_touches_nothing(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        simulate_dataset(tmp_path, n_subjects=1, ages_weeks=[40], seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_goes_on_after_an_interruption(tmp_path):
    (tmp_path / ".partial" / "sub-01").mkdir(parents=True)
    simulate_dataset(tmp_path, n_subjects=1, ages_weeks=[40], seed=1, protocol=plain(4.0))
    assert (tmp_path / "dataset_description.json").exists()
    assert not (tmp_path / ".partial").exists()


def test_refuses_bad_ages_before_writing(tmp_path):
    with pytest.raises(AgeError):
        simulate_dataset(tmp_path / "new", n_subjects=1, ages_weeks=[40, 300], seed=1)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("error", [BGPVSError, KeyboardInterrupt])
def test_leaves_nothing_behind_when_it_fails(tmp_path, error):
    def stop(made):
        raise error

    with pytest.raises(error):
        simulate_dataset(
            tmp_path, n_subjects=1, ages_weeks=[40], seed=1, protocol=plain(4.0), on_subject=stop
        )
    assert not list(tmp_path.iterdir())


def test_a_killed_worker_is_one_clear_line():
    with pytest.raises(BGPVSError, match="give fewer --jobs"):
        run_all(os._exit, [1, 1], jobs=2)


@pytest.mark.parametrize(
    ("fill", "words"),
    [((2, 3), "fill is 2; give 0 to 1"), ((0.9, 0.4), r"fill is \[0.9, 0.4\]; give the least")],
)
def test_from_python_fill_has_the_bounds_of_the_command_line(tmp_path, fill, words):
    with pytest.raises(UsageError, match=words):
        simulate(tmp_path / "out", ages=[60], fill=fill)
    assert not (tmp_path / "out").exists()
