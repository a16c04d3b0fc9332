"""What the terminal shows of what goes on: lines, the progress of workflows and of trainings."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.studies.observer import Observer

if TYPE_CHECKING:
    from bgpvs_wf.engine.progress import Display

_POLL_SECONDS = 1.0
_LINE_SECONDS = 60.0
"""Where the output is no terminal a line is written this often."""


def say(*lines: str) -> None:
    """Write lines to the standard output, at once."""
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def say_failures(failures: Sequence[str]) -> None:
    """Say what a study could not do, if there is such."""
    if failures:
        say("", "Failed; run the same command again to go on:", *(f"  {x}" for x in failures))


class Terminal(Observer):
    """Writes to the standard output: bars and tables that live if it is a terminal, else lines."""

    def say(self, *lines: str) -> None:
        """Write lines, at once."""
        say(*lines)

    def display(self) -> Display:
        """Return what shows the nodes of a workflow that is about to run."""
        from bgpvs_wf.engine.progress import LiveDisplay, PlainDisplay

        return LiveDisplay(sys.stdout) if sys.stdout.isatty() else PlainDisplay(sys.stdout)

    @contextlib.contextmanager
    def watch_training(self, folder: Path) -> Iterator[None]:
        """Show how far the trainings below a folder are, from what they write there."""
        end = threading.Event()
        watch = _show_bar if sys.stdout.isatty() else _write_lines
        watcher = threading.Thread(target=watch, args=(folder, end), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            end.set()
            watcher.join()


def _show_bar(folder: Path, end: threading.Event) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    from bgpvs_wf.learning.training.monitor import describe_state, running

    since = time.time()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Bars(*columns) as bars:
        shown: dict[str, Any] = {}
        while True:
            last = end.wait(_POLL_SECONDS)
            for name, state in running(folder, since):
                if name not in shown:
                    shown[name] = bars.add_task(name, total=state["steps"], state="")
                bars.update(shown[name], completed=state["step"], state=describe_state(state))
            if last:
                return


def _write_lines(folder: Path, end: threading.Event) -> None:
    from bgpvs_wf.learning.training.monitor import describe_state, running

    since = time.time()
    told: dict[str, int] = {}
    pause = 2.0  # the first line soon, to show that something happens
    while True:
        last = end.wait(pause)
        pause = _LINE_SECONDS if told else pause
        for name, state in running(folder, since):
            if told.get(name) != state["step"]:
                told[name] = state["step"]
                say(f"  {name}: step {state['step']} of {state['steps']}, {describe_state(state)}")
        if last:
            return
