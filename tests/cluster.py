"""A real SLURM cluster of two nodes on this machine, for the time of some tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
_CONFIG = """\
ClusterName=bgpvs
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
MinJobAge=300
MaxArraySize=4
KillWait=2
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{second}] \\
  CPUs=2 RealMemory=8000
PartitionName=all Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
"""
_START_SECONDS = 40


def why_not() -> str:
    """Say why there can be no cluster here; empty if there can."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)}: apt install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "slurmd needs root"


@dataclass
class Cluster:
    """Two nodes, `n1` and `n2`, of two processors each."""

    folder: Path
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What programs need to find it."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "LOGNAME": "root"}

    def call(self, *words: str) -> str:
        """Run a command of SLURM; return what it says."""
        done = subprocess.run(
            words, env=os.environ | self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def start(self) -> None:
        """Start all daemons, and wait for both nodes."""
        munge = self.folder / "munge"
        for path in (munge, self.folder / "state"):
            path.mkdir(parents=True)
        ports = _free_ports(3)
        config = _CONFIG.format(
            host=socket.gethostname().partition(".")[0],
            folder=self.folder,
            port=ports[0],
            first=min(ports[1:]),
            second=max(ports[1:]),
        )
        (self.folder / "slurm.conf").write_text(config)
        key = munge / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        shutil.chown(munge, "munge")
        shutil.chown(key, "munge")
        for parent in munge.parents:
            if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o711)
        self._start(
            "munged", "munged", "--foreground", "--force", f"--key-file={key}",
            f"--socket={munge / 'socket'}", f"--pid-file={munge / 'pid'}",
            f"--log-file={munge / 'log'}", f"--seed-file={munge / 'seed'}",
            user="munge",
        )  # fmt: skip
        _wait(lambda: (munge / "socket").exists(), "munged")
        self._start("slurmctld", "slurmctld", "-D", "-c")
        for node in ("n1", "n2"):
            self.start_node(node)
        _wait(lambda: self.states() == {"n1": "idle", "n2": "idle"}, "both nodes")

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._start(node, "slurmd", "-D", "-N", node)

    def kill_node(self, node: str) -> None:
        """Kill the daemon of a node; jobs on it go on, and nobody knows."""
        daemon = self._running.pop(node)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()

    def revive(self, node: str) -> None:
        """Wait until a node that was set down is up again; it may come back by itself."""

        def up() -> bool:
            if not self.states().get(node, "down").startswith("down"):
                return True
            with contextlib.suppress(subprocess.CalledProcessError):
                self.call("scontrol", "update", f"nodename={node}", "state=resume")
            return False

        _wait(up, node)

    def states(self) -> dict[str, str]:
        """Return the state of each node, such as `idle`."""
        with contextlib.suppress(subprocess.CalledProcessError):
            lines = self.call("sinfo", "-h", "-N", "-o", "%N %t").splitlines()
            return dict(line.split() for line in lines)
        return {}

    def queue(self) -> list[str]:
        """Return a line for each job that waits or runs, elements of arrays one by one."""
        return self.call("squeue", "-h", "-r", "-o", "%i %T %N").splitlines()

    def wait(self, seconds: float = 240) -> None:
        """Wait until the queue is empty."""
        _wait(lambda: not self.queue(), "the queue to be empty", seconds)

    def stop(self) -> None:
        """Stop all daemons and what they run."""
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(
                ["scancel", "--user=root", "--full", "--signal=KILL"],
                env=os.environ | self.environment,
                capture_output=True,
                timeout=20,
            )
        for daemon in reversed(list(self._running.values())):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def _start(self, name: str, *words: str, user: str | None = None) -> None:
        with open(self.folder / f"{name}.out", "wb") as out:
            self._running[name] = subprocess.Popen(
                words,
                env=os.environ | self.environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                user=user,
                start_new_session=True,
            )


@contextlib.contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Run a cluster whose state and logs are in a folder."""
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody uses; the last two are neighbours."""
    for first in range(20000 + os.getpid() % 20000, 60000, 7):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    one = stack.enter_context(socket.socket())
                    one.bind(("127.0.0.1", port))
            except OSError:
                continue
        return list(range(first, first + count))
    raise RuntimeError("no free ports")


def _wait(true, what: str, seconds: float = _START_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.2)
