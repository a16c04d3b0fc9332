"""The arguments of `bgpvs-wf run`, and the `RunConfig` they make."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bgpvs_wf.cli.common_options import WHY_AND_LOG, add_verbose
from bgpvs_wf.cli.machine import add_machine_arguments, machine_settings
from bgpvs_wf.cli.setting_options import add_setting
from bgpvs_wf.config import BOTH_LEVELS, RunConfig, merge
from bgpvs_wf.engine.plugins import check_name, read_plugin_file
from bgpvs_wf.engine.resources import processors
from bgpvs_wf.errors import UsageError
from bgpvs_wf.paths import check_path
from bgpvs_wf.settings_files import read_file

DEMO_FOLDER = Path("demo")

_USAGE = """\
bgpvs-wf run BIDS_DIR OUT_DIR [participant|group] [options]
       bgpvs-wf run --demo [FOLDER] [options]"""
_DESCRIPTION = """\
Measure perivascular spaces of the basal ganglia in every infant of a BIDS dataset.
Finished subjects are left alone: run the same command again after a failure, or as a cohort grows.
"""
_EPILOG = "exit status: 0 all subjects are done, 1 some failed, 2 the call cannot be served"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all arguments; what is not given leaves no trace in the namespace."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.usage = _USAGE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.argument_default = argparse.SUPPRESS
    _add_positionals(parser)
    _add_filters(parser.add_argument_group("which data"))
    _add_stages(parser.add_argument_group("the workflow"))
    _add_resources(parser.add_argument_group("where and how it runs"))
    _add_others(parser.add_argument_group("other"))


def _add_positionals(parser: argparse.ArgumentParser) -> None:
    optional: dict[str, Any] = {"nargs": "?", "default": None}
    add_setting(parser, "bids_dir", metavar="BIDS_DIR", **optional)
    add_setting(parser, "output_dir", metavar="OUT_DIR", **optional)
    add_setting(parser, "analysis_level", **optional)


def _add_filters(group: argparse._ArgumentGroup) -> None:
    several: dict[str, Any] = {"nargs": "+", "action": "extend"}
    add_setting(group, "participant_label", "--participant-label", metavar="LABEL", **several)
    add_setting(group, "session_id", "--session-id", metavar="LABEL", **several)
    add_setting(group, "bids_filter_file", "--bids-filter-file", metavar="FILE.json")
    add_setting(group, "derivatives", "--derivatives", metavar="NAME=PATH", **several)
    add_setting(group, "ratings", "--ratings", metavar="FILE.tsv")
    add_setting(group, "norms", "--norms", metavar="FILE.json")
    group.add_argument(
        "--demo",
        action="store_true",
        default=False,
        help="make an infant and run on it: `--demo [FOLDER]` (default: demo)",
    )


def _add_stages(group: argparse._ArgumentGroup) -> None:
    add_segmentation_arguments(group)
    add_setting(group, "predict.flips", "--test-time-flips")
    add_setting(group, "prepare.denoise", "--denoise")
    add_setting(group, "prepare.bias_correction", "--bias-correction")
    add_setting(group, "anatomy.source", "--anatomy")
    add_setting(group, "anatomy.atlases", "--atlas", action="append", metavar="NAME_OR_PATH")
    add_setting(group, "anatomy.bg_region", "--bg-region")
    add_setting(group, "anatomy.include_thalamus", "--include-thalamus")
    add_setting(group, "pseudolabel.strategy", "--strategy")
    add_setting(group, "pseudolabel.false_discovery_rate", "--false-discovery-rate")
    add_setting(group, "quantify.min_volume_mm3", "--min-volume-mm3")


def add_segmentation_arguments(group: argparse._ArgumentGroup) -> None:
    """Add what segments, for every verb that runs the workflow."""
    add_setting(group, "segmentation", "--segmentation")
    add_setting(group, "predict.model", "--model", metavar="NAME_OR_PATH")
    add_setting(group, "predict.device", "--device")


def _add_resources(group: argparse._ArgumentGroup) -> None:
    add_machine_arguments(group)
    group.add_argument(
        "--use-plugin", type=Path, metavar="FILE.yml", help="file with plugin and plugin_args"
    )
    add_setting(group, "stop_on_first_crash", "--stop-on-first-crash")
    add_setting(group, "clean", "--clean")
    add_setting(group, "random_seed", "--random-seed")


def _add_others(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--config", type=Path, metavar="FILE.toml", help="settings; the command line wins"
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        default=False,
        help="show the subjects and what would run, draw the workflow; run nothing",
    )
    group.add_argument(
        "--why",
        action="store_true",
        default=False,
        help="say for each subject why it would run again; run nothing",
    )
    add_verbose(group, WHY_AND_LOG)
    group.add_argument(
        "--skip-bids-validation",
        action="store_true",
        help="changes nothing: what is not needed is never validated (other BIDS Apps have it)",
    )


def run_config(args: argparse.Namespace) -> tuple[RunConfig, tuple[str, ...]]:
    """Make the configuration: the file's settings, a plugin file's over them, the rest on top.

    Returns
    -------
    config : RunConfig
    levels : tuple of str
        `participant`, `group`, or both in this order.

    Raises
    ------
    UsageError
        If a folder is missing from the call, or a setting is wrong.
    """
    given = _given(vars(args))
    settings = read_file(args.config, _checked) if "config" in args else {}
    if "use_plugin" in args:
        settings = merge(settings, read_plugin_file(args.use_plugin))
    if settings.get("plugin") != given.get("plugin", settings.get("plugin")):
        # The arguments were another plugin's.
        settings.pop("plugin_args", None)
    settings = merge(settings, given)
    if args.demo:
        settings |= _demo_folders(given)
    absent = [name for name in ("bids_dir", "output_dir") if name not in settings]
    if absent:
        raise UsageError(
            "Give BIDS_DIR and OUT_DIR (before options that take several values), or --demo."
        )
    settings.setdefault("nprocs", processors())
    levels = (settings["analysis_level"],) if "analysis_level" in settings else BOTH_LEVELS
    config = RunConfig.from_mapping(settings)
    check_name(config.plugin)
    return config, levels


def _checked(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Refuse what a file says by itself, whatever the command line has over it."""
    RunConfig.check_part(settings)
    check_name(settings.get("plugin", RunConfig.plugin))
    return settings


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the settings out of the arguments, and read what is text."""
    ours = {"verb", "handler", "config", "use_plugin", "demo", "dry_run", "why", "verbose"}
    ours.add("skip_bids_validation")
    settings = nested_settings({k: v for k, v in values.items() if k not in ours})
    settings |= machine_settings(settings)
    if "derivatives" in settings:
        settings["derivatives"] = named_folders(settings["derivatives"])
    return settings


def nested_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Make tables of dotted names; what is None is left out.

    Examples
    --------
    >>> nested_settings({"predict.device": "cpu", "nprocs": 2, "work_dir": None})
    {'predict': {'device': 'cpu'}, 'nprocs': 2}
    """
    settings: dict[str, Any] = {}
    for name, value in values.items():
        stage, dot, key = name.partition(".")
        if value is None:
            continue
        if dot:
            settings.setdefault(stage, {})[key] = value
        else:
            settings[name] = value
    return settings


def named_folder(text: str) -> tuple[str, Path]:
    """Read `NAME=PATH` of --derivatives; a folder without a name is called as its last part.

    Raises
    ------
    UsageError
        If either is empty.
    """
    name, equals, path = text.partition("=")
    if not equals:
        folder = check_path(text, "--derivatives").absolute()
        return folder.name, folder
    if not name or not path:
        raise UsageError(f"--derivatives takes NAME=PATH, not {text!r}.")
    return name, check_path(path, "--derivatives")


def named_folders(texts: Iterable[str]) -> dict[str, Path]:
    """Read all `NAME=PATH` of --derivatives.

    Raises
    ------
    UsageError
        If two have one name.
    """
    found: dict[str, Path] = {}
    for name, path in map(named_folder, texts):
        if name in found:
            raise UsageError(f"--derivatives has two called {name!r}; name them otherwise.")
        found[name] = path
    return found


def _demo_folders(given: dict[str, Any]) -> dict[str, Any]:
    if "output_dir" in given:
        raise UsageError("--demo takes one folder, which it makes: bgpvs-wf run --demo [FOLDER].")
    root = given.get("bids_dir", DEMO_FOLDER)
    folders = {"bids_dir": root / "bids", "output_dir": root / "out"}
    return folders | ({} if "work_dir" in given else {"work_dir": root / "work"})
