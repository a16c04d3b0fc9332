from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from bgpvs_wf.phantom.brain import draw_brain
from bgpvs_wf.phantom.trees import (
    DIAMETER_MM,
    LENGTH_MM,
    WALL_MM,
    draw_pvs,
    grow_tubes,
)

ORIGIN = np.array([0.0, 0.0, -12.0])
OUTWARDS = np.array([1.0, 0.0, 0.0])


def ball(points):
    return np.linalg.norm(points, axis=1) - 9.0


@pytest.fixture(scope="module")
def tubes():
    rng = np.random.default_rng(3)
    seeds = rng.uniform(-5, 5, (500, 3))
    return grow_tubes(ball, seeds, 14, rng, origin=ORIGIN, outwards=OUTWARDS)


def test_tubes_stay_inside_and_trees_apart(tubes):
    assert len(tubes) >= 8
    for i, tube in enumerate(tubes):
        assert (ball(tube.points) <= -tube.radius - WALL_MM + 1e-6).all()
        assert LENGTH_MM[0] <= tube.length_mm + 1e-6 <= LENGTH_MM[1] + 0.2
        assert DIAMETER_MM[0] <= tube.diameter_mm <= DIAMETER_MM[1]
        for other in tubes[:i]:
            gap, nearest = cKDTree(other.points).query(tube.points)
            apart = (gap > tube.radius + other.radius[nearest]).all()
            assert apart or tube.tree == other.tree


def test_branches_leave_the_middle_of_their_trunk_and_are_thinner(tubes):
    by_tree = [[t for t in tubes if t.tree == n] for n in {t.tree for t in tubes}]
    branched = [trees for trees in by_tree if len(trees) == 2]
    assert branched
    for trunk, branch in branched:
        gap, place = cKDTree(trunk.points).query(branch.points[0])
        assert gap < 1e-6
        assert 0.2 < place / len(trunk.points) < 0.8
        assert branch.radius.mean() <= trunk.radius.mean() + 0.03
        assert branch.fill == trunk.fill


def test_no_room_no_tubes():
    rng = np.random.default_rng(0)
    place = {"origin": ORIGIN, "outwards": OUTWARDS}
    assert grow_tubes(lambda p: np.ones(len(p)), np.zeros((1, 3)), 5, rng, **place) == []
    assert grow_tubes(lambda p: -np.ones(len(p)), np.zeros((0, 3)), 5, rng, **place) == []


def test_infants_have_about_fifty_mm3_that_fan_out_upwards():
    volumes, counts, rises, away = [], [], [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        brain = draw_brain(52, rng)
        found = draw_pvs(brain, rng)
        volumes.append(sum(tube.volume_mm3 for tube in found))
        counts.append(len(found))
        for tube in found:
            side = 1 if tube.points[0, 0] > brain.shift[0] else -1
            origin = brain.perforated_substance(side)
            rises.append(tube.points[-1, 2] - tube.points[0, 2])
            near, far = (np.linalg.norm(tube.points[i] - origin) for i in (0, -1))
            away.append(far - near)
    assert 35 < np.median(volumes) < 65
    assert min(counts) >= 4
    assert max(counts) <= 30
    assert np.mean(np.array(rises) > 0) > 0.9
    assert np.mean(np.array(away) > 0) > 0.9


def test_counts_and_forbidden_places_are_kept():
    rng = np.random.default_rng(5)
    brain = draw_brain(60, rng)
    right_only = draw_pvs(brain, rng, 12, free=lambda p: brain.shift[0] - p[:, 0])
    assert 0 < len(right_only) <= 12
    assert all((tube.points[:, 0] > brain.shift[0]).all() for tube in right_only)
    more = draw_pvs(brain, rng, 6, taken=tuple(right_only))
    lines = np.concatenate([tube.points for tube in right_only])
    assert all(cKDTree(lines).query(tube.points)[0].min() > tube.radius.mean() for tube in more)


def test_diameters_are_spread_evenly_if_asked_for():
    rng = np.random.default_rng(3)
    tubes = grow_tubes(
        lambda points: np.linalg.norm(points, axis=1) - 40,
        rng.uniform(-25, 25, (4000, 3)),
        80,
        rng,
        origin=np.array([0.0, 0.0, -50.0]),
        outwards=OUTWARDS,
        diameters_mm=(0.4, 1.8),
    )
    assert all(0.4 <= 2 * tube.radius.min() <= 2 * tube.radius.max() <= 1.8 for tube in tubes)
    # The trunk of a tree comes first, and its branch is thinner.
    trunks = {tube.tree: tube.diameter_mm for tube in reversed(tubes)}
    counts = np.histogram(list(trunks.values()), [0.4, 0.75, 1.1, 1.45, 1.8])[0]
    assert counts.sum() == len(trunks) > 40
    assert (counts > 0.5 * len(trunks) / 4).all()


def test_an_infants_tubes_are_about_as_bright_as_each_other():
    brain = draw_brain(52, np.random.default_rng(1))
    infants = [draw_pvs(brain, np.random.default_rng(s), 8, fill=(0.3, 1.0)) for s in range(12)]
    fills = [[tube.fill for tube in tubes] for tubes in infants]
    assert all(0.3 <= min(one) <= max(one) <= 1.0 for one in fills)
    assert all(max(one) / min(one) < 1.34 for one in fills)
    middles = [np.mean(one) for one in fills]
    assert max(middles) - min(middles) > 0.3
    # How bright they are changes nothing else.
    usual = draw_pvs(brain, np.random.default_rng(0), 8)
    assert all(np.array_equal(a.points, b.points) for a, b in zip(usual, infants[0], strict=True))
