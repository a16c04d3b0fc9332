"""Stages: those of a single node, and how they are connected."""

from __future__ import annotations

from collections.abc import Iterable

from nipype import Node, Workflow
from nipype.interfaces import utility as niu


def connect_fields(
    workflow: Workflow, source: Workflow, fields: Iterable[str], target: Workflow
) -> None:
    """Connect outputs of a stage with the inputs of another that have the same names."""
    for field in fields:
        workflow.connect(source, f"outputnode.{field}", target, f"inputnode.{field}")


def wrap_node(name: str, node: Node, inputs: list[str], outputs: list[str]) -> Workflow:
    """Return a stage that is one node.

    Parameters
    ----------
    name : str
        Of the workflow.
    node : Node
    inputs, outputs : list of str
        Fields of the node that the stage's `inputnode` and `outputnode` have, too.
    """
    workflow = Workflow(name=name)
    inputnode = Node(niu.IdentityInterface(fields=inputs), name="inputnode")
    outputnode = Node(niu.IdentityInterface(fields=outputs), name="outputnode")
    workflow.connect(
        [
            (inputnode, node, [(field, field) for field in inputs]),
            (node, outputnode, [(field, field) for field in outputs]),
        ]
    )
    return workflow
