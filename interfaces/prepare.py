"""Interfaces of the stage `prepare`: conform, align, scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import File, TraitedSpec, isdefined, traits

from bgpvs_wf.interfaces.base import HomeInputSpec, HomeInterface, read_array, read_mask


class ConformInputSpec(HomeInputSpec):
    in_file = File(mandatory=True, desc="image as scanned")
    modality = traits.Enum("T2w", "T1w", usedefault=True)
    home = traits.Bool(True, usedefault=True, desc="whether PVS are looked for on its grid")
    brain_mask = File(desc="on the grid of the image; its header is looked at, too")


class ConformOutputSpec(TraitedSpec):
    out_file = File(desc="float32, the head alone, a header that ITK reads like nibabel")
    scan_grid = traits.Dict(desc="the whole grid, see `bgpvs_wf.imaging.geometry.Grid.to_dict`")
    doubts = traits.List(traits.Str(), desc="what is suspicious about header and voxels")
    sides_known = traits.Bool(desc="whether the header tells left from right")


class Conform(HomeInterface):
    """Check an image; cut out the head, from zero on, with a clean header, on the same grid."""

    input_spec = ConformInputSpec
    output_spec = ConformOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.imaging.files import read_image
        from bgpvs_wf.imaging.geometry import Grid, crop_affine
        from bgpvs_wf.imaging.intensity import head_box
        from bgpvs_wf.imaging.signal import from_zero, signal_doubts, thickness_doubt

        inputs = self.inputs
        found = read_image(inputs.in_file, what=inputs.modality)
        affine = found.image.affine
        where = f"{inputs.modality} {inputs.in_file}"
        data, shifted = from_zero(np.asarray(found.image.dataobj, np.float32), where)
        said = [shifted, *signal_doubts(data), thickness_doubt(affine) if inputs.home else ""]
        name = f"{inputs.modality} {Path(inputs.in_file).name}"
        doubts = [*found.doubts, *(f"{name} {text}." for text in said if text)]
        brain = None
        if isdefined(inputs.brain_mask):
            mask = read_image(inputs.brain_mask, what="Brain mask", allow_constant=True)
            doubts += mask.doubts
            brain = np.asanyarray(mask.image.dataobj) > 0
        box = head_box(data, affine, brain)
        self._results["out_file"] = self.write(
            runtime, f"{inputs.modality}.nii.gz", data[box], crop_affine(affine, box)
        )
        self._results["scan_grid"] = Grid(data.shape, affine).to_dict()
        self._results["doubts"] = doubts
        self._results["sides_known"] = found.sides_known
        return runtime


class CoarseBrainInputSpec(HomeInputSpec):
    in_file = File(mandatory=True)
    brain_mask = File(desc="on the grid of the image; default: all that has a signal is brain")
    voxel_mm = traits.Float(mandatory=True)


class CoarseBrainOutputSpec(TraitedSpec):
    out_file = File()
    mask = File(desc="voxels that are all brain")


class CoarseBrain(HomeInterface):
    """Cut out the brain and coarsen it, to estimate its bias field."""

    input_spec = CoarseBrainInputSpec
    output_spec = CoarseBrainOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.imaging.intensity import coarse_brain

        data, affine = read_array(self.inputs.in_file)
        image, inside, grid = coarse_brain(
            data, affine, read_mask(self.inputs.brain_mask), self.inputs.voxel_mm
        )
        self._results["out_file"] = self.write(runtime, "brain.nii.gz", image, grid)
        mask = inside.astype(np.uint8)
        self._results["mask"] = self.write(runtime, "mask.nii.gz", mask, grid, labels=True)
        return runtime


class DivideBiasInputSpec(HomeInputSpec):
    in_file = File(mandatory=True)
    bias = File(mandatory=True, desc="bias field, on a coarser grid")
    mask = File(desc="of the brain, on the grid of the bias field")


class DivideBiasOutputSpec(TraitedSpec):
    out_file = File()
    bias_percent = traits.Float(desc="range of the field in the brain, 5th to 95th percentile")


class DivideBias(HomeInterface):
    """Divide an image by a bias field estimated on a coarser grid."""

    input_spec = DivideBiasInputSpec
    output_spec = DivideBiasOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.imaging.intensity import bias_percent, divide_bias

        data, affine = read_array(self.inputs.in_file)
        bias, grid = read_array(self.inputs.bias, "bias field")
        corrected = divide_bias(data, affine, bias, grid)
        self._results["bias_percent"] = bias_percent(bias, read_mask(self.inputs.mask))
        self._results["out_file"] = self.write(runtime, "corrected.nii.gz", corrected, affine)
        return runtime


class ScaleInputSpec(HomeInputSpec):
    in_file = File(mandatory=True)
    brain_mask = File(desc="on the grid of the image")


class ScaleOutputSpec(TraitedSpec):
    out_file = File(desc="median of the brain 100, zero stays zero")


class Scale(HomeInterface):
    """Put an image on the scale of `bgpvs_wf.imaging.intensity.scale_to_brain`."""

    input_spec = ScaleInputSpec
    output_spec = ScaleOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.imaging.intensity import scale_to_brain

        data, affine = read_array(self.inputs.in_file)
        scaled = scale_to_brain(data, read_mask(self.inputs.brain_mask))
        self._results["out_file"] = self.write(runtime, "scaled.nii.gz", scaled, affine)
        return runtime


class ComparePairInputSpec(HomeInputSpec):
    transforms = traits.List(
        File(), mandatory=True, desc="the affine one that fits T1w and T2w, as ANTs writes it"
    )


class ComparePairOutputSpec(TraitedSpec):
    stretch_percent = traits.Float(desc="by how much one has to be stretched to fit the other")


class ComparePair(HomeInterface):
    """Tell how far T1w and T2w are from showing the same head."""

    input_spec = ComparePairInputSpec
    output_spec = ComparePairOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.imaging.itk import read_itk
        from bgpvs_wf.imaging.signal import stretch_percent

        (path,) = self.inputs.transforms
        self._results["stretch_percent"] = stretch_percent(read_itk(path)[:3, :3])
        return runtime


class SourceImagesInputSpec(HomeInputSpec):
    t2w = File(desc="preprocessed")
    t1w = File(desc="preprocessed, on any grid")
    t2w_brain_mask = File(desc="on the grid of the T2w")
    t1w_brain_mask = File(desc="on the grid of the T1w")
    voxel_mm = traits.Float(mandatory=True)


class SourceImagesOutputSpec(TraitedSpec):
    t2w = File()
    t1w = File()
    images = traits.List(File(), desc="those there are, T2w first")


class SourceImages(HomeInterface):
    """Crop and coarsen a subject's images for one level of a registration."""

    input_spec = SourceImagesInputSpec
    output_spec = SourceImagesOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.anatomy.targets import shared_brain, source_image

        names = [name for name in ("t2w", "t1w") if isdefined(getattr(self.inputs, name))]
        images = [read_array(getattr(self.inputs, name)) for name in names]
        masks = [getattr(self.inputs, f"{name}_brain_mask") for name in names]
        brains = [read_mask(mask) for mask in masks]
        made = []
        for place, (name, (data, affine)) in enumerate(zip(names, images, strict=True)):
            brain, other = brains[place], brains[1 - place] if len(brains) > 1 else None
            if brain is not None and other is not None and masks[0] != masks[1]:
                brain = shared_brain(brain, affine, other, images[1 - place][1])
            image, grid = source_image(data, affine, brain, self.inputs.voxel_mm)
            self._results[name] = self.write(runtime, f"{name}.nii.gz", image, grid)
            made.append(self._results[name])
        self._results["images"] = made
        return runtime
