"""Interface that finds the brain in a head as it was scanned."""

from __future__ import annotations

from typing import Any

import numpy as np
from nipype.interfaces.base import File, TraitedSpec, isdefined, traits

from bgpvs_wf.interfaces.base import (
    HomeInputSpec,
    HomeInterface,
    read_array,
    setting_trait,
)


class FindBrainInputSpec(HomeInputSpec):
    in_file = File(mandatory=True, desc="image with a clean header")
    modality = traits.Enum("T2w", "T1w", usedefault=True)
    brain_mask = File(desc="on the grid of the scan that the image is cut out of; default: found")
    model = traits.Str(mandatory=True, nohash=True, desc="folder of the model, wherever it is")
    model_checksum = traits.Str(mandatory=True, desc="so that the hash sees what is in it")
    device = setting_trait("predict.device", nohash=True)
    threads = traits.Int(1, usedefault=True, nohash=True, desc="of torch on a processor")


class FindBrainOutputSpec(TraitedSpec):
    brain_mask = File(desc="as found, or as given")
    lie = traits.Dict(
        desc="how the head lies, see `bgpvs_wf.learning.heads.lie.Lie`; empty if unknown"
    )
    seen = traits.Bool(desc="whether it was seen by a network, not given or extracted before")
    doubts = traits.List(traits.Str())


class FindBrain(HomeInterface):
    """Find the brain in a head, and how the head lies."""

    input_spec = FindBrainInputSpec
    output_spec = FindBrainOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import torch

        from bgpvs_wf.imaging.geometry import Grid, place_in
        from bgpvs_wf.learning.heads.finding import find_brain
        from bgpvs_wf.learning.heads.seeing import HeadNetworks
        from bgpvs_wf.learning.models.bundle import read_bundle
        from bgpvs_wf.learning.nets.sliding_window import choose_device

        inputs = self.inputs
        torch.set_num_threads(inputs.threads)
        model = read_bundle(inputs.model)
        networks = HeadNetworks.load(model, choose_device(inputs.device))
        data, affine = read_array(inputs.in_file)
        given = None
        if isdefined(inputs.brain_mask) and inputs.brain_mask:
            mask, grid = read_array(inputs.brain_mask, "brain mask")
            given = mask[place_in(Grid(data.shape, affine), Grid(mask.shape, grid))] > 0
        found = find_brain(networks, data, affine, modality=inputs.modality, given=given)
        self._results["brain_mask"] = self.write(
            runtime, "brain_mask.nii.gz", found.mask.astype(np.uint8), affine, labels=True
        )
        self._results["seen"] = found.seen
        self._results["lie"] = {} if found.lie is None else found.lie.to_dict()
        self._results["doubts"] = [f"{inputs.modality}: {text}" for text in found.doubts]
        return runtime


class AgreeOnBrainInputSpec(HomeInputSpec):
    brain_mask = File(mandatory=True, desc="as found in the T2w")
    t1w_brain_mask = File(mandatory=True, desc="as found in the T1w, on its grid")
    seen = traits.Bool(mandatory=True, desc="whether that of the T2w was seen by a network")
    t1w_seen = traits.Bool(mandatory=True, desc="likewise")
    transforms = traits.List(
        File(), mandatory=True, desc="the affine one from T2w to T1w, as ANTs writes it"
    )


class AgreeOnBrainOutputSpec(TraitedSpec):
    brain_mask = File(desc="on the grid of the T2w")
    doubts = traits.List(traits.Str())


class AgreeOnBrain(HomeInterface):
    """Find the mask half way between those seen in T2w and T1w; one that was given stays."""

    input_spec = AgreeOnBrainInputSpec
    output_spec = AgreeOnBrainOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.imaging.geometry import Grid
        from bgpvs_wf.imaging.itk import read_itk
        from bgpvs_wf.learning.heads.masking import mask_between

        inputs = self.inputs
        self._results["brain_mask"], self._results["doubts"] = inputs.brain_mask, []
        if not (inputs.seen and inputs.t1w_seen):
            return runtime
        (path,) = inputs.transforms
        mask, affine = read_array(inputs.brain_mask)
        other, there = read_array(inputs.t1w_brain_mask)
        agreed, doubt = mask_between(
            mask > 0, Grid(mask.shape, affine), other > 0, np.linalg.inv(read_itk(path)) @ there
        )
        self._results["brain_mask"] = self.write(
            runtime, "brain_mask.nii.gz", agreed.astype(np.uint8), affine, labels=True
        )
        self._results["doubts"] = [f"T2w: {doubt}"] if doubt else []
        return runtime
