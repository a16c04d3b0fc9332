"""Interfaces around antsJointFusion: into the box of the nuclei, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from nipype.interfaces.base import (
    File,
    InputMultiPath,
    TraitedSpec,
    traits,
)

from bgpvs_wf.interfaces.base import HomeInputSpec, HomeInterface, read_array


class FusionBoxInputSpec(HomeInputSpec):
    images = InputMultiPath(File(), mandatory=True, desc="of the subject, on the home grid")
    dsegs = traits.List(File(), mandatory=True, desc="registered labels, an atlas each")


class FusionBoxOutputSpec(TraitedSpec):
    targets = traits.List(traits.List(File()), desc="the images in the box, in one list")
    reference = File(desc="the first of them")
    dsegs = traits.List(File(), desc="the labels in the box")
    mask = File(desc="where to fuse")
    corner = traits.List(traits.Int(), desc="of the box, voxels of the home grid")


class FusionBox(HomeInterface):
    """Cut the subject and all registered labels to the box of the nuclei."""

    input_spec = FusionBoxInputSpec
    output_spec = FusionBoxOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.anatomy.fusion import disputed, nuclei_box, share_labels
        from bgpvs_wf.imaging.geometry import crop_affine

        dsegs = _registered(self.inputs.dsegs)
        affine = read_array(self.inputs.dsegs[0])[1]
        box = nuclei_box(dsegs, affine)
        cropped = crop_affine(affine, box)
        parts = share_labels([dseg[box] for dseg in dsegs], cropped)
        targets = [
            self.write(runtime, f"target{n}.nii.gz", read_array(path)[0][box], cropped)
            for n, path in enumerate(self.inputs.images, start=1)
        ]
        self._results["targets"] = [targets]
        self._results["reference"] = targets[0]
        self._results["dsegs"] = [
            self.write(runtime, f"dseg{n}.nii.gz", part, cropped, labels=True)
            for n, part in enumerate(parts, start=1)
        ]
        mask = disputed(parts).astype(np.uint8)
        self._results["mask"] = self.write(runtime, "mask.nii.gz", mask, cropped, labels=True)
        self._results["corner"] = [int(part.start) for part in box]
        return runtime


class PutBackInputSpec(HomeInputSpec):
    dseg = File(mandatory=True, desc="labels of the first atlas, on the home grid")
    fused = File(mandatory=True, desc="fused labels, in the box")
    mask = File(mandatory=True, desc="where they are fused")
    corner = traits.List(traits.Int(), mandatory=True)


class PutBackOutputSpec(TraitedSpec):
    dseg = File()


class PutBack(HomeInterface):
    """Put fused labels back on the home grid."""

    input_spec = PutBackInputSpec
    output_spec = PutBackOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.anatomy.fusion import put_back

        dseg, affine = read_array(self.inputs.dseg, "registered atlas")
        fused = read_array(self.inputs.fused, "fused labels")[0]
        mask = read_array(self.inputs.mask, "mask")[0] > 0
        out = put_back(dseg.astype(np.int16), fused, mask, self.inputs.corner)
        self._results["dseg"] = self.write(runtime, "fused.nii.gz", out, affine, labels=True)
        return runtime


def _registered(paths: list[str]) -> list[np.ndarray]:
    """Return the labels of all atlases, each known to lie in the image."""
    from bgpvs_wf.anatomy.harmonisation import require_nuclei

    dsegs = []
    for number, path in enumerate(paths, start=1):
        dseg = read_array(path, "registered atlas")[0].astype(np.int16)
        require_nuclei(dseg, source=f"Atlas {number} after its registration")
        dsegs.append(dseg)
    return dsegs
