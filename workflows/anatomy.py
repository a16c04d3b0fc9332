"""The stage `anatomy`: nuclei and their surroundings, from labels or from atlases."""

from __future__ import annotations

from collections.abc import Sequence

from nipype import Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf.anatomy.registry import AtlasEntry
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import RunConfig
from bgpvs_wf.interfaces.anatomy import Harmonise, Refine
from bgpvs_wf.workflows.fusion import PER_ATLAS, init_fusion_wf
from bgpvs_wf.workflows.registration import init_registration_wf
from bgpvs_wf.workflows.stage import LABELS, PREPARED, images_of

_OUTPUTS = ["anatomy", "bg_probability", "atlas", "doubts"]


def init_anatomy_wf(
    *,
    config: RunConfig,
    inputs: SubjectInputs,
    entries: Sequence[AtlasEntry] = (),
    age_weeks: float | None = None,
    name: str = "anatomy_wf",
) -> Workflow:
    """Build the anatomy of one subject and session.

    Parameters
    ----------
    config : RunConfig
    inputs : SubjectInputs
        Without `entries`, its dseg derivative is harmonised.
    entries : sequence of AtlasEntry
        Atlases to register, each fused with the others if there are several.
    age_weeks : float, optional
        Post-menstrual age; needed with `entries`.

    Inputs
    ------
    t2w, t1w, home, images, brain_mask, lie, scan_grid
        As `init_prepare_wf` gives them.
    dseg, dseg_table
        Labels that are there and their BIDS table, without `entries`; by default the files of
        `inputs`.

    Outputs
    -------
    anatomy
        Harmonised labels on the home grid.
    bg_probability
        Probability of the basal ganglia; undefined from a dseg derivative.
    atlas
        The labels as registered, before they were refined; undefined from a dseg derivative.
    doubts
        How the header contradicts the anatomy, or itself in a dseg derivative.
    """
    workflow = Workflow(name=name)
    inputnode = Node(niu.IdentityInterface(fields=[*PREPARED, *LABELS]), name="inputnode")
    outputnode = Node(niu.IdentityInterface(fields=_OUTPUTS), name="outputnode")
    if not entries:
        harmonise = Node(Harmonise(scan=str(inputs.home_image)), name="harmonise", mem_gb=2)
        inputnode.inputs.dseg = str(inputs.dseg)
        if inputs.dseg_table is not None:
            inputnode.inputs.dseg_table = str(inputs.dseg_table)
            workflow.connect(inputnode, "dseg_table", harmonise, "table")
        workflow.connect(
            [
                (inputnode, harmonise, [(key, key) for key in ("home", "dseg", "scan_grid")]),
                (harmonise, outputnode, [("dseg", "anatomy"), ("doubts", "doubts")]),
            ]
        )
        return workflow
    assert age_weeks is not None
    registrations = [
        _register(workflow, inputnode, config, inputs, entry, age_weeks, number)
        for number, entry in enumerate(entries, start=1)
    ]
    labels = _one_atlas(workflow, inputnode, config, inputs, registrations)
    refine = Node(Refine(), name="refine", mem_gb=3)
    workflow.connect(
        [
            (registrations[0], outputnode, [("outputnode.doubts", "doubts")]),
            (inputnode, refine, [("images", "images")]),
            (labels, refine, [("outputnode.dseg", "dseg")]),
            (labels, outputnode, [("outputnode.dseg", "atlas")]),
            (refine, outputnode, [("dseg", "anatomy"), ("bg_probability", "bg_probability")]),
        ]
    )
    return workflow


def _register(
    workflow: Workflow,
    inputnode: Node,
    config: RunConfig,
    inputs: SubjectInputs,
    entry: AtlasEntry,
    age_weeks: float,
    number: int,
) -> Workflow:
    """Add the registration of one atlas; return it."""
    modalities = [name.capitalize() for name in images_of(inputs)]
    registration = init_registration_wf(
        config=config,
        entry=entry,
        modalities=modalities,
        age_weeks=age_weeks,
        name=f"registration_{number}_wf",
    )
    for key in ("home", "brain_mask", "lie", *(modality.lower() for modality in modalities)):
        workflow.connect(inputnode, key, registration, f"inputnode.{key}")
    return registration


def _one_atlas(
    workflow: Workflow,
    inputnode: Node,
    config: RunConfig,
    inputs: SubjectInputs,
    registrations: Sequence[Workflow],
) -> Workflow:
    """Add the fusion if there are several atlases; return the workflow that has the labels."""
    if len(registrations) == 1:
        return registrations[0]
    fusion = init_fusion_wf(
        config=config, atlases=len(registrations), modalities=len(images_of(inputs))
    )
    workflow.connect(inputnode, "images", fusion, "inputnode.images")
    for number, registration in enumerate(registrations, start=1):
        for field in PER_ATLAS:
            workflow.connect(
                registration, f"outputnode.{field}", fusion, f"inputnode.{field}_{number}"
            )
    return fusion
