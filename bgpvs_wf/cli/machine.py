"""Where and how a verb runs the workflow: options, and the settings of `RunConfig` they make."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bgpvs_wf.cli.parser import gigabytes, megabytes, setting
from bgpvs_wf.engine.plugins import check_name, parse_arguments

_SETTINGS = ("work_dir", "nprocs", "omp_nthreads", "memory_gb", "plugin", "plugin_args")


def add_machine_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the options; their parser's `argument_default` has to be `SUPPRESS`."""
    group.add_argument(
        "-w",
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="intermediate results; keep it to resume (default: ./work)",
    )
    group.add_argument(
        "--nprocs",
        "--n-cpus",
        "--nthreads",
        dest="nprocs",
        type=setting,
        metavar="N",
        help="processors (default: all)",
    )
    group.add_argument(
        "--omp-nthreads",
        type=setting,
        metavar="N",
        help="processors a step may use (default: 8 at most)",
    )
    group.add_argument(
        "--mem",
        "--mem-gb",
        dest="memory_gb",
        type=gigabytes,
        metavar="GB",
        help="memory, such as 8, 8GB or 8000MB (default: nine tenths)",
    )
    group.add_argument(
        "--mem-mb", dest="memory_gb", type=megabytes, metavar="MB", help="the same in MB"
    )
    group.add_argument(
        "--plugin", metavar="NAME", help="MultiProc (default), Linear, SLURM or another of Nipype's"
    )
    group.add_argument(
        "--plugin-args", nargs="+", action="extend", metavar="KEY=VALUE", help="for the plugin"
    )


def machine_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the settings out of the arguments given, those of the plugin read.

    Raises
    ------
    UsageError
        If there is no such plugin, or an argument for it is no `KEY=VALUE`.
    """
    settings = {name: values[name] for name in _SETTINGS if values.get(name) is not None}
    if "plugin_args" in settings:
        settings["plugin_args"] = parse_arguments(settings["plugin_args"])
    if "plugin" in settings:
        settings["plugin"] = check_name(settings["plugin"])
    return settings
