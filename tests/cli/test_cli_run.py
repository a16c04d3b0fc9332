from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import tomllib
from pathlib import Path

import pytest


def _one_error(done) -> str:
    """Return the one line of a call that could not be served."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("nipype imported")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("plugin", ["Linear", "MultiProc"])
def test_a_cohort_with_a_failure(site, plugin):
    for name, text in (("01", "fine"), ("02", "truncated"), ("03", "fine, too")):
        site.add(name, text)
    done = site.run("--plugin", plugin)
    assert done.returncode == 1
    out = done.stdout
    assert "Done: sub-01, sub-03." in out
    assert f"sub-02: prepare: {site.image('02')} is truncated; copy it again." in out
    assert "Traceback" not in out + done.stderr
    # The files and commands it names are there.
    pairs = (line.partition(": ") for line in out.splitlines())
    named = {name.strip(): rest for name, _, rest in pairs}
    assert Path(named["details"]).is_file()
    assert Path(named["Log"]).is_file()
    rows = Path(named["table of all"]).read_text().splitlines()
    assert list(dict.fromkeys(row.split("\t")[0] for row in rows)) == ["subject", "01", "03"]
    # The command that is offered does what it says.
    site.add("02", "fine at last")
    words = named["run it again"].split()
    assert words[:2] == ["bgpvs-wf", "run"]
    again = site.call(*words[1:])
    assert again.returncode == 0, again.stdout
    assert "Done: sub-02." in again.stdout
    assert "sub-01" not in again.stdout.split("Results:")[0]
    table = (site.out / "group_bgpvs.tsv").read_text().splitlines()
    there = dict.fromkeys(row.split("\t")[0] for row in table)
    assert list(there) == ["subject", "01", "02", "03"]


def test_running_again_does_nothing_quickly(site):
    for name in ("01", "02", "03"):
        site.add(name)
    first = site.run()
    assert first.returncode == 0
    told = [line.split(" ", 1)[1] for line in first.stdout.splitlines() if line.endswith(" left")]
    assert told == ["sub-02: all stages done; less than a minute left"]
    assert "first results here:\n  open first: group.html" in first.stdout
    assert f"  work folder: {site.root / 'work'} (" in first.stdout
    before = {path: path.stat().st_mtime_ns for path in site.out.rglob("*")}
    start = time.monotonic()
    again = site.run()
    assert time.monotonic() - start < 10
    assert again.returncode == 0
    assert again.stdout.startswith("Nothing to do: sub-01, sub-02, sub-03 finished before")
    assert "open first" not in again.stdout
    assert "nipype imported: False" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in site.out.rglob("*")} == before


def test_what_changed_decides_what_runs(site):
    site.add("01")
    site.add("02")
    assert site.run().returncode == 0
    changed = site.run("--min-volume-mm3", "2.5", "-v")
    assert "sub-01 will run: quantify.min_volume_mm3 was 0.0, is 2.5." in changed.stdout
    assert "sub-01: ran quantify, sink; reused prepare" in changed.stdout
    os.utime(site.image("02"), ns=(10**18, 10**18))
    touched = site.run("--min-volume-mm3", "2.5", "-v")
    assert "Unchanged: sub-01" in touched.stdout
    assert "sub-02 will run: sub-02_T2w.nii.gz changed." in touched.stdout
    (site.out / "sub-01.html").unlink()
    missing = site.run("--min-volume-mm3", "2.5")
    assert "sub-01: ran sink; reused prepare, quantify" in missing.stdout
    assert (site.out / "sub-01.html").is_file()


def test_a_table_that_mixes_settings_says_so(site):
    site.add("01")
    site.add("02")
    assert "made alike" not in site.run().stdout
    page, about = site.out / "group.html", site.out / "group_qc.json"
    assert "NotMadeAlike" not in json.loads(about.read_text())
    one = ("--participant-label", "01", "--min-volume-mm3", "12")
    said = (
        "Not all were made alike: quantify.min_volume_mm3 is 0 in 1 and 12 in 1; run all of them "
        "again with one setting."
    )
    mixed = site.run(*one)
    assert mixed.returncode == 0
    assert said in mixed.stdout.splitlines()
    assert said in page.read_text()
    assert json.loads(about.read_text())["NotMadeAlike"] == [said]
    # It stays so, also where there is nothing to do.
    again = site.run(*one)
    assert "Nothing to do" in again.stdout
    assert said in again.stdout.splitlines()
    mended = site.run("--min-volume-mm3", "12")
    assert "made alike" not in mended.stdout + page.read_text() + about.read_text()


def test_whose_images_contradict_what_was_told_is_said(site):
    site.add("01")
    site.add("02")
    assert "In doubt" not in site.run().stdout
    sidecar = site.out / "sub-02" / "anat" / "sub-02_desc-bgpvs_dseg.json"
    sidecar.write_text(json.dumps({"Warnings": ["upside down"]}))
    site.add("01", "another")
    again = site.run()
    assert again.returncode == 0
    assert "In doubt: sub-02:\n  sub-02: upside down\nResults:" in again.stdout


def test_how_it_runs_does_not_matter_to_results(site):
    site.add("01")
    assert site.run("--nprocs", "1").returncode == 0
    assert "Nothing to do" in site.run("--nprocs", "2", "--plugin", "MultiProc").stdout


def test_levels(site):
    site.add("01")
    table = site.out / "group_bgpvs.tsv"
    assert site.run("participant").returncode == 0
    assert not table.exists()
    assert site.run("group").returncode == 0
    header, row, *_ = (line.split("\t") for line in table.read_text().splitlines())
    assert row[header.index("subject")] == "01"
    assert float(row[header.index("age_weeks")]) == pytest.approx(40 + 3 * 52.1775 / 12, rel=1e-4)


def test_who_is_rated_to_be_excluded_leaves_the_group_level(site):
    for label in ("01", "02", "03"):
        site.add(label)
    assert "page of all: " in site.run().stdout
    ratings = site.out / "ratings.tsv"
    header = "participant_id\tsession_id\trating\tnote\trated"
    rows = (
        "sub-02\tn/a\texclude\tmoved\tn/a",
        "01\tn/a\tcheck\tn/a\tn/a",
        "9\tn/a\tkeep\tn/a\tn/a",
    )
    ratings.write_text("\n".join((header, *rows)))
    done = site.run("--ratings", ratings)
    assert done.returncode == 0
    assert "left out, as they were rated: sub-02" in done.stdout
    assert "rated, but without results: sub-9" in done.stdout
    for name in ("group_bgpvs.tsv", "group_qc.tsv"):
        assert {row.split("\t")[0] for row in (site.out / name).read_text().splitlines()[1:]} == {
            "01",
            "03",
        }
    page = (site.out / "group.html").read_text()
    assert "<h1>toy</h1>" in page
    assert "2 subjects and sessions" in page
    assert "sub-02" not in page
    assert "1 left out, not on this page" in page
    # Nobody is left out for ever.
    assert site.run().returncode == 0
    assert "sub-02" in (site.out / "group.html").read_text()
    ratings.write_text("participant_id\trating\nsub-01\tgood\n")
    wrong = site.run("group", "--ratings", ratings)
    assert wrong.returncode == 1
    assert "holds the rating 'good' in line 2; give one of keep, check, exclude" in _one_error(
        wrong
    )


def test_group_without_results(site):
    site.add("01")
    done = site.call("run", site.bids, site.out, "group")
    assert done.returncode == 1
    assert "run the participant level first" in _one_error(done)


def test_sessions_run_each_by_itself(site):
    site.add("01", session="a")
    site.add("01", session="b", text="truncated")
    ages = "session_id\tage\nses-a\t3\nses-b\t6\n"
    (site.bids / "sub-01" / "sub-01_sessions.tsv").write_text(ages)
    (site.bids / "sub-01" / "sub-01_sessions.json").write_text('{"age": {"Units": "month"}}')
    done = site.run()
    assert done.returncode == 1
    assert "Done: sub-01_ses-a." in done.stdout
    assert "--participant-label 01 --session-id b" in done.stdout
    chosen = site.run("--session-id", "a")
    assert chosen.returncode == 0
    assert "Nothing to do: sub-01_ses-a" in chosen.stdout


def test_a_dry_run_runs_nothing(site):
    site.add("01")
    (site.bids / "sub-09" / "anat").mkdir(parents=True)
    done = site.run("--dry-run")
    assert done.returncode == 1
    assert "prepare, quantify, sink" in done.stdout
    assert "not finished before" in done.stdout
    assert "53.0" in done.stdout
    assert "age (weeks" in done.stdout
    assert "post-menstrual)" in done.stdout
    assert "cannot run: sub-09 has no T2w and no T1w" in done.stdout
    assert [path.name for path in site.out.rglob("*") if path.suffix in (".svg", ".dot")]
    assert not list(site.out.rglob("*.nii.gz"))
    assert not (site.root / "work" / "bgpvs_wf").exists()


def test_a_subject_without_images_harms_nobody(site):
    site.add("01")
    (site.bids / "sub-02" / "anat").mkdir(parents=True)
    done = site.run()
    assert done.returncode == 1
    assert "Done: sub-01." in done.stdout
    assert "sub-02: has no T2w and no T1w" in done.stdout


def test_a_missing_age_harms_nobody(site):
    site.add("01")
    site.add("07")
    done = site.run()
    assert done.returncode == 1
    assert "Done: sub-01." in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("  sub-07:"))
    assert "age" in line
    assert "participants.tsv" in line


def test_calls_that_cannot_be_served(site, tmp_path):
    site.add("01")
    a_file = tmp_path / "a-file"
    a_file.write_text("")
    bids, out = site.bids, site.out
    calls = {
        "BIDS_DIR and OUT_DIR": ["run"],
        "no dataset_description.json": ["run", tmp_path, out],
        "There is no folder": ["run", tmp_path / "nowhere", out],
        "inside the raw dataset": ["run", bids, bids / "results"],
        "cannot be made": ["run", bids, a_file / "out"],
        "participant 99": ["run", bids, out, "--participant-label", "99"],
        "Unknown plugin": ["run", bids, out, "--plugin", "Multiproccc"],
        "KEY=VALUE": ["run", bids, out, "--plugin-args", "n_procs"],
        "Cannot read": ["run", "--config", tmp_path / "no.toml"],
        "names no plugin": ["run", bids, out, "--use-plugin", a_file],
        "nprocs is 0; give 1 to": ["run", bids, out, "--nprocs", "0"],
        "--demo takes one folder": ["run", "--demo", bids, out],
    }
    for words, call in calls.items():
        done = site.call(*call)
        assert done.returncode == 2, call
        assert words in _one_error(done)
        assert done.stdout == ""
    assert not out.exists()


def test_a_config_file_and_the_command_line(site):
    site.add("01")
    settings = site.root / "settings.toml"
    settings.write_text(
        f'bids_dir = "{site.bids}"\noutput_dir = "{site.out}"\nplugin = "SLURM"\n'
        "[plugin_args]\nsbatch_args = '-p x'\n[quantify]\nmin_volume_mm3 = 4.0\n"
        "[pseudolabel]\nrim_mm = 1.5\n"
    )
    done = site.call(
        "run", "--config", settings, "--plugin", "Linear", "--atlas", "a", "--min-volume-mm3", "3"
    )
    assert done.returncode == 0, done.stderr
    (used,) = (site.out / "logs").glob("*/config.toml")
    written = tomllib.loads(used.read_text())
    assert written["plugin"] == "Linear"
    assert written["plugin_args"] == {}
    assert written["quantify"]["min_volume_mm3"] == 3.0
    assert written["pseudolabel"]["rim_mm"] == 1.5
    assert written["anatomy"]["atlases"] == ["a"]


def test_a_plugin_file(site):
    site.add("01")
    plugin = site.root / "plugin.yml"
    plugin.write_text("plugin: MultiProc\nplugin_args:\n  n_procs: 1\n")
    done = site.call("run", site.bids, site.out, "--use-plugin", plugin)
    assert done.returncode == 0, done.stderr
    assert "with MultiProc" in done.stdout
    (used,) = (site.out / "logs").glob("*/config.toml")
    assert tomllib.loads(used.read_text())["plugin_args"] == {"n_procs": 1}


def test_raw_data_is_never_touched(site):
    site.add("01")
    site.add("02", "truncated")
    before = {path: path.stat().st_mtime_ns for path in site.bids.rglob("*")}
    site.run()
    assert {path: path.stat().st_mtime_ns for path in site.bids.rglob("*")} == before


def test_the_output_is_a_dataset(site):
    site.add("01")
    site.run()
    description = json.loads((site.out / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_ending_a_run_ends_its_workers(site, number, status):
    site.add("01", "slow")
    process = start(site)
    workers = _children(process.pid)
    assert workers
    process.send_signal(number)
    assert process.wait(timeout=20) == status
    deadline = time.monotonic() + 5
    while any(map(_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(_alive, workers))
    # The same command goes on at once.
    site.add("01", "fine")
    assert site.run().returncode == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_ending_a_run_is_no_failure_of_its_node(site, number, status):
    """With `Linear` the signal strikes within a node; Nipype takes what it raises for a crash."""
    site.add("01", "slow")
    site.add("02", "fine")
    process = start(site, "Linear")
    process.send_signal(number)
    assert process.wait(timeout=20) == status
    told = site.call("status", site.out).stdout
    assert "2 waiting" in told, told
    assert not list(site.out.glob("sub-*"))
    site.add("01", "fine")
    assert site.run().returncode == 0


def start(site, plugin="MultiProc"):
    """Start a run in the background, and wait until its first step runs."""
    command = site.command("run", site.bids, site.out, "--plugin", plugin)
    # What a shell started in the background ignores SIGINT, and so do its children.
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=site.root,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "prepare started" in line:
            break
    time.sleep(0.5)
    return process


def test_two_runs_at_once_share_the_work(site):
    site.add("01", "slow")
    site.add("02", "fine")
    process = start(site)
    try:
        deadline = time.monotonic() + 20
        while "1 done, 1 running" not in (told := site.call("status", site.out)).stdout:
            assert time.monotonic() < deadline, told.stdout
        assert f"running: sub-01: process {process.pid} on " in told.stdout
        assert "left at the pace" not in told.stdout  # one is too few to tell from
        site.add("03", "fine")
        other = site.run("-w", site.root / "other")
    finally:
        process.kill()
        process.wait()
    assert other.returncode == 1
    assert f"Running elsewhere: sub-01, by process {process.pid} on " in other.stdout
    assert "Unchanged: sub-02 finished before." in other.stdout
    assert "Done: sub-03." in other.stdout


def test_status_and_why(site):
    nothing = site.call("status", site.out)
    assert nothing.returncode == 2
    assert "no logs of a run" in nothing.stderr
    site.add("01", "fine")
    site.add("02", "truncated")
    assert site.run().returncode == 1
    site.add("03", "fine")
    told = site.call("status", site.out)
    assert told.returncode == 1
    assert "3 subjects and sessions: 1 done, 1 failed, 1 waiting." in told.stdout
    assert (
        f"failed: sub-02: prepare: {site.image('02')} is truncated; copy it again." in told.stdout
    )
    assert "run it again: bgpvs-wf run --config" in told.stdout
    assert "waiting: sub-03: not finished before" in told.stdout
    why = site.run("--why", "--min-volume-mm3", "2")
    assert why.returncode == 0
    assert "sub-01: quantify.min_volume_mm3 was 0.0, is 2.0" in why.stdout
    assert "3 of 3 would run; nothing was run." in why.stdout
    assert "nipype imported: False" in why.stderr
    site.add("02", "mended")
    assert site.run().returncode == 0
    done = site.call("status", site.out)
    assert done.returncode == 0
    assert "3 subjects and sessions: 3 done." in done.stdout
    assert "nipype imported: False" in done.stderr
