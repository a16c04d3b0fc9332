"""The stage `predict`: nuclei, BG and BG-PVS by a trained model."""

from __future__ import annotations

from nipype import Node, Workflow

from bgpvs_wf.config import RunConfig
from bgpvs_wf.interfaces.predict import Predict
from bgpvs_wf.learning.models.bundle import Model
from bgpvs_wf.workflows.stage import IMAGES, wrap_node

OUTPUTS = ["dseg", "anatomy", "pvs_probability", "uncertainty", "record", "doubts"]


def init_predict_wf(*, config: RunConfig, model: Model, name: str = "predict_wf") -> Workflow:
    """Build the segmentation by a model.

    Parameters
    ----------
    config : RunConfig
    model : Model

    Inputs
    ------
    t2w, t1w, home, images, brain_mask, lie, scan_grid
        As `init_prepare_wf` gives them; one image may be undefined, home, images and scan_grid are
        not used.
    anatomy
        Harmonised labels; where it is undefined, the model finds the nuclei.

    Outputs
    -------
    dseg
        0 rest, 1 BG, 2 BG-PVS.
    anatomy
        Harmonised labels.
    pvs_probability, uncertainty
        0 to 1.
    record
        What was done and found.
    doubts
        How the anatomy contradicts the header, or the names of the images.
    """
    segment = Node(
        Predict(
            model=str(model.folder),
            model_checksum=model.checksum,
            device=config.predict.device,
            flips=config.predict.flips,
            threads=config.threads,
            bg_region=config.anatomy.bg_region,
            include_thalamus=config.anatomy.include_thalamus,
        ),
        name="segment",
        n_procs=config.threads,
        mem_gb=3,
    )
    used = [*IMAGES, "anatomy", "brain_mask", "lie"]
    return wrap_node(name, segment, used, OUTPUTS, unused=("home", "images", "scan_grid"))
