"""The stages `pseudolabel` and `quantify`: one node each, so far."""

from __future__ import annotations

import dataclasses

from nipype import Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf._version import __version__
from bgpvs_wf.config import RunConfig
from bgpvs_wf.interfaces.pseudolabel import Pseudolabel
from bgpvs_wf.interfaces.quantify import Measure


def init_pseudolabel_wf(*, config: RunConfig, name: str = "pseudolabel_wf") -> Workflow:
    """Build the synthesis of pseudo-labels.

    Parameters
    ----------
    config : RunConfig

    Inputs
    ------
    t2w, t1w
        Preprocessed, on the home grid; one may be undefined.
    anatomy
        Harmonised labels.
    bg_probability
        Probability of the basal ganglia; may be undefined.

    Outputs
    -------
    dseg
        0 rest, 1 BG, 2 BG-PVS.
    confidence
        0 to 1.
    record
        What was found and refused, and why.
    """
    fields = ["t2w", "t1w", "anatomy", "bg_probability"]
    synthesise = Node(
        Pseudolabel(
            settings=dataclasses.asdict(config.pseudolabel),
            bg_region=config.anatomy.bg_region,
            include_thalamus=config.anatomy.include_thalamus,
            algorithm=__version__,
        ),
        name="synthesise",
        mem_gb=3,
    )
    return _wrap(name, synthesise, fields, ["dseg", "confidence", "record"])


def init_quantify_wf(*, config: RunConfig, name: str = "quantify_wf") -> Workflow:
    """Build the measurement.

    Parameters
    ----------
    config : RunConfig

    Inputs
    ------
    bgpvs
        0 rest, 1 BG, 2 BG-PVS.
    t2w, t1w
        Preprocessed, on the home grid; one may be undefined.
    anatomy
        Harmonised labels.

    Outputs
    -------
    regions, objects
        TSV, a row a region and a row a PVS.
    instances
        Number of the PVS in every voxel.
    """
    measure = Node(
        Measure(
            settings=dataclasses.asdict(config.quantify),
            bg_region=config.anatomy.bg_region,
            include_thalamus=config.anatomy.include_thalamus,
            algorithm=__version__,
        ),
        name="measure",
        mem_gb=2,
    )
    fields = ["bgpvs", "t2w", "t1w", "anatomy"]
    return _wrap(name, measure, fields, ["regions", "objects", "instances"])


def _wrap(name: str, node: Node, inputs: list[str], outputs: list[str]) -> Workflow:
    """Make a workflow of one node, so that stages can be exchanged whole."""
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
