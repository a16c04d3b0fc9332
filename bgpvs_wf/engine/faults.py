"""Plugins of Nipype that go on where reporting a crash would end the run for everybody."""

from __future__ import annotations

import logging
from traceback import format_exc
from typing import Any

from bgpvs_wf.engine.crashes import Crash, describe

_LOG = logging.getLogger(__name__)


class SturdyReports:
    """Mixed into a plugin: crash reports that cannot fail."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.unwritten: list[Crash] = []
        """Crashes whose file could not be written, or not whole."""

    def _report_crash(self, node: Any, result: Any = None) -> str:
        """Write a node's crash file; return its path, or nothing where it cannot be written."""
        if result and isinstance(result.get("traceback"), str):
            # Nipype 1.11 adds a list to it, for jobs that a batch system lost.
            lines = result["traceback"].splitlines(keepends=True)
            result = {**result, "traceback": lines}
        try:
            return str(super()._report_crash(node, result=result))  # type: ignore[misc]
        except OSError as error:
            # A full disk is no reason to stop the others.
            text = "".join(result["traceback"]) if result else format_exc()
            self.unwritten.append(Crash(node.fullname, describe(text.splitlines())))
            _LOG.error("Cannot write the crash file of %s: %s\n%s", node.fullname, error, text)
            return ""


def sturdy(plugin: type) -> type:
    """Return a plugin's class with crash reports that cannot fail, under the same name.

    Parameters
    ----------
    plugin : type
        A class of `nipype.pipeline.plugins`; one that reports otherwise is returned as it is.
    """
    if not hasattr(plugin, "_report_crash"):
        return plugin
    return type(plugin.__name__, (SturdyReports, plugin), {"__doc__": plugin.__doc__})
