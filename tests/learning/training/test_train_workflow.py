"""The graph of a training: which networks, from what, after what."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import networkx as nx
import pytest
from toy_networks import head_networks, random_model, random_network

from bgpvs_wf.errors import ModelError, UsageError
from bgpvs_wf.learning.nets.architectures import ANATOMY, COARSE, PVS, NetworkConfig, build_network
from bgpvs_wf.learning.training.recipe import read_recipe
from bgpvs_wf.workflows.train import init_train_wf

RECIPE = """
name = "ours"
strategy = "STRATEGY"
seed = 3
[cohorts.ours]
bids_dir = "bids"
truth = "truth"
[coarse]
filters = [4, 8, 8]
steps = 5
[fine]
filters = [4, 8, 8]
patch = [16, 16, 16]
steps = 120
[pvs]
filters = [4, 4]
patch = [8, 8, 8]
steps = 90
"""
NETWORKS = ["train_anatomy", "train_pvs"]


@pytest.fixture
def build(tmp_path):
    """Return a function that builds the workflow of a recipe of a strategy."""

    def build(strategy="anatomy", *, head=None, coarse=None, pvs=None, **fine):
        path = tmp_path / "recipe.toml"
        path.write_text(RECIPE.replace("STRATEGY", strategy))
        recipe = read_recipe(path)
        recipe = dataclasses.replace(
            recipe,
            head=dataclasses.replace(recipe.head, **(head or {})),
            coarse=dataclasses.replace(recipe.coarse, **(coarse or {})),
            fine=dataclasses.replace(recipe.fine, **fine),
            pvs=dataclasses.replace(recipe.pvs, **(pvs or {})),
        )
        return init_train_wf(
            recipe,
            [tmp_path / "a" / "case.json", tmp_path / "b" / "case.json"],
            [tmp_path / "c" / "case.json"],
            folder=tmp_path / "out",
            work_dir=tmp_path / "work",
            threads=2,
        )

    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "case.json").write_text("{}")
    return build


def names(workflow) -> list[str]:
    return sorted(workflow.list_node_names())


def edges(workflow) -> set[tuple[str, str]]:
    return {(a.name, b.name) for a, b in workflow._graph.edges}


def test_the_networks_of_a_model(build, tmp_path):
    workflow, trained = build(), NETWORKS
    assert names(workflow) == sorted(
        [*trained, "all_progress", "all_weights", "assemble", "train_coarse"]
    )
    for name in trained:
        inputs = workflow.get_node(name).inputs
        own = name == "train_pvs"
        assert (inputs.settings["steps"], inputs.settings["batch"]) == (
            (90, 4) if own else (120, 2)
        )
        assert inputs.patch == ((8, 8, 8) if own else (16, 16, 16))
        tells = name.removeprefix("train_")
        assert inputs.network == {"tells": tells, "filters": (4, 4) if own else (4, 8, 8)}
        assert (name, "all_weights") in edges(workflow)
        assert inputs.folder == str(tmp_path / "out" / "training" / name.removeprefix("train_"))
    coarse = workflow.get_node("train_coarse")
    assert coarse.inputs.settings["steps"] == 5
    assert coarse.inputs.settings["batch"] == 1
    assert coarse.inputs.network["tells"] == "coarse"
    assemble = workflow.get_node("assemble").inputs
    assert [one["tells"] for one in assemble.networks] == ["anatomy", "pvs"]
    assert assemble.names == ["coarse", *(name.removeprefix("train_") for name in trained)]
    assert assemble.n_cases == 2
    assert assemble.usual_threshold == 0.5
    for node in map(workflow.get_node, ["train_coarse", *trained]):
        assert [Path(case).parent.name for case in node.inputs.cases] == ["a", "b"]
        assert [Path(case).parent.name for case in node.inputs.held_out] == ["c"]
        assert (node.n_procs, node.inputs.threads) == (2, 2)


def test_rounds_of_self_training_share_the_steps(build):
    workflow = build(self_training=2)
    labels = [[f"{n}{r}" for n in NETWORKS] for r in ("", "_round2", "_round3")]
    assert {n for n in names(workflow) if n.startswith("train_")} == {
        "train_coarse",
        *(n for turn in labels for n in turn),
    }
    seeds = set()
    for turn, nodes in enumerate(labels):
        for place, name in enumerate(nodes):
            node = workflow.get_node(name)
            assert node.inputs.settings["steps"] == (30 if "train_pvs" in name else 40)
            if turn:
                # Learns from the new labels, and goes on from its own weights.
                assert (f"relabel_1_{turn}", name) in edges(workflow)
                assert (labels[turn - 1][place], name) in edges(workflow)
            seeds.add(node.inputs.seed)
    assert len(seeds) == 3
    for turn in (1, 2):
        relabel = workflow.get_node(f"relabel_1_{turn}")
        assert len(relabel.inputs.cases) == 2  # those held out keep their labels
        for name in labels[turn - 1]:
            assert (name, f"weights_1_{turn}") in edges(workflow)
        assert (f"weights_1_{turn}", f"relabel_1_{turn}") in edges(workflow)
    # The last round makes the model, all rounds its curves.
    into = {a for a, b in edges(workflow) if b == "all_weights"}
    assert into == set(labels[-1])
    told = {a for a, b in edges(workflow) if b == "all_progress"}
    assert told == {"train_coarse", *(n for turn in labels for n in turn)}
    assert nx.is_directed_acyclic_graph(workflow._graph)


def test_members_are_trained_side_by_side_from_other_seeds(build):
    workflow = build(members=3)
    nodes = [f"{n}{m}" for m in ("", "_member2", "_member3") for n in NETWORKS]
    merge = workflow.get_node("all_weights")
    order = {}
    for a, b, data in workflow._graph.edges(data=True):
        if b.name == "all_weights":
            order[data["connect"][0][1]] = a.name
    assert [order[f"in{i}"] for i in range(1, 7)] == nodes
    assert merge.inputs.in1 is not None
    seeds = [workflow.get_node(name).inputs.seed for name in nodes]
    assert seeds == [3, 3, 1003, 1003, 2003, 2003]
    steps = [workflow.get_node(name).inputs.settings["steps"] for name in nodes]
    assert steps == [120, 90] * 3


def test_the_coarse_network_of_a_model(build, tmp_path):
    model = random_model(tmp_path / "model")
    workflow = build(coarse={"model": str(model.folder)})
    assert "train_coarse" not in names(workflow)
    inputs = workflow.get_node("assemble").inputs
    assert inputs.coarse_model == str(model.folder)
    assert inputs.names == ["anatomy", "pvs"]
    before = inputs.get_hashval()[1]
    # Another model at the same place is another input.
    other = random_model(tmp_path / "model", coarse=random_network(COARSE, seed=4))
    again = build(coarse={"model": str(other.folder)}).get_node("assemble").inputs
    assert again.get_hashval()[1] != before
    with pytest.raises(ModelError, match=r"no model 'nowhere'|no folder"):
        build(coarse={"model": "nowhere"})


def test_weights_to_start_from(build, tmp_path):
    model = random_model(
        tmp_path / "model",
        fine=[[random_network(tells, seed=i) for tells in (ANATOMY, PVS)] for i in (1, 2)],
        pvs_threshold=0.35,
    )
    start = str(model.folder)
    workflow = build(start=start, pvs={"start": start, "steps": 0}, members=3)
    # No step keeps the weights.
    assert workflow.get_node("train_pvs").inputs.settings["steps"] == 0
    starts = {
        name: Path(workflow.get_node(name).inputs.start).name
        for name in names(workflow)
        if name.startswith("train_") and name != "train_coarse"
    }
    assert starts == {
        "train_anatomy": "model.pt",
        "train_pvs": "model_pvs.pt",
        "train_anatomy_member2": "model_2.pt",
        "train_pvs_member2": "model_2_pvs.pt",
        "train_anatomy_member3": "model.pt",
        "train_pvs_member3": "model_pvs.pt",
    }
    assert workflow.get_node("assemble").inputs.usual_threshold == 0.35
    with pytest.raises(UsageError, match=r"to start from; set fine\.filters as it has"):
        build(start=start, filters=(4, 8, 16))
    with pytest.raises(UsageError, match=r"to start from; set pvs\.filters as it has"):
        build(pvs={"start": start, "filters": (8, 8)})


def test_coarse_weights_to_start_from(build, tmp_path):
    model = random_model(tmp_path / "model", coarse=random_network(COARSE))
    start = build(coarse={"start": str(model.folder)}).get_node("train_coarse").inputs.start
    assert Path(start) == model.folder / "models" / "coarse.pt"
    network = NetworkConfig(tells=COARSE, filters=(4, 8, 16))
    other = random_model(tmp_path / "other", coarse=(network, build_network(network).state_dict()))
    with pytest.raises(UsageError, match=r"to start from; set coarse\.filters as it has"):
        build(coarse={"start": str(other.folder)})


@pytest.fixture
def maps(tmp_path):
    """Return a folder of label maps that nobody reads."""
    folder = tmp_path / "maps"
    folder.mkdir()
    for name in "defg":
        (folder / f"{name}.nii.gz").write_bytes(b"")
    return folder


def test_the_networks_for_whole_heads(build, maps, tmp_path):
    head = {"maps": str(maps), "without": ("e",), "steps": 9, "mask_steps": 7, "filters": (4, 8, 8)}
    workflow = build(head=head)
    made = {"make_heads", "make_held_out", "train_head", "train_mask"}
    assert set(names(workflow)) == {*names(build()), *made}
    for name, expected in (("make_heads", "df"), ("make_held_out", "g")):
        labels = workflow.get_node(name).inputs.labels
        assert [Path(path).name[0] for path in labels] == list(expected)
    assemble = workflow.get_node("assemble").inputs
    assert assemble.names == ["head", "mask", "coarse", "anatomy", "pvs"]
    for tells, steps in (("head", 9), ("mask", 7)):
        node = workflow.get_node(f"train_{tells}")
        assert (node.n_procs, node.inputs.threads, node.inputs.seed) == (2, 2, 3)
        assert node.inputs.network == {"tells": tells, "filters": (4, 8, 8)}
        assert (node.inputs.settings["steps"], node.inputs.settings["batch"]) == (steps, 1)
        assert node.inputs.folder == str(tmp_path / "out" / "training" / tells)
        assert getattr(assemble, f"{tells}_network") == node.inputs.network
        made = {("make_heads", node.name), ("make_held_out", node.name)}
        assert made | {(node.name, "assemble")} <= edges(workflow)
    nothing = build(head=head | {"held_out": 0})
    assert "make_held_out" not in names(nothing)


def test_the_networks_for_whole_heads_of_a_model(build, maps, tmp_path):
    model = random_model(tmp_path / "model", head=head_networks())
    workflow = build(head={"model": str(model.folder)})
    assert not {"train_head", "train_mask"} & set(names(workflow))
    inputs = workflow.get_node("assemble").inputs
    assert (inputs.head_model, inputs.head_checksum) == (str(model.folder), model.head.sha256)
    assert (inputs.mask_model, inputs.mask_checksum) == (str(model.folder), model.mask.sha256)
    head = {"maps": str(maps), "start": str(model.folder), "filters": (4, 8, 8)}
    for tells in ("head", "mask"):
        start = build(head=head).get_node(f"train_{tells}").inputs.start
        assert Path(start) == model.folder / "models" / f"{tells}.pt"
    with pytest.raises(UsageError, match=r"to start from; set head\.filters as it has"):
        build(head=head | {"filters": (4, 8, 16)})
    other = random_model(tmp_path / "other")
    for setting in ({"model": str(other.folder)}, head | {"start": str(other.folder)}):
        with pytest.raises(UsageError, match="random has no network for whole heads of its own"):
            build(head=setting)


def test_the_same_recipe_is_the_same_hash_wherever_it_stands(build):
    def hashes(**changes):
        workflow = build(**changes)
        return {
            name: workflow.get_node(name).inputs.get_hashval()[1]
            for name in names(workflow)
            if name.startswith("train_")
        }

    first = hashes()
    assert hashes() == first
    changed = hashes(steps=130)
    assert changed["train_coarse"] == first["train_coarse"]
    assert changed["train_anatomy"] != first["train_anatomy"]
