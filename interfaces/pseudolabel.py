"""Interface of the stage `pseudolabel`."""

from __future__ import annotations

from typing import Any

from nipype.interfaces.base import File, TraitedSpec, traits

from bgpvs_wf.interfaces.base import (
    HomeInputSpec,
    HomeInterface,
    read_array,
    read_optional,
    setting_trait,
)


class PseudolabelInputSpec(HomeInputSpec):
    t2w = File(desc="preprocessed, on the home grid")
    t1w = File(desc="preprocessed, on the home grid")
    anatomy = File(mandatory=True, desc="harmonised labels, on the home grid")
    bg_probability = File(desc="probability of the basal ganglia")
    settings = traits.Dict(mandatory=True, desc="fields of PseudolabelConfig")
    bg_region = setting_trait("anatomy.bg_region")
    include_thalamus = setting_trait("anatomy.include_thalamus")


class PseudolabelOutputSpec(TraitedSpec):
    dseg = File(desc="0 rest, 1 BG, 2 BG-PVS")
    confidence = File()
    record = traits.Dict(desc="what was found and what was refused, and why")


class Pseudolabel(HomeInterface):
    """Synthesise pseudo-labels from anatomy and tube filter."""

    input_spec = PseudolabelInputSpec
    output_spec = PseudolabelOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.config import PseudolabelConfig
        from bgpvs_wf.pseudolabels import synthesise_pseudolabels

        anatomy, affine = read_array(self.inputs.anatomy, "anatomy")
        labels = synthesise_pseudolabels(
            t2w=read_optional(self.inputs.t2w, "T2w"),
            t1w=read_optional(self.inputs.t1w, "T1w"),
            affine=affine,
            anatomy=anatomy,
            config=PseudolabelConfig(**self.inputs.settings),
            bg_region=self.inputs.bg_region,
            include_thalamus=self.inputs.include_thalamus,
            nuclei_probability=read_optional(self.inputs.bg_probability),
        )
        self._results["dseg"] = self.write(runtime, "dseg.nii.gz", labels.dseg, affine, labels=True)
        self._results["confidence"] = self.write(
            runtime, "confidence.nii.gz", labels.confidence, affine
        )
        self._results["record"] = labels.record
        return runtime
