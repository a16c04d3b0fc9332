"""The brain in a head that lies anyhow, found by a network that knows a toy head by brightness."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import nn

from bgpvs_wf.anatomy.starts import turn_degrees
from bgpvs_wf.imaging.geometry import axes_in_space
from bgpvs_wf.learning.data.scan import canonical, orders
from bgpvs_wf.learning.heads.finding import find_brain
from bgpvs_wf.learning.heads.lie import TILT_DEGREES
from bgpvs_wf.learning.heads.seeing import HeadNetworks

SCALP, BRAIN, WHITE, NUCLEI, FRONT, TOP = 40.0, 100.0, 150.0, 175.0, 200.0, 225.0
_TILT = Rotation.from_euler("x", TILT_DEGREES, degrees=True).as_matrix()


def scanned(turn: np.ndarray, scalp: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return a head that lies turned in a scanner of 3 mm, and its affine."""
    count = 72
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = -3.0 * (count - 1) / 2
    grid = np.moveaxis(np.indices([count] * 3), 0, -1)
    place = nib.affines.apply_affine(affine, grid) @ turn
    data = np.zeros([count] * 3, np.float32)

    def put(value: float, middle: tuple[float, ...], radii: tuple[float, ...]) -> None:
        away = (place - middle) @ _TILT if value == NUCLEI else place - middle
        data[((away / radii) ** 2).sum(-1) < 1] = value

    if scalp:
        put(SCALP, (0, 0, 0), (76, 92, 80))
        put(0, (0, 0, 0), (70, 86, 74))
    put(BRAIN, (0, 0, 0), (55, 70, 58))
    put(WHITE, (0, 0, 0), (42, 55, 45))
    for side in (-22, 22):
        put(NUCLEI, (side, 4, 0), (9, 26, 11))
    put(FRONT, (0, 48, 0), (12, 12, 12))
    put(TOP, (0, 0, 36), (12, 12, 12))
    return data, affine


class Knowing(nn.Module):
    """Sees nuclei in upright heads, surer the straighter they lie; sides are those of the view."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        image = images[0].sum(0)
        image = (image - image.min()) / (image.max() - image.min())
        signal = image * TOP
        shares = torch.full((4, *image.shape), 0.01)
        top = signal > TOP - 11
        front = (signal > FRONT - 10) & ~_around(top)
        nuclei = (signal > NUCLEI - 10) & ~_around(top) & ~_around(front)
        brain = signal > 0.7 * BRAIN
        shares[0][~brain] = 1
        shares[1][brain] = 1
        centre = brain.nonzero().float().mean(0)
        ahead, above = (part.nonzero().float().mean(0) - centre for part in (front, top))
        straight = min(ahead[1] / ahead.norm(), above[2] / above.norm())
        if straight > 0.1:
            x = torch.arange(image.shape[0]).view(-1, 1, 1)
            for channel, side in ((2, x < centre[0]), (3, x > centre[0])):
                shares[channel][nuclei & side] = 5 + 20 * straight
        return (shares / shares.sum(0)).log()[None]


class Finer(nn.Module):
    """Sees as brain what is as bright."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        image = images[0].sum(0)
        image = (image - image.min()) / (image.max() - image.min())
        brain = image * TOP > 0.7 * BRAIN
        return torch.stack([~brain, brain]).float()[None] * 20


def _around(mask: torch.Tensor) -> torch.Tensor:
    return nn.functional.max_pool3d(mask[None].float(), 5, 1, 2)[0] > 0


def found(data: np.ndarray, affine: np.ndarray):
    return find_brain(HeadNetworks(Knowing(), Finer()), data, affine, modality="T2w")


def told_in_space(data: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the axes of the head that were found, in mm of the header."""
    lie = found(data, affine).lie
    assert lie is not None
    return axes_in_space(canonical(data, affine)[1]) @ lie.axes


@pytest.mark.parametrize("number", range(0, 24, 3))
def test_a_header_in_any_order_of_axes_is_seen_through(number):
    """What the header says is wrong by quarter turns and half turns; the voxels are the same."""
    data, affine = scanned(np.eye(3))
    motion = np.eye(4)
    motion[:3, :3] = orders()[number]
    axes = told_in_space(data, motion @ affine)
    assert turn_degrees(orders()[number].T @ axes) < 6


@pytest.mark.parametrize(
    "angles", [(0, 0, 0), (40, 0, 0), (0, -40, 0), (0, 0, 65), (25, -20, 150), (0, 60, 100)]
)
def test_a_head_that_lies_turned_is_found_to(angles):
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    assert turn_degrees(turn.T @ told_in_space(*scanned(turn))) < 8


def test_the_brain_is_told_from_the_scalp():
    data, affine = scanned(np.eye(3))
    mask, truth = found(data, affine).mask, data >= BRAIN
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.95


def test_a_brain_that_was_extracted_stays_as_it_is():
    data, affine = scanned(np.eye(3), scalp=False)
    np.testing.assert_array_equal(found(data, affine).mask, data > 0)


def test_where_the_nuclei_are_comes_along():
    data, affine = scanned(np.eye(3))
    lie = found(data, affine).lie
    assert lie is not None
    np.testing.assert_allclose(lie.middle, (0, 4, 0), atol=1.5)
    assert lie.volume_ml == pytest.approx((data == NUCLEI).sum() * 27 / 1000, rel=0.3)


def test_a_head_without_nuclei_says_so():
    data, affine = scanned(np.eye(3))
    data[data == NUCLEI] = WHITE
    brain = found(data, affine)
    assert brain.lie is None
    assert "how the head lies is not seen" in brain.doubts[0]
