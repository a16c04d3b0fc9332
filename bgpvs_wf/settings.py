"""Settings: frozen dataclasses whose values are checked in one place, wherever they come from.

A field says its type and, by `setting` or `limited`, what it may be, its default, and what a user
should know of it. The command line, a TOML file and Python are refused with the same words, and
`bgpvs_wf.schema` tells all of it to parsers, editors and the documentation.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bgpvs_wf.errors import UsageError, shown
from bgpvs_wf.paths import check_path

SEED: Mapping[str, Any] = {"at_least": 0, "at_most": 2**63 - 1}
"""What the seed of whatever draws at random may be."""
COUNT: Mapping[str, Any] = {"at_least": 1}
"""What a number of things may be of which there is one at least."""
HELD_OUT: Mapping[str, Any] = {"at_least": 0.0, "below": 1.0}
"""What share of all may be held out, such that some are left."""

_MISSING = dataclasses.MISSING
_RULE = "rule"
HELP, UNSET = "help", "unset"
"""Keys of the metadata of a field, beside its `Rule`."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a value may be, beside its type; of a list, what each item may be."""

    at_least: float = -math.inf
    above: float = -math.inf
    at_most: float = math.inf
    below: float = math.inf
    infinite: bool = False
    """Whether infinity is a value."""
    choices: tuple[str, ...] = ()
    items: tuple[int, float] = (0, math.inf)
    """How many items a list has, at least and at most."""

    def allows(self, value: float) -> bool:
        """Return whether a number is within the bounds; nan never is."""
        if math.isinf(value):
            return self.infinite and value > 0
        return self.at_least <= value <= self.at_most and self.above < value < self.below

    @property
    def bounds(self) -> str:
        """The bounds in words; empty where there are none."""
        low, high = max(self.at_least, self.above), min(self.at_most, self.below)
        if self.at_least > -math.inf and self.at_most < math.inf:
            return f"{low:g} to {high:g}"
        words = []
        if low > -math.inf:
            words.append(f"more than {low:g}" if low == self.above else f"{low:g} or more")
        if high < math.inf:
            words.append(f"less than {high:g}" if high == self.below else f"{high:g} or less")
        return " and ".join(words)


def rule_of(one: dataclasses.Field[Any]) -> Rule:
    """Return the rule of a field."""
    found: Rule = one.metadata.get(_RULE, Rule())
    return found


def setting(
    help: str,
    default: Any = _MISSING,
    *,
    factory: Any = _MISSING,
    unset: str = "",
    **rules: Any,
) -> Any:
    """Return a field that tells a user what it is.

    Parameters
    ----------
    help : str
        A sentence; values in it stand in backticks.
    default, factory : object, optional
        As of `dataclasses.field`; a `Settings` as a factory makes the field a table.
    unset : str
        What it means to give none, where the default does not say so.
    **rules
        Fields of `Rule`.
    """
    metadata = {_RULE: Rule(**rules), HELP: help, UNSET: unset}
    # Either is missing, which `field` does not tell from one that is not given.
    return field(default=default, default_factory=factory, metadata=metadata)


def limited(default: Any = _MISSING, **rules: Any) -> Any:
    """Return a field that has a `Rule`, and is no user's by itself."""
    return setting("", default, **rules)


class Settings:
    """A frozen dataclass that checks its values, and turns lists into tuples and text into paths.

    Raises
    ------
    UsageError
        If a value is of the wrong type or out of bounds.
    """

    section: ClassVar[str] = ""
    """What stands before the names of the fields in messages, such as ``predict.``."""

    def __post_init__(self) -> None:
        for one in dataclasses.fields(self):  # type: ignore[arg-type]
            value = convert(getattr(self, one.name), one, f"{self.section}{one.name}")
            object.__setattr__(self, one.name, value)


def check_rising(ends: Sequence[float], name: str) -> tuple[float, float]:
    """Return the least and the largest value of a range.

    Raises
    ------
    UsageError
        If the first is the larger one; names it with `name`.
    """
    least, largest = ends
    if least > largest:
        raise UsageError(f"{name} is {[least, largest]}; give the least, then the largest.")
    return least, largest


def tables_of(kind: type) -> dict[str, type[Settings]]:
    """Return the fields of a dataclass that are tables of settings, by name."""
    tables = {one.name: _table_kind(one) for one in dataclasses.fields(kind)}
    return {name: table for name, table in tables.items() if table is not None}


def _table_kind(one: dataclasses.Field[Any]) -> type[Settings] | None:
    kind: Any = one.default_factory
    return kind if isinstance(kind, type) and issubclass(kind, Settings) else None


def build_settings(kind: type, values: Mapping[str, Any], prefix: str = "") -> Any:
    """Build a frozen dataclass of settings, and the tables in it, from a mapping of plain values.

    Raises
    ------
    UsageError
        If a key is unknown or missing, or its value of the wrong type or out of bounds; named
        with `prefix`.
    """
    if isinstance(values, kind):
        return values
    if not isinstance(values, Mapping):
        where = prefix.rstrip(".")
        raise UsageError(f"'{where}' must be a table of settings, not {shown(values)}.")
    known = {f.name: f for f in dataclasses.fields(kind)}
    for key in values:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean '{prefix}{close[0]}'?" if close else f"known: {', '.join(known)}."
            raise UsageError(f"Unknown setting '{prefix}{key}'; {hint}")
    converted = {key: convert(v, known[key], f"{prefix}{key}") for key, v in values.items()}
    missing = [
        name
        for name, f in known.items()
        if name not in converted and f.default is _MISSING and f.default_factory is _MISSING
    ]
    if missing:
        raise UsageError(
            f"Missing setting: {', '.join(prefix + name for name in missing)}; add it."
        )
    return kind(**converted)


def check_number(value: Any, name: str, *, whole: bool = False, **rule: Any) -> Any:
    """Return a number that is within bounds.

    Parameters
    ----------
    value : object
    name : str
        Of the setting.
    whole : bool
        Whether it has to be a whole one.
    **rule
        Fields of `Rule`.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> check_number(float("nan"), "pvs_threshold", above=0, below=1)
    Traceback (most recent call last):
    bgpvs_wf.errors.UsageError: pvs_threshold is nan; give more than 0 and less than 1.
    """
    return _number(value, "int" if whole else "float", Rule(**rule), name)


def convert(value: Any, one: dataclasses.Field[Any], name: str) -> Any:
    """Return a value as its field's type.

    Raises
    ------
    UsageError
        Names the setting, its value, and what is allowed.
    """
    kind, rule = str(one.type), rule_of(one)
    if value is None and kind.endswith("| None"):
        return None
    kind = kind.removesuffix("| None").strip()
    if kind.startswith("tuple["):
        return _list(value, kind.removeprefix("tuple[").split(",")[0].strip("] "), rule, name)
    if kind in ("int", "float"):
        return _number(value, kind, rule, name)
    if kind == "bool":
        if not isinstance(value, bool):
            raise UsageError(f"{name} is {shown(value)}; give true or false.")
        return value
    if kind == "str":
        return _text(value, rule, name)
    if kind == "Path":
        return check_path(value, name)
    if kind.startswith("Mapping["):
        return _table(value, kind, name)
    table = _table_kind(one)
    return value if table is None else build_settings(table, value, f"{name}.")


def _number(value: Any, kind: str, rule: Rule, name: str) -> Any:
    what = "a whole number" if kind == "int" else "a number"
    right = isinstance(value, numbers.Integral if kind == "int" else numbers.Real)
    if not right or isinstance(value, bool):
        wanted = f"{what}, {rule.bounds}" if rule.bounds else what
        raise UsageError(f"{name} is {shown(value)}; give {wanted}.")
    if not rule.allows(_as_float(value)):
        raise UsageError(f"{name} is {shown(value)}; give {rule.bounds or what}.")
    return int(value) if kind == "int" else float(value)


def _text(value: Any, rule: Rule, name: str) -> str:
    if rule.choices:
        if not isinstance(value, str) or value not in rule.choices:
            raise UsageError(f"{name} is {shown(value)}; choose one of {', '.join(rule.choices)}.")
    elif not isinstance(value, str):
        raise UsageError(f"{name} is {shown(value)}; give text.")
    return value


def _list(value: Any, kind: str, rule: Rule, name: str) -> tuple[Any, ...]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        value = value.tolist() if hasattr(value, "tolist") else value
        if not isinstance(value, list):
            raise UsageError(f"{name} is {shown(value)}; give a list.")
    least, most = rule.items
    if not least <= len(value) <= most:
        few = f"{least} or more" if most == math.inf else f"{least} to {most}"
        few = str(least) if least == most else few
        raise UsageError(f"{name} is {shown(list(value))}; give {few} of them.")
    if kind in ("int", "float"):
        return tuple(_number(one, kind, rule, name) for one in value)
    return tuple(_text(one, rule, name) for one in value)


def _table(value: Any, kind: str, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise UsageError(f"'{name}' must be a table of settings, not {shown(value)}.")
    if kind.endswith("Path]"):
        return {key: check_path(path, f"{name}.{key}") for key, path in value.items()}
    return dict(value)


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
