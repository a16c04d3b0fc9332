"""What is measured of quality, what it means, and beyond which bounds a subject is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from bgpvs_wf.reading import load_toml

IMAGES = ("T2w", "T1w")


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure of quality."""

    name: str
    label: str
    """For people, short."""
    meaning: str
    """One sentence."""
    unit: str = ""
    look_below: float = -math.inf
    look_above: float = math.inf
    bad_below: float = -math.inf
    bad_above: float = math.inf
    words: str = ""
    """What is said beyond a bound; may name the `value`."""
    cohort: str = ""
    """On which side one is told that lies far from others: `low`, `high`, `both`; or empty."""
    logarithmic: bool = False
    """Whether it is by how many times as large it is that others differ."""
    least: float = 0.0
    """By how much at least such a one differs from what is expected; of the logarithm, if so."""
    outlying: str = ""
    """What is said of such a one."""
    source: str = ""
    """Of the bounds."""

    def advice(self, value: float) -> str:
        """Return what is advised for a value: `good`, `look` or `bad`; what is missing is good."""
        if value < self.bad_below or value > self.bad_above:
            return "bad"
        return "look" if value < self.look_below or value > self.look_above else "good"

    def sentence(self, value: float) -> str:
        """Return what is said of a value beyond a bound."""
        return self.words.format(value=value)


@cache
def measures() -> dict[str, Measure]:
    """Return all measures by their names, in the order of the tables."""
    with resources.as_file(resources.files("bgpvs_wf.data")) as data:
        content = load_toml(data / "quality.toml")
    by_image: dict[str, Any] = content["image"]
    one: dict[str, Any] = content["measure"]
    first = ("voxel_mm3", "margin_mm", "turn_deg")
    found = [Measure(name=name, **one[name]) for name in first]
    found += [_of_image(image, name, row) for image in IMAGES for name, row in by_image.items()]
    found += [Measure(name=name, **row) for name, row in one.items() if name not in first]
    return {measure.name: measure for measure in found}


def _of_image(image: str, name: str, row: dict[str, Any]) -> Measure:
    """Return a measure of one image."""
    told: dict[str, Any] = {
        "label": f"{image} {row['label']}",
        "meaning": f"{row['meaning']} ({image})",
        **{key: row[key].replace("{image}", image) for key in ("words", "outlying") if key in row},
    }
    return Measure(name=f"{image.lower()}_{name}", **{**row, **told})


def doubts_about(values: Mapping[str, float]) -> list[str]:
    """Return what is said of values that are beyond their bounds.

    Examples
    --------
    >>> doubts_about({"turn_deg": 31.7, "margin_mm": 20.0})
    ['The head is turned by 32 degrees in its image: look whether the nuclei follow it.']
    """
    told = ((one, values.get(name, math.nan)) for name, one in measures().items())
    return [one.sentence(value) for one, value in told if one.advice(value) != "good"]


def quality_columns() -> dict[str, dict[str, str]]:
    """Return the BIDS data dictionary of the table of quality."""
    return {
        name: {"Description": one.meaning} | ({"Units": one.unit} if one.unit else {})
        for name, one in measures().items()
    }
