"""A tiny brain, and atlases made of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

AFFINE = np.array([[-1.0, 0, 0, 15.5], [0, 1.0, 0, -12], [0, 0, 1.5, -9], [0, 0, 0, 1]])


@pytest.fixture
def dseg() -> np.ndarray:
    """Return aseg labels on a grid of 32 x 24 x 12 voxels that run from right to left."""
    half = np.zeros((16, 24, 12), np.int16)
    half[2:, 2:22, 1:11] = 24
    half[3:, 3:21, 2:10] = 3
    half[4:, 4:20, 3:9] = 2
    places = {4: (14, 9), 11: (13, 12), 12: (7, 12), 13: (10, 12), 26: (12, 16), 10: (12, 6)}
    for label, (x, y) in places.items():
        half[x - 1 : x + 1, y - 1 : y + 2, 5:8] = label
    mirror = {2: 41, 3: 42, 4: 43, 10: 49, 11: 50, 12: 51, 13: 52, 26: 58}
    right = np.vectorize(lambda label: mirror.get(int(label), int(label)))(half).astype(np.int16)
    return np.concatenate([right, half[::-1]])


@pytest.fixture
def image(dseg: np.ndarray) -> np.ndarray:
    """Return something like a T2w image of the tiny brain."""
    values = np.zeros(100, np.float32)
    values[[24, 4, 43]] = 1000
    values[[2, 41]] = 700
    values[[3, 42]] = 600
    values[[10, 11, 12, 13, 26, 49, 50, 51, 52, 58]] = 550
    noise = np.random.default_rng(0).normal(0, 5, dseg.shape)
    return np.where(dseg > 0, values[dseg] + noise, 0).astype(np.float32)


@pytest.fixture
def save() -> Callable[..., Path]:
    def write(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.Nifti1Image(data, affine).to_filename(path)
        return path

    return write


@pytest.fixture
def atlas_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder for the user's atlases."""
    home = tmp_path / "atlases"
    monkeypatch.setenv("BGPVS_WF_ATLASES", str(home))
    return home
