"""What the plugins here rely on inside Nipype, which may change with any version of it."""

from __future__ import annotations

import inspect

import nipype
import pytest
from nipype.pipeline.plugins import multiproc

from bgpvs_wf.engine.faults import SturdyReports
from bgpvs_wf.engine.multiproc import MultiProcPlugin

OVERRIDDEN = {
    "run", "_postrun_check", "_sort_jobs", "_send_procs_to_workers", "_submit_job", "_get_result",
    "_clear_task", "_report_crash",
}  # fmt: skip
OURS = {**vars(SturdyReports), **vars(MultiProcPlugin)}
VERSION = f"Nipype {nipype.__version__}"


def parameters(function):
    found = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, one.default) for one in found]


@pytest.mark.parametrize("name", sorted(OVERRIDDEN))
def test_what_is_overridden_is_there_and_called_the_same_way(name):
    theirs = getattr(multiproc.MultiProcPlugin, name, None)
    assert theirs is not None, f"{VERSION} has no MultiProcPlugin.{name}"
    ours = parameters(OURS[name])
    assert ours == parameters(theirs), f"{VERSION} calls MultiProcPlugin.{name} another way"


def test_nothing_else_is_overridden():
    same = {name for name in OURS if not name.startswith("__")} & {*dir(multiproc.MultiProcPlugin)}
    assert same == OVERRIDDEN, f"{VERSION} has other methods of these names"


def test_attributes_that_the_plugin_uses_are_there():
    plugin = multiproc.MultiProcPlugin({"n_procs": 1, "memory_gb": 1})
    plugin.pool.shutdown()
    used = (
        "pool", "processors", "plugin_args", "procs", "proc_done", "pending_tasks",
        "_cwd", "_task_obj", "_taskid",
    )  # fmt: skip
    absent = [name for name in used if not hasattr(plugin, name)]
    assert not absent, f"{VERSION} has no {', '.join(absent)} in MultiProcPlugin"
    ours = {"_workers", "_nodes", "_waiting", "_alone", "_retried", "unwritten"}
    assert ours.isdisjoint(vars(plugin)), f"{VERSION} uses names of ours in MultiProcPlugin"


def test_workers_are_started_and_told_what_to_run_the_same_way():
    told = {name: [one for one, *_ in parameters(getattr(multiproc, name))] for name in (
        "run_node", "process_initializer",
    )}  # fmt: skip
    assert told == {
        "run_node": ["node", "updatehash", "taskid"],
        "process_initializer": ["cwd"],
    }, f"{VERSION} runs nodes another way"
