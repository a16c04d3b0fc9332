"""The workflow of a subject and session: its stages, and how they are connected."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nipype import Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf.anatomy.matching import choose_entries
from bgpvs_wf.anatomy.registry import AtlasEntry, known_atlases
from bgpvs_wf.bids.ages import require_age
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.crashes import workflow_name
from bgpvs_wf.errors import AgeError, UsageError
from bgpvs_wf.learning.models.bundle import find_model, head_model
from bgpvs_wf.workflows.anatomy import init_anatomy_wf
from bgpvs_wf.workflows.predict import init_predict_wf
from bgpvs_wf.workflows.prepare import init_prepare_wf
from bgpvs_wf.workflows.pseudolabel import init_pseudolabel_wf
from bgpvs_wf.workflows.quantify import init_quantify_wf
from bgpvs_wf.workflows.sink import init_sink_wf
from bgpvs_wf.workflows.stage import (
    LABELS,
    SCANS,
    TOLD,
    connect_fields,
    connect_files,
    images_of,
    init_inputnode,
    prepared_of,
)

_SEGMENTED = ("anatomy", "dseg")
_MEASURED = ("regions", "objects", "doubts")
_WRITTEN = ("written", "report")


def init_subject_wf(
    *, config: RunConfig, inputs: SubjectInputs, name: str | None = None
) -> Workflow:
    """Build the workflow of one subject and session, which writes its derivatives and its page.

    Parameters
    ----------
    config : RunConfig
    inputs : SubjectInputs
        Which files there are, what is known of them, and whose they are. Results say that they
        were made from these.

    Inputs
    ------
    t2w, t1w, brain_mask, dseg, dseg_table
        By default the files of `inputs`; what your own nodes make of them may be connected
        instead. What `inputs` has not is not used.

    Outputs
    -------
    anatomy
        Harmonised labels of the nuclei.
    dseg
        0 rest, 1 BG, 2 BG-PVS.
    regions, objects
        TSV, a row a region and a row a PVS.
    doubts
        What is not credible about the results.
    written
        Images and tables in the output folder.
    report
        The page there.

    Raises
    ------
    AgeError
        If an atlas has to be chosen or painted, and there is no age for it.
    AtlasError
        If no atlas fits.
    ModelError
        If the model cannot be used.
    """
    entries, notes = choose_anatomy(config, inputs) if config.needs_anatomy else ((), ())
    model = find_model(config.predict.model) if config.has_model else None
    if model is not None and model.caution:
        notes = (*notes, f"Model {model.name}: {model.caution}")
    workflow = Workflow(name=name or workflow_name(inputs.label))
    workflow.add_nodes([init_inputnode(inputs, (*SCANS, *LABELS))])
    outputs = (*_SEGMENTED, *_MEASURED, *_WRITTEN)
    outputnode = Node(niu.IdentityInterface(fields=list(outputs)), name="outputnode")
    head = model if model is not None and model.head is not None else head_model()
    prepare = init_prepare_wf(config=config, inputs=inputs, model=head)
    given = not config.model_finds_nuclei and not entries
    quantify = init_quantify_wf(config=config, inputs=inputs, given=given)
    sink = init_sink_wf(
        config=_resolved(config, entries), inputs=inputs, model=model, warnings=notes
    )
    connect_files(workflow, inputs, SCANS, prepare)
    _connect_prepared(workflow, inputs, prepare, quantify, sink)
    nuclei = segment = None
    if config.needs_anatomy:
        age = require_age(inputs) if entries else None
        nuclei = init_anatomy_wf(config=config, inputs=inputs, entries=entries, age_weeks=age)
        if not entries:
            connect_files(workflow, inputs, LABELS, nuclei)
        connect_fields(workflow, prepare, prepared_of(inputs), nuclei)
        _connect_anatomy(workflow, nuclei, quantify, sink, registered=bool(entries))
    if nuclei is not None and config.has_pseudolabels:
        segment = init_pseudolabel_wf(config=config)
        connect_fields(workflow, prepare, images_of(inputs), segment)
        known = ["anatomy", "bg_probability"] if entries else ["anatomy"]
        connect_fields(workflow, nuclei, known, segment)
        _connect_pseudolabels(workflow, segment, sink)
    if model is not None:
        segment = init_predict_wf(config=config, model=model)
        connect_fields(workflow, prepare, prepared_of(inputs), segment)
        if nuclei is not None and not config.model_finds_nuclei:
            connect_fields(workflow, nuclei, ["anatomy"], segment)
        _connect_prediction(workflow, segment, quantify, sink)
        nuclei = segment
    assert nuclei is not None
    assert segment is not None
    _connect_results(workflow, nuclei, segment, quantify, sink)
    for stage, fields in (
        (nuclei, _SEGMENTED[:1]),
        (segment, _SEGMENTED[1:]),
        (quantify, _MEASURED),
        (sink, _WRITTEN),
    ):
        workflow.connect([(stage, outputnode, [(f"outputnode.{key}", key) for key in fields])])
    return workflow


def _connect_prepared(
    workflow: Workflow,
    inputs: SubjectInputs,
    prepare: Workflow,
    quantify: Workflow,
    sink: Workflow,
) -> None:
    """Connect images with what measures and writes them."""
    images = images_of(inputs)
    connect_fields(workflow, prepare, [*images, "sides_known", *TOLD], quantify)
    connect_fields(workflow, prepare, ["brain_mask", "scan_grid"], sink)
    workflow.connect(prepare, "outputnode.doubts", sink, "inputnode.prepare_doubts")
    for key in images:
        workflow.connect(prepare, f"outputnode.{key}", sink, f"inputnode.{key}_preproc")
    if len(images) == 2:
        connect_fields(workflow, prepare, ["t1w_before"], sink)


def _connect_anatomy(
    workflow: Workflow, anatomy: Workflow, quantify: Workflow, sink: Workflow, *, registered: bool
) -> None:
    """Connect what the anatomy tells beside the nuclei."""
    if registered:
        connect_fields(workflow, anatomy, ["atlas"], sink)
    for target in (sink, quantify):
        workflow.connect(anatomy, "outputnode.doubts", target, "inputnode.anatomy_doubts")


def _connect_pseudolabels(workflow: Workflow, pseudolabel: Workflow, sink: Workflow) -> None:
    """Connect pseudo-labels with their writing."""
    for key, name in (("dseg", "pseudo_dseg"), ("confidence", "pseudo_probseg")):
        workflow.connect(pseudolabel, f"outputnode.{key}", sink, f"inputnode.{name}")


def _connect_prediction(
    workflow: Workflow, predict: Workflow, quantify: Workflow, sink: Workflow
) -> None:
    """Connect what a model tells beside its labels."""
    for key, name in (("pvs_probability", "pvs_probseg"), ("uncertainty", "uncertainty_probseg")):
        workflow.connect(predict, f"outputnode.{key}", sink, f"inputnode.{name}")
    workflow.connect(predict, "outputnode.pvs_probability", quantify, "inputnode.probability")
    for target in (sink, quantify):
        workflow.connect(predict, "outputnode.doubts", target, "inputnode.predict_doubts")


def _connect_results(
    workflow: Workflow, nuclei: Workflow, segment: Workflow, quantify: Workflow, sink: Workflow
) -> None:
    """Connect what was found with what measures and writes it."""
    for target, labels, dseg in (
        (quantify, "anatomy", "bgpvs"),
        (sink, "nuclei_dseg", "bgpvs_dseg"),
    ):
        workflow.connect(nuclei, "outputnode.anatomy", target, f"inputnode.{labels}")
        workflow.connect(segment, "outputnode.dseg", target, f"inputnode.{dseg}")
        workflow.connect(segment, "outputnode.record", target, "inputnode.record")
    for key, name in (
        ("regions", "bgpvs_morph"),
        ("objects", "pvs_objects"),
        ("instances", "pvs_dseg"),
        ("quality", "bgpvs_quality"),
        ("doubts", "quantify_doubts"),
    ):
        workflow.connect(quantify, f"outputnode.{key}", sink, f"inputnode.{name}")


def _resolved(config: RunConfig, entries: Sequence[AtlasEntry]) -> RunConfig:
    """Return the configuration with the source of the anatomy that was really used."""
    atlases = tuple(f"{entry.atlas} ({entry.age_weeks:g} weeks)" for entry in entries)
    source = "atlas" if entries else "derivatives"
    if config.model_finds_nuclei:
        source = "auto"
    anatomy = dataclasses.replace(config.anatomy, source=source, atlases=atlases)
    return dataclasses.replace(config, anatomy=anatomy)


def choose_anatomy(
    config: RunConfig, inputs: SubjectInputs
) -> tuple[tuple[AtlasEntry, ...], tuple[str, ...]]:
    """Return the atlases to register, none where existing labels serve; and notes for the page.

    Raises
    ------
    UsageError
        If derivatives are asked for and there are none.
    """
    source = config.anatomy.source
    if source == "derivatives" and inputs.dseg is None:
        raise UsageError(
            f"{inputs.label} has no dseg derivative; give its folder with --derivatives, "
            "or choose --anatomy atlas."
        )
    tissues_only = inputs.dseg is not None and "desc-drawem9_" in inputs.dseg.name
    if source == "derivatives" or (source == "auto" and inputs.dseg and not tissues_only):
        return (), ()
    age = inputs.age_weeks if config.anatomy.atlases else require_age(inputs)
    try:
        return choose_entries(known_atlases(), age, config.anatomy.atlases)
    except AgeError as error:
        why = f" ({inputs.age_note})" if inputs.age_note else ""
        raise AgeError(f"{str(error).rstrip('.')}{why}.") from error
