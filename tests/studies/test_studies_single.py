"""One infant without a BIDS dataset: what is refused, and the numbers of a run on a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from program import call_program

from bgpvs_wf import RunConfig, run, segment
from bgpvs_wf.errors import BGPVSError, UsageError

IMAGE = (np.ones((4, 4, 4), np.float32), np.eye(4))


@pytest.mark.parametrize(
    ("images", "more", "said"),
    [
        ({}, {}, "There is no image; give a T2w, a T1w, or both."),
        ({"t2w": "missing.nii.gz"}, {}, "T2w: there is no file .*missing.nii.gz"),
        ({"t1w": "."}, {}, "T1w: .* is a folder; .*dcm2niix"),
        ({"t2w": 3}, {}, "T2w is a int; give a path"),
        ({"t2w": (np.ones((4, 4)), np.eye(4))}, {}, "T2w: give an array of shape"),
        ({"t2w": IMAGE}, {"label": "a_b"}, "label is 'a_b'; give letters and digits only."),
        ({"t2w": IMAGE}, {"age": -3}, "age is -3; give more than 0."),
        ({"t2w": IMAGE}, {"age": "old"}, "'old' is no age"),
        ({"t2w": IMAGE}, {"device": "tpu"}, "predict.device is 'tpu'; choose one of auto"),
        ({"t2w": IMAGE}, {"nprocs": -3}, "nprocs is -3; give 1 to"),
        ({"t2w": IMAGE}, {"model": "no/such"}, "no/such"),
        ({"t2w": IMAGE}, {"settings": {"prepare": {"denoize": True}}}, "'prepare.denoize'"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(images, more, said):
    with pytest.raises(BGPVSError, match=said) as caught:
        segment(**images, **more)
    assert "\n" not in str(caught.value)


def test_an_image_that_cannot_be_measured_fails_with_its_name(tmp_path, capsys):
    path = tmp_path / "T2w.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((20, 20, 20), np.float32), np.eye(4)), path)
    with pytest.raises(BGPVSError, match=r"T2w\.nii\.gz"):
        segment(path)
    assert capsys.readouterr().out == ""


def test_the_command_refuses_dicom_folders(tmp_path):
    done = call_program(tmp_path, "segment", tmp_path, "-o", tmp_path / "out")
    assert done.returncode == UsageError.exit_code
    assert "dcm2niix" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_real_infant_has_the_same_tables_as_in_a_run(real_data: Path, tmp_path: Path):
    scans = real_data / "infants/sub-02/anat"
    settings: dict[str, Any] = {"nprocs": 2, "plugin": "Linear"}
    found = segment(scans / "sub-02_T2w.nii.gz", scans / "sub-02_T1w.nii.gz", nprocs=2)
    report = run(
        RunConfig(
            bids_dir=real_data / "infants",
            output_dir=tmp_path / "out",
            work_dir=tmp_path / "work",
            participant_label=("02",),
            **settings,
        )
    )
    assert report.labels("done") == ["sub-02"]
    saved = found.save(tmp_path / "one")
    for name in ("desc-bgpvs_morph.tsv", "desc-pvs_objects.tsv", "desc-bgpvs_dseg.nii.gz"):
        of_run = tmp_path / f"out/sub-02/anat/sub-02_{name}"
        assert (saved / f"sub-infant_{name}").read_bytes() == of_run.read_bytes()
