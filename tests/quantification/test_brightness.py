"""The volume of tubes does not depend on how bright the fluid in them is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.imaging.tubes import Tube, tube_occupancy
from bgpvs_wf.quantification import measure
from bgpvs_wf.quantification.brightness import USUAL, fluid_brightness

VOXEL_MM, TISSUE, FLUID = 0.8, 100.0, 200.0
SHAPE = (50, 40, 40)
AFFINE = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])


def tubes(fill: float) -> list[Tube]:
    """Return eight upright tubes, 0.7 to 1.6 mm wide."""
    found = []
    for number, diameter in enumerate(np.linspace(0.7, 1.6, 8)):
        z = np.arange(6, 20, 0.1)
        x, y = 8.13 + 3.3 * (number % 4), 9.27 + 7.7 * (number // 4)
        points = np.stack([np.full(z.size, x), np.full(z.size, y), z], axis=1)
        found.append(Tube(points, np.full(z.size, diameter / 2), fill))
    return found


def measured(fill: float, noise: float = 0.0) -> tuple[float, float, float]:
    """Return the true volume of the tubes, that of their fluid as measured, and of tubes."""
    share, seen = np.zeros(SHAPE), np.zeros(SHAPE)
    for tube in tubes(fill):
        index, part = tube_occupancy(tube, Grid(SHAPE, AFFINE))
        share[tuple(index.T)] += part
        seen[tuple(index.T)] += part * tube.fill
    anatomy = np.full(SHAPE, 12, np.int16)
    anatomy[30:] = 4
    image = TISSUE + (FLUID - TISSUE) * ndimage.gaussian_filter(seen, 0.5)
    image[30:] = FLUID
    image += np.random.default_rng(1).normal(0, noise * (FLUID - TISSUE), SHAPE)
    bgpvs = (anatomy == 12).astype(np.uint8)
    bgpvs[(share >= 0.4) & (anatomy == 12)] = 2
    regions = measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE, t2w=image).regions
    row = regions[(regions["region"] == "BG") & (regions["side"] == "both")].iloc[0]
    true = float(share.sum()) * VOXEL_MM**3
    return true, float(row["pvs_volume_fluid_mm3"]), float(row["pvs_volume_tube_mm3"])


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_same_tubes_filled_otherwise_have_the_same_volume(noise):
    faint, bright = measured(0.45, noise), measured(0.95, noise)
    assert faint[1] < 0.6 * bright[1]
    # They are outlined alike here, where the program would give the bright ones more voxels.
    assert faint[2] == pytest.approx(bright[2], rel=0.2)
    for true, _, volume in (faint, bright):
        assert volume == pytest.approx(true, rel=0.2)


def test_few_voxels_tell_little():
    share = np.full((4, 4, 4), np.nan)
    assert np.isnan(fluid_brightness(share, share > 0, share > 0))
    share[:] = 0.0
    none = np.zeros(share.shape, bool)
    assert fluid_brightness(share, none, none) == USUAL
    one = none.copy()
    one[2, 2, 2] = True
    share[one] = 0.2
    assert fluid_brightness(share, one, one) == pytest.approx((0.2 * 0.52) ** 0.5, rel=0.05)


def test_no_tube_is_brighter_than_a_ventricle():
    share = np.full((10, 10, 10), 1.2)
    assert fluid_brightness(share, share > 0, share > 0) == 1.0
