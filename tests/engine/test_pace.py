from __future__ import annotations

import heapq
import io

import pytest

from bgpvs_wf.engine.pace import Pace, seconds_left, time_left
from bgpvs_wf.engine.progress import PlainDisplay, Tracker, progress_line


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _simulate(pace: Pace, clock: Clock, seconds: list[float], at_once: int) -> dict[int, float]:
    """Run subjects of one node each; return what was estimated when the n-th was finished."""
    told = {}
    running: list[tuple[float, str]] = []
    waiting = [(f"sub-{i:02d}", length) for i, length in enumerate(seconds)]
    while waiting or running:
        while waiting and len(running) < at_once:
            label, length = waiting.pop(0)
            pace.begin(label, f"{label}.node")
            heapq.heappush(running, (clock.now + length, label))
        clock.now, label = heapq.heappop(running)
        pace.end(f"{label}.node")
        pace.leave(label, typical=True)
        told[pace.over] = pace.seconds_left()
    return told


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_the_estimate_is_near_what_comes(at_once):
    clock = Clock()
    pace = Pace(clock)
    lengths = [50.0, 70.0, 60.0, 55.0, 65.0, 600.0, 60.0, 60.0, 50.0, 70.0, 60.0, 60.0]
    usual = [60.0 if length == 600.0 else length for length in lengths]
    pace.expect(f"sub-{i:02d}" for i in range(len(usual)))
    told = _simulate(pace, clock, usual, at_once)
    assert told[1] is None
    assert told[2] == pytest.approx(10 * 60 / at_once, rel=0.35)
    assert told[6] == pytest.approx(6 * 60 / at_once, rel=0.35)
    assert told[12] == 0.0


def test_one_that_takes_ten_times_as_long_does_not_sway_the_rest():
    usual = seconds_left([60.0, 58.0, 62.0], [0.0] * 10, 1.0)
    assert seconds_left([60.0, 58.0, 62.0, 600.0], [0.0] * 10, 1.0) == pytest.approx(
        usual, rel=0.05
    )


def test_subjects_of_later_batches_count():
    clock = Clock()
    pace = Pace(clock)
    pace.expect(["sub-00", "sub-01"])
    pace.later = 10
    _simulate(pace, clock, [60.0, 60.0], 1)
    assert pace.total == 12
    assert pace.seconds_left() == pytest.approx(600.0)
    assert pace.told() == "about 10 min left"


def test_who_fails_or_is_reused_does_not_count_as_usual():
    clock = Clock()
    pace = Pace(clock)
    pace.expect([f"sub-{i}" for i in range(5)])
    for label, seconds, typical in (("sub-0", 60, True), ("sub-1", 1, False), ("sub-2", 60, True)):
        pace.begin(label, label)
        clock.now += seconds
        pace.end(label)
        pace.leave(label, typical=typical)
        assert (pace.seconds_left() is None) == (label != "sub-2")
    assert pace.over == 3
    assert pace.seconds_left() == pytest.approx(120, rel=0.05)


@pytest.mark.parametrize("seconds", [0, 59, 60, 1234, 5399, 5400, 86400, 172800, 1e6])
def test_no_estimate_looks_more_precise_than_it_is(seconds):
    words = time_left(seconds).split()
    if seconds >= 60:
        assert words[0] == "about"
        assert float(words[1]) >= 1
    assert words[-1] == "left"


def test_displays_tell_it_once_for_each_subject():
    clock = Clock()
    names = [f"bgpvs_wf.sub_{i}_wf.{stage}_wf.a" for i in range(4) for stage in ("one", "two")]
    tracker = Tracker(names, {f"sub_{i}_wf": f"sub-{i}" for i in range(4)}, clock, Pace(clock))
    stream = io.StringIO()
    display = PlainDisplay(stream)
    display.start(tracker)
    for name in names[:6]:
        display.show(tracker.update(name, "start"))
        clock.now += 300.0
        display.show(tracker.update(name, "end"))
    assert progress_line(tracker.pace) == "3 of 4 finished, about 10 min left"
    told = [line.split(" ", 1)[1] for line in stream.getvalue().splitlines() if "left" in line]
    assert told == [
        "sub-1: all stages done; about 20 min left",
        "sub-2: all stages done; about 10 min left",
    ]
    for name in names[6:]:
        display.show(tracker.update(name, "end", ran=False))
    assert stream.getvalue().endswith("sub-3: all stages done\n")
