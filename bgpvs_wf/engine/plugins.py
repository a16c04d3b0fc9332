"""Nipype's execution plugins: which there are, what they are told, how a file names one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine import slurm
from bgpvs_wf.engine.faults import sturdy
from bgpvs_wf.engine.plugin_needs import require_needs
from bgpvs_wf.engine.refusals import telling
from bgpvs_wf.engine.resources import memory_gb
from bgpvs_wf.errors import UsageError
from bgpvs_wf.reading import load_yaml, parse_yaml, why_not
from bgpvs_wf.settings import check_number

PLUGINS = (
    "Linear",
    "MultiProc",
    "LegacyMultiProc",
    "SLURM",
    "SLURMGraph",
    "SGE",
    "SGEGraph",
    "PBS",
    "PBSGraph",
    "LSF",
    "OAR",
    "Condor",
    "CondorDAGMan",
    "IPython",
)
"""Names that `--plugin` takes, as Nipype calls them (without its debugging plugins)."""

_SHARING = ("MultiProc", "LegacyMultiProc")
"""Plugins that share out this machine's processors and memory."""
_SUBMITTING = ("SLURMGraph", "SGEGraph", "PBSGraph", "CondorDAGMan")
"""Plugins that hand the whole graph to a batch system, and may not wait for it."""


def check_name(name: str) -> str:
    """Return the plugin's name in Nipype's spelling.

    Raises
    ------
    UsageError
        If Nipype has no such plugin.

    Examples
    --------
    >>> check_name("multiproc")
    'MultiProc'
    """
    known = {plugin.lower(): plugin for plugin in PLUGINS}
    if name.lower() in known:
        return known[name.lower()]
    close = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {known[close[0]]}?" if close else f"choose one of {', '.join(PLUGINS)}."
    raise UsageError(f"Unknown plugin {name!r}; {hint}")


def parse_arguments(pairs: Iterable[str]) -> dict[str, Any]:
    """Read `KEY=VALUE` pairs; values are YAML scalars, so that 4 is a number and true is true.

    Raises
    ------
    UsageError
        If a pair has no equals sign or no key.

    Examples
    --------
    >>> parse_arguments(["n_procs=4", "sbatch_args=--partition=short --time=60"])
    {'n_procs': 4, 'sbatch_args': '--partition=short --time=60'}
    """
    arguments: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise UsageError(f"--plugin-args takes KEY=VALUE pairs, not {pair!r}.")
        try:
            arguments[key] = parse_yaml(value)
        except ValueError:
            arguments[key] = value
        if not isinstance(arguments[key], str | int | float | bool):
            arguments[key] = value
    return check_arguments(arguments, "--plugin-args")


def read_plugin_file(path: Path) -> dict[str, Any]:
    """Read a plugin file: YAML with `plugin` and, if needed, `plugin_args`.

    Returns
    -------
    dict
        With the keys `plugin` and `plugin_args`.

    Raises
    ------
    UsageError
        If the file cannot be read or says something else.
    """
    try:
        content = load_yaml(path)
    except OSError as error:
        raise UsageError(
            f"Cannot read {path}: {why_not(error, path)}; correct the path."
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is not valid YAML: {why_not(error, path)}; repair it.") from error
    if not isinstance(content, dict) or not isinstance(content.get("plugin"), str):
        raise UsageError(f"{path} names no plugin; write a line such as 'plugin: MultiProc'.")
    arguments = content.get("plugin_args") or {}
    if not isinstance(arguments, dict):
        raise UsageError(f"plugin_args in {path} must be a mapping of names to values.")
    arguments = check_arguments(arguments, f"plugin_args in {path}")
    return {"plugin": check_name(content["plugin"]), "plugin_args": arguments}


def check_arguments(arguments: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """Return the arguments of a plugin, all of them words or numbers with a name.

    Raises
    ------
    UsageError
        Names the one that is not.

    Examples
    --------
    >>> check_arguments({"n_procs": "two"}, "plugin_args")
    Traceback (most recent call last):
    bgpvs_wf.errors.UsageError: n_procs in plugin_args is 'two'; give a whole number, 1 or more.
    """
    for key, value in arguments.items():
        if not isinstance(key, str) or not key.isidentifier():
            raise UsageError(f"{where} has a name {key!r}; give names such as n_procs.")
        if key in ("n_procs", "memory_gb"):
            whole = key == "n_procs"
            least = {"at_least": 1} if whole else {"above": 0.0}
            check_number(value, f"{key} in {where}", whole=whole, **least)
        elif not isinstance(value, str | int | float | bool):
            kind = type(value).__name__
            raise UsageError(f"{key} in {where} is a {kind}; give a word or a number.")
        elif isinstance(value, str) and not value.isprintable():
            raise UsageError(f"{key} in {where} is {value!r}; leave line breaks and the like out.")
    return dict(arguments)


def returns_at_once(plugin: str) -> bool:
    """Tell whether a plugin only submits, so that there are no results yet when it is done."""
    return plugin in _SUBMITTING


def runs_here(plugin: str) -> bool:
    """Tell whether a plugin runs everything on this machine."""
    return plugin in ("Linear", *_SHARING)


def arguments_for(config: RunConfig, log_file: Path) -> dict[str, Any]:
    """Return the arguments of a run's plugin; see `complete_arguments` and `require_needs`."""
    require_needs(config.plugin, config.plugin_args, config.work_dir)
    return complete_arguments(
        config.plugin,
        config.plugin_args,
        nprocs=config.nprocs,
        memory_gb=config.memory_gb or 0.9 * memory_gb(),
        log_file=log_file,
    )


def complete_arguments(
    plugin: str, given: Mapping[str, Any], nprocs: int, memory_gb: float, log_file: Path
) -> dict[str, Any]:
    """Add what a plugin that shares out this machine needs to know; what is given wins.

    A node that asks for more than there is runs alone rather than stopping the run.

    Examples
    --------
    >>> log = Path("run.log")
    >>> complete_arguments("LegacyMultiProc", {"n_procs": 3}, 8, 16.0, log)
    {'n_procs': 3, 'raise_insufficient': False, 'memory_gb': 16.0}
    >>> complete_arguments("SLURM", {"sbatch_args": "-p short"}, 8, 16.0, log)
    {'sbatch_args': '-p short'}
    """
    if plugin not in _SHARING:
        return dict(given)
    shared: dict[str, Any] = {"n_procs": nprocs, "raise_insufficient": False}
    if memory_gb > 0:
        shared["memory_gb"] = memory_gb
    if plugin == "MultiProc":
        shared["log_file"] = str(log_file)
    return {**given, **{key: value for key, value in shared.items() if key not in given}}


def request_resources(workflow: Any, plugin: str, given: Mapping[str, Any]) -> None:
    """Ask SLURM for the processors, memory and GPU of each node, which Nipype 1.11 does not.

    Parameters
    ----------
    workflow : nipype.Workflow
    plugin : str
    given : mapping
        The plugin's arguments. What their `sbatch_args` ask for is left as it is.
    """
    if plugin not in ("SLURM", "SLURMGraph"):
        return
    asked = str(given.get("sbatch_args") or "")
    for name in workflow.list_node_names():
        node = workflow.get_node(name)
        gpu = getattr(node.inputs, "device", "") == "cuda"
        words = slurm.requests(asked, cpus=node.n_procs, memory_gb=node.mem_gb, gpu=gpu)
        if words and "sbatch_args" not in node.plugin_args:
            node.plugin_args = {**node.plugin_args, "sbatch_args": " ".join(words)}


def load_plugin(plugin: str, arguments: Mapping[str, Any]) -> Any:
    """Return a plugin object for `nipype.Workflow.run(plugin=...)`.

    `MultiProc` is served by `bgpvs_wf.engine.multiproc`, which outlives killed workers.

    Raises
    ------
    UsageError
        If the plugin needs something that is not installed.
    """
    if plugin == "MultiProc":
        from bgpvs_wf.engine.multiproc import MultiProcPlugin

        return MultiProcPlugin(plugin_args=dict(arguments))
    import nipype.pipeline.plugins as plugins

    kind = telling(sturdy(getattr(plugins, f"{check_name(plugin)}Plugin")))
    try:
        return kind(plugin_args=dict(arguments))
    except ImportError as error:
        raise UsageError(
            f"The plugin {plugin} needs a package that is missing: {error}; install it."
        ) from error
