"""Interfaces of the stage `anatomy`: targets, starts, existing labels, refinement."""

from __future__ import annotations

from typing import Any

import numpy as np
from nipype.interfaces.base import (
    File,
    InputMultiPath,
    TraitedSpec,
    isdefined,
    traits,
)

from bgpvs_wf.interfaces.base import HomeInputSpec, HomeInterface, read_array


class AtlasTargetsInputSpec(HomeInputSpec):
    dseg = File(mandatory=True, desc="harmonised labels of the atlas")
    images = traits.Dict(traits.Str(), File(), desc="images of the atlas by modality")
    image_stamps = traits.List(traits.Any(), desc="size and time of those images, for the hash")
    modalities = traits.List(traits.Enum("T2w", "T1w"), mandatory=True)
    age_weeks = traits.Float(mandatory=True, desc="of the subject, post-menstrual")
    atlas = traits.Str("atlas", usedefault=True, desc="name, for messages")


class AtlasTargetsOutputSpec(TraitedSpec):
    whole_images = traits.List(File())
    whole_mask = File()
    box_images = traits.List(File())
    box_mask = File()
    dseg = File()


class AtlasTargets(HomeInterface):
    """Paint an atlas for a subject's age, at the two levels of the registration."""

    input_spec = AtlasTargetsInputSpec
    output_spec = AtlasTargetsOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.anatomy.targets import make_targets

        dseg, affine = read_array(self.inputs.dseg, f"dseg of atlas {self.inputs.atlas}")
        dseg = dseg.astype(np.int16)
        targets = make_targets(
            dseg, affine, self.inputs.age_weeks, self.inputs.modalities, self._images(dseg)
        )
        levels = zip(("whole", "box"), targets, strict=True)
        for level, target in levels:
            self._results[f"{level}_images"] = [
                self.write(runtime, f"{level}_{name}.nii.gz", image, target.affine)
                for name, image in target.images.items()
            ]
            mask = target.mask.astype(np.uint8)
            name = f"{level}_mask.nii.gz"
            self._results[f"{level}_mask"] = self.write(runtime, name, mask, target.affine)
        self._results["dseg"] = self.write(runtime, "dseg.nii.gz", dseg, affine, labels=True)
        return runtime

    def _images(self, dseg: np.ndarray) -> dict[str, np.ndarray] | None:
        """Return the atlas's own images if its labels do not suffice to paint it."""
        from bgpvs_wf.anatomy.intensities import require_paintable
        from bgpvs_wf.errors import AtlasError

        inputs = self.inputs
        try:
            require_paintable(dseg, source=f"Atlas '{inputs.atlas}'")
        except AtlasError:
            if not inputs.images:
                raise
            spare = next(iter(inputs.images.values()))
            paths = {name: inputs.images.get(name, spare) for name in inputs.modalities}
            return {
                name: read_array(path, f"{name} of atlas {inputs.atlas}")[0]
                for name, path in paths.items()
            }
        return None


def found_lie(told: Any, affine: np.ndarray) -> np.ndarray | None:
    """Return the axes of a head in space, shape (3, 3); None if it lies as its header says."""
    from bgpvs_wf.anatomy.starts import turn_degrees
    from bgpvs_wf.imaging.geometry import axes_in_space
    from bgpvs_wf.learning.data.scan import UPRIGHT_DEGREES
    from bgpvs_wf.learning.heads.lie import Lie

    if not isdefined(told) or not told:
        return None
    axes = axes_in_space(affine) @ Lie.from_dict(told).axes
    return axes if turn_degrees(axes) > UPRIGHT_DEGREES else None


class StartsInputSpec(HomeInputSpec):
    fixed = File(mandatory=True)
    moving = File(mandatory=True)
    lie = traits.Dict(desc="how the head lies, see `bgpvs_wf.interfaces.head.FindBrain`")


class StartsOutputSpec(TraitedSpec):
    start_0 = File(desc="as the header says")
    start_1 = File(desc="turned about left-right")
    start_2 = File(desc="turned about front-back")
    start_3 = File(desc="turned about up-down")


class Starts(HomeInterface):
    """Write initial transforms: centres on each other, then turned by 180 degrees."""

    input_spec = StartsInputSpec
    output_spec = StartsOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.anatomy.starts import start_transforms
        from bgpvs_wf.imaging.itk import itk_text

        fixed, fixed_affine = read_array(self.inputs.fixed)
        moving, moving_affine = read_array(self.inputs.moving)
        lie = found_lie(self.inputs.lie, moving_affine)
        starts = start_transforms(fixed, fixed_affine, moving, moving_affine, lie)
        for number, transform in enumerate(starts):
            text = itk_text(transform)
            path = self.write_text(runtime, f"start{number}.txt", text)
            self._results[f"start_{number}"] = path
        return runtime


class ChooseStartInputSpec(HomeInputSpec):
    fixed = InputMultiPath(File(), mandatory=True, desc="atlas, by modality")
    mask = File(mandatory=True)
    warped = traits.List(File(), mandatory=True, desc="the subject in the atlas, a start each")
    transforms = traits.List(File(), mandatory=True, desc="a transform a start")
    moving = File(mandatory=True, desc="the subject, whose header is looked at")
    lie = traits.Dict(desc="as for `Starts`")


class ChooseStartOutputSpec(TraitedSpec):
    transform = traits.List(File())
    doubts = traits.List(traits.Str(), desc="what contradicts the header")


class ChooseStart(HomeInterface):
    """Keep the start that fits best; say so if it turns the header round."""

    input_spec = ChooseStartInputSpec
    output_spec = ChooseStartOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.anatomy.starts import choose_start

        fixed = read_array(self.inputs.fixed[0])[0]
        mask = read_array(self.inputs.mask, "mask")[0] > 0
        warped = [read_array(path)[0] for path in self.inputs.warped]
        lie = found_lie(self.inputs.lie, read_array(self.inputs.moving)[1])
        best, doubts = choose_start(fixed, mask, warped, lie)
        self._results["transform"] = [self.inputs.transforms[best]]
        self._results["doubts"] = list(doubts)
        return runtime


class RefineInputSpec(HomeInputSpec):
    dseg = File(mandatory=True, desc="registered labels on the home grid")
    images = InputMultiPath(File(), mandatory=True, desc="preprocessed, on the home grid")


class RefineOutputSpec(TraitedSpec):
    dseg = File()
    bg_probability = File()


class Refine(HomeInterface):
    """Let registered nuclei follow the borders in the images."""

    input_spec = RefineInputSpec
    output_spec = RefineOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.anatomy.harmonisation import require_nuclei
        from bgpvs_wf.anatomy.refine import refine
        from bgpvs_wf.errors import RegistrationError

        dseg, affine = read_array(self.inputs.dseg, "registered atlas")
        dseg = dseg.astype(np.int16)
        if not dseg.any():
            raise RegistrationError(
                "The atlas fell outside of the image: the registration failed; "
                "check that the image shows the whole basal ganglia, and its orientation."
            )
        require_nuclei(dseg, source="The registered atlas")
        refined = refine(dseg, affine, [read_array(path)[0] for path in self.inputs.images])
        self._results["dseg"] = self.write(
            runtime, "anatomy.nii.gz", refined.dseg, affine, labels=True
        )
        self._results["bg_probability"] = self.write(
            runtime, "bg_probability.nii.gz", refined.bg_probability, affine
        )
        return runtime


class HarmoniseInputSpec(HomeInputSpec):
    dseg = File(mandatory=True, desc="existing labels")
    table = File(desc="their label table")
    home = File(mandatory=True, desc="the head, whose part of them is taken over")
    scan_grid = traits.Dict(mandatory=True, desc="the grid they must have, of the whole scan")
    scan = traits.Str("its image", usedefault=True, hash_files=False, desc="what the user calls it")


class HarmoniseOutputSpec(TraitedSpec):
    dseg = File()
    doubts = traits.List(traits.Str(), desc="what is suspicious about the header of the labels")


class Harmonise(HomeInterface):
    """Take existing labels over into the harmonised ones."""

    input_spec = HarmoniseInputSpec
    output_spec = HarmoniseOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.anatomy.harmonisation import detect_table, harmonise, require_nuclei
        from bgpvs_wf.anatomy.sides import check_sides
        from bgpvs_wf.imaging.files import check_labels_on_grid, load_image, read_image
        from bgpvs_wf.imaging.geometry import Grid, place_in

        source = self.inputs.dseg
        labels, doubts, _ = read_image(source, what="dseg", allow_constant=True)
        home = load_image(self.inputs.home)
        whole = Grid.from_dict(self.inputs.scan_grid)
        check_labels_on_grid(labels, whole, labels_path=source, image_path=self.inputs.scan)
        dseg = np.rint(np.asanyarray(labels.dataobj)).astype(np.int32)
        table_file = self.inputs.table if isdefined(self.inputs.table) else None
        table = detect_table(np.unique(dseg), table_file, source=source)
        harmonised = harmonise(dseg, table, source=source, affine=labels.affine)
        require_nuclei(harmonised, source=source)
        check_sides(harmonised, labels.affine, source=source)
        part = harmonised[place_in(Grid(home.shape, home.affine), whole)]
        self._results["dseg"] = self.write(
            runtime, "anatomy.nii.gz", part, home.affine, labels=True
        )
        self._results["doubts"] = list(doubts)
        return runtime
