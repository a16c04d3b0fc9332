from __future__ import annotations

from pathlib import Path

from bgpvs_wf.engine.crashes import Crash
from bgpvs_wf.engine.first_look import first_look
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


def _cohort_with_a_page_of_all(folder: Path, subjects: int, doubted: int) -> Report:
    labels = [f"sub-{i:03d}" for i in range(subjects)]
    for name in (*labels, "group"):
        (folder / f"{name}.html").write_text("page")
    return Report(
        folder,
        [Outcome(label, "done") for label in labels],
        warnings=dict.fromkeys(labels[:doubted], "upside down"),
        pages=[folder / f"{label}.html" for label in labels],
        group_page=folder / "group.html",
        group_table=folder / "group_bgpvs.tsv",
        advised={"good": 165, "look": 12, "bad": 3},
    )


def test_beside_the_page_of_all_only_pages_of_the_doubtful_are_listed(tmp_path):
    text = _text(_cohort_with_a_page_of_all(tmp_path, subjects=180, doubted=12))
    lines = text.splitlines()
    places = lines[lines.index(f"Results: {tmp_path}") :]
    assert places[1].startswith(f"  page of all: {tmp_path}/group.html (")
    listed = [line for line in places if "in doubt: " in line]
    assert listed == [f"  page of one in doubt: {tmp_path}/sub-{i:03d}.html" for i in range(10)]
    assert "  and 2 in doubt; the page of all leads to them" in places
    assert "  page: " not in text
    assert len(lines) < 32


def test_few_subjects_have_their_pages_listed(tmp_path):
    text = _text(_cohort_with_a_page_of_all(tmp_path, subjects=2, doubted=0))
    assert f"  page: {tmp_path}/sub-001.html" in text


def test_where_to_look_first(tmp_path):
    work = tmp_path / "work"
    (work / "bgpvs_wf").mkdir(parents=True)
    (work / "bgpvs_wf" / "image.nii").write_bytes(bytes(3 * 1024**2))
    out = tmp_path / "out"
    out.mkdir()
    assert first_look(Report(out), work) == []
    report = _cohort_with_a_page_of_all(out, subjects=5, doubted=0)
    text = "\n".join(first_look(report, work))
    assert "open first: group.html" in text
    assert "group_bgpvs.tsv and group_qc.tsv" in text
    assert f"work folder: {work} (3 MB)" in text
    assert "group" not in "\n".join(first_look(Report(out), work))
