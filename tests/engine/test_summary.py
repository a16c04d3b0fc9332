from __future__ import annotations

from pathlib import Path

from bgpvs_wf.engine.crashes import Crash
from bgpvs_wf.engine.jobs import Outcome
from bgpvs_wf.engine.summary import Report


def _text(report: Report) -> str:
    return "\n".join(report.lines())


def test_a_run_with_everything_in_it(tmp_path):
    page = tmp_path / "sub-01.html"
    page.write_text("page")
    crash = Crash("bgpvs_wf.sub_02_wf.anatomy_wf.register", "no overlap", tmp_path / "crash.txt")
    report = Report(
        output_dir=tmp_path,
        outcomes=[
            Outcome("sub-01", "done", ran=("quantify",), reused=("prepare",)),
            Outcome("sub-02", "failed", (crash,)),
            Outcome("sub-03", "not run"),
        ],
        finished_before=["sub-04"],
        warnings={"sub-04": "T2w and T1w look exchanged"},
        pages=[page, tmp_path / "sub-02.html"],
        config_file=tmp_path / "config.toml",
    )
    assert not report.complete
    assert _text(report) == (
        "Unchanged: sub-04 finished before.\n"
        "Done: sub-01.\n"
        "  sub-01: ran quantify; reused prepare\n"
        "Not run: sub-03, because of the failure below.\n"
        "Failed: sub-02:\n"
        "  sub-02: anatomy: no overlap\n"
        f"    details: {tmp_path}/crash.txt\n"
        f"    run it again: bgpvs-wf run --config {tmp_path}/config.toml --participant-label 02\n"
        "In doubt: sub-04:\n"
        "  sub-04: T2w and T1w look exchanged\n"
        f"Results: {tmp_path}\n"
        f"  page: {page}"
    )


def test_a_large_cohort_is_counted(tmp_path):
    pages = []
    for i in range(40):
        pages.append(tmp_path / f"sub-{i:02d}.html")
        pages[-1].write_text("page")
    outcomes = [Outcome(f"sub-{i:02d}", "done") for i in range(40)]
    warnings = {f"sub-{i:02d}": "upside down" for i in range(12)}
    text = _text(Report(tmp_path, outcomes, warnings=warnings, pages=pages))
    assert "Done: 40 subjects." in text
    assert text.count("page: ") == 10
    assert "and 30 pages more" in text
    assert text.count("upside down") == 10
    assert "and 2 more" in text


def test_submitted_subjects_are_no_failure():
    report = Report(Path("/no/such"), [Outcome("sub-01", "submitted")])
    assert report.complete
    assert "run the same command again" in _text(report)
