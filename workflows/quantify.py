"""The stage `quantify`: measures of regions, PVS and quality, and whether they can be."""

from __future__ import annotations

import dataclasses

from nipype import Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import RunConfig
from bgpvs_wf.interfaces.quantify import Judge, Measure, Quality
from bgpvs_wf.workflows.stage import TOLD


def init_quantify_wf(
    *, config: RunConfig, inputs: SubjectInputs, given: bool = False, name: str = "quantify_wf"
) -> Workflow:
    """Build the measurement.

    Parameters
    ----------
    config : RunConfig
    inputs : SubjectInputs
        Its age is what is credible at; it may have none.
    given : bool
        Whether people gave the nuclei. Then nothing fails for what is not credible.

    Inputs
    ------
    bgpvs
        0 rest, 1 BG, 2 BG-PVS.
    t2w, t1w
        Preprocessed, on the home grid; one may be undefined.
    probability
        Of a PVS, as networks tell it; undefined without any.
    anatomy
        Harmonised labels.
    record
        What the segmentation says of itself; may be undefined.
    sides_known
        Whether the header tells left from right.
    t2w_bias_percent, t1w_bias_percent, stretch_percent
        As `init_prepare_wf` gives them; may be undefined.
    anatomy_doubts, predict_doubts
        Of those stages; may be undefined. Where sides are not known by the header, or the anatomy
        contradicts it, the tables mark them.

    Outputs
    -------
    regions, objects
        TSV, a row a region and a row a PVS.
    instances
        Number of the PVS in every voxel.
    quality
        TSV, one row: how good the scan is, and how sure the result.
    doubts
        What speaks against the scan, and what is not credible about the results. What cannot be
        fails.
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
    judge = Node(
        Judge(age_weeks=inputs.age_weeks, given=given, scan=str(inputs.home_image)),
        name="judge",
        mem_gb=2,
    )
    quality = Node(Quality(age_weeks=inputs.age_weeks), name="quality", mem_gb=1.5)
    doubts = Node(niu.Merge(2), name="doubts")
    fields = ["bgpvs", "t2w", "t1w", "anatomy", "record"]
    measured = [*fields, "probability"]
    sides = ["sides_known", "anatomy_doubts", "predict_doubts"]
    tables = ["regions", "objects", "instances"]
    workflow = Workflow(name=name)
    inputnode = Node(niu.IdentityInterface(fields=[*measured, *sides, *TOLD]), name="inputnode")
    outputnode = Node(
        niu.IdentityInterface(fields=[*tables, "quality", "doubts"]), name="outputnode"
    )
    workflow.connect(
        [
            (inputnode, measure, [(field, field) for field in (*measured, *sides)]),
            (inputnode, judge, [(field, field) for field in fields]),
            (measure, outputnode, [(table, table) for table in tables]),
            (inputnode, quality, [(field, field) for field in (*fields, *TOLD)]),
            (measure, quality, [("instances", "instances")]),
            (quality, outputnode, [("quality", "quality")]),
            (quality, doubts, [("doubts", "in1")]),
            (judge, doubts, [("doubts", "in2")]),
            (doubts, outputnode, [("out", "doubts")]),
        ]
    )
    return workflow
