"""Workers of MultiProc, started by a script that has used torch itself."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import torch
from nipype import Function, Node, Workflow

from bgpvs_wf.engine.multiproc import MultiProcPlugin

print("once")
torch.set_num_threads(2)
torch.ones(2000, 2000) @ torch.ones(2000, 2000)  # its threads are there from now on


def multiply(size):
    import torch

    torch.set_num_threads(2)
    return float((torch.ones(size, size) @ torch.ones(size, size))[0, 0])


nodes = [Node(Function(function=multiply), f"node_{number}") for number in range(3)]
for node in nodes:
    node.inputs.size = 2000
workflow = Workflow("torch", base_dir=".")
workflow.add_nodes(nodes)
graph = workflow.run(plugin=MultiProcPlugin({"n_procs": 2}))
print(sorted(node.result.outputs.out for node in graph.nodes()))
"""


def test_a_script_that_has_used_torch_runs_workflows_that_do(tmp_path):
    """A forked worker would wait for ever; one that runs the script again would never end."""
    path = tmp_path / "script.py"
    path.write_text(_SCRIPT)
    words = [sys.executable, path]
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines.count("once") == 1
    assert lines[-1] == "[2000.0, 2000.0, 2000.0]"
