"""The stage `prepare` from end to end, on a coarse phantom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bgpvs_wf.anatomy.labels import WM_LABELS
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import PrepareConfig, RunConfig
from bgpvs_wf.imaging.files import load_image, save_image
from bgpvs_wf.imaging.geometry import Grid, place_in
from bgpvs_wf.learning.models.bundle import head_model
from bgpvs_wf.phantom import SyntheticInfant, simulate_subject
from bgpvs_wf.phantom.protocol import plain
from bgpvs_wf.quality.measures import measures
from bgpvs_wf.workflows.prepare import init_prepare_wf


@pytest.fixture(scope="module")
def infant() -> SyntheticInfant:
    return simulate_subject(48.0, seed=5, protocol=plain(2.0, hindbrain=False), n_tubes=0)


def prepared(
    root: Path, images: dict[str, tuple[np.ndarray, np.ndarray]], bias_correction: bool
) -> dict[str, Any]:
    """Return what each node of `prepare` gives of some images and their affines, by its name."""
    scans = {
        name: Path(save_image(np.round(image), affine, root / "bids" / f"{name}.nii.gz"))
        for name, (image, affine) in images.items()
    }
    config = RunConfig(
        bids_dir=root / "bids",
        output_dir=root / "out",
        work_dir=root / "work",
        plugin="Linear",
        omp_nthreads=1,
        prepare=PrepareConfig(bias_correction=bias_correction),
    )
    workflow = init_prepare_wf(
        config=config, inputs=SubjectInputs(subject="01", **scans), model=head_model()
    )
    workflow.base_dir = str(config.work_dir)
    graph = workflow.run(plugin="Linear")
    return {node.name: node.result.outputs for node in graph.nodes()}


def stretch_of(infant: SyntheticInfant, root: Path, t1w_motion: np.ndarray) -> float:
    """Return what `prepare` says of a pair whose T1w lies elsewhere."""
    motion = np.eye(4)
    motion[:3, :3] = t1w_motion
    images = {"t2w": (infant.t2w, infant.affine), "t1w": (infant.t1w, motion @ infant.affine)}
    return float(prepared(root, images, bias_correction=False)["compare_pair"].stretch_percent)


def test_a_t1w_of_another_head_is_noticed(infant, tmp_path):
    turned = Rotation.from_euler("xyz", (4, -3, 6), degrees=True).as_matrix()
    bound = measures()["pair_stretch_percent"].look_above
    assert stretch_of(infant, tmp_path / "same", turned) < bound
    other = turned @ np.diag((1.09, 1, 0.92))
    assert stretch_of(infant, tmp_path / "other", other) == pytest.approx(18.5, abs=4)


def test_what_the_coil_adds_is_taken_away(infant, tmp_path):
    """From the right side to the left one, white matter loses a third of its signal."""
    far = np.linspace(0, 1, infant.t2w.shape[0], dtype=np.float32)[:, None, None]
    seen = prepared(tmp_path, {"t2w": (infant.t2w * (1 - far / 2), infant.affine)}, True)
    image = load_image(seen["scale_t2w"].out_file)
    white = np.isin(infant.dseg, WM_LABELS)[place_in(Grid(image.shape, image.affine), whole(seen))]

    def varies(signal: np.ndarray) -> float:
        """Return by how much the halves of the white matter differ, as a share."""
        middle = signal.shape[0] // 2
        sides = [np.median(signal[s][white[s]]) for s in (np.s_[:middle], np.s_[middle:])]
        return float(abs(sides[0] - sides[1]) / np.mean(sides))

    before = np.asarray(load_image(seen["conform_t2w"].out_file).dataobj)
    assert varies(before) > 0.2
    assert varies(np.asarray(image.dataobj)) < 0.25 * varies(before)


def whole(seen: dict[str, Any]) -> Grid:
    return Grid.from_dict(seen["conform_t2w"].scan_grid)


def test_only_the_head_is_worked_on(infant, tmp_path):
    """Around it there may be as much as there likes, noise too."""
    wide = np.pad(infant.t2w, ((30, 5), (0, 40), (20, 20)))
    wide = wide + np.abs(np.random.default_rng(3).normal(0, 2, wide.shape))
    affine = infant.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ (30, 0, 20)
    seen = prepared(tmp_path, {"t2w": (wide, affine)}, bias_correction=False)
    image = load_image(seen["scale_t2w"].out_file)
    assert whole(seen).shape == wide.shape
    place = place_in(Grid(image.shape, image.affine), whole(seen))
    head = np.argwhere(np.pad(infant.dseg, ((30, 5), (0, 40), (20, 20))) > 0)
    for axis, part in enumerate(place):
        low, high = head[:, axis].min(), head[:, axis].max()
        assert max(low - 12, 0) <= part.start <= max(low - 3, 0)
        assert high + 3 < part.stop <= high + 12 or part.stop == wide.shape[axis]
