"""Interfaces around trainings: cases, new labels, bundles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from nipype.interfaces.base import File, TraitedSpec, isdefined, traits

from bgpvs_wf.interfaces.base import (
    HomeInputSpec,
    HomeInterface,
    read_array,
    read_mask,
    read_optional,
)

if TYPE_CHECKING:
    from bgpvs_wf.learning.nets.architectures import NetworkConfig


class CutCaseInputSpec(HomeInputSpec):
    t2w = File(desc="preprocessed, on the home grid")
    t1w = File(desc="preprocessed, on the home grid")
    brain_mask = File(desc="on the home grid; default: all that has a signal is brain")
    anatomy = File(mandatory=True, desc="harmonised labels, on the home grid")
    bgpvs = File(mandatory=True, desc="0 rest, 1 BG, 2 BG-PVS, on the home or the scan's grid")
    scan_grid = traits.Dict(desc="of the labels that are given; default: the home grid")
    confidence = File(desc="how sure the labels are, 0 to 1")
    fluid = File(desc="share of each voxel that a PVS fills, on their grid")
    ignore = File(desc="voxels about which nothing is known, on their grid")
    brightness = traits.Float(desc="of the fluid in PVS, where it is known")
    by_hand = traits.Bool(mandatory=True, desc="whether the labels were given")
    subject = traits.Str(mandatory=True)
    folder = traits.Str(mandatory=True, hash_files=False, desc="where the case goes")


class CutCaseOutputSpec(TraitedSpec):
    case = File(desc="case.json")


class CutCase(HomeInterface):
    """Cut a labelled subject as the networks see it."""

    input_spec = CutCaseInputSpec
    output_spec = CutCaseOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.imaging.files import check_labels_on_grid, load_image
        from bgpvs_wf.imaging.geometry import Grid, place_in
        from bgpvs_wf.learning.data.case import case_of_labels

        inputs = self.inputs
        image = load_image(inputs.t2w if isdefined(inputs.t2w) else inputs.t1w)
        home = Grid(image.shape, image.affine)
        whole = Grid.from_dict(inputs.scan_grid) if isdefined(inputs.scan_grid) else home
        labels = load_image(inputs.bgpvs, what="labels", allow_constant=True)
        check_labels_on_grid(labels, whole, labels_path=inputs.bgpvs, image_path=inputs.subject)
        part = place_in(home, whole)
        told = {
            key: None if (data := read_optional(path, what)) is None else data[part]
            for key, path, what in (
                ("ignore", inputs.ignore, "ignore mask"),
                ("fluid", inputs.fluid, "PVS occupancy"),
            )
        }
        case = case_of_labels(
            Path(inputs.folder),
            inputs.subject,
            t2w=read_optional(inputs.t2w, "T2w"),
            t1w=read_optional(inputs.t1w, "T1w"),
            affine=home.affine,
            brain=read_mask(inputs.brain_mask),
            anatomy=read_array(inputs.anatomy, "anatomy")[0],
            bgpvs=np.asanyarray(labels.dataobj)[part],
            confidence=read_optional(inputs.confidence, "confidence"),
            **told,
            by_hand=inputs.by_hand,
            **({"brightness": inputs.brightness} if isdefined(inputs.brightness) else {}),
        )
        self._results["case"] = str(case.folder / "case.json")
        return runtime


class RelabelInputSpec(HomeInputSpec):
    cases = traits.List(File(), mandatory=True)
    weights = traits.List(File(), mandatory=True, desc="of the networks of a member")
    networks = traits.List(traits.Dict(), mandatory=True, desc="fields of NetworkConfig of each")
    folder = traits.Str(mandatory=True, hash_files=False)
    threads = traits.Int(1, usedefault=True, nohash=True)


class RelabelOutputSpec(TraitedSpec):
    cases = traits.List(File(), desc="with the labels that the network gives; given ones stay")


class Relabel(HomeInterface):
    """Replace pseudo-labels by what a network that learnt from them finds."""

    input_spec = RelabelInputSpec
    output_spec = RelabelOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import torch

        from bgpvs_wf.learning.data.case import read_case
        from bgpvs_wf.learning.inference.ensemble import load_members
        from bgpvs_wf.learning.training.selftraining import relabel_all

        inputs = self.inputs
        torch.set_num_threads(inputs.threads)
        (member,) = load_members(inputs.weights, _configs(inputs.networks))
        cases = [read_case(path) for path in inputs.cases]
        made = relabel_all(cases, member, Path(inputs.folder))
        self._results["cases"] = [str(case.folder / "case.json") for case in made]
        return runtime


class AssembleInputSpec(HomeInputSpec):
    coarse = File(desc="weights of the coarse network")
    coarse_model = traits.Str(desc="or the model to take it from", hash_files=False)
    coarse_checksum = traits.Str(desc="of that model")
    coarse_network = traits.Dict(desc="fields of NetworkConfig")
    head = File(desc="weights of the network for whole heads")
    head_model = traits.Str(desc="or the model to take it from", hash_files=False)
    head_checksum = traits.Str(desc="of its weights in that model")
    head_network = traits.Dict(desc="fields of NetworkConfig")
    mask = File(desc="likewise, of the one that sees the mask of the brain")
    mask_model = traits.Str(hash_files=False)
    mask_checksum = traits.Str()
    mask_network = traits.Dict()
    fine = traits.List(File(), mandatory=True, desc="weights of all fine networks, by members")
    progress = traits.List(File(), mandatory=True, desc="of all trainings")
    names = traits.List(traits.Str(), mandatory=True, desc="of all trainings")
    networks = traits.List(traits.Dict(), mandatory=True, desc="of the networks of a member")
    held_out = traits.List(File())
    recipe = traits.Dict(mandatory=True, hash_files=False)
    n_cases = traits.Int(mandatory=True)
    learnt = traits.List(File(), desc="cases to choose the threshold on if none is held out")
    usual_threshold = traits.Float(mandatory=True, desc="of PVS, where no case has any")
    folder = traits.Str(mandatory=True, hash_files=False, desc="where the model goes")
    threads = traits.Int(1, usedefault=True, nohash=True)


class AssembleOutputSpec(TraitedSpec):
    model = traits.Str(hash_files=False, desc="folder of the model")


class Assemble(HomeInterface):
    """Assess a model on what was held out, and write it as a bundle."""

    input_spec = AssembleInputSpec
    output_spec = AssembleOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import torch

        from bgpvs_wf.learning.data.case import read_case
        from bgpvs_wf.learning.inference.ensemble import load_members
        from bgpvs_wf.learning.training.assessment import assess_model
        from bgpvs_wf.learning.training.trained_model import write_model
        from bgpvs_wf.reports.training_curves import training_curves

        inputs = self.inputs
        torch.set_num_threads(inputs.threads)
        members = load_members(inputs.fine, _configs(inputs.networks))
        cases = [read_case(path) for path in inputs.held_out or inputs.learnt]
        assessment = assess_model(
            members, cases, inputs.usual_threshold, held_out=bool(inputs.held_out)
        )
        texts = [Path(path).read_text(encoding="utf-8") for path in inputs.progress]
        trainings = dict(zip(inputs.names, map(json.loads, texts), strict=True))
        head, mask = _trained(inputs, "head"), _trained(inputs, "mask")
        folder = write_model(
            Path(inputs.folder),
            recipe=inputs.recipe,
            head=None if head is None else (head, mask),
            coarse=_trained(inputs, "coarse"),
            members=members,
            assessment=assessment,
            trainings=trainings,
            curves=training_curves(trainings),
            n_cases=inputs.n_cases,
        )
        self._results["model"] = str(folder)
        return runtime


def _trained(inputs: Any, name: str) -> Any:
    """Return a network and its weights, trained here or of a model; None if there is neither."""
    import torch

    from bgpvs_wf.learning.models.bundle import load_trained

    weights, folder = getattr(inputs, name), getattr(inputs, f"{name}_model")
    if isdefined(weights):
        (config,) = _configs([getattr(inputs, f"{name}_network")])
        return config, torch.load(weights, map_location="cpu", weights_only=True)
    return load_trained(folder, name) if isdefined(folder) else None


def _configs(networks: Iterable[Mapping[str, Any]]) -> list[NetworkConfig]:
    from bgpvs_wf.learning.nets.architectures import NetworkConfig

    return [NetworkConfig(**fields) for fields in networks]
