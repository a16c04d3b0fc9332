"""What a session shows where another has a perivascular space."""

from __future__ import annotations

import numpy as np
import pytest

from bgpvs_wf.cohort.change.sessions import change_of
from bgpvs_wf.cohort.change.spaces import by_affine, find_spaces
from bgpvs_wf.cohort.change.table import Seen
from bgpvs_wf.cohort.change.traces import Evidence, leaves_trace, trace_of

AFFINE = np.diag([0.8, 0.8, 0.8, 1.0])
AFFINE[:3, 3] = (-10, 5, 20)
SHAPE = (24, 20, 20)
STAY = by_affine(np.eye(4))
TUBE = (slice(4, 20), 10, 10)


def seen(label, *tubes, probability=None):
    labels = np.zeros(SHAPE, np.int32)
    for number, place in enumerate(tubes, start=1):
        labels[place] = number
    spaces = find_spaces(labels, AFFINE)
    places = {space.number: ("Putamen", "left") for space in spaces}
    evidence = None
    if probability is not None:
        evidence = Evidence.beside(probability, AFFINE, labels)
    return Seen(label, AFFINE, spaces, places, evidence)


def faint(place, value=0.2):
    probability = np.zeros(SHAPE, np.float32)
    probability[place] = value
    return probability


@pytest.mark.parametrize("off", [0, 1, -1])
def test_a_trace_is_found_near_its_place(off):
    (space,) = seen("ses-a", TUBE).spaces
    assert space.voxels == 16
    probability = faint((TUBE[0], 10 + off, 10))
    trace = trace_of(space, Evidence(probability, AFFINE), STAY, 1.5)
    assert trace == pytest.approx(0.2, abs=0.03)
    assert leaves_trace(space, trace)


def test_what_is_far_or_belongs_to_another_is_no_trace():
    (space,) = seen("ses-a", TUBE).spaces
    far = Evidence(faint((TUBE[0], 15, 10)), AFFINE)
    assert trace_of(space, far, STAY, 1.5) == 0
    other = np.zeros(SHAPE, int)
    other[TUBE[0], 11, 10] = 3
    taken = Evidence.beside(faint((TUBE[0], 11, 10), 0.9), AFFINE, other)
    assert trace_of(space, taken, STAY, 1.5) == 0


def test_the_larger_a_space_the_more_is_to_be_seen_of_it():
    large, small = seen("ses-a", TUBE, (slice(4, 6), 4, 4)).spaces
    assert leaves_trace(small, 0.01)
    assert not leaves_trace(large, 0.01)


def test_what_leaves_a_trace_is_neither_new_nor_gone():
    clear = np.zeros(SHAPE, np.float32)
    kept = (slice(4, 20), 4, 4)
    before = seen("ses-a", kept, TUBE, probability=clear)
    for probability, change in ((faint(TUBE), "unclear"), (clear, "gone")):
        after = seen("ses-b", kept, probability=probability)
        for sessions, word in ((before, after), change), ((after, before), change):
            table, _ = change_of(list(sessions), [np.eye(4)])
            told = {"gone": "new"}.get(word, word) if sessions[0] is after else word
            assert sorted(table["change"]) == sorted(["persisted", told])
            row = table[table["change"] == told].iloc[0]
            assert row["trace"] == pytest.approx(0.2 if word == "unclear" else 0, abs=0.03)
    bare, _ = change_of([seen("ses-a", kept, TUBE), seen("ses-b", kept)], [np.eye(4)])
    assert bare["change"].tolist() == ["persisted", "gone"]
    assert bare["trace"].isna().all()
