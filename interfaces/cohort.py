"""Interfaces for what a cohort has in common: its description, and the table of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import TraitedSpec, traits

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


class GroupTableInputSpec(HomeInputSpec):
    written = traits.List(
        traits.List(traits.Str()), mandatory=True, hash_files=False, desc="results of each subject"
    )
    tables = traits.List(traits.Str(), mandatory=True, desc="those of regions, a subject each")
    ages = traits.List(
        traits.Either(None, traits.Float()), mandatory=True, desc="weeks after conception"
    )
    subjects = traits.List(
        traits.Tuple(traits.Str(), traits.Either(None, traits.Str())),
        mandatory=True,
        desc="subject and session of each",
    )
    table = traits.Str(mandatory=True, desc="where that of all goes")


class GroupTableOutputSpec(TraitedSpec):
    written = traits.Str(hash_files=False)


class GroupTable(HomeInterface):
    """Put the tables of regions of all subjects into one."""

    input_spec = GroupTableInputSpec
    output_spec = GroupTableOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.quantification.group import collect_group_table, write_tsv

        inputs = self.inputs
        ages = dict(zip(map(tuple, inputs.subjects), inputs.ages, strict=True))
        table = collect_group_table(inputs.tables, ages)
        self._results["written"] = str(write_tsv(table, Path(inputs.table)))
        return runtime
