"""Interface that finds the brain in a head as it was scanned."""

from __future__ import annotations

from typing import Any

import numpy as np
from nipype.interfaces.base import File, TraitedSpec, traits

from bgpvs_wf.interfaces.base import HomeInputSpec, HomeInterface, read_array, read_mask


class FindBrainInputSpec(HomeInputSpec):
    in_file = File(mandatory=True, desc="image with a clean header")
    modality = traits.Enum("T2w", "T1w", usedefault=True)
    brain_mask = File(desc="on the grid of the image; default: it is found")
    model = traits.Str(mandatory=True, nohash=True, desc="folder of the model, wherever it is")
    model_checksum = traits.Str(mandatory=True, desc="so that the hash sees what is in it")
    device = traits.Enum("auto", "cpu", "cuda", usedefault=True, nohash=True)
    threads = traits.Int(1, usedefault=True, nohash=True, desc="of torch on a processor")


class FindBrainOutputSpec(TraitedSpec):
    brain_mask = File(desc="as found, or as given")
    lie = traits.Dict(
        desc="how the head lies, see `bgpvs_wf.learning.heads.lie.Lie`; empty if unknown"
    )
    doubts = traits.List(traits.Str())


class FindBrain(HomeInterface):
    """Find the brain in a head, and how the head lies."""

    input_spec = FindBrainInputSpec
    output_spec = FindBrainOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import torch

        from bgpvs_wf.learning.bundle import read_bundle
        from bgpvs_wf.learning.heads.finding import find_brain
        from bgpvs_wf.learning.heads.seeing import HeadNetworks
        from bgpvs_wf.learning.inference import choose_device

        inputs = self.inputs
        torch.set_num_threads(inputs.threads)
        model = read_bundle(inputs.model)
        networks = HeadNetworks.load(model, choose_device(inputs.device))
        data, affine = read_array(inputs.in_file)
        given = read_mask(inputs.brain_mask)
        found = find_brain(networks, data, affine, modality=inputs.modality, given=given)
        self._results["brain_mask"] = self.write(
            runtime, "brain_mask.nii.gz", found.mask.astype(np.uint8), affine, labels=True
        )
        self._results["lie"] = {} if found.lie is None else found.lie.to_dict()
        self._results["doubts"] = [f"{inputs.modality}: {text}" for text in found.doubts]
        return runtime
