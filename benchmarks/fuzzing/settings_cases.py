"""Settings in TOML files, one of them set to what it cannot be."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import numpy as np

from fuzzing import ground
from fuzzing.drafts import Draft, Random
from fuzzing.ground import CALLS, Site
from fuzzing.judge import CHANGED, EQUAL, REFUSED, SAID, Rule

_FILES = {
    "config": ("run.toml", ground._CONFIG),
    "train": ("recipe.toml", ground._RECIPE),
    "compare": ("experiment.toml", ground._EXPERIMENT),
    "simulate": ("scanner.toml", ground._SCANNER),
}
_NAN, _INF = float("nan"), float("inf")
_NO_NUMBERS: tuple[Any, ...] = ("two", "1", "", _NAN, _INF, -_INF, -1, -0.5, [], [1], {}, True)
_NO_WHOLE_NUMBERS: tuple[Any, ...] = (*_NO_NUMBERS, 1.5)
_NO_SWITCHES: tuple[Any, ...] = ("no", "true", 0, 1, [], {}, _NAN)
_NO_TEXTS: tuple[Any, ...] = (5, _NAN, True, [], ["a"], {}, {"a": 5})
_NO_LISTS: tuple[Any, ...] = (5, "", {}, True, [{}], [[1]], [_NAN], [True])
_NO_TABLES: tuple[Any, ...] = (5, "x", [], [1], True, {"no_such_key": {}}, {"a": 5}, {"": 1})
_FREE = ("participant_label", "n_procs")
"""Where less is asked for: an empty list is right there, or the value is another program's."""


def _setting(
    rng: np.random.Generator,
) -> tuple[str, str, str, str, str, frozenset[str]]:
    """Return call, name of the setting, file, damage in words, text of the file, and outcomes."""
    import tomli_w

    call = list(_FILES)[rng.integers(len(_FILES))]
    file, text = _FILES[call]
    content = tomllib.loads(text)
    leaves = list(_leaves(content))
    path, value = leaves[rng.integers(len(leaves))]
    wrong = _wrong(value)
    other = wrong[rng.integers(len(wrong))]
    _set(content, path, other)
    outcomes = {REFUSED}
    name = path[-1]
    if name in _FREE or path[0] == "plugin_args":
        outcomes |= {EQUAL, CHANGED, SAID}
    if path == ("augmentation",) or (isinstance(value, dict) and other in ({}, {"": 1})):
        outcomes |= {EQUAL, CHANGED, SAID}
    what = f"{file}: {'.'.join(path)} = {other!r}"
    return call, name, file, what, tomli_w.dumps(content), frozenset(outcomes)


def _leaves(content: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    for key, value in content.items():
        yield (*path, key), value
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))


def _wrong(value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return _NO_SWITCHES
    if isinstance(value, int):
        return _NO_WHOLE_NUMBERS
    if isinstance(value, float):
        return _NO_NUMBERS
    if isinstance(value, str):
        return _NO_TEXTS
    return _NO_LISTS if isinstance(value, list) else _NO_TABLES


def _set(content: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        content = content[key]
    content[path[-1]] = value


_OPTIONS = {"memory_gb": ("--mem",), "work_dir": ("work folder",), "output_dir": ("output folder",)}
"""Where a message speaks of a setting in the words of the command line."""


def changed_setting(rng: Random) -> Draft:
    """Set a setting to what it cannot be."""
    call, name, file, what, content, outcomes = _setting(rng)
    words = CALLS[call]

    def prepare(site: Site) -> Rule:
        (site.root / file).write_text(content, encoding="utf-8", errors="surrogateescape")
        return Rule(outcomes, (name, f"--{name.replace('_', '-')}", *_OPTIONS.get(name, ())))

    return Draft(call, what, words, words, prepare)
