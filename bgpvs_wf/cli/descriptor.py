"""`bgpvs-wf run` for platforms that run containers: a Boutiques descriptor, made of its parser.

Boutiques 0.5, as `bosh validate --bids` wants it of a BIDS App; see https://boutiques.github.io and
Glatard T et al. Boutiques: a flexible framework to integrate command-line applications in computing
platforms. Gigascience 2018; 7(5):giy016.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from typing import Any

from bgpvs_wf._version import __version__
from bgpvs_wf.cli.main import build_parser
from bgpvs_wf.config import RunConfig
from bgpvs_wf.schema import Setting, all_settings

_LEFT_OUT = {"help", "demo"}
"""What makes another call of it."""
_KEYS = {"output_dir": "[OUTPUT_DIR]", "session_id": "[SESSION_LABEL]"}
"""Names that other BIDS Apps' descriptors have for ours."""
_MADE = {"output_dir", "work_dir"}
"""Folders that need not be there before."""
_NUMBERS = {"int", "float"}


def boutiques_descriptor() -> dict[str, Any]:
    """Return the descriptor, as JSON has it."""
    inputs = [one for action in _actions() for one in _inputs(action)]
    keys = " ".join(dict.fromkeys(one["value-key"] for one in inputs))
    return {
        "name": "bgpvs-wf",
        "description": "Perivascular spaces in the basal ganglia of infants (a BIDS App)",
        "tool-version": __version__,
        "schema-version": "0.5",
        "command-line": f"mkdir -p [OUTPUT_DIR]; bgpvs-wf {keys}",
        "container-image": {"type": "docker", "image": "bgpvs-wf", "entrypoint": True},
        "inputs": inputs,
        "groups": [_output_group(), *map(_yes_or_no, filter(_is_switch, _actions()))],
        "output-files": [
            {
                "id": "results",
                "name": "Results",
                "description": "BIDS derivatives, a page for each subject and one of the cohort",
                "path-template": "[OUTPUT_DIR]",
                "optional": False,
            }
        ],
        "error-codes": [
            {"code": 1, "description": "Some subjects failed; run the same again to go on."},
            {"code": 2, "description": "The call cannot be served; a line says why."},
        ],
        "suggested-resources": {"cpu-cores": 4, "ram": 8},
        "tags": {"domain": ["neuroinformatics", "mri"], "bids-app": True},
    }


def _actions() -> Iterator[argparse.Action]:
    """Yield the arguments of the run, each setting once."""
    seen = set(_LEFT_OUT)
    for action in build_parser().leaf(["run"])._actions:
        if action.dest not in seen:
            seen.add(action.dest)
            yield action


def _inputs(action: argparse.Action) -> Iterator[dict[str, Any]]:
    """Yield what one argument is to Boutiques: one input, or two where there is a choice."""
    if _is_switch(action):
        for flag in action.option_strings:
            words = action.help if flag == action.option_strings[0] else f"not {flag[5:]}"
            yield _flag(flag[2:].replace("-", "_"), flag, words)
    elif action.nargs == 0:
        flag = action.option_strings[-1]
        yield _flag(action.dest, flag, action.help)
    elif action.dest == "output_dir":
        one = _valued(action)
        yield one
        yield one | {
            "id": "participant_results",
            "name": "Results of the participant level",
            "type": "File",
            "description": "the same folder, where it is there and the group level follows",
        }
    else:
        yield _valued(action)


def _flag(name: str, flag: str, words: str | None) -> dict[str, Any]:
    return {
        "id": name,
        "name": flag,
        "description": words or "",
        "type": "Flag",
        "command-line-flag": flag,
        "value-key": f"[{name.upper()}]",
        "optional": True,
    }


def _valued(action: argparse.Action) -> dict[str, Any]:
    settings = {one.name: one for one in all_settings(RunConfig)}
    setting = settings.get(action.dest)
    flag = next((one for one in action.option_strings if one.startswith("--")), "")
    name = flag[2:].replace("-", "_") or action.dest
    one = {
        "id": name,
        "name": flag or str(action.metavar),
        "description": (action.help or "").replace("%%", "%"),
        "type": "String",
        "value-key": _KEYS.get(action.dest, f"[{name.upper()}]"),
        "optional": action.dest != "bids_dir",
    }
    if flag:
        one["command-line-flag"] = flag
    if setting is None or (setting.kind == "Path" and action.dest not in _MADE):
        return one | {"type": "File"}
    if setting.is_list or setting.is_table:
        # An option that takes one value at a time is said again for each.
        between = {} if action.nargs == "+" else {"list-separator": f" {flag} "}
        return one | {"list": True} | between
    return one | _values(setting)


def _values(setting: Setting) -> dict[str, Any]:
    """Return what Boutiques can say of the values of a setting."""
    rule = setting.rule
    if rule.choices:
        return {"value-choices": list(rule.choices)}
    if setting.kind not in _NUMBERS:
        return {}
    said: dict[str, Any] = {"type": "Number", "integer": setting.kind == "int"}
    low, high = max(rule.at_least, rule.above), min(rule.at_most, rule.below)
    if math.isfinite(low):
        said |= {"minimum": low, "exclusive-minimum": rule.above >= rule.at_least}
    if math.isfinite(high):
        said |= {"maximum": high, "exclusive-maximum": rule.below <= rule.at_most}
    return said


def _output_group() -> dict[str, Any]:
    return {
        "id": "output_directory",
        "name": "Output directory",
        "members": ["output_dir", "participant_results"],
        "mutually-exclusive": True,
        "one-is-required": True,
    }


def _yes_or_no(action: argparse.Action) -> dict[str, Any]:
    yes, no = (flag[2:].replace("-", "_") for flag in action.option_strings)
    return {
        "id": f"{yes}_or_not",
        "name": f"{action.option_strings[0]} or not",
        "members": [yes, no],
        "mutually-exclusive": True,
    }


def _is_switch(action: argparse.Action) -> bool:
    return isinstance(action, argparse.BooleanOptionalAction)
