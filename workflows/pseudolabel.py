"""The stage `pseudolabel`: BG and BG-PVS labels from anatomy and a tube filter."""

from __future__ import annotations

import dataclasses

from nipype import Node, Workflow

from bgpvs_wf.config import RunConfig
from bgpvs_wf.interfaces.pseudolabel import Pseudolabel
from bgpvs_wf.workflows.stage import wrap_node


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
        ),
        name="synthesise",
        mem_gb=3,
    )
    return wrap_node(name, synthesise, fields, ["dseg", "confidence", "record"])
