"""Where and how a verb runs the workflow: options, and the settings of `RunConfig` they make."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from bgpvs_wf.cli.parser import gigabytes, megabytes
from bgpvs_wf.cli.setting_options import add_setting
from bgpvs_wf.engine.plugins import check_name, parse_arguments

_SETTINGS = ("work_dir", "nprocs", "omp_nthreads", "memory_gb", "plugin", "plugin_args")


def add_machine_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the options; their parser's `argument_default` has to be `SUPPRESS`."""
    add_setting(group, "work_dir", "-w", "--work-dir")
    add_setting(group, "nprocs", "--nprocs", "--n-cpus", "--nthreads")
    add_setting(group, "omp_nthreads", "--omp-nthreads")
    add_setting(
        group,
        "memory_gb",
        "--mem",
        "--mem-gb",
        read=gigabytes,
        note="such as 8, 8GB or 8000MB",
    )
    add_setting(group, "memory_gb", "--mem-mb", read=megabytes, metavar="MB", help="the same in MB")
    add_setting(group, "plugin", "--plugin", metavar="NAME")
    add_setting(
        group, "plugin_args", "--plugin-args", nargs="+", action="extend", metavar="KEY=VALUE"
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
