"""What a validation leaves out, and how it answers."""

from __future__ import annotations

import pandas as pd
import pytest

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.phantom.hybrid_dataset import Nuclei
from bgpvs_wf.studies.observer import Observer
from bgpvs_wf.studies.validation.answer import Smallest, pictures, smallest
from bgpvs_wf.studies.validation.plan import Plan
from bgpvs_wf.studies.validation.study import _usable

NAN = float("nan")


def test_who_is_left_out_is_named(tmp_path):
    scans = [
        SubjectInputs(subject=subject, session=session)
        for subject, session in (("1", "a"), ("1", "b"), ("2", None), ("3", None))
    ]
    nuclei = {name: Nuclei(tmp_path) for name in ("sub-1_ses-a", "sub-3")}
    plan = Plan(bids_dir=tmp_path, out=tmp_path)
    usable, left_out = _usable(plan, scans, nuclei, ["sub-2: too dark."], Observer())
    assert [scan.label for scan in usable] == ["sub-3"]
    assert left_out == [
        "sub-1_ses-a: another session of it has no nuclei.",
        "sub-1_ses-b: no nuclei were found.",
    ]


def test_smallest_in_words():
    assert str(Smallest((0.7, 0.61, 0.8), "")) == "0.70 mm (95 % interval 0.61 to 0.80 mm)"
    assert str(Smallest((0.7, NAN, NAN), "no interval")) == "0.70 mm (no interval)"
    assert str(Smallest((NAN, NAN, NAN), "none detected")) == "not known, none detected"


def test_smallest_is_that_of_all_tubes():
    tubes = pd.DataFrame(
        {
            "subject": [str(i % 6) for i in range(60)],
            "session": None,
            "diameter_mm": [0.4 + 0.02 * i for i in range(60)],
            "voxel_mm": [0.8, 1.0] * 30,
            "detected": [i > 20 + (-1) ** i * 8 for i in range(60)],
        }
    )
    tubes.loc[60] = ["9", None, NAN, 0.8, False]
    found = smallest(tubes, seed=1)
    assert found["50 %"].interval[0] == pytest.approx(0.8, abs=0.1)
    low, high = found["90 %"].interval[1:]
    assert low < found["90 %"].interval[0] < high
    hybrids = tubes.assign(subject=[f"{name}h0{i % 2}" for i, name in enumerate(tubes["subject"])])
    assert smallest(hybrids, seed=1) == found  # whole scans are resampled


def test_no_scores_no_pictures(tmp_path):
    cases = pd.DataFrame({"structure": ["BG-PVS"], "dice": [NAN], "subject": ["1"]})
    assert pictures(cases, tmp_path, tmp_path, tmp_path) == []
