"""Were the members of a cohort made alike? If not, what differs, in sentences."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

VERSION = "the version"
MODEL = "the model"
"""Names of what results were made with, beside those of settings."""

_SHOWN = 3
"""Differences, and values of one, that are named."""
_LONGEST = 60
_REMEDY = {VERSION: "with one version", MODEL: "with one model"}


def what_differs(made: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Say what the members of a cohort were made with that is not the same in all.

    Parameters
    ----------
    made : iterable of mapping
        Of each member: `VERSION`, `MODEL` and dotted names of settings to values as JSON has them.
        What a member does not know is not compared: empty where nobody wrote it down.

    Returns
    -------
    tuple of str
        A sentence for each difference, the first few; nothing if there is none.

    Examples
    --------
    >>> small = {"quantify.min_volume_mm3": 12.0}
    >>> what_differs([small, {"quantify.min_volume_mm3": 0.0}, small])
    ('Not all were made alike: quantify.min_volume_mm3 is 0 in 1 and 12 in 2; run all of them \
again with one setting.',)
    """
    counts: dict[str, Counter[str]] = {}
    for one in made:
        for name, value in one.items():
            counts.setdefault(name, Counter())[_text(value)] += 1
    # What concerns everything comes before single settings.
    order = sorted(counts, key=lambda name: (name != VERSION, name != MODEL, name))
    unlike = [name for name in order if len(counts[name]) > 1]
    told = [
        f"Not all were made alike: {name} is {_values(counts[name])}; run all of them again "
        f"{_REMEDY.get(name, 'with one setting')}."
        for name in unlike[:_SHOWN]
    ]
    more = len(unlike) - _SHOWN
    return (*told, *([f"And {more} more differ{'s' if more == 1 else ''}."] if more > 0 else []))


def _values(counts: Counter[str]) -> str:
    """Return values and how many have each, the rarest first: it is the odd one."""
    ordered = sorted(counts.items(), key=lambda one: (one[1], one[0]))
    words = [f"{_cut(text)} in {count}" for text, count in ordered]
    if len(ordered) > _SHOWN:
        rest = sum(count for _, count in ordered[_SHOWN:])
        words = [*words[:_SHOWN], f"something else in {rest}"]
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)


def _cut(text: str) -> str:
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} ... {text[-half:]}"
