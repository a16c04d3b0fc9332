"""ANTs where it is installed, antspyx where it is not."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nipype import Node
from nipype.pipeline.engine.nodes import NodeExecutionError

from bgpvs_wf.cli.doctor import _ANTS_COMMANDS
from bgpvs_wf.errors import UsageError
from bgpvs_wf.imaging.files import save_image
from bgpvs_wf.interfaces import antspyx
from bgpvs_wf.interfaces.ants import (
    ApplyTransforms,
    DenoiseImage,
    JointFusion,
    N4BiasFieldCorrection,
    Registration,
)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    data = np.random.default_rng(0).uniform(50, 100, (12, 12, 12)).astype(np.float32)
    return Path(save_image(data, np.eye(4), tmp_path / "image.nii.gz"))


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder on PATH, beside those of the system's basic commands."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    if any((Path(part) / "antsRegistration").exists() for part in ("/usr/bin", "/bin")):
        pytest.skip("native ANTs is installed beside the system's basic commands")
    return folder


def fake(folder: Path, name: str, body: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_the_native_command_wins(bare_path: Path, tmp_path: Path, image: Path) -> None:
    fake(bare_path, "antsApplyTransforms", f'echo "$0" > called; cp {image} out.nii.gz')
    node = ApplyTransforms(
        input_image=str(image),
        reference_image=str(image),
        transforms="identity",
        output_image="out.nii.gz",
    )
    assert node.cmdline.startswith("antsApplyTransforms ")
    result = node.run(cwd=str(tmp_path))
    assert result.runtime.returncode == 0
    assert (tmp_path / "called").read_text().startswith(str(bare_path))


def test_antspyx_serves_the_same_command(bare_path: Path, tmp_path: Path, image: Path) -> None:
    node = ApplyTransforms(
        input_image=str(image),
        reference_image=str(image),
        transforms="identity",
        output_image="same.nii.gz",
    )
    assert "bgpvs_wf.interfaces.antspyx antsApplyTransforms " in node.cmdline
    node.run(cwd=str(tmp_path))
    found = nib.load(tmp_path / "same.nii.gz").get_fdata()
    np.testing.assert_allclose(found, nib.load(image).get_fdata(), rtol=1e-5)


@pytest.mark.parametrize(
    "interface", [N4BiasFieldCorrection, DenoiseImage, Registration, ApplyTransforms, JointFusion]
)
def test_every_command_is_in_antspyx(interface: type) -> None:
    served = getattr(antspyx.load_library(), interface._cmd, None)
    assert callable(served), f"antspyx {version('antspyx')} has no {interface._cmd}"
    assert interface._cmd in _ANTS_COMMANDS


def test_a_native_command_that_fails_is_not_hidden(
    bare_path: Path, tmp_path: Path, image: Path
) -> None:
    fake(bare_path, "antsApplyTransforms", "echo no such transform >&2; exit 3")
    interface = ApplyTransforms(
        input_image=str(image), reference_image=str(image), transforms="identity"
    )
    node = Node(interface, name="apply", base_dir=str(tmp_path / "work"))
    with pytest.raises(NodeExecutionError, match="no such transform"):
        node.run()


@pytest.mark.parametrize(
    ("argv", "message"), [([], "Which ANTs command"), (["antsNothing"], "no command antsNothing")]
)
def test_wrong_calls_are_refused_in_one_line(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        antspyx.main(argv)
    assert "\n" not in str(caught.value)
    called = subprocess.run(
        [sys.executable, "-m", "bgpvs_wf.interfaces.antspyx", *argv],
        capture_output=True,
        text=True,
        check=False,
    )
    assert called.returncode != 0
    assert message in called.stderr.strip().splitlines()[-1]


def test_without_antspyx_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(antspyx.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install antspyx"):
        antspyx.load_library()


def test_joint_fusion_weighs_atlases_by_their_likeness(tmp_path: Path) -> None:
    """One atlas is right, one is off by two voxels: the right one wins where they differ."""
    truth = np.zeros((24, 24, 24), np.int16)
    truth[8:16, 8:16, 8:16] = 12
    off = np.roll(truth, 2, axis=0)
    rng = np.random.default_rng(1)
    texture = rng.normal(0, 3, truth.shape)
    files = {}
    for name, dseg in (("target", truth), ("right", truth), ("wrong", off)):
        signal = np.where(dseg > 0, 60, 100) + texture + rng.normal(0, 1, truth.shape)
        path = tmp_path / f"{name}.nii.gz"
        files[name] = str(save_image(signal.astype(np.float32), np.eye(4), path))
        path = tmp_path / f"{name}_dseg.nii.gz"
        files[f"{name}_dseg"] = str(save_image(dseg, np.eye(4), path, labels=True))
    node = JointFusion(
        dimension=3,
        target_image=[[files["target"], files["target"]]],
        atlas_image=[[files["wrong"]] * 2, [files["right"]] * 2],
        atlas_segmentation_image=[files["wrong_dseg"], files["right_dseg"]],
        search_radius=[0, 0, 0],
        patch_radius=[1, 1, 1],
        constrain_nonnegative=True,
        out_label_fusion="fused.nii.gz",
    )
    node.run(cwd=str(tmp_path))
    fused = np.rint(nib.load(tmp_path / "fused.nii.gz").get_fdata()) > 0
    inside = (slice(3, 21),) * 3
    right = (fused == (truth > 0))[inside].mean()
    assert right > 0.99
    assert right > (fused == (off > 0))[inside].mean()


def test_a_command_has_as_many_threads_as_its_node_says():
    """Whatever the process that starts it says."""
    environ = Registration(num_threads=3).inputs.environ
    assert environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] == "3"
