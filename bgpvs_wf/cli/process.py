"""What makes the process of a verb one that runs workflows: threads, messages, how it is ended."""

from __future__ import annotations

import argparse
import logging
import signal
from pathlib import Path
from typing import Any

from bgpvs_wf.cli.machine import machine_settings


def set_up_verb(args: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """Make this process one that runs workflows for a verb that goes on with what they made.

    Returns
    -------
    out : Path
        The verb's folder of results.
    machine : dict
        Settings of all its runs; see `bgpvs_wf.studies.process.machine_for_scoring`.

    Raises
    ------
    UsageError
    """
    from bgpvs_wf.studies.process import machine_for_scoring

    out = args.out.expanduser().absolute()
    machine, threads = machine_for_scoring(machine_settings(vars(args)), out)
    set_up_process(threads, args.verbose)
    return out, machine


def set_up_process(threads: int, verbose: int) -> None:
    """Make this process one that runs workflows, till its end."""
    from bgpvs_wf.engine.resources import set_environment, thread_environment

    set_environment(thread_environment(threads))
    # This package speaks; libraries only warn.
    logging.getLogger().setLevel(logging.WARNING)
    levels = (logging.WARNING, logging.INFO, logging.DEBUG)
    logging.getLogger("bgpvs_wf").setLevel(levels[min(verbose, 2)])
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)
