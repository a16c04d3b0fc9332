"""Training cases of a cohort: images prepared as for a run, labels given or synthesised, cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nipype import Node, Workflow

from bgpvs_wf.bids.ages import require_age
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.crashes import workflow_name
from bgpvs_wf.engine.preview import HASH_SETTINGS
from bgpvs_wf.interfaces.learning import CutCase
from bgpvs_wf.learning.models.bundle import find_model, head_model
from bgpvs_wf.workflows.anatomy import init_anatomy_wf
from bgpvs_wf.workflows.predict import init_predict_wf
from bgpvs_wf.workflows.prepare import init_prepare_wf
from bgpvs_wf.workflows.pseudolabel import init_pseudolabel_wf
from bgpvs_wf.workflows.stage import connect_fields, images_of, prepared_of, wrap_node
from bgpvs_wf.workflows.subject import choose_anatomy


@dataclass(frozen=True)
class GivenLabels:
    """Files of labels that are given for a subject."""

    bgpvs: Path
    """0 rest, 1 BG, 2 BG-PVS."""
    fluid: Path | None = None
    """Share of each voxel that a PVS fills."""
    ignore: Path | None = None
    """Voxels about which nothing is known."""
    brightness: float | None = None
    """Of the fluid in PVS, on its way from tissue to a ventricle's."""


def init_cases_wf(
    config: RunConfig,
    subjects: Sequence[SubjectInputs],
    *,
    folder: Path,
    labels: Mapping[str, GivenLabels] | None = None,
    name: str = "bgpvs_wf",
) -> Workflow:
    """Build the making of training cases: a workflow a subject and session, side by side.

    Parameters
    ----------
    config : RunConfig
        Settings of the stages, the strategy of pseudo-labels among them; with a model it finds
        the nuclei of subjects that have none yet.
    subjects : sequence of SubjectInputs
    folder : Path
        Each case goes to a folder in it, of the subject's label.
    labels : mapping of str to GivenLabels, optional
        By the subject's label; none means pseudo-labels.

    Raises
    ------
    BGPVSError
        If a subject cannot be processed (a missing age, no fitting atlas).
    """
    workflow = Workflow(name=name, base_dir=str(config.work_dir))
    shared = config.shared_among(len(subjects))
    workflow.add_nodes(
        [
            init_case_wf(
                config=shared,
                inputs=inputs,
                folder=folder / inputs.label,
                labels=None if labels is None else labels[inputs.label],
            )
            for inputs in subjects
        ]
    )
    workflow.config["execution"] = {**HASH_SETTINGS, "crashfile_format": "txt"}
    return workflow


def init_case_wf(
    *, config: RunConfig, inputs: SubjectInputs, folder: Path, labels: GivenLabels | None
) -> Workflow:
    """Build the making of one training case.

    Parameters
    ----------
    config : RunConfig
    inputs : SubjectInputs
    folder : Path
        Where the case goes.
    labels : GivenLabels or None
        None means pseudo-labels.

    Raises
    ------
    BGPVSError
        If the nuclei are to come from an atlas, and there is no age or no fitting one.
    """
    workflow = Workflow(name=workflow_name(inputs.label))
    prepare = init_prepare_wf(config=config, inputs=inputs, model=head_model(config.predict.model))
    nuclei, registered = _init_nuclei(config, inputs)
    cut = Node(
        CutCase(subject=inputs.label, folder=str(folder), by_hand=labels is not None),
        name="cut",
        mem_gb=2.5,
    )
    fields = ["t2w", "t1w", "brain_mask", "anatomy", "bgpvs", "confidence", "scan_grid"]
    # What writes outside of the work folder is a sink.
    sink = wrap_node("sink_wf", cut, fields, ["case"])
    images = images_of(inputs)
    connect_fields(workflow, prepare, prepared_of(inputs), nuclei)
    connect_fields(workflow, prepare, [*images, "brain_mask"], sink)
    connect_fields(workflow, nuclei, ["anatomy"], sink)
    if labels is not None:
        workflow.connect(prepare, "outputnode.scan_grid", sink, "inputnode.scan_grid")
        sink.inputs.inputnode.bgpvs = str(labels.bgpvs)
        if labels.brightness is not None:
            cut.inputs.brightness = labels.brightness
        for key in ("fluid", "ignore"):
            if getattr(labels, key) is not None:
                setattr(cut.inputs, key, str(getattr(labels, key)))
        return workflow
    pseudolabel = init_pseudolabel_wf(config=config)
    connect_fields(workflow, prepare, images, pseudolabel)
    known = ["anatomy", "bg_probability"] if registered else ["anatomy"]
    connect_fields(workflow, nuclei, known, pseudolabel)
    connect_fields(workflow, pseudolabel, ["confidence"], sink)
    workflow.connect(pseudolabel, "outputnode.dseg", sink, "inputnode.bgpvs")
    return workflow


def _init_nuclei(config: RunConfig, inputs: SubjectInputs) -> tuple[Workflow, bool]:
    """Build the stage that knows the nuclei; return also whether it is a registration.

    A model finds them where the configuration has one, unless they are there already.
    """
    if inputs.dseg is None and config.has_model:
        return init_predict_wf(config=config, model=find_model(config.predict.model)), False
    entries, _ = choose_anatomy(config, inputs)
    age = require_age(inputs) if entries else None
    anatomy = init_anatomy_wf(config=config, inputs=inputs, entries=entries, age_weeks=age)
    return anatomy, bool(entries)
