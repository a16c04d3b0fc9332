"""Nipype's MultiProc, made to outlive workers that the system kills.

Nipype 1.11 waits for ever for the result of a worker that was killed (by the
out-of-memory killer, as a rule), and leaves commands of its workers running
when it is interrupted. Here a lost task is run once more, alone; if it is lost
again it fails with a message. Whatever ends the run also ends the workers and
the commands under them.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import logging
import multiprocessing
import os
import signal
import sys
import types
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from traceback import format_exception
from typing import Any

from nipype.pipeline.plugins import multiproc

from bgpvs_wf.engine.crashes import node_place
from bgpvs_wf.engine.faults import SturdyReports
from bgpvs_wf.errors import BGPVSError

_LOG = logging.getLogger(__name__)

_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux."""
_LONGEST_WAIT_SECONDS = 1.0
LOST_MESSAGE = (
    "The system killed this step twice, the second time while it ran alone; most probably it ran "
    "out of memory. Give the job more memory or fewer threads (--omp-nthreads), and run again."
)


class MultiProcPlugin(SturdyReports, multiproc.MultiProcPlugin):
    """Run nodes in parallel processes on this machine.

    Arguments as for Nipype's own, and `log_file`: where workers, and the libraries in them,
    print to.
    """

    def __init__(self, plugin_args: dict[str, Any] | None = None) -> None:
        super().__init__(plugin_args=plugin_args)
        self._workers: dict[int, ProcessPoolExecutor] = {}
        self._nodes: dict[int, tuple[Any, bool]] = {}
        self._waiting: deque[int] = deque()
        self._alone: int | None = None
        self._retried: set[int] = set()
        self._context = self.plugin_args.get("mp_context") or _safe()
        if self._context == "fork":
            _load_networks()
        self.pool: ProcessPoolExecutor
        self.pool.shutdown()
        self.pool = self._new_pool(self.processors)

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run a graph; leave no process behind, however it ends."""
        # MultiProc collects garbage at every poll: spare it what is there already.
        gc.freeze()
        try:
            super().run(graph, config, updatehash=updatehash)
        except BaseException:
            self._kill_workers()
            self.pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            gc.unfreeze()

    def _postrun_check(self) -> None:
        """Wait until all workers have ended, those that ran a lost task alone among them."""
        super()._postrun_check()
        for process in multiprocessing.active_children():
            if process.pid in self._workers:
                process.join()

    def _new_pool(self, size: int) -> ProcessPoolExecutor:
        """Start a pool and its workers, before anything starts threads in this process."""
        pool = ProcessPoolExecutor(
            max_workers=size,
            initializer=_start_worker,
            initargs=(self._cwd, self.plugin_args.get("log_file")),
            mp_context=multiprocessing.get_context(self._context),
        )
        with _without_main():
            pool.submit(os.getpid).result()
        self._note_workers(pool)
        return pool

    def _note_workers(self, pool: ProcessPoolExecutor) -> None:
        for process in multiprocessing.active_children():
            if process.pid:
                self._workers.setdefault(process.pid, pool)

    def _sort_jobs(self, jobids: Any, scheduler: str | None = "tsort") -> Any:
        """Finish one subject after another, rather than one stage of all after another."""
        if scheduler is not None:
            return super()._sort_jobs(jobids, scheduler=scheduler)
        return sorted(jobids, key=lambda job: (node_place(self.procs[job].fullname)[0], job))

    def _send_procs_to_workers(self, updatehash: bool = False, graph: Any = None) -> None:
        """Start what can be started; where that is nothing, wait until a task ends.

        Nipype looks every so often, and workers with short tasks have nothing to do meanwhile.
        """
        before = int(self.proc_done.sum())
        super()._send_procs_to_workers(updatehash=updatehash, graph=graph)
        if int(self.proc_done.sum()) == before:
            running = [
                self._task_obj[task] for task, _ in self.pending_tasks if task not in self._waiting
            ]
            wait(running, timeout=_LONGEST_WAIT_SECONDS, return_when=FIRST_COMPLETED)

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        self._taskid += 1
        if getattr(node.interface, "terminal_output", "") == "stream":
            node.interface.terminal_output = "allatonce"
        self._nodes[self._taskid] = (node, updatehash)
        try:
            self._task_obj[self._taskid] = self._submit(self.pool, self._taskid)
            return int(self._taskid)
        except BrokenProcessPool:
            self._kill_workers(self.pool)
        self.pool = self._new_pool(self.processors)
        self._task_obj[self._taskid] = self._submit(self.pool, self._taskid)
        return int(self._taskid)

    def _submit(self, pool: ProcessPoolExecutor, taskid: int) -> Future[Any]:
        node, updatehash = self._nodes[taskid]
        with _without_main():
            future = pool.submit(multiproc.run_node, node, updatehash, taskid)
        self._note_workers(pool)
        return future

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        if self._alone is None and self._waiting:
            self._run_alone(self._waiting.popleft())
        future = self._task_obj[taskid]
        if taskid in self._waiting or not future.done():
            return None
        if taskid == self._alone:
            self._alone = None
        error = future.exception()
        if error is None:
            return dict(future.result())
        if isinstance(error, BrokenProcessPool):
            if taskid not in self._retried:
                _LOG.warning("Lost %s; running it again, alone.", self._nodes[taskid][0].fullname)
                self._retried.add(taskid)
                self._waiting.append(taskid)
                return None
            error = BGPVSError(LOST_MESSAGE)
        return {"result": None, "traceback": format_exception(error)}

    def _run_alone(self, taskid: int) -> None:
        """Start a lost task in a pool of its own, so that it can take no other with it."""
        pool = self._new_pool(1)
        self._alone = taskid
        self._task_obj[taskid] = self._submit(pool, taskid)
        pool.shutdown(wait=False)

    def _clear_task(self, taskid: int) -> None:
        super()._clear_task(taskid)
        del self._nodes[taskid]

    def _kill_workers(self, pool: ProcessPoolExecutor | None = None) -> None:
        """Kill the workers of one pool, or of all, and the commands they run.

        Each worker leads a process group of its own.
        """
        for pid in [pid for pid, owner in self._workers.items() if pool in (None, owner)]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            del self._workers[pid]


def _safe() -> str:
    """Return how processes are started here: forked, unless torch may have started threads.

    A forked process waits for ever for the threads that torch had before.
    """
    return "spawn" if "torch" in sys.modules and _threads() != 1 else "fork"


def _threads() -> int | None:
    """Return how many threads this process has; None where the system does not say."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return None


def _load_networks() -> None:
    """Load once, for all processes forked from here, what takes each of them seconds to load."""
    for name in ("torch", "scipy.ndimage", "pandas", "nibabel"):
        # Where one is missing, the step that needs it says so.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Start processes that do not run the script that called this: it need not be guarded."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _start_worker(cwd: str, log_file: str | None) -> None:
    os.setsid()
    _die_with_parent()
    # The main process decides what an interrupt or a termination means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if log_file:
        log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
    multiproc.process_initializer(cwd)


def _die_with_parent() -> None:
    """Let the system kill this process when the one that started it is killed (Linux knows how).

    It would wait for work for ever otherwise, and keep what it has from its parent: its locks.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
