"""A stage of a single node, so that every stage can be exchanged whole."""

from __future__ import annotations

from nipype import Node, Workflow
from nipype.interfaces import utility as niu


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
