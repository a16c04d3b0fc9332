"""A pipe in place of any file that others make: the program ends, and names it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from program import call_program

from bgpvs_wf.imaging.files import save_image

_SECONDS = 30
_SHORT = "--plugin Linear --nprocs 1 --mem 4"
_RUN = f"run bids out --segmentation pseudolabel --derivatives d=deriv {_SHORT}"
_LOOK = f"{_RUN} --anatomy derivatives --dry-run"
_ANATOMY = "deriv/sub-01/anat/sub-01_"
_SCANS = "bids/sub-01/anat/sub-01_"
_BGPVS = "sub-01/anat/sub-01_desc-bgpvs_dseg.nii.gz"
_ATLAS = "--name x --age 3m --t2w files/t2w.nii.gz"

NAMED = {
    "bids/dataset_description.json": _LOOK,
    "bids/participants.tsv": f"{_RUN} --anatomy atlas",
    "bids/participants.json": f"{_RUN} --anatomy atlas",
    "filter.json": f"{_LOOK} --bids-filter-file filter.json",
    "plugin.yml": f"{_LOOK} --use-plugin plugin.yml",
    "config.toml": f"{_LOOK} --config config.toml",
    "deriv/dataset_description.json": _LOOK,
    "out/logs/ledger/sub-01.lock": f"{_RUN} --anatomy derivatives",
    "out/logs/20990101-000000_1/config.toml": "status out",
    f"{_SCANS}T2w.nii.gz": f"{_RUN} --anatomy derivatives",
    f"{_SCANS}T1w.nii.gz": f"{_RUN} --anatomy derivatives",
    f"{_ANATOMY}desc-aseg_dseg.nii.gz": f"{_RUN} --anatomy derivatives",
    f"{_ANATOMY}desc-aseg_dseg.tsv": f"{_RUN} --anatomy derivatives",
    f"{_ANATOMY}desc-brain_mask.nii.gz": f"{_RUN} --anatomy derivatives",
    "out/sub-01/anat/sub-01_desc-bgpvs_morph.tsv": "run bids out group",
    "model/configs/metadata.json": f"run bids out --model model {_SHORT}",
    "model/models/coarse.pt": f"run bids out --model model {_SHORT}",
    "files/t2w.nii.gz": f"atlas add {_ATLAS} --dseg files/dseg.nii.gz",
    "files/dseg.nii.gz": f"atlas add {_ATLAS} --dseg files/dseg.nii.gz",
    "files/labels.txt": f"atlas add {_ATLAS} --dseg files/dseg.nii.gz --labels files/labels.txt",
    "atlases/mine/atlas.json": "atlas list",
    "files/atlas.json": "atlas add files",
    "tpl-Toy/template_description.json": "atlas add tpl-Toy",
    "protocol.toml": "simulate new --preset protocol.toml",
    "map.nii.gz": "simulate new --from-dseg map.nii.gz",
    "experiment.toml": f"compare experiment.toml new {_SHORT}",
    "recipe.toml": f"train recipe.toml new {_SHORT}",
    f"pred/{_BGPVS}": "evaluate --reference ref --prediction pred --out new",
    f"ref/{_BGPVS}": "evaluate --reference ref --prediction pred --out new",
    f"labels/{_BGPVS}": f"finetune bids new --labels labels {_SHORT}",
}
"""What the pipe is in place of, and the call that meets it."""
UNNAMED = {
    "bids/sub-01/sub-01_sessions.tsv": _LOOK,
    "out/dataset_description.json": _LOOK,
    "out/logs/ledger/sub-01.json": f"{_LOOK} --why",
    "out/logs/ledger/sub-01.failed.json": "status out",
    "out/logs/20260101-000000_1/submission.json": "status out",
}
"""Of what need not be read, it is enough that nobody waits for it."""
FAST = (
    "bids/dataset_description.json",
    "filter.json",
    "config.toml",
    "model/configs/metadata.json",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset of two infants, too small to be measured, and what goes with it."""
    root = tmp_path_factory.mktemp("site")
    rng = np.random.default_rng(0)
    image = np.zeros((24, 24, 24), np.float32)
    image[4:20, 4:20, 4:20] = rng.uniform(50, 100, (16, 16, 16))
    labels = np.zeros(image.shape, np.int16)
    for number, label in enumerate((11, 12, 13, 26, 50, 51, 52, 58)):
        labels[6 + number, 8:16, 8:16] = label
    for name in ("01", "02"):
        for suffix in ("T1w", "T2w"):
            save_image(image, np.eye(4), root / f"bids/sub-{name}/anat/sub-{name}_{suffix}.nii.gz")
        path = root / f"deriv/sub-{name}/anat/sub-{name}_desc-aseg_dseg.nii.gz"
        save_image(labels, np.eye(4), path, labels=True)
    for folder, kind in (("bids", "raw"), ("deriv", "derivative")):
        text = {"Name": "tiny", "BIDSVersion": "1.10.0", "DatasetType": kind}
        (root / folder / "dataset_description.json").write_text(json.dumps(text))
    (root / "bids/participants.tsv").write_text("participant_id\tage\nsub-01\t60\nsub-02\t60\n")
    (root / "bids/participants.json").write_text('{"age": {"Units": "weeks"}}')
    save_image(image, np.eye(4), root / "files/t2w.nii.gz")
    save_image(labels, np.eye(4), root / "files/dseg.nii.gz", labels=True)
    (root / "tpl-Toy/cohort-1").mkdir(parents=True)
    shutil.copy(root / "files/t2w.nii.gz", root / "tpl-Toy/cohort-1/tpl-Toy_cohort-1_T2w.nii.gz")
    shutil.copy(
        root / "files/dseg.nii.gz", root / "tpl-Toy/cohort-1/tpl-Toy_cohort-1_desc-x_dseg.nii.gz"
    )
    bgpvs = np.where(labels > 0, 1, 0).astype(np.int16)
    bgpvs[8, 10, 10:13] = 2
    for folder in ("ref", "pred"):
        for name in ("01", "02"):
            path = root / folder / f"sub-{name}/anat/sub-{name}_desc-bgpvs_dseg.nii.gz"
            save_image(bgpvs, np.eye(4), path, labels=True)
    box = Path(__file__).parents[2] / "data" / "models" / "infant"
    shutil.copytree(box, root / "model")
    return root


def meet(site: Path, root: Path, pipe: str, call: str) -> tuple[int, list[str]]:
    """Put a pipe in place of a file of a copy of the site; return status and lines."""
    shutil.copytree(site, root, dirs_exist_ok=True)
    if pipe.startswith("out/logs"):
        for name in ("20260101-000000_1", "ledger"):
            (root / "out/logs" / name).mkdir(parents=True, exist_ok=True)
        settings = f'bids_dir = "{root}/bids"\noutput_dir = "{root}/out"\n'
        (root / "out/logs/20260101-000000_1/config.toml").write_text(settings)
    path = root / pipe
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    done = call_program(root, *call.split(), timeout=_SECONDS)
    assert "Traceback" not in done.stdout + done.stderr
    assert path.is_fifo() or call.startswith("status") or pipe in UNNAMED
    return done.returncode, (done.stdout + done.stderr).splitlines()


def _cases(named: dict[str, str]) -> list[object]:
    return [
        pytest.param(pipe, call, id=pipe, marks=[] if pipe in FAST else [pytest.mark.slow])
        for pipe, call in named.items()
    ]


@pytest.mark.parametrize(("pipe", "call"), _cases(NAMED))
def test_a_pipe_is_named_and_not_waited_for(
    site: Path, tmp_path: Path, pipe: str, call: str
) -> None:
    status, lines = meet(site, tmp_path, pipe, call)
    assert status in (0, 1, 2)
    assert [line for line in lines if Path(pipe).name in line], lines


@pytest.mark.parametrize(("pipe", "call"), _cases(UNNAMED))
def test_a_pipe_in_place_of_what_need_not_be_read_is_passed_over(
    site: Path, tmp_path: Path, pipe: str, call: str
) -> None:
    status, _ = meet(site, tmp_path, pipe, call)
    assert status in (0, 1, 2)
