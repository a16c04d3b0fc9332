from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from bgpvs_wf.evaluation.overlap import overlap

nan = pytest.approx(np.nan, nan_ok=True)


def oblique(rng: np.random.Generator) -> np.ndarray:
    """Return a turned, shifted, anisotropic grid, sometimes left-handed."""
    affine = np.eye(4)
    sizes = rng.uniform(0.4, 2, 3) * rng.choice([-1, 1], 3)
    turn = Rotation.random(random_state=int(rng.integers(1 << 30))).as_matrix()
    affine[:3, :3] = turn * sizes
    affine[:3, 3] = rng.uniform(-50, 50, 3)
    return affine


def surface_mm(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return where the voxels with a face on the outside are in space."""
    padded = np.pad(mask, 1)
    neighbours = [np.roll(padded, step, axis) for axis in range(3) for step in (1, -1)]
    inner = np.logical_and.reduce(neighbours)[1:-1, 1:-1, 1:-1]
    return np.argwhere(mask & ~inner) @ affine[:3, :3].T + affine[:3, 3]


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), smooth=st.booleans())
def test_distances_and_shares_are_those_of_brute_force(seed, smooth):
    rng = np.random.default_rng(seed)
    affine = oblique(rng)
    shape = tuple(rng.integers(2, 9, 3))
    a, b = rng.random((2, *shape))
    if smooth:
        a, b = (ndimage.gaussian_filter(noise, 1.5) for noise in (a, b))
    a, b = a > np.quantile(a, 0.7), b > np.quantile(b, 0.8)
    scores = overlap(a, b, affine)
    between = cdist(surface_mm(a, affine), surface_mm(b, affine))
    there, back = between.min(axis=1), between.min(axis=0)
    assert scores["hausdorff_mm"] == pytest.approx(max(there.max(), back.max()), rel=1e-5)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    assert scores["hd95_mm"] == pytest.approx(hd95, rel=1e-5, abs=1e-6)
    assert scores["dice"] == pytest.approx(2 * np.sum(a * b) / (np.sum(a) + np.sum(b)))
    assert scores["recall"] == pytest.approx(np.mean(a[b]))
    assert scores["ppv"] == pytest.approx(np.mean(b[a]))
    volume = np.prod(np.linalg.norm(affine[:3, :3], axis=0))
    assert scores["reference_mm3"] == pytest.approx(b.sum() * volume)
    assert scores["predicted_mm3"] == pytest.approx(a.sum() * volume)
    other = overlap(b, a, affine)
    for name in ("dice", "hausdorff_mm", "hd95_mm"):
        assert other[name] == scores[name]
    assert other["recall"] == scores["ppv"]


def test_empty_masks_have_defined_scores():
    empty, some = np.zeros((3, 4, 5), bool), np.zeros((3, 4, 5), bool)
    some[1, 1:3, 2] = True
    affine = np.diag([0.5, 0.5, 2, 1])
    names = ("dice", "recall", "ppv", "hausdorff_mm", "hd95_mm")

    def scores(prediction, reference):
        found = overlap(prediction, reference, affine)
        return [found[name] for name in names]

    assert scores(empty, empty) == [1, nan, nan, nan, nan]
    assert scores(some, empty) == [0, nan, 0, nan, nan]
    assert scores(empty, some) == [0, 0, nan, nan, nan]
    assert scores(some, some) == [1, 1, 1, 0, 0]
    assert overlap(some, empty, affine)["predicted_mm3"] == pytest.approx(1.0)


def test_ignored_voxels_count_for_nobody():
    rng = np.random.default_rng(4)
    a, b, ignore = rng.random((3, 6, 6, 6)) > 0.6
    kept = overlap(a & ~ignore, b & ~ignore, np.eye(4))
    assert overlap(a, b, np.eye(4), ignore) == kept
    assert overlap(a | ignore, b, np.eye(4), ignore) == kept


def test_shapes_have_to_match():
    with pytest.raises(ValueError, match="shapes"):
        overlap(np.ones((2, 2, 2)), np.ones((2, 2, 3)), np.eye(4))


_FORKED = """
import multiprocessing
import numpy as np
import torch
from bgpvs_wf.evaluation.overlap import overlap

torch.set_num_threads(2)
mask = np.random.default_rng(0).random((96, 96, 96)) < 0.5
overlap(mask, ~mask, np.eye(4))
assert torch.get_num_threads() == 2

def add():
    torch.set_num_threads(2)
    return float((torch.ones(10**7) + 1).mean())

with multiprocessing.get_context("fork").Pool(1) as pool:
    assert pool.apply_async(add).get(60) == 2
"""


def test_processes_forked_after_it_can_compute():
    """`compare` scores a cohort, then forks the workers that run the next one."""
    subprocess.run([sys.executable, "-c", _FORKED], check=True, timeout=120)
