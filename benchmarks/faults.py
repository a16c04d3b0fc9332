"""What breaks, what is seen, and whether the same command then ends as if nothing had happened.

    python benchmarks/faults.py OUT

Eight tiny subjects (see `cohort.py`) are run undisturbed, twice: files that are the same both times
are what is compared, byte for byte. Then each fault comes while they run, when two are finished;
what it broke is mended, and the same command runs again. A full disk and a share that vanishes are
mounts, and need root; those of SLURM need slurm-wlm and munge.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from cohort import PROGRAM, make_dataset, settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from cluster import Cluster, running_cluster, why_not

SUBJECTS, FINISHED = 8, 2
_SECONDS = 600


@dataclass
class Site:
    """A cohort; results and work are below `disk`, on which another one may be mounted."""

    root: Path
    needed_bytes: int = 0
    """What results and work take of a disk, once that has been seen."""

    @property
    def disk(self) -> Path:
        """Return where another disk may be mounted."""
        return self.root / "disk"

    @property
    def config(self) -> Path:
        """Return the settings of the run."""
        return self.root / "run.toml"

    @property
    def out(self) -> Path:
        """Return the output folder."""
        return self.disk / "out-run"

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Start the program."""
        command = [*PROGRAM, *map(str, words)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self) -> subprocess.Popen[str]:
        """Start the run."""
        return self.start("run", "--config", self.config)

    def at_work(self) -> subprocess.Popen[str]:
        """Start the run; return when some subjects are finished."""
        run = self.run()
        wait_for(lambda: len(list(self.out.glob("sub-*.html"))) >= FINISHED or ended(run))
        if ended(run):
            sys.exit(f"The run ended before the fault came: {run.communicate()[0]}")
        return run

    def results(self) -> dict[Path, bytes]:
        """Return all files of the output folder but logs."""
        return {
            path.relative_to(self.out): path.read_bytes()
            for path in self.out.rglob("*")
            if path.is_file() and "logs" not in path.parts
        }

    def clear(self) -> None:
        """Forget all results."""
        shutil.rmtree(self.disk, ignore_errors=True)
        self.disk.mkdir()


def ended(run: subprocess.Popen[str]) -> bool:
    """Tell whether a process has ended."""
    return run.poll() is not None


def wait_for(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + _SECONDS
    while not true():
        if time.monotonic() > end:
            sys.exit("It takes too long.")
        time.sleep(0.1)


def told(run: subprocess.Popen[str]) -> str:
    """Wait for a run; return its exit status and the line that says what failed."""
    lines = run.communicate()[0].splitlines()
    said = [line.strip() for line in lines if line.startswith(("  sub-", "failed: ", "bgpvs-wf: "))]
    return f"exit {run.returncode}" + (f": {said[0]}" if said else "")


def kill_main(site: Site) -> str:
    """Kill -9 the main process."""
    run = site.at_work()
    run.kill()
    return told(run)


def kill_worker(site: Site) -> str:
    """Kill -9 a worker."""
    run = site.at_work()
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    return told(run)


def two_at_once(site: Site) -> str:
    """Run the same command twice at the same time."""
    return " / ".join(told(run) for run in (site.run(), site.run()))


def vanished_scans(site: Site) -> str:
    """Take the folder of the scans away."""
    run = site.at_work()
    bids = site.root / "bids"
    bids.rename(site.root / "away")
    seen = told(run)
    (site.root / "away").rename(bids)
    return seen


def vanished_share(site: Site) -> str:
    """Unmount the disk of results and work."""
    store = site.root / "store"
    store.mkdir()
    with mounted(site, "--bind", str(store)):
        run = site.at_work()
        subprocess.run(["umount", "-l", site.disk], check=True)
        seen = told(run)
    # What was written into the place of the mount is not on the share.
    site.clear()
    site.disk.rmdir()
    store.rename(site.disk)
    return seen


def full_disk(site: Site) -> str:
    """Let the disk of results and work be too small by half."""
    site.disk.mkdir(exist_ok=True)
    with mounted(site, "-t", "tmpfs", "-o", f"size={site.needed_bytes // 2}", "tmpfs"):
        seen = told(site.run())
        saved = site.root / "saved"
        shutil.copytree(site.disk, saved, symlinks=True)
    site.disk.rmdir()
    saved.rename(site.disk)
    return seen


@contextlib.contextmanager
def mounted(site: Site, *words: str) -> Iterator[None]:
    """Mount something on the disk of a site."""
    subprocess.run(["mount", *words, site.disk], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", site.disk], check=False, capture_output=True)


def in_queue(site: Site, cluster: Cluster, fault: Callable[[Cluster], None]) -> tuple[str, str]:
    """Let a fault come to a job array; mend it, queue what is missing; return what was seen."""
    submit = ("submit", "--config", site.config, "--array", "--mem", "1")
    queued = told(site.start(*submit, "--sbatch-args=--exclusive"))
    wait_for(lambda: sum("RUNNING" in line for line in cluster.queue()) == 2)
    fault(cluster)
    cluster.wait(_SECONDS)
    seen = told(site.start("status", site.out))
    again = told(site.start(*submit, "--resume"))
    cluster.wait(_SECONDS)
    return f"{queued}; then {seen}", again


def cancel(cluster: Cluster) -> None:
    """Cancel a job that runs."""
    first = next(line.split()[0] for line in cluster.queue() if "RUNNING" in line)
    cluster.call("scancel", first)


def kill_daemon(cluster: Cluster) -> None:
    """Kill -9 a node's slurmd, and start it again."""
    cluster.kill_node("n2")
    cluster.start_node("n2")
    cluster.revive("n2")


def node_down(cluster: Cluster) -> None:
    """Set a node down, and up again."""
    cluster.call("scontrol", "update", "nodename=n2", "state=down", "reason=test")
    cluster.revive("n2")


def compared(site: Site, truth: dict[Path, bytes]) -> str:
    """Compare the results with undisturbed ones."""
    found = site.results()
    differ = [path for path, content in truth.items() if found.get(path) != content]
    said = f"{len(truth) - len(differ)} of {len(truth)} files"
    return said + (f"; not {', '.join(map(str, differ[:3]))}" if differ else "")


def undisturbed(site: Site) -> dict[Path, bytes]:
    """Return the files that two runs without a fault make alike."""
    found = []
    for _ in range(2):
        site.clear()
        print("undisturbed:", told(site.run()), flush=True)
        found.append(site.results())
    site.needed_bytes = sum(512 * path.lstat().st_blocks for path in site.disk.rglob("*"))
    one, other = found
    return {path: content for path, content in one.items() if other.get(path) == content}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    site = Site(parser.parse_args().out.absolute())
    os.environ["OMP_NUM_THREADS"] = "1"
    make_dataset(site.root, SUBJECTS)
    settings(site.root, "run", disk=site.disk)
    truth = undisturbed(site)
    faults = [kill_main, kill_worker, two_at_once, vanished_scans]
    faults += [vanished_share, full_disk] if os.geteuid() == 0 else []
    rows = []
    for fault in faults:
        site.clear()
        seen = fault(site)
        rows.append((fault.__doc__, seen, told(site.run()), compared(site, truth)))
        print(rows[-1], flush=True)
    if why_not():
        print("Without SLURM:", why_not())
    else:
        with running_cluster(site.root / "slurm") as cluster:
            os.environ |= cluster.environment
            for harm in (cancel, kill_daemon, node_down):
                site.clear()
                seen, again = in_queue(site, cluster, harm)
                rows.append((harm.__doc__, seen, again, compared(site, truth)))
                print(rows[-1], flush=True)
    columns = ["what was done", "seen", "the same command again", "equal to undisturbed"]
    print(pd.DataFrame(rows, columns=columns).to_markdown(index=False))


if __name__ == "__main__":
    main()
