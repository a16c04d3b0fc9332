"""The whole workflow: stages of a subject, subjects of a cohort."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nipype import Workflow

from bgpvs_wf.anatomy.matching import choose_entries
from bgpvs_wf.anatomy.registry import AtlasEntry, known_atlases
from bgpvs_wf.bids.ages import require_age
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.bids.query import find_subjects
from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.crashes import workflow_name
from bgpvs_wf.engine.preview import HASH_SETTINGS
from bgpvs_wf.errors import AgeError, BGPVSError, UsageError
from bgpvs_wf.learning.bundle import Model, find_model, head_model
from bgpvs_wf.workflows.anatomy import init_anatomy_wf
from bgpvs_wf.workflows.predict import init_predict_wf
from bgpvs_wf.workflows.prepare import init_prepare_wf
from bgpvs_wf.workflows.pseudolabel import init_pseudolabel_wf
from bgpvs_wf.workflows.quantify import init_quantify_wf
from bgpvs_wf.workflows.sink import init_sink_wf
from bgpvs_wf.workflows.stage import connect_fields


def init_bgpvs_wf(
    config: RunConfig, subjects: Sequence[SubjectInputs] | None = None, *, name: str = "bgpvs_wf"
) -> Workflow:
    """Build the workflow of a cohort: a workflow a subject and session, side by side.

    Parameters
    ----------
    config : RunConfig
    subjects : sequence of SubjectInputs, optional
        Default: all that `find_subjects` finds.

    Returns
    -------
    Workflow
        Run it with ``wf.run(plugin="MultiProc")``, or any other plugin of Nipype.

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
        raise UsageError(f"{config.bids_dir} has nobody to process.")
    workflow = Workflow(name=name, base_dir=str(config.work_dir))
    workflow.add_nodes([init_subject_wf(config=config, inputs=inputs) for inputs in subjects])
    workflow.config["execution"] = {**HASH_SETTINGS, "crashfile_format": "txt"}
    return workflow


def init_subject_wf(
    *, config: RunConfig, inputs: SubjectInputs, name: str | None = None
) -> Workflow:
    """Build the workflow of one subject and session.

    Parameters
    ----------
    config : RunConfig
    inputs : SubjectInputs

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
    images = [m for m in ("t2w", "t1w") if getattr(inputs, m) is not None]
    head = model if model is not None and model.head is not None else head_model()
    prepare = init_prepare_wf(config=config, inputs=inputs, model=head)
    drawn = not config.model_finds_nuclei and not entries
    quantify = init_quantify_wf(config=config, inputs=inputs, given=drawn)
    sink = init_sink_wf(
        config=_resolved(config, entries), inputs=inputs, model=model, warnings=notes
    )
    connect_fields(workflow, prepare, [*images, "sides_known"], quantify)
    workflow.connect(prepare, "outputnode.doubts", sink, "inputnode.prepare_doubts")
    workflow.connect(prepare, "outputnode.brain_mask", sink, "inputnode.brain_mask")
    for key in images:
        workflow.connect(prepare, f"outputnode.{key}", sink, f"inputnode.{key}_preproc")
    if len(images) == 2:
        workflow.connect(prepare, "outputnode.t1w_before", sink, "inputnode.t1w_before")
    anatomy = None
    if config.needs_anatomy:
        age = require_age(inputs) if entries else None
        anatomy = init_anatomy_wf(config=config, inputs=inputs, entries=entries, age_weeks=age)
        connect_fields(workflow, prepare, [*images, "home", "images", "brain_mask", "lie"], anatomy)
        if entries:
            workflow.connect(anatomy, "outputnode.atlas", sink, "inputnode.atlas")
        for target in ((sink, "inputnode.anatomy_doubts"), (quantify, "inputnode.anatomy_doubts")):
            workflow.connect(anatomy, "outputnode.doubts", *target)
    segment, measured = None, (anatomy, "outputnode.dseg")
    if anatomy is not None and config.has_pseudolabels:
        segment = _add_pseudolabels(workflow, config, anatomy, sink, bool(entries))
        connect_fields(workflow, prepare, images, segment)
    if model is not None:
        known = None if config.model_finds_nuclei else anatomy
        segment = _add_prediction(workflow, config, model, known, sink)
        connect_fields(workflow, prepare, [*images, "brain_mask", "lie"], segment)
        workflow.connect(segment, "outputnode.doubts", quantify, "inputnode.predict_doubts")
        measured = (segment, "outputnode.anatomy")
    workflow.connect(
        [
            (measured[0], quantify, [(measured[1], "inputnode.anatomy")]),
            (measured[0], sink, [(measured[1], "inputnode.nuclei_dseg")]),
            (
                segment,
                quantify,
                [
                    ("outputnode.dseg", "inputnode.bgpvs"),
                    ("outputnode.record", "inputnode.record"),
                ],
            ),
            (
                segment,
                sink,
                [
                    ("outputnode.dseg", "inputnode.bgpvs_dseg"),
                    ("outputnode.record", "inputnode.record"),
                ],
            ),
            (
                quantify,
                sink,
                [
                    ("outputnode.regions", "inputnode.bgpvs_morph"),
                    ("outputnode.objects", "inputnode.pvs_objects"),
                    ("outputnode.instances", "inputnode.pvs_dseg"),
                    ("outputnode.doubts", "inputnode.quantify_doubts"),
                ],
            ),
        ]
    )
    return workflow


def _add_pseudolabels(
    workflow: Workflow, config: RunConfig, anatomy: Workflow, sink: Workflow, registered: bool
) -> Workflow:
    """Add pseudo-labels and their writing; return the stage."""
    pseudolabel = init_pseudolabel_wf(config=config)
    workflow.connect(anatomy, "outputnode.dseg", pseudolabel, "inputnode.anatomy")
    connect_fields(workflow, anatomy, ["bg_probability"] if registered else [], pseudolabel)
    for key, name in (("dseg", "pseudo_dseg"), ("confidence", "pseudo_probseg")):
        workflow.connect(pseudolabel, f"outputnode.{key}", sink, f"inputnode.{name}")
    return pseudolabel


def _add_prediction(
    workflow: Workflow, config: RunConfig, model: Model, anatomy: Workflow | None, sink: Workflow
) -> Workflow:
    """Add the segmentation by a model, in given nuclei or by itself; return the stage."""
    predict = init_predict_wf(config=config, model=model)
    if anatomy is not None:
        workflow.connect(anatomy, "outputnode.dseg", predict, "inputnode.anatomy")
    for key, name in (("pvs_probability", "pvs_probseg"), ("uncertainty", "uncertainty_probseg")):
        workflow.connect(predict, f"outputnode.{key}", sink, f"inputnode.{name}")
    workflow.connect(predict, "outputnode.doubts", sink, "inputnode.predict_doubts")
    return predict


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
