"""What is too faint for a perivascular space is none."""

from __future__ import annotations

import numpy as np
import pytest

from bgpvs_wf.learning.inference.faint import LEAST_SHARE, too_faint

TISSUE, FLUID = 100.0, 200.0


def scene(share: float) -> dict[str, np.ndarray]:
    """Return a nucleus with a tube, its middle as bright as `share` says, and a brighter one."""
    anatomy = np.full((40, 20, 20), 12, np.int16)
    anatomy[30:] = 4
    pvs = np.zeros(anatomy.shape, bool)
    pvs[8, 10, 5:12], pvs[20, 10, 5:12] = True, True
    image = np.where(anatomy == 4, FLUID, TISSUE)
    image[pvs] += 0.1 * (FLUID - TISSUE)
    image[8, 10, 8] = TISSUE + share * (FLUID - TISSUE)
    image[20, 10, 8] = TISSUE + 0.8 * (FLUID - TISSUE)
    nuclei = np.where(anatomy == 12, anatomy, 0)
    return {"pvs": pvs, "image": image, "anatomy": anatomy, "nuclei": nuclei}


@pytest.mark.parametrize("dark", [False, True])
def test_the_brightest_voxel_decides_for_all_of_a_tube(dark):
    for share, faint in ((LEAST_SHARE - 0.03, True), (LEAST_SHARE + 0.03, False)):
        given = scene(share)
        if dark:  # as on T1w
            given["image"] = 250 - given["image"]
        found = too_faint(**given, affine=np.diag([0.8, 0.8, 0.8, 1]))
        expected = given["pvs"] & (np.arange(40) < 15)[:, None, None] & faint
        np.testing.assert_array_equal(found, expected)


def test_without_ventricles_nothing_is_too_faint():
    given = scene(0.0)
    given["anatomy"][given["anatomy"] == 4] = 2
    assert not too_faint(**given, affine=np.eye(4)).any()


def test_gaps_of_nuclei_are_not_judged():
    given = scene(0.0)
    given["nuclei"][5:12] = 0
    assert not too_faint(**given, affine=np.eye(4)).any()
