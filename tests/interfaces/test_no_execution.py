"""Names of folders are names: nothing in them is run, and ANTs finds its files under them."""

from __future__ import annotations

import contextlib
import os
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nipype import Node
from nipype.pipeline.engine.nodes import NodeExecutionError

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import PrepareConfig, RunConfig
from bgpvs_wf.engine.plugin_needs import require_needs
from bgpvs_wf.engine.plugins import PLUGINS
from bgpvs_wf.errors import UsageError
from bgpvs_wf.imaging.files import save_image
from bgpvs_wf.interfaces.ants import (
    ApplyTransforms,
    DenoiseImage,
    JointFusion,
    N4BiasFieldCorrection,
    Registration,
)
from bgpvs_wf.learning.models.bundle import head_model
from bgpvs_wf.phantom.subject import SyntheticInfant
from bgpvs_wf.plain_names import is_plain
from bgpvs_wf.workflows.prepare import init_prepare_wf

MARK = "executed"
"""The file that a name would make if it were run."""
NAMES = (
    "plain",
    "a b",
    f"$(touch {MARK})",
    f"`touch {MARK}`",
    f"; touch {MARK};",
    f"&& touch {MARK}",
    f"| touch {MARK}",
    f"> {MARK}",
    f"' ; touch {MARK} ; '",
    f'" ; touch {MARK} ; "',
    f"x\ntouch {MARK}\n",
    "it's",
    'say "x"',
    "[x]",
    "a,b",
    "(x)",
    "{x,y}",
    "-n",
    "--help",
    "~",
    "~root",
    "*",
    "?",
    "50%",
    "%j",
    "$HOME",
    "#x",
    "!x",
    "a\\b",
    "a\tb",
    "élève ☃",
    "=x",
    ":x",
)


def executed(root: Path) -> list[Path]:
    """Return where the mark is; a folder's name may have it, a file's may not."""
    return [Path(at, MARK) for at, _, files in os.walk(root) if MARK in files]


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put ANTs on PATH that writes down its words, a line each, and makes no results."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for interface in (
        N4BiasFieldCorrection,
        DenoiseImage,
        Registration,
        ApplyTransforms,
        JointFusion,
    ):
        path = folder / interface._cmd
        # Nipype asks for a version, too.
        path.write_text('#!/bin/sh\n[ "$1" = --version ] || printf "%s\\n" "$@" > words\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def registration(**files: Any) -> Registration:
    return Registration(
        dimension=3,
        transforms=["Rigid"],
        transform_parameters=[(0.1,)],
        metric=["MI"],
        metric_weight=[1.0],
        radius_or_number_of_bins=[32],
        sampling_strategy=["None"],
        number_of_iterations=[[2]],
        shrink_factors=[[1]],
        smoothing_sigmas=[[0.0]],
        sigma_units=["vox"],
        output_warped_image="warped.nii.gz",
        **files,
    )


INTERFACES: dict[str, Callable[[str, str], Any]] = {
    "n4": lambda a, b: N4BiasFieldCorrection(input_image=a, mask_image=b, save_bias=True),
    "denoise": lambda a, b: DenoiseImage(input_image=a, save_noise=True),
    "registration": lambda a, b: registration(
        fixed_image=a, moving_image=b, fixed_image_masks=[a], initial_moving_transform=[b]
    ),
    "two images": lambda a, b: Registration(
        dimension=3,
        fixed_image=[a, b],
        moving_image=[b, a],
        transforms=["Rigid"],
        transform_parameters=[(0.1,)],
        metric=[["MI", "MI"]],
        metric_weight=[[0.5, 0.5]],
        radius_or_number_of_bins=[[32, 32]],
        number_of_iterations=[[2]],
        shrink_factors=[[1]],
        smoothing_sigmas=[[0.0]],
        initial_moving_transform_com=1,
    ),
    "apply": lambda a, b: ApplyTransforms(
        input_image=a, reference_image=b, transforms=[b, b], invert_transform_flags=[True, False]
    ),
    "fusion": lambda a, b: JointFusion(
        dimension=3,
        target_image=[[a, b]],
        atlas_image=[[a, b], [b, a]],
        atlas_segmentation_image=[a, b],
        mask_image=a,
        out_label_fusion="fused.nii.gz",
    ),
}
"""What calls each command with two files, at every place that takes one."""


def words_of(make: Callable[[str, str], Any], root: Path, inside: bool) -> list[str]:
    """Run an interface in a node's folder of a work folder; return the words of its command."""
    cwd = root / "wf" / "node"
    cwd.mkdir(parents=True)
    other = root / ("wf" if inside else "") / "before"
    other.mkdir(parents=True, exist_ok=True)
    files = [other / "a.nii.gz", other / "b.nii.gz"]
    for file in files:
        file.write_bytes(b"")
    interface = make(str(files[0]), str(files[1]))
    before = interface.inputs.get_hashval()
    with contextlib.suppress(FileNotFoundError):  # the results, which this ANTs does not make
        interface.run(cwd=str(cwd))
    words = (cwd / "words").read_text().splitlines()
    assert interface.inputs.get_hashval() == before
    for word in words:
        for part in word.split(","):
            name = part.strip("[]")
            if name.endswith(("a.nii.gz", "b.nii.gz")):
                assert (cwd / name).resolve() in files
    return words


@pytest.mark.parametrize("kind", INTERFACES)
def test_every_command_gets_the_same_words_in_any_folder(
    recorder: Path, tmp_path: Path, kind: str
) -> None:
    """The plain folder's words are the right ones: names without any folder of the user."""
    expected = words_of(INTERFACES[kind], tmp_path / "expected", inside=True)
    assert "../before/a.nii.gz" in " ".join(expected)
    assert str(tmp_path) not in " ".join(expected)
    nested = Path(tmp_path, "in", *NAMES)
    assert words_of(INTERFACES[kind], nested, inside=True) == expected
    assert executed(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_name_alone_is_only_a_name(recorder: Path, tmp_path: Path, name: str) -> None:
    words = words_of(INTERFACES["two images"], tmp_path / name, inside=True)
    assert "../before/a.nii.gz" in " ".join(words)
    assert executed(tmp_path) == []


@pytest.mark.parametrize("kind", INTERFACES)
def test_files_outside_the_work_folder_are_linked_to_by_plain_names(
    recorder: Path, tmp_path: Path, kind: str
) -> None:
    outside = Path(tmp_path, "out", *NAMES)
    cwd = tmp_path / "work"
    cwd.mkdir()
    outside.mkdir(parents=True)
    files = [outside / "a.nii.gz", outside / "b.nii.gz"]
    for file in files:
        file.write_bytes(b"")
    with contextlib.suppress(FileNotFoundError):
        INTERFACES[kind](*map(str, files)).run(cwd=str(cwd))
    words = (cwd / "words").read_text().replace(",", "\n").splitlines()
    named = [word.strip("[] ") for word in words if "a.nii.gz" in word]
    assert named
    for word in named:
        assert is_plain(word)
        assert (cwd / word).resolve() == files[0].resolve()
    assert executed(tmp_path) == []


@pytest.mark.parametrize("name", ["$(touch executed)", "a b", "a,b", "-x", "[x"])
def test_what_is_written_has_a_plain_name_or_is_refused(
    recorder: Path, tmp_path: Path, name: str
) -> None:
    """Whether the name is given, or Nipype makes it of the input's."""
    file = tmp_path / f"{name}.nii.gz"
    file.write_bytes(b"")
    given = ApplyTransforms(
        input_image=str(recorder / ApplyTransforms._cmd),
        reference_image=str(file),
        transforms="identity",
        output_image=f"{name}.nii.gz",
    )
    (tmp_path / "given").mkdir()
    for interface in (
        given,
        N4BiasFieldCorrection(input_image=str(file)),
        DenoiseImage(input_image=str(file)),
    ):
        node = Node(interface, name="node", base_dir=str(tmp_path / interface._cmd.split()[-1]))
        if name == "-x" and interface is not given:
            continue  # it ends up behind nothing that takes it for an option
        with pytest.raises(NodeExecutionError, match=r"use letters|with letters") as caught:
            node.run()
        assert not list(tmp_path.rglob("words"))
        assert "\n" not in str(caught.value.__cause__)
    assert executed(tmp_path) == []


def test_the_folder_of_python_is_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / f"$(touch {MARK}) b"
    folder.mkdir()
    python = folder / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > words\n')
    python.chmod(0o755)
    monkeypatch.setattr("bgpvs_wf.interfaces.ants.sys.executable", str(python))
    nowhere = types.SimpleNamespace(which=lambda command: None)
    monkeypatch.setattr("bgpvs_wf.interfaces.ants.shutil", nowhere)
    file = tmp_path / "a.nii.gz"
    file.write_bytes(b"")
    interface = ApplyTransforms(
        input_image=str(file), reference_image=str(file), transforms="identity"
    )
    with pytest.raises(FileNotFoundError, match="for output"):
        interface.run(cwd=str(tmp_path))
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:3] == ["-m", "bgpvs_wf.interfaces.antspyx", "antsApplyTransforms"]
    assert executed(tmp_path) == []


@pytest.mark.parametrize("name", [f"$(touch {MARK})", f"a b, '[x]' ; touch {MARK} ; ~ *"])
def test_ants_itself_gives_the_same_result_in_any_folder(tmp_path: Path, name: str) -> None:
    """Native or antspyx, whichever is here: N4 and a registration of two images."""
    rng = np.random.default_rng(0)
    data = rng.uniform(50, 100, (16, 16, 16)).astype(np.float32)
    found = {}
    for where in ("plain", name):
        root = tmp_path / where
        (root / "n4").mkdir(parents=True)
        (root / "align").mkdir()
        image = str(save_image(data, np.eye(4), root / "image.nii.gz"))
        n4 = N4BiasFieldCorrection(
            input_image=image, dimension=3, n_iterations=[2], shrink_factor=2
        )
        corrected = n4.run(cwd=str(root / "n4")).outputs.output_image
        align = registration(
            fixed_image=image, moving_image=corrected, random_seed=1, initial_moving_transform_com=1
        )
        warped = align.run(cwd=str(root / "align")).outputs.warped_image
        assert Path(warped).parent == root / "align"
        found[where] = [nib.load(path).get_fdata() for path in (corrected, warped)]
    for one, other in zip(*found.values(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert executed(tmp_path) == []


def _prepared(tiny_infant: SyntheticInfant, root: Path) -> dict[str, bytes]:
    """Run the whole of `prepare`, as a workflow in this folder, on scans in this folder."""
    scans = {}
    for name in ("t1w", "t2w"):
        path = root / "bids" / f"{name}.nii.gz"
        array = np.round(getattr(tiny_infant, name)).astype(np.int16)
        scans[name] = Path(save_image(array, tiny_infant.affine, path))
    config = RunConfig(
        bids_dir=root / "bids",
        output_dir=root / "out",
        work_dir=root / "work",
        plugin="Linear",
        omp_nthreads=1,
        prepare=PrepareConfig(denoise=True),
    )
    workflow = init_prepare_wf(
        config=config, inputs=SubjectInputs(subject="01", **scans), model=head_model()
    )
    workflow.base_dir = str(config.work_dir)
    workflow.run(plugin="Linear")
    found = root.joinpath("work", "prepare_wf").rglob("*.nii.gz")
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def plainly_prepared(tiny_infant: SyntheticInfant, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _prepared(tiny_infant, tmp_path_factory.mktemp("plain"))


_FOLDERS = [name for name in NAMES[1:] if name.isprintable() and not set(name) & set("*?[")]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(_FOLDERS, id="all"),
        *(pytest.param([name], id=name, marks=pytest.mark.slow) for name in _FOLDERS),
    ],
)
def test_prepare_gives_the_same_bytes_in_any_folder(
    tiny_infant: SyntheticInfant,
    plainly_prepared: dict[str, bytes],
    tmp_path: Path,
    names: list[str],
) -> None:
    """Conform, denoise, N4 and the alignment of two images, by ANTs itself."""
    found = _prepared(tiny_infant, tmp_path.joinpath(*names))
    assert len([name for name in found if "align" in name or "n4_" in name]) >= 2
    assert found == plainly_prepared
    assert executed(tmp_path) == []


@pytest.mark.parametrize("name", [name for name in NAMES if not name.isprintable()])
def test_a_line_break_in_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    for where in ("bids_dir", "output_dir", "work_dir"):
        folders = dict.fromkeys(("bids_dir", "output_dir", "work_dir"), tmp_path) | {
            where: tmp_path / name
        }
        with pytest.raises(UsageError, match="control characters") as caught:
            RunConfig(**folders)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in NAMES if set(name) & set("*?[")])
def test_a_work_folder_that_nipype_takes_for_a_pattern_is_refused(
    tmp_path: Path, name: str
) -> None:
    """It would miss its own files in one, and remove those of others in another."""
    for plugin in PLUGINS:
        with pytest.raises(UsageError, match="choose another with --work-dir") as caught:
            require_needs(plugin, {}, tmp_path / name / "work")
        assert "\n" not in str(caught.value)
