"""The mask of the brain of a pair of images, through its interface."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from bgpvs_wf.imaging.files import load_image, save_image
from bgpvs_wf.interfaces.head import AgreeOnBrain


@pytest.mark.parametrize(("seen", "expected"), [(True, 29.5), (False, 28)])
def test_masks_of_a_pair_meet_on_the_grid_of_the_t2w_unless_one_was_given(
    tmp_path, monkeypatch, seen, expected
):
    """The T1w lies 10 mm farther left: ITK's first axis points there."""
    monkeypatch.chdir(tmp_path)
    away = np.linalg.norm(np.indices((48, 48, 48)) - 23.5, axis=0) * 2
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    moved = affine.copy()
    moved[0, 3] -= 10
    t2w = save_image((away < 28).astype(np.uint8), affine, Path("t2w.nii.gz"), labels=True)
    t1w = save_image((away < 31).astype(np.uint8), moved, Path("t1w.nii.gz"), labels=True)
    values = [1.0, 0, 0, 0, 1, 0, 0, 0, 1, 10, 0, 0]
    savemat(
        "to_t1w.mat",
        {"AffineTransform_double_3_3": np.c_[values], "fixed": np.c_[[5.0, 6, 7]]},
        format="4",
    )
    result = AgreeOnBrain(
        brain_mask=str(t2w), t1w_brain_mask=str(t1w), seen=True, t1w_seen=seen,
        transforms=[str(tmp_path / "to_t1w.mat")],
    ).run()  # fmt: skip
    mask = np.asarray(load_image(result.outputs.brain_mask).dataobj) > 0
    truth = away < expected
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.98
    assert result.outputs.doubts == []
