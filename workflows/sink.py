"""The stage `sink`: derivatives and the subject's page. Nothing else writes to the output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nipype import Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf.bids.derivatives import (
    PAGES,
    dataset_links,
    expected_outputs,
    path_in_dataset,
    without_folders,
)
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.cohort.growth.norms_file import read_norms
from bgpvs_wf.cohort.growth.standing import levels_of
from bgpvs_wf.config import RunConfig
from bgpvs_wf.interfaces.sink import Derivatives, SubjectPage
from bgpvs_wf.learning.models.bundle import Model

SHARED = (
    "t2w_preproc",
    "t1w_preproc",
    "nuclei_dseg",
    "bgpvs_dseg",
    "bgpvs_morph",
    "pvs_dseg",
    "pvs_objects",
    "bgpvs_quality",
)
"""What both the derivatives and the page are made from."""
DOUBTS = tuple(f"{stage}_doubts" for stage in ("prepare", "anatomy", "predict", "quantify"))
"""What each stage doubts, in the order it is told in."""


def init_sink_wf(
    *,
    config: RunConfig,
    inputs: SubjectInputs,
    model: Model | None = None,
    warnings: Sequence[str] = (),
    name: str = "sink_wf",
) -> Workflow:
    """Build the writing of one subject's results.

    Parameters
    ----------
    config : RunConfig
    inputs : SubjectInputs
    model : Model, optional
        What segmented.
    warnings : sequence of str
        Sentences for the top of the page.

    Inputs
    ------
    t2w_preproc, t1w_preproc, brain_mask, nuclei_dseg, bgpvs_dseg, pvs_probseg, uncertainty_probseg,
    pseudo_dseg, pseudo_probseg, pvs_dseg, bgpvs_morph, pvs_objects, bgpvs_quality
        Files, by the names of `bgpvs_wf.bids.derivatives.expected_outputs`; what is not made may
        be undefined.
    prepare_doubts, anatomy_doubts, predict_doubts, quantify_doubts
        Sentences on what speaks against these results, for the page and the sidecars; may be
        undefined.
    t1w_before, atlas, record
        For the page; may be undefined.
    scan_grid
        That images are written on.

    Outputs
    -------
    written
        Images and tables in the output folder.
    report
        The page.
    """
    workflow = Workflow(name=name)
    outputs = {key: str(path) for key, path in expected_outputs(config, inputs).items()}
    page_only = ("t1w_before", "atlas", "record")
    written_only = (
        *("brain_mask", "pvs_probseg", "uncertainty_probseg"),
        *("pseudo_dseg", "pseudo_probseg"),
    )
    fields = [*SHARED, *written_only, "scan_grid", *page_only, *DOUBTS]
    inputnode = Node(niu.IdentityInterface(fields=fields), name="inputnode")
    outputnode = Node(niu.IdentityInterface(fields=["written", "report"]), name="outputnode")
    doubts = Node(niu.Merge(len(DOUBTS)), name="doubts")
    links, parameters = dataset_links(config), _parameters(config, model)
    datasets = (*links.values(), config.output_dir)
    sources = [
        path
        for path in (
            *(inputs.t2w, inputs.t1w, inputs.brain_mask),
            inputs.dseg if config.needs_anatomy else None,
        )
        if path is not None
    ]
    derivatives = Node(
        Derivatives(
            outputs={key: path for key, path in outputs.items() if key not in PAGES},
            output_dir=str(config.output_dir),
            links={name: str(path) for name, path in links.items()},
            sources=[str(path) for path in sources],
            parameters=parameters,
        ),
        name="derivatives",
        mem_gb=1.5,
    )
    page = Node(
        SubjectPage(
            **{key: outputs[key] for key in PAGES},
            subject=inputs.label,
            age_weeks=inputs.age_weeks,
            age_note=without_folders(inputs.age_note, datasets),
            warnings=[*warnings, *inputs.notes],
            sources=[path_in_dataset(path, datasets) for path in sources],
            parameters=parameters,
        ),
        name="page",
        mem_gb=2,
    )
    if config.norms is not None:
        page.inputs.norms = str(config.norms)
        who = (inputs.subject, inputs.session)
        levels = levels_of(read_norms(config.norms), config.bids_dir, [who])
        page.inputs.norms_level = levels.get(who, "")
    workflow.connect(
        [
            (inputnode, doubts, [(key, f"in{n}") for n, key in enumerate(DOUBTS, start=1)]),
            (inputnode, derivatives, [(key, key) for key in (*SHARED, *written_only, "scan_grid")]),
            (inputnode, page, [(key, key) for key in (*SHARED, *page_only)]),
            (doubts, derivatives, [("out", "doubts")]),
            (doubts, page, [("out", "doubts")]),
            (derivatives, outputnode, [("written", "written")]),
            (page, outputnode, [("written", "report")]),
        ]
    )
    return workflow


def _parameters(config: RunConfig, model: Model | None) -> dict[str, Any]:
    """Return the settings of the stages there are, and what the model is."""
    settings = config.to_mapping()
    stages = ["prepare", "anatomy"]
    if config.has_pseudolabels:
        stages.append("pseudolabel")
    parameters = {"segmentation": config.segmentation} | {name: settings[name] for name in stages}
    if model is not None:
        parameters["predict"] = {
            "model": model.name,
            "checksum": model.checksum,
            "strategy": model.strategy,
            "members": len(model.fine),
            "pvs_threshold": model.pvs_threshold,
            "flips": config.predict.flips,
        }
    return {**parameters, "quantify": settings["quantify"]}
