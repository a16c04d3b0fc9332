from __future__ import annotations

import os
from pathlib import Path

from bgpvs_wf.engine.logs import logged_to
from bgpvs_wf.engine.preview import draw, execution_nodes, stages_to_run


def _stages(toy, config, job):
    with logged_to(Path(os.devnull)):
        return stages_to_run(toy.factory(config, [job.subject]))["sub_01_wf"]


def test_looking_writes_nothing(toy):
    job = toy.job("01", "abc")
    with logged_to(Path(os.devnull)):
        nodes = execution_nodes(toy.factory(toy.config(), [job.subject]))
    assert [node.name for node, _ in nodes] == ["measure", "keep", "save"]
    assert nodes[1][1] == ("bgpvs_wf.sub_01_wf.prepare_wf.measure",)
    assert not (toy.root / "work").exists()


def test_what_would_run_is_what_runs(toy):
    job = toy.job("01", "abc")
    assert _stages(toy, toy.config(), job) == dict.fromkeys(("prepare", "quantify", "sink"), True)
    toy.run([job])
    assert _stages(toy, toy.config(), job) == dict.fromkeys(("prepare", "quantify", "sink"), False)
    foreseen = _stages(toy, toy.config(factor=5.0), job)
    outcome = toy.run([job], factor=5.0)["sub-01"]
    assert tuple(name for name, runs in foreseen.items() if runs) == outcome.ran
    assert tuple(name for name, runs in foreseen.items() if not runs) == outcome.reused


def test_drawing_with_and_without_graphviz(toy, monkeypatch):
    workflow = toy.factory(toy.config(), [toy.job("01", "abc").subject])
    monkeypatch.setattr("bgpvs_wf.engine.preview.shutil.which", lambda name: None)
    with logged_to(Path(os.devnull)):
        path = draw(workflow, toy.root / "graph")
    assert path == toy.root / "graph.dot"
    assert "measure" in path.read_text()
