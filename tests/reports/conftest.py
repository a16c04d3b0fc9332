from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from bgpvs_wf.reports.views import Volume


class Toy(NamedTuple):
    t2w: Volume
    t1w: Volume
    nuclei: Volume
    bgpvs: Volume


def toy_infant() -> Toy:
    """Blocks for putamen and pallidum, one PVS in the left putamen; RAS, 1 x 1 x 2 mm."""
    shape = (60, 50, 24)
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[:3, 3] = [-29.5, -25, -24]
    nuclei = np.zeros(shape, np.int16)
    nuclei[16:22, 18:38, 8:16] = 12  # left is at low x
    nuclei[22:26, 22:34, 8:16] = 13
    nuclei[38:44, 18:38, 8:16] = 51
    nuclei[34:38, 22:34, 8:16] = 52
    bgpvs = (nuclei > 0).astype(np.uint8)
    bgpvs[18, 25:27, 9:14] = 2
    rng = np.random.default_rng(7)
    t2w = 100 + 5 * rng.standard_normal(shape).astype(np.float32) + 20 * (nuclei > 0)
    t2w[bgpvs == 2] = 240
    t1w = 160 - t2w / 2
    for image in (t2w, t1w):
        image[:3], image[-3:] = 0, 0
    return Toy(*(Volume(a, affine) for a in (t2w, t1w, nuclei, bgpvs)))


@pytest.fixture(scope="session")
def toy() -> Toy:
    return toy_infant()
