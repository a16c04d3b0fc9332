"""Interface of the stage `predict`."""

from __future__ import annotations

from typing import Any

from nipype.interfaces.base import File, TraitedSpec, isdefined, traits

from bgpvs_wf.interfaces.base import (
    HomeInputSpec,
    HomeInterface,
    read_array,
    read_mask,
    read_optional,
    setting_trait,
)


class PredictInputSpec(HomeInputSpec):
    t2w = File(desc="preprocessed, on the home grid")
    t1w = File(desc="preprocessed, on the home grid")
    anatomy = File(desc="harmonised labels, on the home grid; default: the model finds the nuclei")
    brain_mask = File(desc="on the home grid; default: all that has a signal is brain")
    lie = traits.Dict(desc="how the head lies, see `bgpvs_wf.interfaces.head.FindBrain`")
    model = traits.Str(mandatory=True, nohash=True, desc="folder of the model, wherever it is")
    model_checksum = traits.Str(mandatory=True, desc="so that the hash sees what is in it")
    device = setting_trait("predict.device", nohash=True)
    threads = traits.Int(1, usedefault=True, nohash=True, desc="of torch on a processor")
    flips = setting_trait("predict.flips")
    bg_region = setting_trait("anatomy.bg_region")
    include_thalamus = setting_trait("anatomy.include_thalamus")


class PredictOutputSpec(TraitedSpec):
    dseg = File(desc="0 rest, 1 BG, 2 BG-PVS")
    anatomy = File(desc="harmonised labels: nuclei and ventricles, or those given")
    pvs_probability = File()
    uncertainty = File(desc="0 to 1")
    record = traits.Dict(desc="what was done and found")
    doubts = traits.List(traits.Str(), desc="how the anatomy contradicts header or names")


class Predict(HomeInterface):
    """Segment nuclei and perivascular spaces with a trained model."""

    input_spec = PredictInputSpec
    output_spec = PredictOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import torch

        from bgpvs_wf.errors import ModelError
        from bgpvs_wf.learning.heads.lie import Lie
        from bgpvs_wf.learning.inference.prediction import predict
        from bgpvs_wf.learning.models.bundle import read_bundle

        inputs = self.inputs
        model = read_bundle(inputs.model)
        if model.checksum != inputs.model_checksum:
            raise ModelError(f"The model {model.folder} changed while this ran; run again.")
        torch.set_num_threads(inputs.threads)
        affine = read_array(inputs.t2w if isdefined(inputs.t2w) else inputs.t1w)[1]
        found = predict(
            model,
            t2w=read_optional(inputs.t2w, "T2w"),
            t1w=read_optional(inputs.t1w, "T1w"),
            affine=affine,
            anatomy=read_optional(inputs.anatomy, "anatomy"),
            brain=read_mask(inputs.brain_mask),
            lie=Lie.from_dict(inputs.lie) if isdefined(inputs.lie) and inputs.lie else None,
            include_thalamus=inputs.include_thalamus,
            bg_region=inputs.bg_region,
            device=inputs.device,
            flips=inputs.flips,
        )
        for name in ("dseg", "anatomy", "pvs_probability", "uncertainty"):
            labels = name in ("dseg", "anatomy")
            self._results[name] = self.write(
                runtime, f"{name}.nii.gz", getattr(found, name), affine, labels=labels
            )
        self._results["record"] = found.record
        self._results["doubts"] = list(found.doubts)
        return runtime
