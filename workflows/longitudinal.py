"""Change between the sessions of an infant: placed on each other, matched, told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nipype import Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf.cohort.change.files import SessionFiles
from bgpvs_wf.config import RunConfig
from bgpvs_wf.interfaces.longitudinal import (
    ChangePage,
    ChangeSink,
    MatchSessions,
    PlaceSessions,
)

_FILES = ("image", "nuclei", "pvs", "objects")


def init_longitudinal_wf(
    *,
    config: RunConfig,
    sessions: Sequence[SessionFiles],
    warnings: Sequence[str] = (),
    name: str = "longitudinal_wf",
) -> Workflow:
    """Build what tells the change of one infant from its finished sessions.

    The centres of the nuclei of each session are brought onto those of the next, which no contrast
    disturbs that inverts; on growing phantoms that is nearer to the truth than affine registration
    of the T2w by mutual information, or of the nuclei's distance maps (docs/how-to/change.md). The
    PVS themselves correct it.

    Parameters
    ----------
    config : RunConfig
        Says where results go.
    sessions : sequence of SessionFiles
        Of one infant, in the order of age; two or more.
    warnings : sequence of str
        Sentences for the page.
    name : str

    Inputs
    ------
    image, nuclei, pvs, objects
        Of each session, lists of files; by default those of `sessions`.
    probability
        Of a PVS, of each session; undefined where not all have one.

    Outputs
    -------
    table
        A row for each PVS and step between sessions, TSV.
    page
        Of the infant's change, HTML.
    transforms
        From each session to the next, a list of files, as ITK and ANTs read them.
    """
    workflow = Workflow(name=name)
    inputnode = Node(niu.IdentityInterface(fields=[*_FILES, "probability"]), name="inputnode")
    for field in _FILES:
        setattr(inputnode.inputs, field, [str(getattr(one, field)) for one in sessions])
    probability = [str(one.probability) for one in sessions if one.probability is not None]
    if len(probability) == len(sessions):
        inputnode.inputs.probability = probability
    outputnode = Node(
        niu.IdentityInterface(fields=["table", "page", "transforms"]), name="outputnode"
    )
    who: dict[str, Any] = {"sessions": [f"ses-{one.session}" for one in sessions]}
    subject = f"sub-{sessions[0].subject}"
    place = Node(PlaceSessions(), name="place", mem_gb=1)
    match = Node(MatchSessions(**who), name="match", mem_gb=1)
    page = Node(
        ChangePage(
            subject=subject,
            ages_weeks=[one.age_weeks for one in sessions],
            warnings=list(warnings),
            **who,
        ),
        name="page",
        mem_gb=1.5,
    )
    sink = Node(ChangeSink(subject=subject, output_dir=str(config.output_dir)), name="sink")
    # Nipype looks at its work folder, not at the output folder.
    sink.overwrite = True
    shown = [(field, field) for field in ("pvs", "nuclei")]
    workflow.connect(
        [
            (inputnode, place, [("nuclei", "nuclei")]),
            (inputnode, match, [(name, name) for name in ("pvs", "objects", "probability")]),
            (place, match, [("affines", "affines")]),
            (inputnode, page, [("image", "images"), *shown]),
            (match, page, [("table", "table"), ("affines", "affines")]),
            (match, sink, [("table", "table"), ("dictionary", "dictionary")]),
            (page, sink, [("page", "page")]),
            (sink, outputnode, [("table", "table"), ("page", "page")]),
            (match, outputnode, [("transforms", "transforms")]),
        ]
    )
    return workflow
