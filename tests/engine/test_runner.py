from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

from bgpvs_wf.engine.logs import logged_to

PLUGINS = pytest.mark.parametrize("plugin", ["Linear", "MultiProc"])


@PLUGINS
def test_all_subjects_are_done_and_recorded(toy, plugin):
    jobs = [toy.job("01", "abc"), toy.job("02", "abcde")]
    outcomes = toy.run(jobs, plugin=plugin)
    assert {label: outcome.state for label, outcome in outcomes.items()} == {
        "sub-01": "done",
        "sub-02": "done",
    }
    assert outcomes["sub-01"].ran == ("prepare", "quantify", "sink")
    assert (toy.result("01"), toy.result("02")) == (6.0, 10.0)
    for job in jobs:
        assert toy.ledger.reasons(toy.config(), job.subject, job.outputs) == []
    assert ("sub-02", "", "done") in toy.display.events


@PLUGINS
def test_a_failure_leaves_the_others_whole(toy, plugin):
    jobs = [toy.job("01", "truncated"), toy.job("02", "fine"), toy.job("03", "unmeasurable")]
    outcomes = toy.run(jobs, plugin=plugin)
    assert [outcomes[job.label].state for job in jobs] == ["failed", "done", "failed"]
    assert toy.result("02") == 8.0
    (crash,) = outcomes["sub-01"].failures
    assert crash.cause == f"{jobs[0].subject.t2w} is truncated; copy it again."
    assert crash.stage == "prepare"
    assert crash.path.is_file()
    assert outcomes["sub-03"].failures[0].cause == "ValueError: no number"
    assert outcomes["sub-01"].ran == ("prepare",)
    assert toy.ledger.read("sub-01") is None
    assert not jobs[0].outputs["result"].exists()


def test_a_changed_setting_reruns_only_what_is_behind_it(toy):
    job = toy.job("01", "abc")
    toy.run([job])
    assert toy.ledger.reasons(toy.config(factor=3.0), job.subject, job.outputs) == [
        "quantify.min_volume_mm3 was 2.0, is 3.0"
    ]
    outcome = toy.run([job], factor=3.0)["sub-01"]
    assert outcome.state == "done"
    assert outcome.reused == ("prepare",)
    assert outcome.ran == ("quantify", "sink")
    assert toy.result("01") == 9.0


def test_a_touched_input_reruns_only_its_subject(toy):
    jobs = [toy.job("01", "abc"), toy.job("02", "abcde")]
    toy.run(jobs)
    os.utime(jobs[0].subject.t2w, ns=(1, 1))
    config = toy.config()
    assert toy.ledger.reasons(config, jobs[0].subject, jobs[0].outputs) == [
        "sub-01_T2w.nii.gz changed"
    ]
    assert toy.ledger.reasons(config, jobs[1].subject, jobs[1].outputs) == []
    outcomes = toy.run(jobs)
    # The measure comes out the same, so that what follows is not run again.
    assert outcomes["sub-01"].ran == ("prepare",)
    assert outcomes["sub-02"].reused == ("prepare", "quantify", "sink")


@PLUGINS
def test_a_missing_result_is_written_again_from_the_cache(toy, plugin):
    job = toy.job("01", "abc")
    toy.run([job], plugin=plugin)
    job.outputs["result"].unlink()
    assert toy.ledger.reasons(toy.config(), job.subject, job.outputs) == ["result.txt is missing"]
    outcome = toy.run([job], plugin=plugin)["sub-01"]
    assert (outcome.state, outcome.ran) == ("done", ("sink",))
    assert toy.result("01") == 6.0


def test_results_that_never_appear_are_a_failure(toy):
    outcome = toy.run([toy.job("01", "silent")], factor=1.0)["sub-01"]
    assert outcome.state == "failed"
    assert "result.txt" in outcome.failures[0].cause
    assert toy.ledger.read("sub-01") is None


def test_a_subject_that_cannot_be_built_is_left_out(toy):
    jobs = [toy.job("ageless", "abc"), toy.job("02", "abcde")]
    outcomes = toy.run(jobs)
    assert outcomes["sub-ageless"].state == "failed"
    assert outcomes["sub-ageless"].failures[0].cause.startswith("sub-ageless has no age")
    assert outcomes["sub-02"].state == "done"


def test_stop_on_first_crash(toy):
    jobs = [toy.job("01", "truncated"), toy.job("02", "fine")]
    outcomes = toy.run(jobs, stop_on_first_crash=True)
    assert outcomes["sub-01"].state == "failed"
    assert outcomes["sub-02"].state != "done"
    assert not jobs[1].outputs["result"].exists()


def test_a_killed_worker_takes_only_its_own_subject(toy):
    jobs = [toy.job("01", "crash"), toy.job("02", "fine"), toy.job("03", "fine, too")]
    outcomes = toy.run(jobs, plugin="MultiProc")
    assert [outcomes[job.label].state for job in jobs] == ["failed", "done", "done"]
    assert "out of memory" in outcomes["sub-01"].failures[0].cause


def test_a_full_disk_says_so(toy):
    outcomes = toy.run([toy.job("01", "full"), toy.job("02", "fine")])
    cause = outcomes["sub-01"].failures[0].cause
    assert "No space left on device" in cause
    assert cause.endswith("Free some space and run again.")
    assert outcomes["sub-02"].state == "done"


def test_crash_files_that_cannot_be_written_stop_nobody(toy, monkeypatch):
    """The cause is told all the same."""

    def refuse(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nipype.pipeline.plugins.base.report_crash", refuse)
    outcomes = toy.run([toy.job("01", "truncated"), toy.job("02", "fine")], plugin="MultiProc")
    assert outcomes["sub-01"].state == "failed"
    (crash,) = outcomes["sub-01"].failures
    assert (crash.stage, crash.path) == ("prepare", None)
    assert "is truncated" in crash.cause
    assert outcomes["sub-02"].state == "done"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_multiproc_leaves_no_worker_behind(toy):
    def children() -> set[str]:
        tasks = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
        with open(tasks) as handle:
            return set(handle.read().split())

    before = children()
    toy.run([toy.job("01", "crash"), toy.job("02", "fine")], plugin="MultiProc")
    assert children() <= before


def test_a_log_on_a_full_disk_says_so_once(capfd):
    with logged_to(Path("/dev/full")):
        for _ in range(3):
            logging.getLogger("bgpvs_wf").warning("a message")
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line == "Cannot write /dev/full: [Errno 28] No space left on device"


def test_messages_go_to_the_log_not_the_terminal(toy, capfd):
    toy.run([toy.job("01", "abc")], plugin="MultiProc")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    log = (toy.root / "out" / "logs" / "run-1" / "run.log").read_text()
    assert "bgpvs_wf.sub_01_wf.prepare_wf.measure" in log


def test_multiproc_finishes_one_subject_after_another(toy):
    jobs = [toy.job(name, "abc") for name in ("01", "02", "03")]
    toy.run(jobs, plugin="MultiProc", plugin_args={"n_procs": 1})
    done = [
        subject for subject, stage, state in toy.display.events if (stage, state) == ("", "done")
    ]
    begun = [
        subject
        for subject, stage, state in toy.display.events
        if (stage, state) == ("prepare", "running")
    ]
    assert done == begun == ["sub-01", "sub-02", "sub-03"]
    first_done = toy.display.events.index(("sub-01", "", "done"))
    assert first_done < toy.display.events.index(("sub-03", "prepare", "running"))


def test_large_cohorts_run_in_batches(toy, monkeypatch):
    monkeypatch.setattr("bgpvs_wf.engine.runner._LARGEST_BATCH", 2)
    jobs = [toy.job(name, "abc") for name in ("01", "02", "03")]
    jobs[0] = toy.job("01", "truncated")
    outcomes = toy.run(jobs)
    assert [outcomes[job.label].state for job in jobs] == ["failed", "done", "done"]
    # Crashes of an earlier batch are not counted again.
    assert len(outcomes["sub-01"].failures) == 1


def _double(x: int) -> int:
    return 2 * x


@PLUGINS
def test_workflows_may_have_map_nodes(toy, plugin, monkeypatch):
    plain = toy.factory

    def with_map_node(config, subjects):
        from nipype import Function, MapNode

        workflow = plain(config, subjects)
        node = MapNode(Function(function=_double, output_names=["y"]), ["x"], "double")
        node.inputs.x = [1, 2]
        workflow.get_node("sub_01_wf.prepare_wf").add_nodes([node])
        return workflow

    monkeypatch.setattr(toy, "factory", with_map_node)
    outcome = toy.run([toy.job("01", "abc")], plugin=plugin)["sub-01"]
    assert outcome.state == "done", outcome.failures
    assert ("sub-01", "prepare", "done") in toy.display.events


@PLUGINS
def test_the_work_folder_is_cleaned_of_what_is_done(toy, plugin):
    jobs = [toy.job("01", "abc"), toy.job("02", "truncated")]
    toy.run(jobs, plugin=plugin, clean="done")
    work = toy.config().work_dir / "bgpvs_wf"
    assert not (work / "sub_01_wf").exists()
    assert (work / "sub_02_wf").is_dir()
    assert toy.ledger.reasons(toy.config(), jobs[0].subject, jobs[0].outputs) == []
    # After a change all of it runs.
    outcome = toy.run(jobs[:1], plugin=plugin, factor=3.0)["sub-01"]
    assert outcome.ran == ("prepare", "quantify", "sink")
    assert toy.result("01") == 9.0


def test_a_lock_or_a_record_that_cannot_be_had_fails_its_own_subject_only(toy):
    """A link in place of the one's lock, a folder in place of the other's record."""
    target = toy.root / "mine.txt"
    target.write_text("months of work")
    toy.ledger.folder.mkdir(parents=True)
    (toy.ledger.folder / "sub-01.lock").symlink_to(target)
    (toy.ledger.folder / "sub-02.json").mkdir()
    outcomes = toy.run([toy.job("01", "a"), toy.job("02", "ab"), toy.job("03", "abc")])
    assert [outcomes[f"sub-0{n}"].state for n in (1, 2, 3)] == ["failed", "failed", "done"]
    assert "sub-01.lock is no lock" in outcomes["sub-01"].failures[0].cause
    assert "sub-02.json" in outcomes["sub-02"].failures[0].cause
    assert target.read_text() == "months of work"
