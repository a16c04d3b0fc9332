"""What is going on: nodes' reports made into subjects and stages, shown or printed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Protocol

from bgpvs_wf.engine.crashes import node_place
from bgpvs_wf.engine.pace import Pace

if TYPE_CHECKING:
    from rich.table import Table

WAITING, RUNNING, DONE, REUSED, FAILED = "waiting", "running", "done", "reused", "failed"


@dataclass
class Stage:
    """A stage of a subject."""

    nodes: set[str]
    """Nodes that are not over yet."""
    state: str = WAITING
    started: float = 0.0
    seconds: float = 0.0
    ran: bool = False
    """Whether a node of it ran; else its results were there already."""


@dataclass(frozen=True)
class Event:
    """A stage, or (stage is empty) a subject, changed its state."""

    subject: str
    stage: str
    state: str
    seconds: float = 0.0


@dataclass
class Tracker:
    """Follow nodes by their full names.

    Parameters
    ----------
    names : iterable of str
        Full names of all nodes, in the order of execution.
    labels : mapping of str to str
        Name of a subject's workflow (``sub_01_wf``) to its label (``sub-01``).
    clock : callable
        Returns seconds.
    pace : Pace
        That of the run which these nodes are a part of.
    """

    names: Iterable[str]
    labels: Mapping[str, str]
    clock: Callable[[], float] = time.monotonic
    pace: Pace = field(default_factory=Pace)
    subjects: dict[str, dict[str, Stage]] = field(default_factory=dict, init=False)
    failed: set[str] = field(default_factory=set, init=False)
    _started: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        nodes: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for name in self.names:
            workflow, stage = node_place(name)
            nodes[self.labels.get(workflow, workflow)][stage].add(name)
        self.subjects = {
            label: {stage: Stage(names) for stage, names in stages.items()}
            for label, stages in nodes.items()
        }
        self.pace.expect(self.subjects)

    def update(self, name: str, status: str, ran: bool = True) -> list[Event]:
        """Take in a node's report.

        Parameters
        ----------
        name : str
            Full name of the node.
        status : str
            Nipype's: `start`, `end` or `exception`.
        ran : bool
            With `end`: whether it ran; else its result was there already.

        Returns
        -------
        list of Event
            What this changes for its stage and its subject.
        """
        workflow, stage_name = node_place(name)
        label = self.labels.get(workflow, workflow)
        stage = self.subjects.get(label, {}).get(stage_name)
        if stage is None:
            return []
        if status == "start":
            self._started.add(name)
            self.pace.begin(label, name)
            return self._begin(label, stage_name, stage)
        self.pace.end(name)
        if status == "exception":
            return self._fail(label, stage_name, stage)
        # Linear says `end` of nodes that it skips after a failure.
        if label in self.failed and name not in self._started:
            return []
        return self._end(label, stage_name, stage, name, ran)

    def _begin(self, label: str, name: str, stage: Stage) -> list[Event]:
        if stage.state != WAITING:
            return []
        stage.state, stage.started = RUNNING, self.clock()
        return [Event(label, name, RUNNING)]

    def _fail(self, label: str, name: str, stage: Stage) -> list[Event]:
        if stage.started:
            stage.seconds = self.clock() - stage.started
        stage.state = FAILED
        self.failed.add(label)
        self.pace.leave(label, typical=False)
        return [Event(label, name, FAILED, stage.seconds)]

    def _end(self, label: str, name: str, stage: Stage, node: str, ran: bool) -> list[Event]:
        if node not in stage.nodes:
            return []
        stage.nodes.discard(node)
        stage.ran |= ran
        if stage.nodes or stage.state == FAILED:
            return []
        stage.seconds = self.clock() - stage.started if stage.started else 0.0
        stage.state = DONE if stage.ran else REUSED
        events = [Event(label, name, stage.state, stage.seconds)]
        stages = self.subjects[label].values()
        if all(other.state in (DONE, REUSED) for other in stages):
            self.pace.leave(label, typical=any(other.ran for other in stages))
            events.append(Event(label, "", DONE))
        return events

    def stages(self, label: str, *states: str) -> tuple[str, ...]:
        """Return a subject's stages that are in one of some states."""
        return tuple(
            name for name, stage in self.subjects.get(label, {}).items() if stage.state in states
        )


class Display(Protocol):
    """Shows a tracker while nodes run."""

    def start(self, tracker: Tracker) -> None:
        """Begin to show; the tracker changes from now on."""

    def show(self, events: Sequence[Event]) -> None:
        """Show what changed."""

    def stop(self) -> None:
        """End; what is to stay, stays."""


class NoDisplay:
    """Shows nothing."""

    def start(self, tracker: Tracker) -> None:
        """Do nothing."""

    def show(self, events: Sequence[Event]) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


class PlainDisplay:
    """A line for each change, for files and logs.

    Parameters
    ----------
    stream : text file
    """

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self._tracker: Tracker | None = None

    def start(self, tracker: Tracker) -> None:
        """Begin to print."""
        self._tracker = tracker

    def show(self, events: Sequence[Event]) -> None:
        """Print a line for each event; with a subject's last stage, the time that is left."""
        for event in events:
            what = f"{event.subject}: {event.stage or 'all stages'} {_past(event)}"
            left = "" if event.stage or self._tracker is None else self._tracker.pace.told()
            what += f"; {left}" if left else ""
            self.stream.write(f"{time.strftime('%H:%M:%S')} {what}\n")
        self.stream.flush()

    def stop(self) -> None:
        """Do nothing."""


class LiveDisplay:
    """A table of subjects and stages that lives while nodes run, for terminals.

    Parameters
    ----------
    stream : text file
    """

    _MAX_ROWS = 24

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console

        self.console = Console(file=stream)
        self._tracker: Tracker | None = None

    def start(self, tracker: Tracker) -> None:
        """Show the table, twice a second."""
        from rich.console import Group
        from rich.live import Live

        self._tracker = tracker
        self._live = Live(
            get_renderable=lambda: Group(
                progress_table(tracker, self._MAX_ROWS), progress_line(tracker.pace)
            ),
            console=self.console,
            refresh_per_second=2,
        )
        self._live.start()

    def show(self, events: Sequence[Event]) -> None:
        """Leave it to the next refresh."""

    def stop(self) -> None:
        """Leave the table as it is at the end."""
        self._live.stop()


def progress_table(tracker: Tracker, max_rows: int) -> Table:
    """Return a table of subjects by stages; the busy ones first where there are many."""
    from rich.table import Table

    stages = list(dict.fromkeys(name for found in tracker.subjects.values() for name in found))
    table = Table(box=None, pad_edge=False)
    table.add_column("subject", no_wrap=True)
    for stage in stages:
        table.add_column(stage, no_wrap=True)
    labels = sorted(tracker.subjects, key=lambda label: _urgency(tracker, label))
    for label in labels[:max_rows]:
        found = tracker.subjects[label]
        table.add_row(label, *(_cell(found.get(stage), tracker.clock()) for stage in stages))
    if len(labels) > max_rows:
        table.add_row(f"... {len(labels) - max_rows} more")
    return table


def progress_line(pace: Pace) -> str:
    """Return how far the run is, with all of its batches."""
    left = pace.told()
    return f"{pace.over} of {pace.total} finished" + (f", {left}" if left else "")


def _urgency(tracker: Tracker, label: str) -> tuple[int, str]:
    for place, state in enumerate((RUNNING, FAILED, WAITING)):
        if tracker.stages(label, state):
            return place, label
    return 3, label


def _cell(stage: Stage | None, now: float) -> str:
    if stage is None:
        return ""
    return {
        WAITING: "[dim]-[/]",
        RUNNING: f"[bold cyan]{_duration(now - stage.started)} ...[/]",
        DONE: f"[green]done {_duration(stage.seconds)}[/]",
        REUSED: "[green]reused[/]",
        FAILED: "[bold red]failed[/]",
    }[stage.state]


def _past(event: Event) -> str:
    took = f" after {_duration(event.seconds)}" if event.seconds >= 0.5 else ""
    words = {RUNNING: "started", REUSED: "reused: nothing changed"}
    return words.get(event.state, f"{event.state}{took}")


def _duration(seconds: float) -> str:
    """Return a time to look at.

    Examples
    --------
    >>> _duration(7.4), _duration(192)
    ('7 s', '3 min 12 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
