from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bgpvs_wf.evaluation.score_tables import CASE_COLUMNS, TUBE_COLUMNS
from bgpvs_wf.evaluation.scoring import ReferenceCase, score_case

VOXEL_MM3 = 0.5 * 0.8 * 1.0


@pytest.fixture
def reference() -> ReferenceCase:
    bg, pvs = np.zeros((2, 12, 16, 10), bool)
    bg[1:11, 1:15, 1:9] = True
    tubes = np.zeros(bg.shape, np.int16)
    tubes[2, 2:10, 4] = 1
    tubes[5, 2:6, 4] = 2
    tubes[8, 2:4, 4] = 3
    pvs[tubes > 0] = True
    return ReferenceCase(
        *("01", None, np.diag([0.5, 0.8, 1.0, 1.0]), bg, pvs),
        occupancy=np.where(pvs, 0.5, 0.0) + np.where(bg, 0.0, 0.25),
        tubes=tubes,
        objects=pd.DataFrame(
            {"tube": [1, 2, 3, 4], "tree": [1, 1, 2, 3], "diameter_mm": [1.2, 0.9, 0.7, 0.4]}
        ),
    )


def test_a_prediction_like_the_reference_is_perfect(reference):
    cases, tubes = score_case(reference, "m", reference.bg, reference.pvs)
    assert [list(row) for row in cases] == [list(CASE_COLUMNS)] * 2
    bg, pvs = cases
    for row in cases:
        assert (row["dice"], row["recall"], row["ppv"], row["hd95_mm"]) == (1, 1, 1, 0)
        assert (row["subject"], row["session"], row["method"]) == ("01", None, "m")
    assert bg["reference_mm3"] == pytest.approx(10 * 14 * 8 * VOXEL_MM3)
    assert np.isnan([bg["cluster_f1"], bg["true_mm3"], bg["reference_count"]]).all()
    assert pvs["reference_mm3"] == pvs["predicted_mm3"] == pytest.approx(14 * VOXEL_MM3)
    assert pvs["true_mm3"] == pytest.approx(7 * VOXEL_MM3)  # what is outside the BG is not PVS
    assert (pvs["reference_count"], pvs["predicted_count"]) == (3, 3)  # trees, objects
    assert [list(row) for row in tubes] == [list(TUBE_COLUMNS)] * 4
    assert [row["coverage"] for row in tubes[:3]] == [1, 1, 1]
    assert [row["detected"] for row in tubes] == [True, True, True, False]
    assert np.isnan(tubes[3]["coverage"])  # too thin for a voxel of its own
    assert tubes[0]["voxel_mm"] == pytest.approx(VOXEL_MM3 ** (1 / 3))
    assert np.isnan(tubes[0]["snr"])


def test_a_missing_prediction_is_not_an_empty_one(reference):
    (bg, pvs), tubes = score_case(reference, "m", None)
    assert np.isnan([bg["dice"], pvs["dice"], pvs["predicted_mm3"], pvs["predicted_count"]]).all()
    assert pvs["reference_count"] == 3
    assert tubes == []
    nothing = np.zeros(reference.bg.shape, bool)
    (bg, pvs), tubes = score_case(reference, "m", nothing, nothing)
    assert (bg["dice"], pvs["dice"], pvs["predicted_mm3"], pvs["predicted_count"]) == (0, 0, 0, 0)
    assert not any(row["detected"] for row in tubes)
    assert len(tubes) == 4


def test_pvs_without_a_reference_are_not_scored(reference):
    only_bg = ReferenceCase("01", "a", reference.affine, reference.bg)
    cases, tubes = score_case(only_bg, "m", reference.bg, reference.pvs)
    assert [row["structure"] for row in cases] == ["BG"]
    assert tubes == []


def test_ignored_voxels_count_for_pvs_alone(reference):
    ignore = np.zeros(reference.bg.shape, bool)
    ignore[7:10] = True  # the third tube, and what is around it
    prediction = reference.pvs.copy()
    prediction[9, 8:12, 6] = True  # where nobody knows
    fluid = np.where(prediction, 0.75, 0.0)
    ignoring = dataclasses.replace(reference, ignore=ignore)
    (bg, pvs), tubes = score_case(ignoring, "m", reference.bg, prediction, fluid)
    assert bg["dice"] == 1
    assert np.isnan(bg["predicted_tube_mm3"])
    assert pvs["predicted_tube_mm3"] == pytest.approx(0.75 * 12 * VOXEL_MM3)
    assert (pvs["dice"], pvs["cluster_f1"], pvs["predicted_count"]) == (1, 1, 2)
    assert pvs["reference_count"] == 2  # the trees of tubes 1, 2 and of 4, which has no voxel
    assert pvs["reference_mm3"] == pytest.approx(12 * VOXEL_MM3)
    assert pvs["true_mm3"] == pytest.approx(6 * VOXEL_MM3)
    assert [row["tube"] for row in tubes] == [1, 2, 4]


def test_tubes_outside_the_bg_are_left_out(reference):
    bg = reference.bg.copy()
    bg[:, :4] = False
    cases, tubes = score_case(dataclasses.replace(reference, bg=bg), "m", bg, reference.pvs)
    assert [row["tube"] for row in tubes] == [1, 2, 4]
    assert cases[1]["reference_count"] == 2


def test_without_a_table_objects_are_counted(reference):
    bare = dataclasses.replace(reference, objects=None)
    cases, tubes = score_case(bare, "m", reference.bg, reference.pvs)
    assert cases[1]["reference_count"] == 3
    assert [row["tube"] for row in tubes] == [1, 2, 3]
    assert all(np.isnan(row["diameter_mm"]) for row in tubes)
    cases, tubes = score_case(
        dataclasses.replace(bare, tubes=None, occupancy=None), "m", reference.bg, reference.pvs
    )
    assert np.isnan(cases[1]["true_mm3"])
    assert tubes == []


def test_another_shape_is_refused(reference):
    with pytest.raises(ValueError, match="shape"):
        score_case(reference, "m", np.ones((3, 3, 3), bool))
