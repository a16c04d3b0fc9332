"""Change between the sessions of an infant: registered to each other, matched, told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nipype import Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf.cohort.change.files import SessionFiles
from bgpvs_wf.config import RunConfig
from bgpvs_wf.interfaces.ants import Registration
from bgpvs_wf.interfaces.longitudinal import (
    ChangePage,
    ChangeSink,
    MatchSessions,
    PairOfSessions,
)

VOXEL_MM = 2.0
"""Voxel size at which sessions are registered, mm (chosen; see docs/change.md)."""
_FILES = ("image", "nuclei", "brain_mask", "pvs", "objects")


def init_longitudinal_wf(
    *, config: RunConfig, sessions: Sequence[SessionFiles], name: str = "longitudinal_wf"
) -> Workflow:
    """Build what tells the change of one infant from its finished sessions.

    Each session is registered to the next: the centres of the nuclei are brought onto each other,
    then the brains by an affine and mutual information, which no contrast disturbs that inverts.

    Parameters
    ----------
    config : RunConfig
        Says where results go, with what seed and how many threads.
    sessions : sequence of SessionFiles
        Of one infant, in the order of age; two or more.

    Inputs
    ------
    image, nuclei, brain_mask, pvs, objects
        Of each session, lists of files; by default those of `sessions`.

    Outputs
    -------
    table
        A row for each PVS and step between sessions, TSV.
    page
        Of the infant's change, HTML.
    transforms
        From each session to the next, a list of lists of files, as ANTs writes them.
    """
    workflow = Workflow(name=name)
    inputnode = Node(niu.IdentityInterface(fields=list(_FILES)), name="inputnode")
    for field in _FILES:
        setattr(inputnode.inputs, field, [str(getattr(one, field)) for one in sessions])
    outputnode = Node(
        niu.IdentityInterface(fields=["table", "page", "transforms"]), name="outputnode"
    )
    who: dict[str, Any] = {"sessions": [f"ses-{one.session}" for one in sessions]}
    subject = f"sub-{sessions[0].subject}"
    transforms = _add_steps(workflow, config, len(sessions))
    match = Node(MatchSessions(**who), name="match", mem_gb=1)
    page = Node(
        ChangePage(subject=subject, ages_weeks=[one.age_weeks for one in sessions], **who),
        name="page",
        mem_gb=1.5,
    )
    sink = Node(ChangeSink(subject=subject, output_dir=str(config.output_dir)), name="sink")
    # Nipype looks at its work folder, not at the output folder.
    sink.overwrite = True
    shown = [(field, field) for field in ("pvs", "nuclei")]
    workflow.connect(
        [
            (inputnode, match, [("pvs", "pvs"), ("objects", "objects")]),
            (transforms, match, [("out", "transforms")]),
            (inputnode, page, [("image", "images"), *shown]),
            (match, page, [("table", "table"), ("affines", "affines")]),
            (match, sink, [("table", "table"), ("dictionary", "dictionary")]),
            (page, sink, [("page", "page")]),
            (sink, outputnode, [("table", "table"), ("page", "page")]),
            (transforms, outputnode, [("out", "transforms")]),
        ]
    )
    return workflow


def _add_steps(workflow: Workflow, config: RunConfig, count: int) -> Node:
    """Add the registration of each session to the next; return the node that lists them."""
    inputnode = workflow.get_node("inputnode")
    # Lists of a list, one a step.
    transforms = Node(niu.Merge(count - 1, no_flatten=True), name="transforms")
    for step in range(count - 1):
        pair = Node(PairOfSessions(voxel_mm=VOXEL_MM), name=f"pair_{step}", mem_gb=1.5)
        register = Node(
            Registration(**_settings(config)),
            name=f"register_{step}",
            n_procs=config.threads,
            mem_gb=1,
        )
        fields = (("image", "images"), ("nuclei", "nuclei"), ("brain_mask", "brain_masks"))
        workflow.connect(
            [
                (inputnode, pair, [((field, _two, step), name) for field, name in fields]),
                (pair, register, [("first", "fixed_image"), ("second", "moving_image")]),
                (pair, register, [(("start", _listed), "initial_moving_transform")]),
                (register, transforms, [("forward_transforms", f"in{step + 1}")]),
            ]
        )
    return transforms


def _settings(config: RunConfig) -> dict[str, Any]:
    return {
        "dimension": 3,
        "float": True,
        "random_seed": config.random_seed % 2**31,
        "transforms": ["Affine"],
        "transform_parameters": [(0.05,)],
        "number_of_iterations": [[60, 30]],
        "shrink_factors": [[2, 1]],
        "smoothing_sigmas": [[1.0, 0.5]],
        "sigma_units": ["vox"],
        "metric": ["MI"],
        "metric_weight": [1.0],
        "radius_or_number_of_bins": [32],
        "sampling_strategy": ["None"],
        "convergence_threshold": [1e-6],
        "convergence_window_size": [10],
        # Matching histograms would force the contrast of one on the other.
        "use_histogram_matching": [False],
        "winsorize_lower_quantile": 0.005,
        "winsorize_upper_quantile": 0.995,
        "collapse_output_transforms": True,
        "output_transform_prefix": "to_next_",
        "num_threads": config.threads,
    }


def _two(items: list[str], start: int) -> list[str]:
    return items[start : start + 2]


def _listed(item: str) -> list[str]:
    return [item]
