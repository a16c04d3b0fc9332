"""Interfaces of the stage `quantify`: measure, tell the quality, and judge whether it can be."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from nipype.interfaces.base import File, TraitedSpec, isdefined, traits

from bgpvs_wf.interfaces.base import (
    HomeInputSpec,
    HomeInterface,
    read_array,
    read_optional,
    setting_trait,
)


class MeasureInputSpec(HomeInputSpec):
    bgpvs = File(mandatory=True, desc="0 rest, 1 BG, 2 BG-PVS")
    anatomy = File(mandatory=True, desc="harmonised labels")
    t2w = File()
    t1w = File()
    probability = File(desc="of a PVS, as networks tell it; undefined without any")
    record = traits.Dict(desc="what the segmentation says of itself")
    settings = traits.Dict(mandatory=True, desc="fields of QuantifyConfig")
    bg_region = setting_trait("anatomy.bg_region")
    include_thalamus = setting_trait("anatomy.include_thalamus")
    sides_known = traits.Bool(True, usedefault=True, desc="by the header; if not, they are marked")
    anatomy_doubts = traits.List(traits.Str(), desc="of the stage anatomy")
    predict_doubts = traits.List(traits.Str(), desc="of the stage predict")


class MeasureOutputSpec(TraitedSpec):
    regions = File(desc="TSV, a row a region")
    objects = File(desc="TSV, a row a PVS")
    instances = File(desc="number of the PVS in every voxel")


class Measure(HomeInterface):
    """Measure regions and perivascular spaces."""

    input_spec = MeasureInputSpec
    output_spec = MeasureOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.anatomy.starts import contradicts_header
        from bgpvs_wf.config import QuantifyConfig
        from bgpvs_wf.quantification import mark_sides, measure
        from bgpvs_wf.quantification.group import write_tsv

        bgpvs, affine = read_array(self.inputs.bgpvs, "BG-PVS labels")
        record = self.inputs.record if isdefined(self.inputs.record) else {}
        found = measure(
            bgpvs=bgpvs,
            anatomy=read_array(self.inputs.anatomy, "anatomy")[0],
            affine=affine,
            t2w=read_optional(self.inputs.t2w, "T2w"),
            t1w=read_optional(self.inputs.t1w, "T1w"),
            probability=read_optional(self.inputs.probability, "PVS probability"),
            margin=record.get("pvs_volume_margin"),
            config=QuantifyConfig(**self.inputs.settings),
            include_thalamus=self.inputs.include_thalamus,
            bg_region=self.inputs.bg_region,
        )
        stages = (self.inputs.anatomy_doubts, self.inputs.predict_doubts)
        doubts = [doubt for told in stages if isdefined(told) for doubt in told]
        sides_known = self.inputs.sides_known and not contradicts_header(doubts)
        for name, table in (("regions", found.regions), ("objects", found.objects)):
            path = os.path.join(runtime.cwd, f"{name}.tsv")
            table = table if sides_known else mark_sides(table)
            self._results[name] = str(write_tsv(table, path))
        self._results["instances"] = self.write(
            runtime, "instances.nii.gz", found.instances, affine, labels=True
        )
        return runtime


class QualityInputSpec(HomeInputSpec):
    bgpvs = File(mandatory=True, desc="0 rest, 1 BG, 2 BG-PVS")
    anatomy = File(mandatory=True, desc="harmonised labels")
    instances = File(mandatory=True, desc="number of the PVS in every voxel")
    t2w = File(desc="preprocessed")
    t1w = File(desc="preprocessed")
    age_weeks = traits.Either(None, traits.Float(), desc="post-menstrual age")
    record = traits.Dict(desc="what the segmentation says of itself")
    t2w_bias_percent = traits.Float(desc="range of the bias field")
    t1w_bias_percent = traits.Float(desc="range of the bias field")
    stretch_percent = traits.Float(desc="that the T1w needs to fit the T2w best")


class QualityOutputSpec(TraitedSpec):
    quality = File(desc="TSV, one row")
    doubts = traits.List(traits.Str(), desc="what speaks against the scan")


class Quality(HomeInterface):
    """Measure how good a scan is, and how sure its result."""

    input_spec = QualityInputSpec
    output_spec = QualityOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.quality.measures import doubts_about
        from bgpvs_wf.quality.scan import Scan, measure_quality, quality_table
        from bgpvs_wf.quantification.group import write_tsv

        inputs = self.inputs
        bgpvs, affine = read_array(inputs.bgpvs, "BG-PVS labels")
        found = measure_quality(
            Scan(
                images=_images(inputs),
                anatomy=read_array(inputs.anatomy, "anatomy")[0],
                bgpvs=bgpvs,
                instances=read_array(inputs.instances, "PVS")[0],
                affine=affine,
                age_weeks=_told(inputs.age_weeks, None),
                record=_told(inputs.record, {}),
                bias_percent={
                    "T2w": _told(inputs.t2w_bias_percent, math.nan),
                    "T1w": _told(inputs.t1w_bias_percent, math.nan),
                },
                stretch_percent=_told(inputs.stretch_percent, math.nan),
            )
        )
        path = os.path.join(runtime.cwd, "quality.tsv")
        self._results["quality"] = str(write_tsv(quality_table(found), path))
        self._results["doubts"] = doubts_about(found)
        return runtime


def _images(inputs: Any) -> dict[str, np.ndarray]:
    """Return the images there are, the home image first."""
    images = {"T2w": read_optional(inputs.t2w, "T2w"), "T1w": read_optional(inputs.t1w, "T1w")}
    return {name: image for name, image in images.items() if image is not None}


def _told(value: Any, otherwise: Any) -> Any:
    return value if isdefined(value) else otherwise


class JudgeInputSpec(HomeInputSpec):
    bgpvs = File(mandatory=True, desc="0 rest, 1 BG, 2 BG-PVS")
    anatomy = File(mandatory=True, desc="harmonised labels")
    t2w = File(desc="preprocessed")
    t1w = File(desc="preprocessed")
    age_weeks = traits.Either(None, traits.Float(), desc="post-menstrual age")
    record = traits.Dict(desc="what the prediction says of itself")
    given = traits.Bool(False, usedefault=True, desc="people gave the nuclei: nothing fails")
    scan = traits.Str("The scan", usedefault=True, hash_files=False, desc="what the user calls it")


class JudgeOutputSpec(TraitedSpec):
    doubts = traits.List(traits.Str(), desc="what is not credible about the results")


class Judge(HomeInterface):
    """Doubt results that are not credible, and refuse those that cannot be."""

    input_spec = JudgeInputSpec
    output_spec = JudgeOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.quantification.bounds import Result
        from bgpvs_wf.quantification.credible import judge, require_credible

        inputs = self.inputs
        bgpvs, affine = read_array(inputs.bgpvs, "BG-PVS labels")
        findings = judge(
            Result(
                anatomy=read_array(inputs.anatomy, "anatomy")[0],
                bgpvs=bgpvs,
                affine=affine,
                images=_images(inputs),
                age_weeks=_told(inputs.age_weeks, None),
                record=_told(inputs.record, None),
                given=inputs.given,
            )
        )
        self._results["doubts"] = require_credible(findings, source=inputs.scan)
        return runtime
