"""Training: networks from cases, self-training on top, an assessed model in the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nipype import MapNode, Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf.engine.preview import HASH_SETTINGS
from bgpvs_wf.errors import UsageError
from bgpvs_wf.interfaces.learning import Assemble, Relabel
from bgpvs_wf.interfaces.training import MakeHead, Train, TrainHead
from bgpvs_wf.learning.models.bundle import Model, NetworkFile, find_model, head_file
from bgpvs_wf.learning.nets.architectures import (
    ANATOMY,
    COARSE,
    HEAD,
    JOINT,
    MASK,
    PVS,
    NetworkConfig,
)
from bgpvs_wf.learning.training.assessment import LEARNT_CASES, USUAL_THRESHOLD, evenly
from bgpvs_wf.learning.training.recipe import Recipe, to_mapping
from bgpvs_wf.learning.training.recipe_tables import PVSConfig, find_maps

_TRAIN_GB = 6.0
_HEAD_GB = 2.0


def init_train_wf(
    recipe: Recipe,
    cases: Sequence[Path],
    held_out: Sequence[Path],
    *,
    folder: Path,
    work_dir: Path,
    threads: int = 1,
    name: str = "train_wf",
) -> Workflow:
    """Build the training of a model.

    Parameters
    ----------
    recipe : Recipe
    cases, held_out : sequence of Path
        The files ``case.json`` to learn from and to validate on.
    folder : Path
        The model goes to ``model``, checkpoints and logs to ``training`` in it.
    work_dir : Path
    threads : int
        Of a node.

    Outputs
    -------
    assemble.model
        The folder of the model, a MONAI bundle.
    """
    workflow = Workflow(name=name, base_dir=str(work_dir))
    build = _Build(workflow, recipe, list(map(str, cases)), list(map(str, held_out)), folder)
    build.threads = threads
    networks = [NetworkConfig(tells=JOINT, filters=recipe.fine.filters)]
    if recipe.strategy != "joint":
        networks = [
            NetworkConfig(tells=ANATOMY, filters=recipe.fine.filters),
            NetworkConfig(tells=PVS, filters=recipe.pvs.filters),
        ]
    assemble = Node(
        Assemble(
            networks=[dataclasses.asdict(network) for network in networks],
            held_out=build.held_out,
            learnt=evenly(build.cases, LEARNT_CASES),
            recipe=to_mapping(recipe),
            n_cases=len(cases),
            usual_threshold=_usual_threshold(recipe),
            folder=str(folder / "model"),
            threads=threads,
        ),
        name="assemble",
        n_procs=threads,
        mem_gb=3,
    )
    trained: list[tuple[str, Node]] = []
    for tells, table in ((HEAD, recipe.head), (MASK, recipe.head), (COARSE, recipe.coarse)):
        if table.model:
            model = find_model(table.model)
            file = model.coarse if tells == COARSE else head_file(model, tells)
            setattr(assemble.inputs, f"{tells}_model", str(model.folder))
            setattr(assemble.inputs, f"{tells}_checksum", file.sha256)
        elif tells == COARSE or recipe.head.maps:
            node = build.coarse() if tells == COARSE else build.head(tells)
            trained.append((tells, node))
            network = NetworkConfig(tells=tells, filters=table.filters)
            setattr(assemble.inputs, f"{tells}_network", dataclasses.asdict(network))
            workflow.connect(node, "weights", assemble, tells)
    last: list[Node] = []
    for member in range(recipe.fine.members):
        rounds = build.member(member, networks)
        trained += rounds
        last += [node for _, node in rounds[-len(networks) :]]
    for field, nodes in (("weights", last), ("progress", [node for _, node in trained])):
        merge = Node(niu.Merge(len(nodes)), name=f"all_{field}")
        for number, node in enumerate(nodes, start=1):
            workflow.connect(node, field, merge, f"in{number}")
        workflow.connect(merge, "out", assemble, "fine" if field == "weights" else field)
    assemble.inputs.names = [label for label, _ in trained]
    workflow.config["execution"] = {**HASH_SETTINGS, "crashfile_format": "txt"}
    return workflow


@dataclasses.dataclass
class _Build:
    """Adds the nodes of trainings."""

    workflow: Workflow
    recipe: Recipe
    cases: list[str]
    held_out: list[str]
    folder: Path
    threads: int = 1

    def head(self, tells: str) -> Node:
        """Add the training of a network for whole heads, and what it learns from."""
        head = self.recipe.head
        network = NetworkConfig(tells=tells, filters=head.filters)
        steps = head.steps if tells == HEAD else head.mask_steps
        settings = {"steps": steps, "batch": head.batch}
        node = Node(
            TrainHead(**self._common(tells, network, settings, self.recipe.seed)),
            name=f"train_{tells}",
            n_procs=self.threads,
            mem_gb=_TRAIN_GB,
        )
        for field in ("heads", "held_out"):
            self._show_heads(node, field)
        if head.start:
            model = find_model(head.start)
            node.inputs.start = _weights_of(
                model, [head_file(model, tells)], network, "head.filters"
            )
        return node

    def coarse(self) -> Node:
        """Add the training of the coarse network."""
        coarse = self.recipe.coarse
        network = NetworkConfig(tells=COARSE, filters=coarse.filters)
        node = self._train(
            "coarse", network, steps=coarse.steps, seed=self.recipe.seed, batch=coarse.batch
        )
        if coarse.start:
            model = find_model(coarse.start)
            node.inputs.start = _weights_of(model, [model.coarse], network, "coarse.filters")
        return node

    def _show_heads(self, node: Node, field: str) -> None:
        """Give a training the heads of the label maps to learn from, or those held out."""
        maps = find_maps(self.recipe.head)[field == "held_out"]
        made = self.workflow.get_node(f"make_{field}")
        if made is None and maps:
            made = MapNode(MakeHead(), iterfield=["labels"], name=f"make_{field}", mem_gb=_HEAD_GB)
            made.inputs.labels = list(map(str, maps))
        if made is not None:
            self.workflow.connect(made, "head", node, field)

    def member(self, number: int, networks: Sequence[NetworkConfig]) -> list[tuple[str, Node]]:
        """Add the trainings of a member of the ensemble; return them by name, the last round last.

        The steps are shared out among rounds, so that they cost the same.
        """
        rounds = self.recipe.fine.self_training + 1
        made: list[tuple[str, Node]] = []
        relabelled: Node | None = None
        for turn in range(rounds):
            before = [node for _, node in made[-len(networks) :]]
            nodes = []
            for place, network in enumerate(networks):
                label = network.tells + (f"_member{number + 1}" if number else "")
                label += f"_round{turn + 1}" if turn else ""
                seed = self.recipe.seed + 1000 * number + 100000 * turn
                table = self.recipe.pvs if network.tells == PVS else self.recipe.fine
                node = self._train(
                    label,
                    network,
                    steps=-(-table.steps // rounds),
                    seed=seed,
                    batch=table.batch if isinstance(table, PVSConfig) else None,
                    patch=table.patch,
                    relabelled=relabelled,
                )
                if turn:
                    self.workflow.connect(before[place], "weights", node, "start")
                elif table.start:
                    model = find_model(table.start)
                    files = model.fine[number % len(model.fine)]
                    advice = f"{'pvs' if network.tells == PVS else 'fine'}.filters"
                    node.inputs.start = _weights_of(model, files, network, advice)
                nodes.append((label, node))
            made += nodes
            if turn + 1 < rounds:
                relabelled = self._relabel(number, turn, networks, [node for _, node in nodes])
        return made

    def _train(
        self,
        label: str,
        network: NetworkConfig,
        *,
        steps: int,
        seed: int,
        batch: int | None = None,
        patch: tuple[int, ...] | None = None,
        relabelled: Node | None = None,
    ) -> Node:
        coarse = network.tells == COARSE
        augmentation = self.recipe.coarse_augmentation if coarse else self.recipe.augmentation
        settings = {"steps": steps} | ({} if batch is None else {"batch": batch})
        node = Node(
            Train(
                **self._common(label, network, settings, seed),
                augmentation=dataclasses.asdict(augmentation),
                held_out=self.held_out,
            ),
            name=f"train_{label}",
            n_procs=self.threads,
            mem_gb=_TRAIN_GB,
        )
        if patch is not None:
            node.inputs.patch = patch
        self.workflow.add_nodes([node])
        if relabelled is None:
            node.inputs.cases = self.cases
        else:
            self.workflow.connect(relabelled, "cases", node, "cases")
        return node

    def _common(
        self, label: str, network: NetworkConfig, changes: Mapping[str, int], seed: int
    ) -> dict[str, Any]:
        """Return the inputs that all trainings have."""
        settings = {**dataclasses.asdict(self.recipe.training), **changes}
        conduct = {name: settings.pop(name) for name in ("workers", "checkpoint_minutes")}
        return {
            "network": dataclasses.asdict(network),
            "settings": settings,
            "conduct": conduct,
            "seed": seed,
            "folder": str(self.folder / "training" / label),
            "threads": self.threads,
        }

    def _relabel(
        self, member: int, turn: int, networks: Sequence[NetworkConfig], nodes: Sequence[Node]
    ) -> Node:
        merge = Node(niu.Merge(len(nodes)), name=f"weights_{member + 1}_{turn + 1}")
        for number, node in enumerate(nodes, start=1):
            self.workflow.connect(node, "weights", merge, f"in{number}")
        relabel = Node(
            Relabel(
                cases=self.cases,
                networks=[dataclasses.asdict(network) for network in networks],
                folder=str(self.folder / "training" / f"relabelled_{member + 1}_{turn + 1}"),
                threads=self.threads,
            ),
            name=f"relabel_{member + 1}_{turn + 1}",
            n_procs=self.threads,
            mem_gb=_TRAIN_GB,
        )
        self.workflow.connect(merge, "out", relabel, "weights")
        return relabel


def _usual_threshold(recipe: Recipe) -> float:
    """Return the threshold of PVS where no case is held out to choose one on."""
    if recipe.fine.start:
        return find_model(recipe.fine.start).pvs_threshold
    return USUAL_THRESHOLD


def _weights_of(
    model: Model, files: Sequence[NetworkFile], network: NetworkConfig, settings: str
) -> str:
    """Return the file of weights that a network starts from."""
    for file in files:
        if file.network == network:
            return str(model.folder / file.file)
    raise UsageError(
        f"The model {model.name} has no network with the filters {list(network.filters)} to start "
        f"from; set {settings} as it has."
    )
