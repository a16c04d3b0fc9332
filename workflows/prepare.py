"""The stage `prepare`: images on one grid, without bias, on one scale."""

from __future__ import annotations

from typing import Any

from nipype import Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import RunConfig
from bgpvs_wf.interfaces.ants import (
    ApplyTransforms,
    DenoiseImage,
    N4BiasFieldCorrection,
    Registration,
)
from bgpvs_wf.interfaces.head import AgreeOnBrain, FindBrain
from bgpvs_wf.interfaces.prepare import (
    CoarseBrain,
    ComparePair,
    Conform,
    DivideBias,
    Scale,
    SourceImages,
)
from bgpvs_wf.learning.models.bundle import Model
from bgpvs_wf.workflows.stage import PREPARED, SCANS, TOLD, images_of, init_inputnode

BIAS_MM = 4.0
"""Voxel size at which the bias field is estimated, mm (chosen)."""
ALIGN_MM = 1.5
"""Voxel size at which T1w and T2w are aligned, mm (chosen)."""


def init_prepare_wf(
    *, config: RunConfig, inputs: SubjectInputs, model: Model, name: str = "prepare_wf"
) -> Workflow:
    """Build the preprocessing of one subject and session.

    The T2w's native grid is home; the T1w is aligned to it rigidly and resampled once. Without
    a T2w the T1w's grid is home.

    Parameters
    ----------
    config : RunConfig
    inputs : SubjectInputs
        Which files there are, and what is known of them.
    model : Model
        Whose network finds the brain in the head, and how it lies.

    Inputs
    ------
    t2w, t1w, brain_mask
        As scanned; by default the files of `inputs`. What `inputs` has not is not used.

    Outputs
    -------
    t2w, t1w
        Preprocessed, on the home grid; undefined where there is none.
    home
        The one whose grid is home: that of the scan, cut to the head.
    images
        List of both, home first.
    t1w_before
        The T1w before it was aligned, to check the alignment by.
    doubts
        What is suspicious about the files.
    brain_mask
        On the home grid: as given, or as found, in both images if there are two.
    lie
        How the head lies, see `bgpvs_wf.interfaces.head.FindBrain`.
    scan_grid
        The grid of the whole home image, see `bgpvs_wf.imaging.geometry.Grid.to_dict`.
    sides_known
        Whether the header of the home image tells left from right.
    t2w_bias_percent, t1w_bias_percent
        Range of the bias field; undefined where none was estimated.
    stretch_percent
        By how much the T1w would have to be stretched to fit the T2w best; undefined without both.
    """
    workflow = Workflow(name=name)
    workflow.add_nodes([init_inputnode(inputs, SCANS)])
    fields = [*PREPARED, "t1w_before", "doubts", "sides_known", *TOLD]
    outputnode = Node(niu.IdentityInterface(fields=fields), name="outputnode")
    home = inputs.home.lower()
    corrected = {
        key: _init_correct(workflow, config, inputs, key.capitalize(), model)
        for key in images_of(inputs)
    }
    images = Node(niu.Merge(len(corrected)), name="images")
    doubts = Node(niu.Merge(2 * len(corrected) + 1), name="doubts")
    brain = lie = workflow.get_node(f"brain_{home}")
    if len(corrected) == 2:
        aligned = _init_align(workflow, config, corrected)
        pair = _init_compare(workflow, config)
        workflow.connect(pair, "stretch_percent", outputnode, "stretch_percent")
        brain = _init_agree(workflow)
        workflow.connect(brain, "doubts", doubts, f"in{2 * len(corrected) + 1}")
    scaled = {}
    for number, (key, (node, field)) in enumerate(corrected.items(), start=1):
        if key != home:
            workflow.connect(node, field, outputnode, "t1w_before")
            node, field = aligned
        unbias = workflow.get_node(f"unbias_{key}")
        if unbias is not None:
            workflow.connect(unbias, "bias_percent", outputnode, f"{key}_bias_percent")
        scale = Node(Scale(), name=f"scale_{key}", mem_gb=1.5)
        scaled[key] = scale
        workflow.connect(brain, "brain_mask", scale, "brain_mask")
        workflow.connect(
            [
                (node, scale, [(field, "in_file")]),
                (scale, outputnode, [("out_file", key)]),
                (scale, images, [("out_file", f"in{number}")]),
            ]
        )
    for number, key in enumerate(corrected, start=1):
        for place, stage in enumerate(("conform", "brain")):
            node = workflow.get_node(f"{stage}_{key}")
            workflow.connect(node, "doubts", doubts, f"in{2 * number - 1 + place}")
    conform = workflow.get_node(f"conform_{home}")
    for field in ("sides_known", "scan_grid"):
        workflow.connect(conform, field, outputnode, field)
    workflow.connect(brain, "brain_mask", outputnode, "brain_mask")
    workflow.connect(lie, "lie", outputnode, "lie")
    workflow.connect(scaled[home], "out_file", outputnode, "home")
    workflow.connect(images, "out", outputnode, "images")
    workflow.connect(doubts, "out", outputnode, "doubts")
    return workflow


def _init_correct(
    workflow: Workflow, config: RunConfig, inputs: SubjectInputs, modality: str, model: Model
) -> tuple[Node, str]:
    """Add the nodes that conform, denoise and bias-correct one image; return node and field."""
    key = modality.lower()
    at_home = modality == inputs.home
    threads = max(config.threads // len(images_of(inputs)), 1)
    inputnode = workflow.get_node("inputnode")
    conform = Node(Conform(modality=modality, home=at_home), name=f"conform_{key}", mem_gb=1)
    workflow.connect(inputnode, key, conform, "in_file")
    brain = Node(
        FindBrain(
            modality=modality,
            model=str(model.folder),
            model_checksum=model.checksum,
            device=config.predict.device,
            threads=threads,
        ),
        name=f"brain_{key}",
        n_procs=threads,
        mem_gb=2,
    )
    if at_home and inputs.brain_mask is not None:
        for node in (conform, brain):
            workflow.connect(inputnode, "brain_mask", node, "brain_mask")
    workflow.connect(conform, "out_file", brain, "in_file")
    node, field = conform, "out_file"
    done = inputs.preprocessed if at_home else inputs.t1w_preprocessed
    if config.prepare.denoise and not done:
        denoise = Node(
            DenoiseImage(dimension=3, noise_model="Rician", num_threads=threads),
            name=f"denoise_{key}",
            n_procs=threads,
            mem_gb=2,
        )
        workflow.connect(node, field, denoise, "input_image")
        node, field = denoise, "output_image"
    if config.prepare.bias_correction and not done:
        node, field = _init_unbias(workflow, config, (node, field), key)
    return node, field


def _init_unbias(
    workflow: Workflow, config: RunConfig, image: tuple[Node, str], key: str
) -> tuple[Node, str]:
    """Add N4, estimated on a coarse image since a bias field is smooth; return node and field."""
    coarse = Node(CoarseBrain(voxel_mm=BIAS_MM), name=f"coarse_{key}", mem_gb=1.5)
    n4 = Node(
        N4BiasFieldCorrection(
            dimension=3,
            shrink_factor=3,
            n_iterations=[50, 50],
            convergence_threshold=1e-7,
            bspline_fitting_distance=200.0,
            save_bias=True,
            num_threads=1,
        ),
        name=f"n4_{key}",
        mem_gb=1,
    )
    divide = Node(DivideBias(), name=f"unbias_{key}", mem_gb=1.5)
    workflow.connect(
        [
            (image[0], coarse, [(image[1], "in_file")]),
            (workflow.get_node(f"brain_{key}"), coarse, [("brain_mask", "brain_mask")]),
            (coarse, n4, [("out_file", "input_image"), ("mask", "mask_image")]),
            (n4, divide, [("bias_image", "bias")]),
            (coarse, divide, [("mask", "mask")]),
            (image[0], divide, [(image[1], "in_file")]),
        ]
    )
    return divide, "out_file"


def _init_align(
    workflow: Workflow,
    config: RunConfig,
    corrected: dict[str, tuple[Node, str]],
) -> tuple[Node, str]:
    """Add the nodes that bring the T1w to the T2w's grid; return node and field."""
    coarse = Node(SourceImages(voxel_mm=ALIGN_MM), name="coarse_pair", mem_gb=1.5)
    for key in ("t2w", "t1w"):
        brain = workflow.get_node(f"brain_{key}")
        workflow.connect(brain, "brain_mask", coarse, f"{key}_brain_mask")
    align = Node(
        Registration(
            initial_moving_transform_com=1,
            transforms=["Rigid"],
            number_of_iterations=[[100, 50]],
            shrink_factors=[[4, 2]],
            smoothing_sigmas=[[2.0, 0.5]],
            output_transform_prefix="t1w_to_t2w_",
            **_pair_settings(config),
        ),
        name="align",
        mem_gb=1,
    )
    resample = Node(
        # Beside it `stretch` runs.
        ApplyTransforms(dimension=3, interpolation="BSpline", float=True, num_threads=1),
        name="resample",
        mem_gb=2,
    )
    workflow.connect(
        [
            (corrected["t2w"][0], coarse, [(corrected["t2w"][1], "t2w")]),
            (corrected["t1w"][0], coarse, [(corrected["t1w"][1], "t1w")]),
            (coarse, align, [("t2w", "fixed_image"), ("t1w", "moving_image")]),
            (align, resample, [("forward_transforms", "transforms")]),
            (corrected["t1w"][0], resample, [(corrected["t1w"][1], "input_image")]),
            (corrected["t2w"][0], resample, [(corrected["t2w"][1], "reference_image")]),
        ]
    )
    return resample, "output_image"


def _init_compare(workflow: Workflow, config: RunConfig) -> Node:
    """Add the nodes that tell how far aligned T1w and T2w are from one head; return the last.

    Images of a head fit each other without being stretched.
    """
    stretch = Node(
        Registration(
            transforms=["Affine"],
            number_of_iterations=[[80]],
            shrink_factors=[[3]],
            smoothing_sigmas=[[1.0]],
            output_transform_prefix="stretched_",
            **_pair_settings(config),
        ),
        name="stretch",
        mem_gb=1,
    )
    compare = Node(ComparePair(), name="compare_pair")
    workflow.connect(
        [
            (
                workflow.get_node("coarse_pair"),
                stretch,
                [("t2w", "fixed_image"), ("t1w", "moving_image")],
            ),
            (
                workflow.get_node("align"),
                stretch,
                [("forward_transforms", "initial_moving_transform")],
            ),
            (stretch, compare, [("forward_transforms", "transforms")]),
        ]
    )
    return compare


def _init_agree(workflow: Workflow) -> Node:
    """Add the node that makes one mask of the brain of what was found in T2w and T1w; return it."""
    agree = Node(AgreeOnBrain(), name="brain", mem_gb=1)
    for modality, prefix in (("t2w", ""), ("t1w", "t1w_")):
        fields = [(field, f"{prefix}{field}") for field in ("brain_mask", "seen")]
        workflow.connect([(workflow.get_node(f"brain_{modality}"), agree, fields)])
    workflow.connect(workflow.get_node("align"), "forward_transforms", agree, "transforms")
    return agree


def _pair_settings(config: RunConfig) -> dict[str, Any]:
    """Return what registrations of the T1w to the T2w have in common."""
    return {
        "dimension": 3,
        "float": True,
        "random_seed": config.random_seed % 2**31,
        "transform_parameters": [(0.1,)],
        "metric": ["MI"],
        "metric_weight": [1.0],
        "radius_or_number_of_bins": [32],
        # Of all voxels, a quarter tells the same to less than 0.1 mm.
        "sampling_strategy": ["Regular"],
        "sampling_percentage": [0.25],
        "convergence_threshold": [1e-6],
        "convergence_window_size": [10],
        "sigma_units": ["vox"],
        "use_histogram_matching": [False],
        "winsorize_lower_quantile": 0.005,
        "winsorize_upper_quantile": 0.995,
        # Sums of several threads differ from run to run in their last digits, and so do labels.
        "num_threads": 1,
    }
