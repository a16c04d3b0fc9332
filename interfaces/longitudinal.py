"""Interfaces of change between sessions: placing, matching, table and page."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import File, TraitedSpec, isdefined, traits

from bgpvs_wf.interfaces.base import HomeInputSpec, HomeInterface, read_array


class PlaceSessionsInputSpec(HomeInputSpec):
    nuclei = traits.List(File(), mandatory=True, desc="harmonised labels of each session, by age")


class PlaceSessionsOutputSpec(TraitedSpec):
    affines = traits.List(desc="from each session to the next, mm, shape (4, 4)")


class PlaceSessions(HomeInterface):
    """Bring each session of an infant onto the next by the centres of its nuclei."""

    input_spec = PlaceSessionsInputSpec
    output_spec = PlaceSessionsOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.cohort.change.placing import place_nuclei

        nuclei = [read_array(path, "nuclei") for path in self.inputs.nuclei]
        affines = [place_nuclei(*one, *next_) for one, next_ in itertools.pairwise(nuclei)]
        self._results["affines"] = [affine.tolist() for affine in affines]
        return runtime


class MatchSessionsInputSpec(HomeInputSpec):
    sessions = traits.List(traits.Str(), mandatory=True, desc="labels with ses-, by age")
    pvs = traits.List(File(), mandatory=True, desc="number of the PVS in every voxel, of each")
    objects = traits.List(File(), mandatory=True, desc="TSV of each, a row a PVS")
    probability = traits.List(File(), desc="of a PVS, of each; if all have one")
    affines = traits.List(mandatory=True, desc="from each session to the next, mm, shape (4, 4)")


class MatchSessionsOutputSpec(TraitedSpec):
    table = File(desc="TSV, a row for each PVS and step between sessions")
    dictionary = File(desc="JSON, what its columns mean")
    affines = traits.List(desc="from each session to the next, as the PVS correct them")
    transforms = traits.List(File(), desc="the same, as ITK and ANTs read them")


class MatchSessions(HomeInterface):
    """Match the PVS of successive sessions and tell what became of them."""

    input_spec = MatchSessionsInputSpec
    output_spec = MatchSessionsOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.cohort.change.sessions import change_of, read_seen
        from bgpvs_wf.cohort.change.table import COLUMNS
        from bgpvs_wf.imaging.files import write_json
        from bgpvs_wf.imaging.itk import itk_text
        from bgpvs_wf.quantification.group import write_tsv

        inputs = self.inputs
        labels = [read_array(path, "PVS") for path in inputs.pvs]
        told = inputs.probability if isdefined(inputs.probability) else []
        seen = read_seen(
            inputs.sessions,
            labels,
            [Path(path) for path in inputs.objects],
            [read_array(path, "PVS probability")[0] for path in told],
        )
        folder = Path(runtime.cwd)
        table, affines = change_of(seen, [np.array(one) for one in inputs.affines])
        self._results["table"] = str(write_tsv(table, folder / "change.tsv"))
        self._results["dictionary"] = str(write_json(COLUMNS, folder / "change.json"))
        self._results["affines"] = [affine.tolist() for affine in affines]
        self._results["transforms"] = [
            self.write_text(runtime, f"to_next_{step}.txt", itk_text(affine))
            for step, affine in enumerate(affines)
        ]
        return runtime


class ChangePageInputSpec(HomeInputSpec):
    subject = traits.Str(mandatory=True, desc="label with sub-")
    sessions = traits.List(traits.Str(), mandatory=True)
    ages_weeks = traits.List(traits.Either(None, traits.Float()), mandatory=True)
    table = File(mandatory=True, desc="TSV of change")
    images = traits.List(File(), mandatory=True)
    nuclei = traits.List(File(), mandatory=True)
    pvs = traits.List(File(), mandatory=True)
    affines = traits.List(mandatory=True, desc="from each session to the next")
    warnings = traits.List(traits.Str(), desc="sentences for the page")


class ChangePageOutputSpec(TraitedSpec):
    page = File(desc="HTML that needs nothing else")


class ChangePage(HomeInterface):
    """Write the page of an infant's change."""

    input_spec = ChangePageInputSpec
    output_spec = ChangePageOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.reports.change.page import ChangeReport, write_change_page
        from bgpvs_wf.reports.change.slices import Session
        from bgpvs_wf.reports.views import Volume

        inputs = self.inputs
        sessions = [
            Session(name, age, *(Volume(*read_array(path)) for path in files))
            for name, age, *files in zip(
                inputs.sessions,
                inputs.ages_weeks,
                inputs.images,
                inputs.nuclei,
                inputs.pvs,
                strict=True,
            )
        ]
        report = ChangeReport(
            subject=inputs.subject,
            sessions=sessions,
            affines=[np.array(one) for one in inputs.affines],
            table=Path(inputs.table),
            warnings=inputs.warnings if isdefined(inputs.warnings) else (),
        )
        page = write_change_page(report, Path(runtime.cwd) / "change.html")
        self._results["page"] = str(page)
        return runtime


class ChangeSinkInputSpec(HomeInputSpec):
    subject = traits.Str(mandatory=True, desc="label with sub-")
    output_dir = traits.Str(mandatory=True, hash_files=False)
    table = File(mandatory=True)
    dictionary = File(mandatory=True)
    page = File()


class ChangeSinkOutputSpec(TraitedSpec):
    table = traits.Str(hash_files=False)
    page = traits.Str(hash_files=False)


class ChangeSink(HomeInterface):
    """Put table and page of an infant's change where they belong."""

    input_spec = ChangeSinkInputSpec
    output_spec = ChangeSinkOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.cohort.change.files import change_files
        from bgpvs_wf.imaging.files import write_bytes

        inputs = self.inputs
        for name, target in change_files(Path(inputs.output_dir), inputs.subject).items():
            source = getattr(inputs, name)
            if isdefined(source):
                write_bytes(Path(source).read_bytes(), target)
                if name != "dictionary":
                    self._results[name] = str(target)
        return runtime
