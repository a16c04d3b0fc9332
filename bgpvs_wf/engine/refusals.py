"""Plugins of Nipype that say why a batch system takes no job."""

from __future__ import annotations

import traceback
from typing import Any

from bgpvs_wf.errors import BGPVSError

_NO_NUMBER = (AttributeError, IndexError, ValueError)
"""What looking for a job's number in words without one ends with."""


class ToldRefusals:
    """Mixed into a plugin of a batch system: a refusal is told in its own words."""

    def _submit_batchtask(self, scriptfile: str, node: Any) -> Any:
        """Submit a script; return the number of the job.

        Raises
        ------
        BGPVSError
            If the batch system takes no job, with what it said.
        """
        try:
            return super()._submit_batchtask(scriptfile, node)  # type: ignore[misc]
        except _NO_NUMBER as error:
            # Nipype 1.11 runs the command, does not look whether it failed, and drops its words.
            said = _refusal(error)
            if not said:
                raise
            raise BGPVSError(
                f"{said}; correct what --plugin-args asks for, or run again later."
            ) from error


def telling(plugin: type) -> type:
    """Return a plugin's class that tells refusals, under the same name.

    Parameters
    ----------
    plugin : type
        A class of `nipype.pipeline.plugins`; one that submits no jobs is returned as it is.
    """
    if not hasattr(plugin, "_submit_batchtask"):
        return plugin
    return type(plugin.__name__, (ToldRefusals, plugin), {"__doc__": plugin.__doc__})


def _refusal(error: Exception) -> str:
    """Return what the command that failed said, on one line; nothing if none did."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        ran: Any = getattr(frame.f_locals.get("result"), "runtime", None)
        if getattr(ran, "returncode", 0):
            name = ran.cmdline.split()[0]
            lines = (ran.stderr or ran.stdout or f"exit {ran.returncode}").splitlines()
            words = [line.strip().removeprefix(f"{name}: error: ") for line in lines]
            return f"{name} refused: {'; '.join(word.rstrip('.') for word in words if word)}"
    return ""
