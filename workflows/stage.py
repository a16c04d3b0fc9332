"""Stages: what they start from, those of a single node, and how they are connected."""

from __future__ import annotations

from collections.abc import Iterable

from nipype import Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf.bids.inputs import SubjectInputs

IMAGES = ("t2w", "t1w")
SCANS, LABELS = (*IMAGES, "brain_mask"), ("dseg", "dseg_table")
"""Files of a subject, by the names of `SubjectInputs`."""
PREPARED = (*IMAGES, "home", "images", "brain_mask", "lie", "scan_grid")
"""What `init_prepare_wf` gives and every stage that finds nuclei takes. Such a stage gives
`anatomy`, the harmonised labels, and `doubts`."""

TOLD = ("t2w_bias_percent", "t1w_bias_percent", "stretch_percent")
"""What `init_prepare_wf` tells of how good the images are; undefined where it is not known."""


def images_of(inputs: SubjectInputs) -> list[str]:
    """Return the fields of the images that a subject has, T2w first."""
    return [name for name in IMAGES if getattr(inputs, name) is not None]


def prepared_of(inputs: SubjectInputs) -> list[str]:
    """Return the fields of `PREPARED` that there are for a subject."""
    return [*images_of(inputs), *(name for name in PREPARED if name not in IMAGES)]


def init_inputnode(inputs: SubjectInputs, fields: Iterable[str]) -> Node:
    """Return the `inputnode` that a subject's files come in through.

    What is connected to it takes the place of the file.
    """
    names = list(fields)
    node = Node(niu.IdentityInterface(fields=names), name="inputnode")
    for name in names:
        path = getattr(inputs, name)
        if path is not None:
            setattr(node.inputs, name, str(path))
    return node


def connect_files(
    workflow: Workflow, inputs: SubjectInputs, names: Iterable[str], stage: Workflow
) -> None:
    """Connect the files that a subject has: from its `inputnode` to that of a stage."""
    inputnode = workflow.get_node("inputnode")
    for name in names:
        if getattr(inputs, name) is not None:
            workflow.connect(inputnode, name, stage, f"inputnode.{name}")


def connect_fields(
    workflow: Workflow, source: Workflow, fields: Iterable[str], target: Workflow
) -> None:
    """Connect outputs of a stage with the inputs of another that have the same names."""
    for field in fields:
        workflow.connect(source, f"outputnode.{field}", target, f"inputnode.{field}")


def wrap_node(
    name: str, node: Node, inputs: list[str], outputs: list[str], unused: Iterable[str] = ()
) -> Workflow:
    """Return a stage that is one node.

    Parameters
    ----------
    name : str
        Of the workflow.
    node : Node
    inputs, outputs : list of str
        Fields of the node that the stage's `inputnode` and `outputnode` have, too.
    unused : iterable of str
        Further fields of the `inputnode`, of stages that may take the place of this one.
    """
    workflow = Workflow(name=name)
    inputnode = Node(niu.IdentityInterface(fields=[*inputs, *unused]), name="inputnode")
    outputnode = Node(niu.IdentityInterface(fields=outputs), name="outputnode")
    workflow.connect(
        [
            (inputnode, node, [(field, field) for field in inputs]),
            (node, outputnode, [(field, field) for field in outputs]),
        ]
    )
    return workflow
