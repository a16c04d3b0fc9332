from __future__ import annotations

import os

import pytest

_SBATCH = """\
#!/bin/sh
# Runs the job at once; notes what was asked for.
echo "$@" >> {folder}/asked
for script; do :; done
sh "$script" > {folder}/job.out 2>&1
echo "Submitted batch job $(wc -l < {folder}/asked)"
"""
_SQUEUE = """\
#!/bin/sh
echo "slurm_load_jobs error: Invalid job id specified"
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A batch system that runs each job while it is submitted."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("sbatch", _SBATCH), ("squeue", _SQUEUE)):
        (folder / name).write_text(text.format(folder=folder))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LOGNAME", "somebody")
    monkeypatch.setattr("bgpvs_wf.engine.runner._REMOTE_POLL_SECONDS", "0.1")
    monkeypatch.setattr("bgpvs_wf.engine.runner._RESULT_SECONDS", "1")
    return folder


def test_a_cohort_on_slurm(toy, cluster):
    jobs = [toy.job("01", "abc"), toy.job("02", "truncated")]
    outcomes = toy.run(jobs, plugin="SLURM", plugin_args={"sbatch_args": "-p short"})
    assert outcomes["sub-01"].state == "done"
    assert toy.result("01") == 6.0
    assert outcomes["sub-02"].state == "failed"
    assert "is truncated; copy it again." in outcomes["sub-02"].failures[0].cause
    asked = (cluster / "asked").read_text().splitlines()
    assert all("-p short" in line for line in asked)
    assert all("--cpus-per-task=1 --mem=205M" in line for line in asked)


def test_a_job_that_the_cluster_kills_takes_only_its_own_subject(toy, cluster):
    jobs = [toy.job("01", "crash"), toy.job("02", "abc")]
    outcomes = toy.run(jobs, plugin="SLURM")
    assert outcomes["sub-01"].state == "failed"
    assert "results file does not exist" in outcomes["sub-01"].failures[0].cause
    assert outcomes["sub-02"].state == "done"


def test_what_the_user_asks_of_slurm_is_left_alone(toy, cluster):
    arguments = {"sbatch_args": "-c 4 --mem-per-cpu=2G"}
    assert toy.run([toy.job("01", "abc")], plugin="SLURM", plugin_args=arguments)
    assert "--cpus-per-task" not in (cluster / "asked").read_text()
    assert "--mem=" not in (cluster / "asked").read_text()


def test_why_slurm_takes_no_job_is_told(toy, cluster):
    (cluster / "sbatch").write_text(
        "#!/bin/sh\n"
        "echo 'sbatch: error: invalid partition specified: short' >&2\n"
        "echo 'sbatch: error: Batch job submission failed: Invalid partition name' >&2\n"
        "exit 1\n"
    )
    outcomes = toy.run([toy.job("01", "abc"), toy.job("02", "abc")], plugin="SLURM")
    for outcome in outcomes.values():
        assert outcome.state == "failed"
        assert outcome.failures[0].cause == (
            "sbatch refused: invalid partition specified: short; Batch job submission failed: "
            "Invalid partition name; correct what --plugin-args asks for, or run again later."
        )
