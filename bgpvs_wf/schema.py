"""What settings there are, as data: for the command line, the documentation and editors of TOML."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bgpvs_wf.settings import HELP, UNSET, Rule, convert, rule_of, tables_of

_TYPES = {"int": "integer", "float": "number", "bool": "boolean", "str": "string", "Path": "string"}
_WORDS = {"int": "a whole number", "float": "a number", "str": "text", "Path": "a path"}


@dataclass(frozen=True)
class Setting:
    """A field of settings, called by its whole name such as ``quantify.min_volume_mm3``."""

    name: str
    field: dataclasses.Field[Any]

    @property
    def kind(self) -> str:
        """Its type, as it is written, or that of the items of a list."""
        kind = str(self.field.type).removesuffix("| None").strip()
        return kind.removeprefix("tuple[").split(",")[0].strip("] ") if self.is_list else kind

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return str(self.field.type).startswith("tuple[")

    @property
    def is_table(self) -> bool:
        """Whether it is a table whose keys are the user's."""
        return str(self.field.type).startswith("Mapping[")

    @property
    def rule(self) -> Rule:
        """What it may be."""
        return rule_of(self.field)

    @property
    def help(self) -> str:
        """What a user should know of it: a sentence with values in backticks."""
        return str(self.field.metadata.get(HELP, ""))

    @property
    def unset(self) -> str:
        """What it means to give none, where its default does not say so."""
        return str(self.field.metadata.get(UNSET, ""))

    @property
    def default(self) -> Any:
        """Its default as TOML would have it; None if it has to be given, or depends."""
        value = self.field.default
        if self.unset or value is dataclasses.MISSING:
            return None
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        return list(value) if isinstance(value, tuple) else value

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        if self.rule.choices:
            words = ", ".join(self.rule.choices)
        elif self.kind == "bool":
            words = "true, false"
        else:
            what = _WORDS.get(self.kind, "a table")
            words = f"{what}, {self.rule.bounds}" if self.rule.bounds else what
        return f"a list, each {words}" if self.is_list else words

    def check(self, value: Any) -> Any:
        """Return a value as this setting has it.

        Raises
        ------
        UsageError
            Names the setting, the value, and what is allowed.
        """
        return convert(value, self.field, self.name)


def all_settings(kind: type, prefix: str = "") -> Iterator[Setting]:
    """Yield the settings of a dataclass, those of its tables after its own."""
    tables = tables_of(kind)
    for one in dataclasses.fields(kind):
        if one.name not in tables:
            yield Setting(f"{prefix}{one.name}", one)
    for name, table in tables.items():
        yield from all_settings(table, f"{prefix}{name}.")


def find_setting(kind: type, name: str) -> Setting:
    """Return a setting by its whole name.

    Examples
    --------
    >>> from bgpvs_wf.config import RunConfig
    >>> find_setting(RunConfig, "pseudolabel.false_discovery_rate").allowed
    'a number, more than 0 and less than 1'
    """
    return next(one for one in all_settings(kind) if one.name == name)


def json_schema(kind: type, *, partial: bool = False) -> dict[str, Any]:
    """Return the JSON schema of a TOML file of settings.

    Parameters
    ----------
    kind : type
    partial : bool
        Whether settings that a dataclass needs may be missing from the file, since the command
        line gives them.
    """
    tables = tables_of(kind)
    properties: dict[str, Any] = {}
    needed = []
    for one in dataclasses.fields(kind):
        described = Setting(one.name, one)
        inner = tables.get(one.name)
        properties[one.name] = json_schema(inner) if inner else _json_value(described)
        if described.help:
            properties[one.name]["description"] = _description(described)
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            needed.append(one.name)
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": needed} if needed and not partial else {})


def _json_value(one: Setting) -> dict[str, Any]:
    if one.is_table:
        return {"type": "object"} | (
            {"additionalProperties": {"type": "string"}} if one.kind.endswith("Path]") else {}
        )
    rule = one.rule
    limits = {
        "minimum": rule.at_least,
        "exclusiveMinimum": rule.above,
        "maximum": rule.at_most,
        "exclusiveMaximum": rule.below,
    }
    value: dict[str, Any] = {"type": _TYPES[one.kind], **_finite(limits)}
    if rule.choices:
        value["enum"] = list(rule.choices)
    if one.is_list:
        least, most = rule.items
        value = {
            "type": "array",
            "items": value,
            **_finite({"minItems": least or -math.inf, "maxItems": most}),
        }
    if one.default is not None:
        value["default"] = one.default
    return value


def _finite(limits: Mapping[str, float]) -> dict[str, float]:
    return {name: limit for name, limit in limits.items() if math.isfinite(limit)}


def _description(one: Setting) -> str:
    return f"{one.help} Default: {one.unset}." if one.unset else one.help


def settings_table(kind: type) -> str:
    """Return the settings of a dataclass as a table in Markdown."""
    lines = ["| setting | default | what it may be | what it is |", "|---|---|---|---|"]
    for one in all_settings(kind):
        shown = "" if one.default in (None, "", []) else f"`{_toml(one.default)}`"
        cells = (f"`{one.name}`", one.unset or shown, one.allowed, one.help)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
