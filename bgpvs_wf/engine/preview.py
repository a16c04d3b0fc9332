"""A workflow looked at without running it: its nodes, what of it would run, its drawing."""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path
from typing import Any

from bgpvs_wf.engine.crashes import node_place

_LOG = logging.getLogger(__name__)

HASH_SETTINGS = {"hash_method": "timestamp", "remove_unnecessary_outputs": "false"}
"""Nipype's settings that nodes' hashes depend on: to look and to run, they must be the same."""


def execution_nodes(workflow: Any) -> list[tuple[Any, tuple[str, ...]]]:
    """Return the nodes that Nipype would execute, in order, each with its predecessors' names.

    Parameters
    ----------
    workflow : nipype.Workflow
        Nothing of it is run or written.

    Returns
    -------
    list of (Node, tuple of str)
    """
    import networkx as nx
    from nipype.pipeline.plugins.base import PluginBase

    found: list[tuple[Any, tuple[str, ...]]] = []

    class PreviewPlugin(PluginBase):
        """Takes the graph that Nipype would execute, and does nothing with it."""

        def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
            for node in nx.topological_sort(graph):
                before = tuple(other.fullname for other in graph.predecessors(node))
                found.append((node, before))

    settings = {**HASH_SETTINGS, "create_report": "false"}
    workflow.config.setdefault("execution", {}).update(settings)
    workflow.run(plugin=PreviewPlugin())
    return found


def stages_to_run(workflow: Any) -> dict[str, dict[str, bool]]:
    """Tell which stages of which subjects would run, given what is in the work folder.

    A stage behind one that runs is said to run, although Nipype may find that nothing has
    changed for it.

    Returns
    -------
    dict
        Name of the subject's workflow to stage to whether it would run.
    """
    stages: dict[str, dict[str, bool]] = {}
    running: set[str] = set()
    for node, before in execution_nodes(workflow):
        runs = not running.isdisjoint(before) or not _is_cached(node)
        if runs:
            running.add(node.fullname)
        subject, stage = node_place(node.fullname)
        found = stages.setdefault(subject, {})
        found[stage] = found.get(stage, False) or runs
    return stages


def _is_cached(node: Any) -> bool:
    if node.overwrite or (node.overwrite is None and node.interface.always_run):
        return False
    try:
        cached, updated = node.is_cached()
    except Exception as error:
        # Whatever is wrong with the cached result, Nipype runs the node again.
        _LOG.info("Cannot tell whether %s is cached: %r", node.fullname, error)
        return False
    return bool(cached and updated)


def draw(workflow: Any, path: Path) -> Path:
    """Draw a workflow with Graphviz, or write its DOT source where Graphviz is missing.

    Parameters
    ----------
    workflow : nipype.Workflow
    path : Path
        Without suffix.

    Returns
    -------
    Path
        The ``.svg``, or the ``.dot``.
    """
    source, drawing = path.with_suffix(".dot"), path.with_suffix(".svg")
    source.parent.mkdir(parents=True, exist_ok=True)
    workflow.write_graph(str(source), graph2use="colored", format="dot", simple_form=True)
    if shutil.which("dot") is None:
        return source
    command = ["dot", "-Tsvg", "-o", str(drawing), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        _LOG.warning("Graphviz cannot draw %s: %s", source, done.stderr.strip())
        return source
    source.unlink()
    return drawing
