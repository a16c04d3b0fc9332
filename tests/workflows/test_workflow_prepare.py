"""The stage `prepare` from end to end, on a coarse phantom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import PrepareConfig, RunConfig
from bgpvs_wf.imaging.files import save_image
from bgpvs_wf.learning.models.bundle import head_model
from bgpvs_wf.phantom import SyntheticInfant, simulate_subject
from bgpvs_wf.phantom.protocol import plain
from bgpvs_wf.workflows.prepare import init_prepare_wf


@pytest.fixture(scope="module")
def infant() -> SyntheticInfant:
    return simulate_subject(48.0, seed=5, protocol=plain(2.0, hindbrain=False), n_tubes=0)


def doubts_of(infant: SyntheticInfant, root: Path, t1w_motion: np.ndarray) -> Any:
    """Return what `prepare` says of a pair whose T1w lies elsewhere."""
    motion = np.eye(4)
    motion[:3, :3] = t1w_motion
    scans = {}
    for name, affine in (("t2w", infant.affine), ("t1w", motion @ infant.affine)):
        path = root / "bids" / f"{name}.nii.gz"
        scans[name] = Path(save_image(np.round(getattr(infant, name)), affine, path))
    config = RunConfig(
        bids_dir=root / "bids",
        output_dir=root / "out",
        work_dir=root / "work",
        plugin="Linear",
        omp_nthreads=1,
        prepare=PrepareConfig(bias_correction=False),
    )
    workflow = init_prepare_wf(
        config=config, inputs=SubjectInputs(subject="01", **scans), model=head_model()
    )
    workflow.base_dir = str(config.work_dir)
    graph = workflow.run(plugin="Linear")
    (node,) = (node for node in graph.nodes() if node.name == "doubts")
    return node.result.outputs.out


def test_a_t1w_of_another_head_is_noticed(infant, tmp_path):
    turned = Rotation.from_euler("xyz", (4, -3, 6), degrees=True).as_matrix()
    assert not [text for text in doubts_of(infant, tmp_path / "same", turned) if "fit" in text]
    other = turned @ np.diag((1.09, 1, 0.92))
    (said,) = (text for text in doubts_of(infant, tmp_path / "other", other) if "fit" in text)
    assert "they seem to show different heads" in said
