"""`bgpvs-wf --print-completion`: a script that completes verbs, options, choices and paths.

shtab writes it once, from the parsers; argcomplete would start this program at each Tab, which
takes half a second.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bgpvs_wf.cli.terminal import say
from bgpvs_wf.config import RunConfig
from bgpvs_wf.schema import Setting, all_settings

SHELLS = ("bash", "zsh", "fish")
_FOLDERS = ("DIR", "FOLDER", "OUT", "EXPORT", "DERIV")
"""How what stands for a folder in the help ends."""
_USAGE = re.compile(r"^# Usage:\n(?:#.*\n)*", re.MULTILINE)
"""Where shtab says to put a script, which is not where the documentation says."""


class PrintCompletion(argparse.Action):
    """Writes the script of a shell to the standard output, and ends."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Write the script."""
        import shtab

        settings = {one.name: one for one in all_settings(RunConfig)}
        for action in _actions(parser):
            _mark(action, settings.get(action.dest))
        say(_USAGE.sub("", shtab.complete(parser, values), count=1))
        parser.exit(0)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield what a parser and those of its verbs take."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)
        else:
            yield action


def _mark(action: argparse.Action, setting: Setting | None) -> None:
    """Tell shtab what completes an argument, where argparse does not know."""
    if setting is not None and setting.rule.choices:
        action.choices = setting.rule.choices
    kind = _kind_of_path(action, is_path=setting is not None and setting.kind == "Path")
    if kind:
        action.complete = kind  # type: ignore[attr-defined]


def _kind_of_path(action: argparse.Action, is_path: bool) -> str:
    """Return what an argument is a path of, as shtab calls it; nothing if it is none."""
    told = str(action.metavar or "")
    is_path = is_path or action.type is Path
    if not is_path and not any(word in told for word in ("PATH", "FILE", "DIR")):
        return ""
    return "directory" if told.endswith(_FOLDERS) else "file"
