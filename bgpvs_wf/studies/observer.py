"""Who is told of a study while it goes on: nobody, unless somebody looks."""

from __future__ import annotations

import contextlib
from pathlib import Path

from bgpvs_wf.engine.progress import Display, NoDisplay


class Observer:
    """Is told what goes on, and keeps silent; a class of its own says, shows or keeps it."""

    def say(self, *lines: str) -> None:
        """Take in a message for people, line by line."""

    def display(self) -> Display:
        """Return what shows the nodes of a workflow that is about to run."""
        return NoDisplay()

    def watch_training(self, folder: Path) -> contextlib.AbstractContextManager[None]:
        """Return what watches the trainings below a folder while it is entered.

        Parameters
        ----------
        folder : Path
            See `bgpvs_wf.learning.training.monitor.running` for what they write there.
        """
        return contextlib.nullcontext()
