"""What makes a process one that runs workflows: its environment, and the settings of its runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.plugins import returns_at_once
from bgpvs_wf.engine.resources import processors, set_environment, thread_environment
from bgpvs_wf.errors import UsageError


@contextlib.contextmanager
def workflow_process(threads: int) -> Iterator[None]:
    """Make this process one that runs workflows, and put its environment back afterwards.

    Parameters
    ----------
    threads : int
        Of a node.
    """
    before = dict(os.environ)
    set_environment(thread_environment(threads))
    ours = dict(os.environ)
    try:
        yield
    finally:
        for name in ours.keys() - before.keys():
            os.environ.pop(name, None)
        os.environ.update({name: old for name, old in before.items() if ours[name] != old})


def machine_for_scoring(settings: Mapping[str, Any], out: Path) -> tuple[dict[str, Any], int]:
    """Return the settings of all runs of a study that scores or learns from what they made.

    Parameters
    ----------
    settings : mapping
        Those of `RunConfig` that say where and how it runs; none has to be there.
    out : Path
        The folder of results.

    Returns
    -------
    machine : dict
        The same; `nprocs` and `work_dir` are there.
    threads : int
        Of a node.

    Raises
    ------
    UsageError
        See `RunConfig`; or if the plugin does not wait for its jobs.
    """
    settings = {"nprocs": processors(), **settings}
    config = RunConfig(bids_dir=out, output_dir=out, **settings)
    if returns_at_once(config.plugin):
        raise UsageError(
            f"--plugin {config.plugin} does not wait for its jobs, which are to be scored; "
            "choose one that does, such as SLURM."
        )
    return {**settings, "work_dir": config.work_dir}, config.threads
