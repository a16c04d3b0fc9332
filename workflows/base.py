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
from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.workflows.anatomy import init_anatomy_wf
from bgpvs_wf.workflows.prepare import init_prepare_wf
from bgpvs_wf.workflows.pseudolabel import init_pseudolabel_wf
from bgpvs_wf.workflows.quantify import init_quantify_wf
from bgpvs_wf.workflows.sink import init_sink_wf


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
    """
    entries, notes = choose_anatomy(config, inputs)
    age = require_age(inputs) if entries else None
    workflow = Workflow(name=name or workflow_name(inputs.label))
    prepare = init_prepare_wf(config=config, inputs=inputs)
    anatomy = init_anatomy_wf(config=config, inputs=inputs, entries=entries, age_weeks=age)
    pseudolabel = init_pseudolabel_wf(config=config)
    quantify = init_quantify_wf(config=config)
    sink = init_sink_wf(config=_resolved(config, entries), inputs=inputs, warnings=notes)
    images = [m for m in ("t2w", "t1w") if getattr(inputs, m) is not None]
    for stage in (pseudolabel, quantify):
        for key in images:
            workflow.connect(prepare, f"outputnode.{key}", stage, f"inputnode.{key}")
        workflow.connect(anatomy, "outputnode.dseg", stage, "inputnode.anatomy")
    for key in images:
        workflow.connect(prepare, f"outputnode.{key}", anatomy, f"inputnode.{key}")
        workflow.connect(prepare, f"outputnode.{key}", sink, f"inputnode.{key}_preproc")
    if len(images) == 2:
        workflow.connect(prepare, "outputnode.t1w_before", sink, "inputnode.t1w_before")
    if entries:
        probability = "bg_probability"
        workflow.connect(
            anatomy, f"outputnode.{probability}", pseudolabel, f"inputnode.{probability}"
        )
        for key in ("atlas", "header_note"):
            workflow.connect(anatomy, f"outputnode.{key}", sink, f"inputnode.{key}")
    workflow.connect(
        [
            (
                prepare,
                anatomy,
                [("outputnode.home", "inputnode.home"), ("outputnode.images", "inputnode.images")],
            ),
            (pseudolabel, quantify, [("outputnode.dseg", "inputnode.bgpvs")]),
            (anatomy, sink, [("outputnode.dseg", "inputnode.nuclei_dseg")]),
            (
                pseudolabel,
                sink,
                [
                    ("outputnode.dseg", "inputnode.bgpvs_dseg"),
                    ("outputnode.dseg", "inputnode.pseudo_dseg"),
                    ("outputnode.confidence", "inputnode.pseudo_probseg"),
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
                ],
            ),
        ]
    )
    return workflow


def _resolved(config: RunConfig, entries: Sequence[AtlasEntry]) -> RunConfig:
    """Return the configuration with the source of the anatomy that was really used."""
    atlases = tuple(f"{entry.atlas} ({entry.age_weeks:g} weeks)" for entry in entries)
    source = "atlas" if entries else "derivatives"
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
    return choose_entries(known_atlases(), age, config.anatomy.atlases)
