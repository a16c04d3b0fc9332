"""Whether what a JSON file holds has the shape that it should have, before anybody counts on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

_NAMES = {
    str: "a text", int: "a whole number", float: "a number", bool: "true or false",
    dict: "a mapping", list: "a list", None: "null",
}  # fmt: skip


def check_shape(content: Any, shape: Any, where: str = "it") -> None:
    """Make sure that a value read from JSON has a shape.

    Parameters
    ----------
    content : object
    shape : object
        A type (`str`, `int`, `float`: any finite number, `bool`, `dict`, `list`), None for null, a
        tuple of these for either; a mapping of keys that have to be there to their shapes, or
        ``{str: shape}`` for any keys; ``[shape, ...]`` for a list of these, ``[a, b]`` for a
        list of two.
    where : str
        What the value is called in the message.

    Raises
    ------
    ValueError
        Names the first part that has another shape.

    Examples
    --------
    >>> check_shape({"inputs": {"a": 5}}, {"inputs": {str: [int, int]}})
    Traceback (most recent call last):
    ValueError: 'inputs.a' is 5, not a list
    """
    if isinstance(shape, tuple):
        if not any(_fits(content, one) for one in shape):
            names = " or ".join(_NAMES[one] for one in shape)
            raise ValueError(f"{where} is {shown(content)}, not {names}")
    elif isinstance(shape, Mapping):
        _check_mapping(content, shape, where)
    elif isinstance(shape, Sequence):
        _check_list(content, shape, where)
    elif not _fits(content, shape):
        raise ValueError(f"{where} is {shown(content)}, not {_NAMES[shape]}")


def _check_mapping(content: Any, shape: Mapping[Any, Any], where: str) -> None:
    if not isinstance(content, dict):
        raise ValueError(f"{where} is {shown(content)}, not a mapping")
    every = shape.get(str)
    for name in content if every is not None else shape:
        if name not in content:
            raise ValueError(f"{_part(where, name)} is missing")
        check_shape(content[name], shape[name] if every is None else every, _part(where, name))


def _check_list(content: Any, shape: Sequence[Any], where: str) -> None:
    if not isinstance(content, list):
        raise ValueError(f"{where} is {shown(content)}, not a list")
    shapes = [shape[0]] * len(content) if shape[-1] is ... else list(shape)
    if len(content) != len(shapes):
        raise ValueError(f"{where} has {len(content)} values, not {len(shapes)}")
    for number, (value, one) in enumerate(zip(content, shapes, strict=True)):
        check_shape(value, one, _part(where, number))


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number, and not true or false."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def shown(value: Any) -> str:
    """Return a value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _fits(value: Any, kind: Any) -> bool:
    if kind is None:
        return value is None
    if kind is float:
        return is_number(value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _part(where: str, name: Any) -> str:
    return f"'{name}'" if where == "it" else f"'{where.strip(chr(39))}.{name}'"
