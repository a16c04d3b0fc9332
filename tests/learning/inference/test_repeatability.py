"""Perivascular spaces on a grid that lies half a voxel off."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.learning.data.scan import BoxImages
from bgpvs_wf.learning.inference import repeatability
from bgpvs_wf.learning.inference.repeatability import found_again

SHAPE = (30, 28, 26)


def blobs(offset: float, middles: list[tuple[int, int, int]], width: float) -> np.ndarray:
    """Return blobs as they are seen where the grid lies that far off."""
    places = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1) + offset
    return sum(np.exp(-(((places - m) / width) ** 2).sum(-1) / 2) for m in middles)


@pytest.fixture
def bright(monkeypatch):
    """Let networks call what is bright PVS, and note what they see."""
    seen = []

    def apply(members, images, bg, *, brightness, **options):
        assert brightness == 0.4
        seen.append((images.own, bg))
        return SimpleNamespace(probability=images.own[0])

    monkeypatch.setattr(repeatability, "apply_pvs", apply)
    return seen


def again(images, searched, pvs, threshold) -> float:
    return found_again([], images, searched, pvs, threshold, brightness=0.4)


def images_of(t2w: np.ndarray) -> BoxImages:
    own = np.stack([t2w, np.zeros(SHAPE)]).astype(np.float32)
    grid = Grid(SHAPE, np.eye(4))
    return BoxImages(own, grid, own, grid)


def test_the_image_is_as_it_would_have_been_scanned(bright):
    """No signal is smoothed; a T1w that is missing stays so."""
    middles = [(10, 10, 10), (20, 17, 15)]
    images = images_of(blobs(0, middles, 1.0))
    again(images, np.ones(SHAPE, bool), images.own[0] > 0.5, 0.5)
    ((own, _),) = bright
    np.testing.assert_allclose(own[0], blobs(0.5, middles, 1.0), atol=5e-3)
    assert not own[1].any()


def test_what_is_as_large_as_a_voxel_is_lost_and_what_is_larger_is_found(bright):
    wide, thin = blobs(0, [(10, 10, 10)], 2.0), blobs(0, [(20, 17, 15), (8, 20, 18)], 0.55)
    images = images_of(wide + thin)
    everywhere = np.ones(SHAPE, bool)
    pvs = images.own[0] > 0.8
    assert again(images, everywhere, pvs, 0.8) == pytest.approx(1 / 3)
    assert again(images, everywhere, images_of(wide).own[0] > 0.8, 0.8) == 1
    assert np.isnan(again(images, everywhere, np.zeros(SHAPE, bool), 0.8))


def test_where_nothing_is_searched_nothing_is_found(bright):
    images = images_of(blobs(0, [(10, 10, 10), (20, 17, 15)], 2.0))
    half = np.arange(SHAPE[0])[:, None, None] * np.ones(SHAPE) < 15
    assert again(images, half, images.own[0] > 0.8, 0.8) == 0.5
