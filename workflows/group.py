"""The group level: tables and page of a cohort."""

from __future__ import annotations

from collections.abc import Sequence

from nipype import Node, Workflow

from bgpvs_wf.bids.folders import dataset_name
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import RunConfig
from bgpvs_wf.interfaces.cohort import GroupLevel
from bgpvs_wf.workflows.stage import wrap_node


def init_group_wf(
    *, config: RunConfig, subjects: Sequence[SubjectInputs], name: str = "group_wf"
) -> Workflow:
    """Build what is written of a cohort once its subjects are done.

    Parameters
    ----------
    config : RunConfig
        With its `ratings` and `norms`, if there are any.
    subjects : sequence of SubjectInputs
        Whose results there will be.

    Inputs
    ------
    written
        Results of each subject, a list of lists of files, which have to be there first.

    Outputs
    -------
    table
        Regions of all, TSV.
    quality
        Quality of all, with what is advised and why, TSV.
    page
        To sort, filter, walk through and rate all, HTML.
    """
    group = Node(
        GroupLevel(
            subjects=[(one.subject, one.session, one.age_weeks) for one in subjects],
            output_dir=str(config.output_dir),
            title=dataset_name(config.bids_dir),
        ),
        name="group",
        mem_gb=1,
    )
    if config.ratings is not None:
        group.inputs.ratings = str(config.ratings)
    if config.norms is not None:
        group.inputs.norms = str(config.norms)
        group.inputs.bids_dir = str(config.bids_dir)
    return wrap_node(name, group, ["written"], ["table", "quality", "page"])
