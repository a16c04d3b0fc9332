from __future__ import annotations

from pathlib import Path

import pytest

from bgpvs_wf.engine import plugins
from bgpvs_wf.errors import UsageError


def test_every_name_is_a_plugin_of_nipype():
    import nipype.pipeline.plugins as nipype_plugins

    for name in plugins.PLUGINS:
        assert hasattr(nipype_plugins, f"{name}Plugin")


def test_unknown_names_get_a_hint():
    with pytest.raises(UsageError, match=r"did you mean SLURM\?"):
        plugins.check_name("slurmm")
    with pytest.raises(UsageError, match="choose one of"):
        plugins.check_name("kubernetes")


def test_values_are_read_as_numbers_and_words():
    pairs = ["a=1", "b=0.5", "c=true", "d=x y", "e=[1, 2]", "f=--mem=8G", "g={"]
    expected = {"a": 1, "b": 0.5, "c": True, "d": "x y", "e": "[1, 2]", "f": "--mem=8G", "g": "{"}
    assert plugins.parse_arguments(pairs) == expected


@pytest.mark.parametrize("pair", ["a", "=1"])
def test_what_is_no_pair_is_refused(pair):
    with pytest.raises(UsageError, match="KEY=VALUE"):
        plugins.parse_arguments([pair])


def test_a_plugin_file(tmp_path):
    path = tmp_path / "plugin.yml"
    path.write_text("plugin: multiproc\nplugin_args: {n_procs: 2}\n")
    assert plugins.read_plugin_file(path) == {
        "plugin": "MultiProc",
        "plugin_args": {"n_procs": 2},
    }


@pytest.mark.parametrize("text", ["", "a: [", "plugin: 3", "- x", "plugin: Linear\nplugin_args: 3"])
def test_a_bad_plugin_file_is_refused(tmp_path, text):
    path = tmp_path / "plugin.yml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"plugin\.yml"):
        plugins.read_plugin_file(path)


def test_given_arguments_win():
    arguments = plugins.complete_arguments("MultiProc", {"n_procs": 1}, 8, 4.0, Path("run.log"))
    assert arguments["n_procs"] == 1
    assert arguments["memory_gb"] == 4.0


def test_a_plugin_that_lacks_its_package(monkeypatch):
    import nipype.pipeline.plugins as nipype_plugins

    def refuse(plugin_args):
        raise ImportError("Please install ipyparallel to use this plugin.")

    monkeypatch.setattr(nipype_plugins, "IPythonPlugin", refuse)
    with pytest.raises(UsageError, match="ipyparallel"):
        plugins.load_plugin("IPython", {})


def _segment(device: str) -> str:
    return device


@pytest.mark.parametrize(
    ("device", "given", "asked"),
    [
        ("cuda", "", "--cpus-per-task=2 --mem=512M --gres=gpu:1"),
        ("cuda", "--gpus=2", "--cpus-per-task=2 --mem=512M"),
        ("cpu", "-c 3", "--mem=512M"),
        ("auto", "", "--cpus-per-task=2 --mem=512M"),
    ],
)
def test_slurm_is_asked_for_what_a_step_needs(device, given, asked):
    from nipype import Function, Node, Workflow

    node = Node(Function(function=_segment), "segment", n_procs=2, mem_gb=0.5)
    node.inputs.device = device
    workflow = Workflow("bgpvs_wf")
    workflow.add_nodes([node])
    plugins.request_resources(workflow, "SLURM", {"sbatch_args": given})
    assert node.plugin_args == {"sbatch_args": asked}
    plugins.request_resources(workflow, "MultiProc", {})
    assert node.plugin_args == {"sbatch_args": asked}
