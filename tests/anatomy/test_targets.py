"""What is registered: the cerebrum alone, the sheet beside the putamen, the box of the nuclei."""

from __future__ import annotations

import numpy as np
import pytest

from bgpvs_wf.anatomy.contrast import tissue_contrast
from bgpvs_wf.anatomy.labels import BRAINSTEM_LABELS, CEREBELLUM_LABELS, NUCLEI, WM_LABELS
from bgpvs_wf.anatomy.targets import (
    BOX_DEPTH_MM,
    BOX_MM,
    WHOLE_MM,
    cerebrum_of,
    make_targets,
    shared_brain,
    source_image,
)
from bgpvs_wf.imaging.geometry import Grid, resample, voxel_sizes
from bgpvs_wf.imaging.morphology import distance_to_mm
from bgpvs_wf.phantom import SyntheticInfant, simulate_subject
from bgpvs_wf.phantom.protocol import plain

HINDBRAIN = (*CEREBELLUM_LABELS, *BRAINSTEM_LABELS)


@pytest.fixture(scope="module")
def infant() -> SyntheticInfant:
    return simulate_subject(40, seed=1, protocol=plain(1.6), n_tubes=0, variation=0)


def test_the_cerebrum_has_no_hindbrain_and_no_rim_of_fluid(infant: SyntheticInfant) -> None:
    assert np.isin(infant.dseg, HINDBRAIN).any()
    cerebrum, hull = cerebrum_of(infant.dseg, infant.affine)
    assert not np.isin(cerebrum, HINDBRAIN).any()
    assert not (cerebrum[~hull] > 0).any()
    nuclei = np.isin(infant.dseg, tuple(NUCLEI))
    np.testing.assert_array_equal(cerebrum[nuclei], infant.dseg[nuclei])
    ventricles = np.isin(infant.dseg, (4, 43))
    assert hull[ventricles].mean() > 0.99


def test_targets_look_away_from_the_hindbrain(infant: SyntheticInfant) -> None:
    whole, box = make_targets(infant.dseg, infant.affine, 40, ["T2w"])
    for target, size in ((whole, WHOLE_MM), (box, BOX_MM)):
        np.testing.assert_allclose(voxel_sizes(target.affine), size)
        assert target.images["T2w"].shape == target.mask.shape
        grid = Grid(target.mask.shape, target.affine)
        labels = resample(infant.dseg, infant.affine, grid, 0)
        # The inner level keeps a thin shell around the cerebrum, wherever that lies.
        share = np.isin(labels[target.mask], HINDBRAIN).mean()
        assert share == 0 if target is whole else share < 0.05
        assert target.mask[np.isin(labels, tuple(NUCLEI))].mean() > 0.97


def test_the_box_stays_around_the_nuclei(infant: SyntheticInfant) -> None:
    _, box = make_targets(infant.dseg, infant.affine, 40, ["T1w", "T2w"])
    grid = Grid(box.mask.shape, box.affine)
    nuclei = np.isin(resample(infant.dseg, infant.affine, grid, 0), tuple(NUCLEI))
    assert distance_to_mm(nuclei, box.affine)[box.mask].max() < BOX_DEPTH_MM + 2
    corners = np.argwhere(box.mask)
    assert (corners.min(axis=0) > 0).all()
    assert (corners.max(axis=0) < np.array(box.mask.shape) - 1).all()
    assert list(box.images) == ["T1w", "T2w"]


@pytest.mark.parametrize("modality", ["T2w", "T1w"])
def test_a_claustrum_is_painted_between_putamen_and_cortex(modality: str) -> None:
    """Labels: putamen, 5 mm of white matter, cortex, and 15 mm of white matter on the far side."""
    dseg = np.full((60, 40, 40), 2, np.int16)
    dseg[10:14] = 3
    dseg[20:30, 10:30, 10:30] = 12
    dseg[55:] = 3
    dseg[:10] = 0
    affine = np.diag([1.0, 1, 1, 1])
    _, box = make_targets(dseg, affine, 40, [modality])
    contrast = tissue_contrast(40, modality)
    assert contrast["wm"] != contrast["cortex"]
    image = box.images[modality]

    def at(x: float) -> float:
        index = np.linalg.solve(box.affine, [x, 20, 20, 1])[:3]
        return float(image[tuple(np.rint(index).astype(int))])

    sheet, plain = at(16.5), at(36)
    assert plain == pytest.approx(contrast["wm"], rel=0.02)
    assert sheet == pytest.approx((contrast["wm"] + contrast["cortex"]) / 2, rel=0.03)


def test_images_of_the_atlas_are_used_where_given(infant: SyntheticInfant) -> None:
    whole, _ = make_targets(infant.dseg, infant.affine, 40, ["T2w"], {"T2w": infant.t2w})
    grid = Grid(whole.mask.shape, whole.affine)
    expected = resample(infant.t2w, infant.affine, grid, 1)
    inside = whole.mask
    assert np.corrcoef(whole.images["T2w"][inside], expected[inside])[0, 1] > 0.98


def test_white_matter_is_where_it_was_painted(infant: SyntheticInfant) -> None:
    """Bright on a newborn's T2w, dark on an older infant's, against the cortex."""
    images = {age: make_targets(infant.dseg, infant.affine, age, ["T2w"])[0] for age in (40, 100)}
    grid = Grid(images[40].mask.shape, images[40].affine)
    labels = resample(infant.dseg, infant.affine, grid, 0)
    wm, cortex = np.isin(labels, WM_LABELS), np.isin(labels, (3, 42))
    means = {
        age: (np.median(t.images["T2w"][wm]), np.median(t.images["T2w"][cortex]))
        for age, t in images.items()
    }
    assert means[40][0] > means[40][1]
    assert means[100][0] < means[100][1]


def test_source_images_are_cropped_masked_and_coarse(infant: SyntheticInfant) -> None:
    padded = np.pad(infant.t2w, ((15, 0), (0, 9), (0, 0)))
    affine = infant.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ (15, 0, 0)
    brain = padded > 0
    brain[:, :, : brain.shape[2] // 2] = False
    image, grid = source_image(padded, affine, brain, 2.0)
    np.testing.assert_allclose(voxel_sizes(grid), 2.0)
    assert np.prod(np.array(image.shape) * 2.0) < 0.7 * np.prod(np.array(padded.shape) * 1.6)
    inside = resample(brain.astype(np.float32), affine, Grid(image.shape, grid), 0)
    away = distance_to_mm(inside > 0, grid)
    np.testing.assert_allclose(image[away > 6], 0, atol=1e-3)
    assert np.median(image[inside > 0]) == pytest.approx(np.median(padded[brain]), rel=0.05)


def test_masks_of_one_brain_are_one() -> None:
    """Each lacks another part; on its own grid it has both. Elsewhere, it stays as it is."""
    one, affine = np.zeros((20, 20, 20), bool), np.diag([2.0, 2.0, 2.0, 1.0])
    one[4:16, 4:16, 4:13] = True
    other, finer = np.zeros((40, 40, 40), bool), np.diag([1.0, 1.0, 1.0, 1.0])
    finer[:3, 3] = -0.5
    other[8:32, 8:26, 8:32] = True
    both = shared_brain(one, affine, other, finer)
    expected = one.copy()
    expected[4:16, 4:13, 4:16] = True
    np.testing.assert_array_equal(both, expected)
    finer[:3, 3] = 15
    np.testing.assert_array_equal(shared_brain(one, affine, other, finer), one)
