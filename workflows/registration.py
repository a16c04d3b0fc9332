"""One atlas brought to one subject: the core of the stage `anatomy`."""

from __future__ import annotations

from typing import Any

from nipype import Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf.anatomy.registry import AtlasEntry
from bgpvs_wf.anatomy.starts import TURNS
from bgpvs_wf.anatomy.targets import BOX_MM, WHOLE_MM
from bgpvs_wf.config import RunConfig
from bgpvs_wf.interfaces.anatomy import AtlasTargets, ChooseStart, Starts
from bgpvs_wf.interfaces.ants import ApplyTransforms, Registration
from bgpvs_wf.interfaces.prepare import SourceImages

_INPUTS = ["t2w", "t1w", "home", "brain_mask", "lie"]
_OUTPUTS = ["dseg", "doubts", "box_images", "transforms", "invert_flags"]


def init_registration_wf(
    *,
    config: RunConfig,
    entry: AtlasEntry,
    modalities: list[str],
    age_weeks: float,
    name: str = "registration_wf",
) -> Workflow:
    """Build the registration of an atlas entry to a subject.

    Affine on the whole cerebrum, from four starts of which the best is kept, then affine and SyN
    in a box around the nuclei, on all modalities at once. The atlas is the fixed image; its
    labels come back through the inverse.

    Parameters
    ----------
    config : RunConfig
    entry : AtlasEntry
    modalities : list of str
        `T2w`, `T1w` or both, in the order of the input images.
    age_weeks : float
        Post-menstrual age the atlas is painted for.

    Inputs
    ------
    t2w, t1w
        Preprocessed, on the home grid.
    home
        The image on whose grid the labels come back.
    brain_mask, lie
        Of it: what is brain, and how the head lies, see `bgpvs_wf.interfaces.head.FindBrain`.

    Outputs
    -------
    dseg
        Labels of the atlas, on the home grid.
    doubts
        How the header contradicts the anatomy.
    box_images
        The atlas as painted, in its own space, around the nuclei, one a modality.
    transforms, invert_flags
        From there to the subject, as ApplyTransforms takes them.
    """
    workflow = Workflow(name=name)
    inputnode = Node(niu.IdentityInterface(fields=_INPUTS), name="inputnode")
    outputnode = Node(niu.IdentityInterface(fields=_OUTPUTS), name="outputnode")
    images = {m: str(p) for m in ("T2w", "T1w") if (p := entry.image(m)) is not None}
    targets = Node(
        AtlasTargets(
            dseg=str(entry.dseg),
            images=images,
            image_stamps=[_stamp(path) for path in images.values()],
            modalities=modalities,
            age_weeks=age_weeks,
            atlas=entry.atlas,
        ),
        name="targets",
        mem_gb=2,
    )
    sources = {}
    for level, voxel_mm in (("whole", WHOLE_MM), ("box", BOX_MM)):
        sources[level] = Node(SourceImages(voxel_mm=voxel_mm), name=f"source_{level}", mem_gb=1.5)
        for key in (modality.lower() for modality in modalities):
            workflow.connect(inputnode, key, sources[level], key)
            # Both are on the home grid.
            workflow.connect(inputnode, "brain_mask", sources[level], f"{key}_brain_mask")
    choose = _add_starts(workflow, config, targets, sources["whole"], len(modalities))
    box = Node(
        Registration(**_box_settings(config, len(modalities))),
        name="box",
        n_procs=config.threads,
        mem_gb=1,
    )
    labels = Node(
        ApplyTransforms(dimension=3, interpolation="GenericLabel", num_threads=config.threads),
        name="labels",
        n_procs=config.threads,
        mem_gb=3,
    )
    workflow.connect(
        [
            (choose, box, [("transform", "initial_moving_transform")]),
            (targets, box, [("box_images", "fixed_image")]),
            (targets, box, [(("box_mask", _listed), "fixed_image_masks")]),
            (sources["box"], box, [("images", "moving_image")]),
            (targets, labels, [("dseg", "input_image")]),
            (inputnode, labels, [("home", "reference_image")]),
            (
                box,
                labels,
                [
                    ("reverse_transforms", "transforms"),
                    ("reverse_invert_flags", "invert_transform_flags"),
                ],
            ),
            (labels, outputnode, [("output_image", "dseg")]),
            (choose, outputnode, [("doubts", "doubts")]),
            (targets, outputnode, [("box_images", "box_images")]),
            (
                box,
                outputnode,
                [("reverse_transforms", "transforms"), ("reverse_invert_flags", "invert_flags")],
            ),
        ]
    )
    return workflow


def _add_starts(
    workflow: Workflow, config: RunConfig, targets: Node, source: Node, images: int
) -> Node:
    """Add the affine registrations of the whole cerebrum; return the node that chooses one."""
    inputnode = workflow.get_node("inputnode")
    starts = Node(Starts(), name="starts")
    choose = Node(ChooseStart(), name="choose")
    warped = Node(niu.Merge(len(TURNS)), name="warped")
    transforms = Node(niu.Merge(len(TURNS)), name="transforms")
    for number in range(len(TURNS)):
        whole = Node(
            Registration(**_whole_settings(config, images)),
            name=f"whole_{number}",
            n_procs=config.threads,
            mem_gb=1,
        )
        workflow.connect(
            [
                (starts, whole, [((f"start_{number}", _listed), "initial_moving_transform")]),
                (targets, whole, [("whole_images", "fixed_image")]),
                (targets, whole, [(("whole_mask", _listed), "fixed_image_masks")]),
                (source, whole, [("images", "moving_image")]),
                (whole, warped, [("warped_image", f"in{number + 1}")]),
                (whole, transforms, [("forward_transforms", f"in{number + 1}")]),
            ]
        )
    workflow.connect(
        [
            (targets, starts, [("whole_mask", "fixed")]),
            (source, starts, [(("images", _first), "moving")]),
            (inputnode, starts, [("lie", "lie")]),
            (inputnode, choose, [("lie", "lie")]),
            (source, choose, [(("images", _first), "moving")]),
            (targets, choose, [("whole_images", "fixed"), ("whole_mask", "mask")]),
            (warped, choose, [("out", "warped")]),
            (transforms, choose, [("out", "transforms")]),
        ]
    )
    return choose


def _whole_settings(config: RunConfig, images: int) -> dict[str, Any]:
    stages = [
        ("Rigid", (0.1,), [100, 50], [4, 2], [2.0, 1.0], "MI", 32),
        ("Affine", (0.1,), [100, 50], [4, 2], [2.0, 1.0], "MI", 32),
    ]
    return _settings(config, stages, images, output_warped_image="warped.nii.gz")


def _box_settings(config: RunConfig, images: int) -> dict[str, Any]:
    stages = [
        # Not affine: in a box so small it shrinks the nuclei onto their medial half (tried).
        ("Rigid", (0.05,), [40, 20], [4, 2], [1.0, 0.5], "MI", 32),
        # Stiff (flow and total sigma in voxels): inside the nuclei there is little to hold on to.
        ("SyN", (0.1, 4.0, 0.5), [30, 15], [4, 2], [1.0, 0.5], "CC", 3),
    ]
    return _settings(config, stages, images)


def _settings(
    config: RunConfig, stages: list[tuple[Any, ...]], images: int, **further: Any
) -> dict[str, Any]:
    """Turn rows (transform, parameters, iterations, shrink, smooth, metric, radius) into inputs."""
    transform, parameters, iterations, shrink, smooth, metric, radius = zip(*stages, strict=True)
    return {
        "dimension": 3,
        "float": True,
        "random_seed": config.random_seed % 2**31,
        "transforms": list(transform),
        "transform_parameters": list(parameters),
        "number_of_iterations": list(iterations),
        "shrink_factors": list(shrink),
        "smoothing_sigmas": list(smooth),
        "sigma_units": ["vox"] * len(stages),
        "metric": [[name] * images for name in metric],
        "metric_weight": [[1.0 / images] * images for _ in stages],
        "radius_or_number_of_bins": [[value] * images for value in radius],
        "sampling_strategy": [["None"] * images for _ in stages],
        "convergence_threshold": [1e-6] * len(stages),
        "convergence_window_size": [10] * len(stages),
        "winsorize_lower_quantile": 0.005,
        "winsorize_upper_quantile": 0.995,
        # Matching histograms would force the contrast of one on the other.
        "use_histogram_matching": [False] * len(stages),
        "collapse_output_transforms": True,
        "num_threads": config.threads,
        **further,
    }


def _stamp(path: str) -> list[int]:
    import os

    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]


def _first(items: list[str]) -> str:
    return items[0]


def _listed(item: str) -> list[str]:
    return [item]
