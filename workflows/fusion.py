"""Several registered atlases become one: joint label fusion in the box of the nuclei."""

from __future__ import annotations

from nipype import Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf.anatomy.fusion import PATCH_RADIUS
from bgpvs_wf.config import RunConfig
from bgpvs_wf.interfaces.ants import ApplyTransforms, JointFusion
from bgpvs_wf.interfaces.fusion import FusionBox, PutBack

SEARCH_RADIUS = 1
"""How far a patch may be off, voxels (chosen: the registrations are good to about a voxel)."""
PER_ATLAS = ("dseg", "box_images", "transforms", "invert_flags")
"""What each registration hands over."""


def init_fusion_wf(
    *, config: RunConfig, atlases: int, modalities: int, name: str = "fusion_wf"
) -> Workflow:
    """Build the fusion of the labels of several atlases registered to a subject.

    Each atlas votes in each voxel with a weight that grows with the likeness of its painted image
    and the subject's around there, less where atlases err alike (Wang et al., IEEE Trans Pattern
    Anal Mach Intell 2013, doi 10.1109/TPAMI.2012.143).

    Parameters
    ----------
    config : RunConfig
    atlases : int
        How many, two or more.
    modalities : int
        How many images the subject has, one or two.

    Inputs
    ------
    images
        Of the subject, preprocessed, on the home grid.
    dseg_1, box_images_1, transforms_1, invert_flags_1, dseg_2, ...
        Outputs of `init_registration_wf`, a set an atlas.

    Outputs
    -------
    dseg
        Fused labels on the home grid; those of the first atlas away from the nuclei.
    """
    workflow = Workflow(name=name)
    numbers = range(1, atlases + 1)
    fields = ["images", *(f"{field}_{n}" for n in numbers for field in PER_ATLAS)]
    inputnode = Node(niu.IdentityInterface(fields=fields), name="inputnode")
    outputnode = Node(niu.IdentityInterface(fields=["dseg"]), name="outputnode")
    labels = Node(niu.Merge(atlases), name="labels")
    # A list an atlas, not one long list.
    images = Node(niu.Merge(atlases, no_flatten=True), name="images")
    box = Node(FusionBox(), name="box", mem_gb=2)
    for n in numbers:
        painted = _add_warps(workflow, inputnode, box, config, n, modalities)
        workflow.connect(
            [
                (inputnode, labels, [(f"dseg_{n}", f"in{n}")]),
                (painted, images, [("out", f"in{n}")]),
            ]
        )
    fuse = _fuse_node(config)
    back = Node(PutBack(), name="back", mem_gb=1)
    workflow.connect(
        [
            (inputnode, box, [("images", "images")]),
            (labels, box, [("out", "dsegs")]),
            (box, fuse, [("targets", "target_image"), ("mask", "mask_image")]),
            (box, fuse, [("dsegs", "atlas_segmentation_image")]),
            (images, fuse, [("out", "atlas_image")]),
            (inputnode, back, [("dseg_1", "dseg")]),
            (box, back, [("mask", "mask"), ("corner", "corner")]),
            (fuse, back, [("out_label_fusion", "fused")]),
            (back, outputnode, [("dseg", "dseg")]),
        ]
    )
    return workflow


def _add_warps(
    workflow: Workflow, inputnode: Node, box: Node, config: RunConfig, n: int, modalities: int
) -> Node:
    """Bring an atlas's painted images into the box; return the node that lists them."""
    painted = Node(niu.Merge(modalities), name=f"painted_{n}")
    for index in range(modalities):
        warp = Node(
            ApplyTransforms(dimension=3, interpolation="Linear", num_threads=config.threads),
            name=f"warp_{n}_{index + 1}",
            n_procs=config.threads,
            mem_gb=1,
        )
        given = [
            ((f"box_images_{n}", _item, index), "input_image"),
            (f"transforms_{n}", "transforms"),
            (f"invert_flags_{n}", "invert_transform_flags"),
        ]
        workflow.connect(
            [
                (inputnode, warp, given),
                (box, warp, [("reference", "reference_image")]),
                (warp, painted, [("output_image", f"in{index + 1}")]),
            ]
        )
    return painted


def _fuse_node(config: RunConfig) -> Node:
    fuse = JointFusion(
        dimension=3,
        patch_radius=[PATCH_RADIUS] * 3,
        search_radius=[SEARCH_RADIUS] * 3,
        constrain_nonnegative=True,
        out_label_fusion="fused.nii.gz",
        num_threads=config.threads,
    )
    return Node(fuse, name="fuse", n_procs=config.threads, mem_gb=2)


def _item(items: list[str], index: int) -> str:
    return items[index]
