"""Interfaces for what a cohort has in common: its description, tables and page of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import File, TraitedSpec, isdefined, traits

from bgpvs_wf.errors import TableError
from bgpvs_wf.interfaces.base import HomeInputSpec, HomeInterface


class DescribeDatasetInputSpec(HomeInputSpec):
    output_dir = traits.Str(mandatory=True, desc="to be a BIDS derivative dataset")
    links = traits.Dict(traits.Str(), traits.Str(), desc="datasets it is made from, by name")


class DescribeDatasetOutputSpec(TraitedSpec):
    written = traits.Str(hash_files=False)


class DescribeDataset(HomeInterface):
    """Write `dataset_description.json` of the output folder."""

    input_spec = DescribeDatasetInputSpec
    output_spec = DescribeDatasetOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.bids.derivatives import write_description

        links = {name: Path(path) for name, path in self.inputs.links.items()}
        self._results["written"] = str(write_description(Path(self.inputs.output_dir), links))
        return runtime


class GroupLevelInputSpec(HomeInputSpec):
    written = traits.List(
        traits.List(traits.Str()), mandatory=True, hash_files=False, desc="results of each subject"
    )
    subjects = traits.List(
        traits.Tuple(
            traits.Str(), traits.Either(None, traits.Str()), traits.Either(None, traits.Float())
        ),
        mandatory=True,
        desc="subject, session, and age in weeks after conception, of each",
    )
    output_dir = traits.Str(mandatory=True, desc="that has their results")
    title = traits.Str(mandatory=True, desc="of the page")
    ratings = File(desc="TSV as the page exports it: who is to be excluded is left out")
    norms = File(desc="JSON of norms: centiles are told")
    bids_dir = traits.Str(requires=["norms"], desc="says of whom each level of the norms is")


class GroupLevelOutputSpec(TraitedSpec):
    table = traits.Str(hash_files=False, desc="regions of all, TSV")
    quality = traits.Str(hash_files=False, desc="quality of all, TSV")
    page = traits.Str(hash_files=False, desc="of the cohort, HTML")


class GroupLevel(HomeInterface):
    """Put results and quality of all subjects into tables, and on a page."""

    input_spec = GroupLevelInputSpec
    output_spec = GroupLevelOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.cohort.growth.norms_file import read_norms
        from bgpvs_wf.cohort.growth.standing import levels_of
        from bgpvs_wf.cohort.ratings import read_ratings
        from bgpvs_wf.reports.group.files import Member, write_group

        inputs = self.inputs
        norms = read_norms(inputs.norms) if isdefined(inputs.norms) else None
        levels = {}
        if norms is not None and isdefined(inputs.bids_dir):
            levels = levels_of(norms, Path(inputs.bids_dir), [one[:2] for one in inputs.subjects])
        group = write_group(
            Path(inputs.output_dir),
            [Member(*one) for one in inputs.subjects],
            title=inputs.title,
            ratings=read_ratings(inputs.ratings) if isdefined(inputs.ratings) else None,
            norms=norms,
            levels=levels,
        )
        if group.refused:
            label, why = next(iter(group.refused.items()))
            raise TableError(f"{label}: {why}")
        for name in ("table", "quality", "page"):
            self._results[name] = str(getattr(group, name))
        return runtime
