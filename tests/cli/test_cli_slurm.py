"""`submit`, `status` and the SLURM plugin on a real cluster of two nodes on this machine."""

from __future__ import annotations

import time

import pytest
from cluster import Cluster, running_cluster, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=f"SLURM cannot run here: {why_not()}")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def cluster(slurm: Cluster, monkeypatch) -> Cluster:
    """Return the cluster, idle."""
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    yield slurm
    slurm.call("scancel", "--user=root")
    slurm.wait()


def submit(site, *words):
    return site.call(
        "submit", site.bids, site.out, "--nprocs", "1", "--mem", "1", "--plugin", "Linear", *words
    )


def status(site):
    return site.call("status", site.out)


def results(folder):
    """Return the files that measure, but for those that name the time."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in (".gz", ".tsv") and "logs" not in path.parts
    }


def wait_for(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.3)


def test_an_array_does_what_a_run_does(site, cluster):
    """More subjects than an array may have here; one of them fails."""
    names = ("01", "02", "03", "04", "05")
    for name in names:
        site.add(name, "truncated" if name == "02" else "fine" + name)
    ages = "\n".join(["participant_id\tage", *(f"sub-{name}\t3" for name in names), ""])
    (site.bids / "participants.tsv").write_text(ages)
    queued = submit(site, "--array", "--sbatch-args=--time=5")
    assert queued.returncode == 0, queued.stderr
    assert "Queued 5 as " in queued.stdout
    assert len(list(site.out.glob("logs/*/array-*.sh"))) == 2
    cluster.wait()
    told = status(site)
    assert told.returncode == 1
    assert "5 subjects and sessions: 4 done, 1 failed." in told.stdout
    assert "failed: sub-02: prepare: " in told.stdout
    assert "is truncated; copy it again." in told.stdout
    assert "--participant-label 02" in told.stdout
    found = results(site.out)
    assert len((site.out / "group_bgpvs.tsv").read_text().splitlines()) == 1 + 4 * 18
    # What failed is queued again, once it is mended, and nothing else.
    site.add("02", "fine02")
    assert "Queued 1 as " in submit(site, "--array").stdout
    cluster.wait()
    assert status(site).returncode == 0
    elsewhere = site.root / "elsewhere"
    plain = site.call("run", site.bids, elsewhere, "--plugin", "Linear", "-w", site.root / "w2")
    assert plain.returncode == 0, plain.stdout
    assert results(site.out) == results(elsewhere)
    assert {
        k: v for k, v in results(elsewhere).items() if k in found and "group" not in str(k)
    } == {k: v for k, v in found.items() if "group" not in str(k)}
    assert "Nothing to queue." in submit(site, "--array").stdout


def test_what_still_waits_is_not_queued_twice(site, cluster):
    for name in ("01", "02", "03"):
        site.add(name, "slow" if name == "01" else "fine")
    assert submit(site, "--array", "--max-jobs", "1").returncode == 0
    again = submit(site, "--array")
    assert again.returncode == 2
    assert "3 of 3 are still in the queue, such as sub-01" in again.stderr
    assert "Nothing to queue." in submit(site, "--array", "--resume").stdout
    wait_for(lambda: "1 running, 2 waiting" in status(site).stdout)
    first = next(line.split()[0] for line in cluster.queue() if "RUNNING" in line)
    cluster.call("scancel", first)
    wait_for(lambda: first not in "".join(cluster.queue()))
    cluster.wait()
    told = status(site)
    assert "2 done, 1 failed" in told.stdout
    assert f"failed: sub-01: job {first} ended without a result: " in told.stdout
    assert "CANCELLED" in told.stdout
    site.add("01", "fine")
    assert "Queued 1 as " in submit(site, "--array", "--resume").stdout
    cluster.wait()
    assert status(site).returncode == 0


def test_a_daemon_that_is_killed_takes_nobody_with_it(site, cluster):
    """Jobs on its node go on, and it finds them again."""
    for name in ("01", "02"):
        site.add(name, "brief")
    assert submit(site, "--array", "--sbatch-args=--exclusive").returncode == 0
    wait_for(lambda: sum("RUNNING" in line for line in cluster.queue()) == 2)
    cluster.kill_node("n2")
    cluster.start_node("n2")
    cluster.revive("n2")
    cluster.wait()
    told = status(site)
    assert told.returncode == 0, told.stdout


def test_a_node_that_goes_down_takes_nobody_with_it(site, cluster):
    for name in ("01", "02"):
        site.add(name, "brief")
    queued = submit(site, "--array", "--sbatch-args=--exclusive")
    job = queued.stdout.partition("Queued 2 as ")[2].partition(";")[0]
    wait_for(lambda: sum("RUNNING" in line for line in cluster.queue()) == 2)
    cluster.call("scontrol", "update", "nodename=n2", "state=down", "reason=test")
    cluster.revive("n2")
    cluster.wait()
    assert "Restarts=1" in cluster.call("scontrol", "show", "job", job)
    told = status(site)
    assert told.returncode == 0, told.stdout


def test_all_in_one_job(site, cluster):
    for name in ("01", "02"):
        site.add(name)
    assert "Queued 2 as job" in submit(site).stdout
    cluster.wait()
    assert status(site).returncode == 0
    assert (site.out / "group_bgpvs.tsv").is_file()


def test_the_plugin_on_a_real_cluster(site, cluster):
    """A job that is cancelled and an image that is broken harm their own subjects only."""
    site.add("01", "fine")
    site.add("02", "truncated")
    site.add("03", "fine")
    done = site.run("--plugin", "SLURM", "--plugin-args", "sbatch_args=--time=5")
    assert done.returncode == 1
    assert "Done: sub-01, sub-03." in done.stdout
    assert "is truncated; copy it again." in done.stdout


def test_without_a_cluster(site, monkeypatch):
    site.add("01")
    monkeypatch.setenv("PATH", "/nowhere")
    queued = submit(site, "--array")
    assert queued.returncode == 2
    assert "There is no command" in queued.stderr
