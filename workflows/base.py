"""The workflow of a cohort: its subjects, and what they have in common."""

from __future__ import annotations

from collections.abc import Sequence

from nipype import Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf.bids.derivatives import dataset_links
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.bids.query import find_subjects
from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.crashes import workflow_name
from bgpvs_wf.engine.preview import HASH_SETTINGS
from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.interfaces.cohort import DescribeDataset
from bgpvs_wf.workflows.group import init_group_wf
from bgpvs_wf.workflows.subject import init_subject_wf


def init_bgpvs_wf(
    config: RunConfig, subjects: Sequence[SubjectInputs] | None = None, *, name: str = "bgpvs_wf"
) -> Workflow:
    """Build the workflow of a cohort: a BIDS derivative dataset, tables and page of all.

    Parameters
    ----------
    config : RunConfig
    subjects : sequence of SubjectInputs, optional
        Default: all that `find_subjects` finds.

    Returns
    -------
    Workflow
        Run it with ``wf.run(plugin="MultiProc")``, or any other plugin of Nipype. Tables and
        page have the subjects of this workflow; they are written if none of them fails.

    Raises
    ------
    UsageError
        If the dataset or the configuration cannot be used.
    BGPVSError
        If a subject cannot be processed (a missing age, no fitting atlas); the command line
        leaves such a subject out instead.
    """
    if subjects is None:
        cohort = find_subjects(config)
        if cohort.problems:
            raise BGPVSError(cohort.problems[0].message)
        subjects = cohort.subjects
    if not subjects:
        raise UsageError(f"{config.bids_dir} has nobody to process; give a dataset with scans.")
    workflow = init_subjects_wf(config, subjects, name=name)
    describe = Node(
        DescribeDataset(
            output_dir=str(config.output_dir),
            links={name: str(path) for name, path in dataset_links(config).items()},
        ),
        name="describe",
    )
    group = init_group_wf(config=config, subjects=subjects)
    finished = Node(niu.Merge(len(subjects), no_flatten=True), name="finished")
    for number, inputs in enumerate(subjects, start=1):
        one = workflow.get_node(workflow_name(inputs.label))
        workflow.connect(one, "outputnode.written", finished, f"in{number}")
    workflow.connect(finished, "out", group, "inputnode.written")
    workflow.add_nodes([describe])
    return workflow


def init_subjects_wf(
    config: RunConfig, subjects: Sequence[SubjectInputs], *, name: str = "bgpvs_wf"
) -> Workflow:
    """Build the workflows of some subjects and sessions, side by side.

    Parameters
    ----------
    config : RunConfig
    subjects : sequence of SubjectInputs
    """
    workflow = Workflow(name=name, base_dir=str(config.work_dir))
    shared = config.shared_among(len(subjects))
    workflow.add_nodes([init_subject_wf(config=shared, inputs=inputs) for inputs in subjects])
    workflow.config["execution"] = {**HASH_SETTINGS, "crashfile_format": "txt"}
    return workflow
