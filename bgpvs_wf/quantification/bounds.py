"""What is judged, what is found, and the bounds: `data/credible.toml`, with their sources."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from bgpvs_wf.arrays import Affine, Floats, Image, Labels
from bgpvs_wf.reading import load_toml

YOUNGEST_WEEKS = 30.0
"""An infant of unknown age is at least this old, and at most 24 months, where the table ends."""


@dataclass(frozen=True)
class Bound:
    """What a number can be; NaN is no number, and beyond nothing."""

    fail_below: float = -math.inf
    doubt_below: float = -math.inf
    doubt_above: float = math.inf
    fail_above: float = math.inf
    source: str = ""

    def beyond(self, value: float) -> bool:
        """Tell whether a number is doubtful or absurd."""
        return value < self.doubt_below or value > self.doubt_above or self.absurd(value)

    def absurd(self, value: float) -> bool:
        """Tell whether a number is absurd."""
        return value <= self.fail_below or value > self.fail_above


@dataclass(frozen=True)
class CredibleTable:
    """The bounds, and what volumes are expected at an age."""

    weeks: Floats
    volumes_mm3: Mapping[str, Floats]
    """By structure, left and right together, at those weeks."""
    bounds: Mapping[str, Bound]

    def expected_mm3(self, parts: tuple[str, ...], age_weeks: float | None) -> tuple[float, float]:
        """Return the least and the largest volume expected of some structures together, mm3.

        Both are the same at a known age.
        """
        curve = np.sum([self.volumes_mm3[part] for part in parts], axis=0)
        if age_weeks is not None:
            value = float(np.interp(age_weeks, self.weeks, curve))
            return value, value
        ages = np.array([YOUNGEST_WEEKS, *self.weeks[self.weeks > YOUNGEST_WEEKS]])
        found = np.interp(ages, self.weeks, curve)
        return float(found.min()), float(found.max())


@cache
def credible_table() -> CredibleTable:
    """Read the table that comes with the program."""
    with resources.as_file(resources.files("bgpvs_wf.data")) as data:
        content = load_toml(data / "credible.toml")
    rows = content["volume"]
    names = set(rows[0]) - {"weeks", "source"}
    return CredibleTable(
        weeks=np.array([row["weeks"] for row in rows]),
        volumes_mm3={name: np.array([1000 * row[name] for row in rows]) for name in names},
        bounds={name: Bound(**row) for name, row in content["bound"].items()},
    )


@dataclass(frozen=True)
class Finding:
    """Something about a result that is not credible."""

    sentence: str
    failure: bool = False
    """Whether it is absurd, rather than doubtful."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What is judged; all arrays have one shape (x, y, z)."""

    anatomy: Labels
    """Harmonised labels."""
    bgpvs: Labels
    """0 rest, 1 BG, 2 BG-PVS."""
    affine: Affine
    """Voxel index to mm, RAS+."""
    images: Mapping[str, Image]
    """`T2w`, `T1w` or both, preprocessed, the home image first."""
    age_weeks: float | None = None
    """Post-menstrual age."""
    record: Mapping[str, Any] | None = None
    """What the prediction says of itself, where there is one."""
    given: bool = False
    """Whether people gave the labels, so that nothing fails for them."""

    def said(self, key: str) -> float:
        """Return a number of the record; NaN where there is none."""
        return float((self.record or {}).get(key, math.nan))


SHOWN = 3
"""So many of several are named; of the others, how many they are."""


def some_of(texts: Sequence[str]) -> str:
    """Name the first of several.

    Examples
    --------
    >>> some_of(["a", "b", "c", "d", "e"])
    'a, b, c, and 2 more'
    """
    rest = len(texts) - SHOWN
    return ", ".join([*texts[:SHOWN], *([f"and {rest} more"] if rest > 0 else [])])
