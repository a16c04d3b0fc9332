"""Matching of perivascular spaces: constructed truth, and what must not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bgpvs_wf.cohort.change.matching import Match, Pair, gate_of, match_spaces
from bgpvs_wf.cohort.change.refining import refine_placing
from bgpvs_wf.cohort.change.sessions import change_of
from bgpvs_wf.cohort.change.spaces import Space, by_affine, find_spaces
from bgpvs_wf.cohort.change.table import Seen, change_table
from bgpvs_wf.cohort.change.tracks import chain

GATE = gate_of(0.8, 0.8)
STAY = by_affine(np.eye(4))


def line(number: int, start: list[float], end: list[float], volume: float = 5.0) -> Space:
    points = np.linspace(start, end, 20)
    return Space(number, points, volume, 0.9)


def test_persisting_new_and_gone():
    first = [line(1, [0, 0, 0], [0, 0, 8]), line(2, [10, 0, 0], [10, 0, 6])]
    second = [line(1, [20, 0, 0], [20, 0, 6]), line(2, [0.4, 0.2, 0.5], [0.3, 0, 8])]
    found = match_spaces(first, second, STAY, STAY, GATE)
    assert [(pair.first, pair.second) for pair in found.pairs] == [((1,), (2,))]
    assert found.pairs[0].distance_mm < 0.5
    assert (found.gone, found.new) == ((2,), (1,))


def test_one_in_two_pieces_is_one_whichever_comes_first():
    whole = [line(7, [0, 0, 0], [0, 0, 10])]
    pieces = [line(1, [0, 0.2, 5.5], [0, 0.2, 10]), line(2, [0, 0.2, 0], [0, 0.2, 4.5])]
    split = match_spaces(whole, pieces, STAY, STAY, GATE)
    assert len(split.pairs) == 1
    assert set(split.pairs[0].second) == {1, 2}
    merged = match_spaces(pieces, whole, STAY, STAY, GATE)
    assert set(merged.pairs[0].first) == {1, 2}
    assert (split.new, split.gone, merged.new, merged.gone) == ((), (), (), ())


def test_a_new_one_beside_an_old_one_is_no_piece_of_it():
    first = [line(1, [0, 0, 0], [0, 0, 10])]
    second = [line(1, [0, 0.1, 0], [0, 0.1, 10]), line(2, [0, 1.2, 2], [0, 1.2, 8])]
    found = match_spaces(first, second, STAY, STAY, GATE)
    assert found.new == (2,)


def test_a_third_of_a_tube_is_still_the_tube():
    found = match_spaces(
        [line(1, [0, 0, 0], [0, 0, 9])], [line(1, [0, 0.3, 3], [0, 0.3, 6])], STAY, STAY, GATE
    )
    assert len(found.pairs) == 1


def test_tissue_that_grew_is_followed():
    grown = np.diag([1.3, 1.3, 1.3, 1.0])
    first = [line(1, [20, 0, 0], [20, 0, 6]), line(2, [26, 0, 0], [26, 0, 6])]
    second = [Space(s.number, s.points * 1.3, 5.0, 0.9) for s in first]
    forward, backward = by_affine(grown), by_affine(np.linalg.inv(grown))
    found = match_spaces(first, second, forward, backward, GATE)
    assert [(p.first, p.second) for p in found.pairs] == [((1,), (1,)), ((2,), (2,))]


def test_what_is_off_in_the_same_way_is_the_placing():
    rng = np.random.default_rng(3)
    starts = rng.uniform(-15, 15, (9, 3))
    first = [line(n, a, a + rng.normal(0, 4, 3)) for n, a in enumerate(starts, start=1)]
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("z", 4, degrees=True).as_matrix()
    motion[:3, 3] = (1.2, -0.8, 0.6)
    second = [Space(s.number, by_affine(motion)(s.points), 5.0, 0.9) for s in first[:-1]]
    found = refine_placing(first, second, np.eye(4), GATE)
    assert np.abs(found - motion).max() < 0.1
    assert np.array_equal(refine_placing(first[:4], second[:4], np.eye(4), GATE), np.eye(4))


@pytest.mark.parametrize("empty", ["first", "second", "both"])
def test_a_session_without_any(empty):
    some = [line(1, [0, 0, 0], [0, 0, 8])]
    first, second = ([] if empty in (name, "both") else some for name in ("first", "second"))
    found = match_spaces(first, second, STAY, STAY, GATE)
    assert found == Match((), tuple(s.number for s in first), tuple(s.number for s in second))


places = st.floats(-8, 8, allow_nan=False, width=32)


@st.composite
def spaces(draw):
    """Give lines of different places and directions, numbered at random."""
    count = draw(st.integers(0, 6))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    numbers = draw(st.permutations(range(1, count + 1)))
    starts = rng.uniform(-6, 6, (count, 3))
    ends = starts + rng.normal(0, 3, (count, 3))
    return [line(n, a, b) for n, a, b in zip(numbers, starts, ends, strict=True)]


def as_sets(match: Match, swapped: bool = False) -> tuple:
    pairs = {
        (frozenset(p.second if swapped else p.first), frozenset(p.first if swapped else p.second))
        for p in match.pairs
    }
    gone, new = set(match.gone), set(match.new)
    return (pairs, new, gone) if swapped else (pairs, gone, new)


@settings(deadline=None, max_examples=40)
@given(spaces(), spaces())
def test_order_of_sessions_does_not_matter(first, second):
    grown = np.diag([1.1, 1.2, 1.15, 1.0])
    forward, backward = by_affine(grown), by_affine(np.linalg.inv(grown))
    one = match_spaces(first, second, forward, backward, GATE)
    other = match_spaces(second, first, backward, forward, GATE)
    assert as_sets(one) == as_sets(other, swapped=True)


@settings(deadline=None, max_examples=40)
@given(spaces(), spaces(), st.randoms(use_true_random=False))
def test_numbers_do_not_matter(first, second, random):
    new = list(range(1, len(second) + 1))
    random.shuffle(new)
    name = {space.number: number for space, number in zip(second, new, strict=True)}
    renamed = [Space(name[s.number], s.points, s.volume_mm3, s.diameter_mm) for s in second]
    random.shuffle(renamed)
    one = as_sets(match_spaces(first, second, STAY, STAY, GATE))
    other = as_sets(match_spaces(first, renamed, STAY, STAY, GATE))
    pairs = {(a, frozenset(name[n] for n in b)) for a, b in one[0]}
    assert (pairs, one[1], {name[n] for n in one[2]}) == other


@settings(deadline=None, max_examples=40)
@given(spaces(), spaces(), st.tuples(places, places, places), st.tuples(places, places, places))
def test_a_common_motion_does_not_matter(first, second, turn, shift):
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec(np.array(turn) / 4).as_matrix()
    motion[:3, 3] = shift
    move = by_affine(motion)

    def moved(some):
        return [Space(s.number, move(s.points), s.volume_mm3, s.diameter_mm) for s in some]

    one = match_spaces(first, second, STAY, STAY, GATE)
    assert as_sets(one) == as_sets(match_spaces(moved(first), moved(second), STAY, STAY, GATE))


def test_every_space_is_somewhere_once():
    rng = np.random.default_rng(1)
    for _ in range(20):
        first, second = (
            [line(n, *rng.uniform(-4, 4, (2, 3))) for n in range(1, 8)] for _ in range(2)
        )
        found = match_spaces(first, second, STAY, STAY, GATE)
        ones = [n for pair in found.pairs for n in pair.first] + list(found.gone)
        others = [n for pair in found.pairs for n in pair.second] + list(found.new)
        assert sorted(ones) == sorted(others) == list(range(1, 8))


def test_tracks_follow_pieces_through_three_sessions():
    matches = {
        (0, 1): Match((Pair((1,), (1, 2), 0.2),), gone=(2,), new=(3,)),
        (1, 2): Match((Pair((1,), (2,), 0.1), Pair((2,), (1,), 0.3)), gone=(3,), new=()),
    }
    found = chain([[1, 2], [1, 2, 3], [1, 2]], matches)
    assert [track.members for track in found] == [
        ((1,), (1, 2), (1, 2)),
        ((2,), (), ()),
        ((), (3,), ()),
    ]
    assert found[0].distances_mm == (0.2, 0.3)


def test_table_tells_change_beyond_chance():
    def seen(label, spaces):
        return Seen(label, np.eye(4) * 0.8, spaces, {s.number: ("Putamen", "left") for s in spaces})

    def sized(number, volume):
        return line(number, [4.0 * number, 0, 0], [4.0 * number, 0, 8], volume)

    before = [sized(1, 4.0), sized(2, 5.0), sized(3, 5.0)]
    after = [sized(1, 9.0), sized(2, 5.4), sized(4, 2.0)]
    found = match_spaces(before, after, STAY, STAY, GATE)
    tracks = chain([[1, 2, 3], [1, 2, 4]], {(0, 1): found})
    table = change_table([seen("ses-a", before), seen("ses-b", after)], tracks).set_index("track")
    assert table["change"].tolist() == ["persisted", "persisted", "gone", "new"]
    assert table["size"].tolist()[:2] == ["grown", "same"]
    assert table["volume_change_mm3"].tolist() == pytest.approx([5, 0.4, -5, 2])
    assert table.loc[4, "index_to"] == "4"


def test_what_one_session_misses_is_found_again():
    def seen(label, *numbers):
        spaces = [line(n, [4.0 * (n % 10), 0, 0], [4.0 * (n % 10), 0, 8], 4.0) for n in numbers]
        return Seen(label, np.eye(4) * 0.8, spaces, dict.fromkeys(numbers, ("Putamen", "left")))

    sessions = [
        seen("ses-a", 1, 2, 3, 4),
        seen("ses-b", 11, 12),
        seen("ses-c", 22),
        seen("ses-d", 31, 32, 33, 35),
    ]
    table, _ = change_of(sessions, [np.eye(4)] * 3)
    told = table.groupby("track")["change"].apply(list)
    assert told.tolist() == [
        ["persisted", "missed", "again"],
        ["persisted"] * 3,
        ["missed", "again"],
        ["gone"],
        ["new"],
    ]
    again = table[(table["track"] == 3) & (table["change"] == "again")].iloc[0]
    assert (again["session_from"], again["session_to"]) == ("ses-c", "ses-d")
    assert (again["index_to"], again["volume_from_mm3"], again["volume_to_mm3"]) == ("33", 0, 4)


def test_spaces_of_a_label_map_are_in_millimetres():
    labels = np.zeros((12, 8, 8), np.int16)
    labels[2:10, 4, 4] = 3
    labels[1, 1, 1] = 5
    affine = np.diag([0.5, 0.5, 0.5, 1.0])
    affine[:3, 3] = (10, 20, 30)
    found = find_spaces(labels, affine, {5: (0.3, 0.7)})
    assert [one.number for one in found] == [3, 5]
    assert found[0].volume_mm3 == pytest.approx(1.0)
    assert found[0].points.mean(axis=0) == pytest.approx([12.75, 22, 32], abs=0.1)
    assert (found[1].volume_mm3, found[1].diameter_mm) == (0.3, 0.7)
