"""How long a run will still take, from the subjects that it has finished so far."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

_LEAST = 2
"""Subjects that have to be finished before anything is said of the others."""
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


def seconds_left(
    finished: Sequence[float], unfinished: Sequence[float], at_once: float
) -> float | None:
    """Estimate how long the subjects that are not finished will take.

    Parameters
    ----------
    finished : sequence of float
        Seconds of work in each finished subject, of its nodes together.
    unfinished : sequence of float
        Seconds of work done already in each of the others; 0 where it has not begun.
    at_once : float
        Nodes that run at the same time, on average. A subject's run one after another, so that
        fewer subjects than this take as long as one.

    Returns
    -------
    float or None
        Seconds; None before two subjects are finished, or where nothing was seen to run.

    Examples
    --------
    >>> seconds_left([50.0, 60.0, 70.0], [30.0, 30.0, 0.0, 0.0], at_once=2.0)
    90.0
    >>> seconds_left([60.0, 60.0], [30.0], at_once=2.0)
    30.0
    >>> seconds_left([60.0], [0.0, 0.0], at_once=2.0) is None
    True
    """
    if len(finished) < _LEAST or at_once <= 0:
        return None
    typical = statistics.median(finished)
    work = sum(max(typical - done, 0.0) for done in unfinished)
    return work / min(at_once, len(unfinished)) if unfinished else 0.0


def seconds_left_by_count(finished: int, unfinished: int, elapsed: float) -> float | None:
    """Estimate the same from outside, where only who is finished can be seen.

    Parameters
    ----------
    finished : int
        Subjects finished since the run began.
    unfinished : int
    elapsed : float
        Seconds since the run began.

    Examples
    --------
    >>> seconds_left_by_count(4, 6, elapsed=120.0)
    180.0
    """
    return None if finished < _LEAST else elapsed / finished * unfinished


def time_left(seconds: float | None) -> str:
    """Say an estimate as precisely as it deserves; nothing if there is none.

    Examples
    --------
    >>> [time_left(s) for s in (20, 700, 3000, 9000, 200_000)]  # doctest: +NORMALIZE_WHITESPACE
    ['less than a minute left', 'about 12 min left', 'about 50 min left', 'about 2.5 h left',
     'about 2.5 days left']
    >>> time_left(None)
    ''
    """
    if seconds is None:
        return ""
    if seconds < _MINUTE:
        return "less than a minute left"
    if seconds < 1.5 * _HOUR:
        minutes = round(seconds / _MINUTE)
        return f"about {minutes if minutes <= 20 else 5 * round(minutes / 5)} min left"
    size, unit = (_HOUR, "h") if seconds < 2 * _DAY else (_DAY, "days")
    return f"about {round(2 * seconds / size) / 2:g} {unit} left"


@dataclass
class Pace:
    """Follows the nodes of a run through all of its batches.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    clock: Callable[[], float] = time.monotonic
    later: int = field(default=0, init=False)
    """Subjects of batches that are still to come."""
    over: int = field(default=0, init=False)
    """Subjects that are done or failed."""
    _finished: list[float] = field(default_factory=list, init=False)
    _unfinished: dict[str, float] = field(default_factory=dict, init=False)
    _running: dict[str, tuple[str, float]] = field(default_factory=dict, init=False)
    _work: float = field(default=0.0, init=False)
    _began: float | None = field(default=None, init=False)

    def expect(self, labels: Iterable[str]) -> None:
        """Take in the subjects of the batch that is about to run."""
        self._unfinished, self._running = dict.fromkeys(labels, 0.0), {}

    def begin(self, label: str, node: str) -> None:
        """Take in that a node of a subject begins."""
        now = self.clock()
        self._began = now if self._began is None else self._began
        self._running[node] = label, now

    def end(self, node: str) -> None:
        """Take in that a node ends; one that never began was not run."""
        label, since = self._running.pop(node, ("", 0.0))
        if label:
            seconds = self.clock() - since
            self._work += seconds
            if label in self._unfinished:
                self._unfinished[label] += seconds

    def leave(self, label: str, typical: bool) -> None:
        """Take in that a subject is over, and whether others will take about as long."""
        work = self._unfinished.pop(label, None)
        if work is not None:
            self.over += 1
            self._finished += [work] if typical else []

    @property
    def total(self) -> int:
        """Subjects of the run."""
        return self.over + len(self._unfinished) + self.later

    def seconds_left(self) -> float | None:
        """Estimate how long the rest of the run takes; see `seconds_left`."""
        now = self.clock()
        # Copied at once: displays ask from a thread of their own.
        running, work = list(self._running.values()), dict(self._unfinished)
        for label, since in running:
            work[label] = work.get(label, 0.0) + now - since
        elapsed = 0.0 if self._began is None else now - self._began
        done = self._work + sum(now - since for _, since in running)
        at_once = done / elapsed if elapsed > 0 else 0.0
        return seconds_left(self._finished, [*work.values(), *[0.0] * self.later], at_once)

    def told(self) -> str:
        """Say how long the rest of the run takes; nothing if it cannot be known, or all is over."""
        return "" if self.over == self.total else time_left(self.seconds_left())
