from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from bgpvs_wf.engine.progress import (
    DONE,
    FAILED,
    REUSED,
    RUNNING,
    LiveDisplay,
    PlainDisplay,
    Tracker,
    progress_table,
)

LABELS = {"sub_01_wf": "sub-01", "sub_02_wf": "sub-02"}
NAMES = [
    f"bgpvs_wf.{subject}.{stage}_wf.{node}"
    for subject in LABELS
    for stage in ("prepare", "sink")
    for node in ("a", "b")
]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 10.0
        return self.now


def _tracker() -> Tracker:
    return Tracker(NAMES, LABELS, clock=Clock())


def _told(events) -> list[tuple[str, str, str]]:
    return [(event.subject, event.stage, event.state) for event in events]


def test_a_stage_begins_with_its_first_node_and_ends_with_its_last():
    tracker = _tracker()
    a, b = NAMES[:2]
    assert _told(tracker.update(a, "start")) == [("sub-01", "prepare", RUNNING)]
    assert tracker.update(a, "end") == []
    assert tracker.update(b, "start") == []
    (event,) = tracker.update(b, "end")
    assert _told([event]) == [("sub-01", "prepare", DONE)]
    assert event.seconds == 10.0


def test_cached_nodes_make_a_stage_reused():
    tracker = _tracker()
    tracker.update(NAMES[0], "end", ran=False)
    assert _told(tracker.update(NAMES[1], "end", ran=False)) == [("sub-01", "prepare", REUSED)]


def test_a_subject_is_done_with_its_last_stage():
    tracker = _tracker()
    events = [event for name in NAMES[:4] for event in tracker.update(name, "end")]
    assert _told(events)[-1] == ("sub-01", "", DONE)


def test_nodes_skipped_after_a_failure_do_not_count():
    tracker = _tracker()
    tracker.update(NAMES[0], "start")
    assert _told(tracker.update(NAMES[0], "exception")) == [("sub-01", "prepare", FAILED)]
    # Linear says `end` of what it skips; MultiProc says `end` of what failed in its own process.
    assert [event for name in NAMES[:4] for event in tracker.update(name, "end")] == []
    assert tracker.failed == {"sub-01"}
    assert tracker.stages("sub-01", FAILED) == ("prepare",)
    assert tracker.stages("sub-02", FAILED) == ()


def test_nodes_nobody_planned_are_passed_over():
    tracker = _tracker()
    assert tracker.update("bgpvs_wf.sub_01_wf.prepare_wf.mapflow._a0", "end") == []
    assert tracker.update("elsewhere.x.y.z", "exception") == []


@given(st.permutations(NAMES))
def test_any_order_ends_with_everybody_done(order):
    tracker = _tracker()
    events = []
    for name in order:
        events += tracker.update(name, "start")
        events += tracker.update(name, "end")
    told = _told(events)
    assert told.count(("sub-01", "", DONE)) == told.count(("sub-02", "", DONE)) == 1
    assert len(told) == len(set(told)) == 2 * (2 + 2) + 2


def test_plain_lines():
    stream = io.StringIO()
    display = PlainDisplay(stream)
    tracker = _tracker()
    display.start(tracker)
    for name in NAMES[:4]:
        display.show(tracker.update(name, "start"))
        display.show(tracker.update(name, "end"))
    display.stop()
    lines = [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()]
    assert lines == [
        "sub-01: prepare started",
        "sub-01: prepare done after 10 s",
        "sub-01: sink started",
        "sub-01: sink done after 10 s",
        "sub-01: all stages done",
    ]


def test_the_table_puts_the_busy_first_and_counts_the_rest():
    names = [f"bgpvs_wf.sub_{i:02d}_wf.prepare_wf.a" for i in range(30)]
    tracker = Tracker(names, {f"sub_{i:02d}_wf": f"sub-{i:02d}" for i in range(30)})
    tracker.update(names[0], "end")
    tracker.update(names[7], "start")
    table = progress_table(tracker, max_rows=5)
    first = list(table.columns[0].cells)
    assert first[0] == "sub-07"
    assert len(first) == 6
    assert first[-1] == "... 25 more"
    assert "sub-00" not in first


def test_the_live_display_leaves_the_table():
    stream = io.StringIO()
    display = LiveDisplay(stream)
    tracker = _tracker()
    display.start(tracker)
    for name in NAMES:
        display.show(tracker.update(name, "end", ran=False))
    display.stop()
    assert stream.getvalue().count("reused") == 4
    assert "2 of 2 finished" in stream.getvalue()
