"""`simulate_growing`: one synthetic infant at several ages, its tubes with the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bgpvs_wf.errors import UsageError
from bgpvs_wf.imaging.tubes import Tube
from bgpvs_wf.phantom.brain import Brain
from bgpvs_wf.phantom.confounders import draw_confounders, rim_at
from bgpvs_wf.phantom.fill import FILL
from bgpvs_wf.phantom.growing.brains import (
    carry,
    carry_confounders,
    carry_tube,
    grown_brain,
    inside_at_all,
)
from bgpvs_wf.phantom.growing.lives import Life, draw_life
from bgpvs_wf.phantom.protocol import ProtocolConfig, plain
from bgpvs_wf.phantom.subject import SyntheticInfant, scan_infant
from bgpvs_wf.phantom.trees import draw_pvs


@dataclass(frozen=True)
class GrowingInfant:
    """A synthetic infant at several ages; tube 3 is the same one in all of them."""

    sessions: tuple[SyntheticInfant, ...]
    numbers: tuple[tuple[int, ...], ...]
    """Numbers of the tubes of each session, in their order there."""
    lives: dict[int, Life]
    """What becomes of each tube, by its number."""
    brains: tuple[Brain, ...]

    def carry(self, points: np.ndarray, start: int, end: int) -> np.ndarray:
        """Return where the tissue at points, (n, 3), mm, of one session is in another."""
        return carry(points, self.brains[start], self.brains[end])


def simulate_growing(
    ages_weeks: Sequence[float],
    *,
    seed: int,
    protocol: ProtocolConfig | None = None,
    n_tubes: int | None = None,
    fill: tuple[float, float] = FILL,
    variation: float = 1.0,
    oblique_deg: float = 0.0,
) -> GrowingInfant:
    """Simulate an infant that is scanned again and again as it grows.

    Anatomy, tubes and what fools filters are drawn once and follow the tissue; a tree of tubes
    may widen, come or go (`bgpvs_wf.phantom.growing.lives`). Noise, grid and how the head lies
    are new in each session.

    Parameters
    ----------
    ages_weeks : sequence of float
        Post-menstrual ages, weeks, rising; two or more.
    seed : int
        The same call gives the same infant.
    protocol, n_tubes, fill, variation, oblique_deg
        See `bgpvs_wf.phantom.subject.simulate_subject`; `n_tubes` counts those of all ages.

    Raises
    ------
    AgeError
        If an age is out of range.
    UsageError
        If there are fewer than two ages, or they do not rise.
    """
    if len(ages_weeks) < 2 or (np.diff(ages_weeks) <= 0).any():
        raise UsageError("A growing infant needs two or more ages, each above the one before.")
    protocol = protocol or plain()
    _, drawn, fates, streams = _streams(seed, len(ages_weeks))
    brains = brains_of(ages_weeks, seed=seed, protocol=protocol, variation=variation)
    tubes_rng, confounders_rng = (np.random.default_rng(s) for s in drawn.spawn(2))
    # The last is the largest: points along a line come closer in the others, never apart.
    home = brains[-1]
    free = inside_at_all(brains, home)
    tubes = draw_pvs(home, tubes_rng, n_tubes, free=free, fill=fill)
    lives = _lives(tubes, ages_weeks, np.random.default_rng(fates))
    found = draw_confounders(home, ages_weeks[-1], confounders_rng, protocol.confounders)
    sessions, numbers = [], []
    for k, (age, brain) in enumerate(zip(ages_weeks, brains, strict=True)):
        there = tuple(number for number, life in lives.items() if life.present[k])
        mine = [carry_tube(tubes[n - 1], home, brain, lives[n].width[k]) for n in there]
        around = carry_confounders(found, home, brain, rim_at(age, protocol.confounders))
        sessions.append(
            scan_infant(brain, mine, around, age, streams[k], protocol, oblique_deg=oblique_deg)
        )
        numbers.append(there)
    return GrowingInfant(tuple(sessions), tuple(numbers), lives, tuple(brains))


def brains_of(
    ages_weeks: Sequence[float],
    *,
    seed: int,
    protocol: ProtocolConfig,
    variation: float = 1.0,
) -> list[Brain]:
    """Return the brains of a growing infant alone; arguments as of `simulate_growing`."""
    shape, _, _, streams = _streams(seed, len(ages_weeks))
    return [
        grown_brain(age, shape, own[0], protocol, variation)
        for age, own in zip(ages_weeks, streams, strict=True)
    ]


def _streams(
    seed: int, count: int
) -> tuple[
    np.random.SeedSequence,
    np.random.SeedSequence,
    np.random.SeedSequence,
    list[list[np.random.Generator]],
]:
    """Return seeds of shape, tubes and lives, and independent streams of each session."""
    shape, drawn, fates, *rest = np.random.SeedSequence(seed).spawn(3 + count)
    return shape, drawn, fates, [[np.random.default_rng(s) for s in one.spawn(8)] for one in rest]


def _lives(
    tubes: Sequence[Tube], ages_weeks: Sequence[float], rng: np.random.Generator
) -> dict[int, Life]:
    """Draw a life for each tree, which its branches share; return those of tubes from 1."""
    trees = {
        tree: draw_life(ages_weeks, rng) for tree in dict.fromkeys(tube.tree for tube in tubes)
    }
    return {number: trees[tube.tree] for number, tube in enumerate(tubes, start=1)}
