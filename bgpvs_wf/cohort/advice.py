"""What is advised for each subject of a cohort, and why, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.cohort.age_gap import other_age
from bgpvs_wf.cohort.outliers import FAR, deviations, far_off, protocols
from bgpvs_wf.quality.measures import Measure, measures

if TYPE_CHECKING:
    import pandas as pd

ADVICE = ("good", "look", "bad")
"""What is advised, from the best on."""


@dataclass(frozen=True)
class Reason:
    """What speaks against a subject."""

    sentence: str
    measure: str = ""
    """Name of the column that it is about; empty if it is about none."""


def advise(
    quality: pd.DataFrame, doubts: Sequence[Sequence[str]]
) -> list[tuple[str, tuple[Reason, ...]]]:
    """Return what is advised for each row of a table of quality, and why.

    Parameters
    ----------
    quality : DataFrame
        As `bgpvs_wf.cohort.quality.quality_of_cohort` gives it.
    doubts : sequence of sequence of str
        What the result of each row says of itself; see `bgpvs_wf.bids.derivatives.told_doubts`.

    Returns
    -------
    list of (str, tuple of Reason)
        One of `ADVICE`; empty reasons if it is `good`. What is beyond a bound, or far from others,
        is to be looked at; what is beyond the outer bound of a measure is bad.
    """
    beside_others = outlying(quality)
    advised = []
    for number, (row, told) in enumerate(zip(quality.to_dict("records"), doubts, strict=True)):
        values = {name: float(row[name]) for name in measures()}
        beyond = {
            one.sentence(values[name]): name
            for name, one in measures().items()
            if one.advice(values[name]) != "good"
        }
        # What was told when the subject was run comes first.
        sentences = dict.fromkeys([*told, *beyond])
        reasons = [Reason(sentence, beyond.get(sentence, "")) for sentence in sentences]
        known = {reason.measure for reason in reasons}
        reasons += [reason for reason in beside_others[number] if reason.measure not in known]
        bad = any(one.advice(values[name]) == "bad" for name, one in measures().items())
        advised.append(("bad" if bad else "look" if reasons else "good", tuple(reasons)))
    return advised


def outlying(quality: pd.DataFrame) -> list[list[Reason]]:
    """Return for each row in what it lies far from others of its protocol and age."""
    found: list[list[Reason]] = [[] for _ in range(len(quality))]
    ages = quality["age_weeks"].to_numpy(float)
    for group in protocols(quality):
        for name, one in measures().items():
            if one.cohort:
                values = quality[name].to_numpy(float)[group]
                for place, reason in _far(one, values, ages[group]):
                    found[group[place]].append(reason)
    for number, reason in (*_volumes(quality), *_ages(quality)):
        found[number].append(reason)
    return found


def _far(one: Measure, values: np.ndarray, ages: np.ndarray) -> Iterator[tuple[int, Reason]]:
    """Yield who lies far from the others in one measure."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.log(values) if one.logarithmic else values
    scaled = np.where(np.isfinite(scaled), scaled, np.nan)
    differences, spread = deviations(scaled, ages)
    for place in np.flatnonzero(far_off(differences, spread, side=one.cohort, least=one.least)):
        expected = scaled[place] - differences[place]
        usual = np.exp(expected) if one.logarithmic else expected
        unit = {"percent": " %", "": ""}.get(one.unit, f" {one.unit}")
        sentence = f"{one.outlying}: {values[place]:.3g}{unit}, where {usual:.3g} is usual."
        yield int(place), Reason(sentence, one.name)


def _volumes(quality: pd.DataFrame) -> Iterator[tuple[int, Reason]]:
    """Yield whose basal ganglia are far larger or smaller than those of others of the age."""
    scores = quality["bg_volume_z"].to_numpy(float)
    for number in np.flatnonzero(np.abs(scores) > FAR):
        size = "larger" if scores[number] > 0 else "smaller"
        sentence = (
            f"The basal ganglia are {size} than those of others of the age "
            f"({scores[number]:+.1f} robust standard deviations)."
        )
        yield int(number), Reason(sentence, "bg_volume_z")


def _ages(quality: pd.DataFrame) -> Iterator[tuple[int, Reason]]:
    """Yield who looks much younger or older than is said."""
    looked, said, surer = (
        quality[name].to_numpy(float)
        for name in ("looked_age_weeks", "age_weeks", "looked_age_surer")
    )
    for number in np.flatnonzero(other_age(looked, surer, said)):
        sentence = (
            f"Volumes and contrasts are those of {looked[number]:.0f} weeks, where "
            f"{said[number]:.0f} are said: check the age."
        )
        yield int(number), Reason(sentence, "looked_age_weeks")
