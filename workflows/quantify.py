"""The stage `quantify`: measures per region and per PVS."""

from __future__ import annotations

import dataclasses

from nipype import Node, Workflow

from bgpvs_wf.config import RunConfig
from bgpvs_wf.interfaces.quantify import Measure
from bgpvs_wf.workflows.stage import wrap_node


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
    sides_known
        Whether the header tells left from right.
    anatomy_doubts, predict_doubts
        Of those stages; may be undefined. Where sides are not known by the header, or the anatomy
        contradicts it, the tables mark them.

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
        ),
        name="measure",
        mem_gb=2,
    )
    fields = ["bgpvs", "t2w", "t1w", "anatomy", "sides_known", "anatomy_doubts", "predict_doubts"]
    return wrap_node(name, measure, fields, ["regions", "objects", "instances"])
