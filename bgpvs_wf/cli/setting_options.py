"""Options for settings of `RunConfig`: their types, choices and help are those of the setting."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from bgpvs_wf.cli.parser import number
from bgpvs_wf.config import RunConfig
from bgpvs_wf.schema import Setting, find_setting


def add_setting(
    group: argparse._ActionsContainer,
    name: str,
    *flags: str,
    read: Callable[[str], Any] | None = None,
    note: str = "",
    **more: Any,
) -> None:
    """Add the argument for a setting, whose values are refused with the words of the setting.

    Parameters
    ----------
    group : argparse group or parser
        Its `argument_default` has to be `SUPPRESS`.
    name : str
        Of the setting, such as ``predict.device``; of the argument as well, if there are no flags.
    *flags : str
        Names of the option.
    read : callable, optional
        Makes a value of the text, where that is not as in TOML.
    note : str
        What the command line has to add to the help.
    **more
        Of `add_argument`, over what the setting says.
    """
    one = find_setting(RunConfig, name)
    options: dict[str, Any] = {"help": _help(one, note)}
    if flags:
        options["dest"] = name
    if one.kind == "bool":
        options["action"] = argparse.BooleanOptionalAction
    else:
        options["metavar"] = _metavar(one)
        if not one.is_list and not one.is_table:
            options["type"] = _reader(one, read or _usual(one))
    group.add_argument(*(flags or (name,)), **{**options, **more})


def _reader(one: Setting, read: Callable[[str], Any]) -> Callable[[str], Any]:
    def checked(text: str) -> Any:
        # A `UsageError` goes past argparse, which has words of its own.
        return one.check(read(text))

    return checked


def _usual(one: Setting) -> Callable[[str], Any]:
    return number if one.kind in ("int", "float") else str


def _metavar(one: Setting) -> str:
    rule = one.rule
    if rule.choices:
        return f"{{{','.join(rule.choices)}}}"
    if one.kind == "float":
        share = min(rule.at_most, rule.below) <= 1
        return "SHARE" if share else one.name.rpartition("_")[2].upper()
    return {"int": "N", "Path": "DIR"}.get(one.kind, "TEXT")


def _help(one: Setting, note: str) -> str:
    """Return a line of help: the sentence of the setting as other lines are, and its default."""
    words = one.help.replace("`", "").removesuffix(".")
    if words[1:2].islower():
        words = words[0].lower() + words[1:]
    default = one.unset or _shown(one.default)
    ends = (f"; {note}" if note else "", f" (default: {default})" if default else "")
    return f"{words}{''.join(ends)}".replace("%", "%%")


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    return "" if default is None else f"{default:g}" if isinstance(default, float) else str(default)
