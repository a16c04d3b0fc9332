"""`bgpvs-wf --print-completion`: a script that completes verbs, options, choices and paths.

shtab writes it once, from the parsers; argcomplete would start this program at each Tab, which
takes half a second.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bgpvs_wf.cli.terminal import say
from bgpvs_wf.config import RunConfig
from bgpvs_wf.schema import all_settings

SHELLS = ("bash", "zsh", "fish")
_FOLDERS = ("DIR", "FOLDER", "OUT", "EXPORT", "DERIV")
"""How what stands for a folder in the help ends."""


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

        for action in _actions(parser):
            kind = _kind_of_path(action)
            if kind:
                action.complete = kind  # type: ignore[attr-defined]
        say(shtab.complete(parser, values))
        parser.exit(0)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield what a parser and those of its verbs take."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)
        else:
            yield action


def _kind_of_path(action: argparse.Action) -> str:
    """Return what an argument is a path of, as shtab calls it; nothing if it is none."""
    told = str(action.metavar or "")
    settings = {one.name for one in all_settings(RunConfig) if one.kind == "Path"}
    is_path = action.type is Path or action.dest in settings
    if not is_path and not any(word in told for word in ("PATH", "FILE", "DIR")):
        return ""
    return "directory" if told.endswith(_FOLDERS) else "file"
