"""Interfaces of the stage `sink`: BIDS derivatives and the subject's page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from nipype.interfaces.base import File, TraitedSpec, isdefined, traits

from bgpvs_wf.interfaces.base import HomeInputSpec, HomeInterface, read_array

if TYPE_CHECKING:
    import pandas as pd

    from bgpvs_wf.cohort.growth.standing import Standing

IMAGES = ("t2w_preproc", "t1w_preproc", "pvs_probseg", "uncertainty_probseg", "pseudo_probseg")
_HOME = ("t2w_preproc", "t1w_preproc")
"""Scans; the first of them that there is has the grid of all images."""
TABLES = ("bgpvs_morph", "pvs_objects", "bgpvs_quality")
_PREPROC = "{}, bias-corrected unless set otherwise; 0 beyond 10 mm around the head"
_ABOUT = {
    "t2w_preproc": _PREPROC.format("T2w"),
    "t1w_preproc": _PREPROC.format("T1w"),
    "brain_mask": "Brain: as found, as given, or all that has a signal if it was extracted before",
    "nuclei_dseg": "Caudate, putamen, pallidum, accumbens and thalamus, by side",
    "bgpvs_dseg": "Basal ganglia, and perivascular spaces in them",
    "pvs_probseg": "Probability of a perivascular space, in the basal ganglia",
    "uncertainty_probseg": "Entropy of the mean probabilities of rest, basal ganglia and PVS, "
    "as a share of the largest possible one",
    "pseudo_dseg": "Pseudo-labels of basal ganglia, and of perivascular spaces in them",
    "pseudo_probseg": "How sure the pseudo-label is",
    "pvs_dseg": "Perivascular spaces, numbered; desc-pvs_objects.tsv has a row for each",
}
"""What sidecars say that images are."""


class _SinkInputSpec(HomeInputSpec):
    t2w_preproc = File(desc="preprocessed T2w")
    t1w_preproc = File(desc="preprocessed T1w")
    brain_mask = File(desc="1 brain")
    nuclei_dseg = File(mandatory=True, desc="harmonised anatomy")
    bgpvs_dseg = File(mandatory=True)
    pvs_probseg = File()
    uncertainty_probseg = File()
    pseudo_dseg = File()
    pseudo_probseg = File()
    pvs_dseg = File()
    bgpvs_morph = File(mandatory=True, desc="regions")
    pvs_objects = File(mandatory=True, desc="a row per PVS")
    bgpvs_quality = File(desc="one row: how good the scan is")
    sources = traits.List(traits.Str(), hash_files=False, desc="files it was all made from")
    parameters = traits.Dict(desc="what it was made with")
    doubts = traits.List(traits.Str(), desc="sentences on what speaks against these results")


class DerivativesInputSpec(_SinkInputSpec):
    outputs = traits.Dict(
        traits.Str(), traits.Str(), mandatory=True, hash_files=False, desc="what goes where"
    )
    output_dir = traits.Str(mandatory=True, hash_files=False)
    links = traits.Dict(traits.Str(), traits.Str(), hash_files=False, desc="datasets by name")
    scan_grid = traits.Dict(mandatory=True, desc="the grid of what is written")


class DerivativesOutputSpec(TraitedSpec):
    written = traits.List(traits.Str(), hash_files=False)


class Derivatives(HomeInterface):
    """Write images, label maps and tables where BIDS wants them, each with its sidecar."""

    input_spec = DerivativesInputSpec
    output_spec = DerivativesOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.bids.derivatives import bids_uri, sidecar, sidecar_path
        from bgpvs_wf.imaging.files import write_json

        inputs = self.inputs
        output_dir = Path(inputs.output_dir)
        links = {name: Path(path) for name, path in inputs.links.items()}
        sources = [Path(source) for source in inputs.sources]
        base = sidecar(sources, output_dir, links, inputs.parameters)
        home = next((name for name in _HOME if isdefined(getattr(inputs, name))), "")
        if isdefined(inputs.doubts) and inputs.doubts:
            base["Warnings"] = list(inputs.doubts)
        written = []
        for name, target in inputs.outputs.items():
            if not isdefined(getattr(inputs, name, None)):
                continue
            path = Path(target)
            extra = self._write_one(name, path)
            if home and name not in (*TABLES, home):
                extra["SpatialReference"] = bids_uri(Path(inputs.outputs[home]), output_dir, links)
            write_json({**extra, **base}, sidecar_path(path))
            written.append(target)
        self._results["written"] = written
        return runtime

    def _write_one(self, name: str, path: Path) -> dict[str, Any]:
        """Write one result; return what its sidecar says of it alone."""
        from bgpvs_wf.imaging.files import save_image, write_table
        from bgpvs_wf.imaging.geometry import Grid, uncrop

        source = getattr(self.inputs, name)
        if name in TABLES:
            return _copy_table(name, source, path)
        whole = Grid.from_dict(self.inputs.scan_grid)
        image, own = read_array(source)
        data, affine = uncrop(image, own, whole), whole.affine
        about: dict[str, Any] = {"Description": _ABOUT[name]}
        if name in IMAGES:
            save_image(data, affine, path, dtype=np.float32)
            return about | (self._scan_facts(image) if name in _HOME else {})
        if name == "nuclei_dseg":
            from bgpvs_wf.anatomy.labels import NUCLEI

            data = np.where(np.isin(data, tuple(NUCLEI)), data, 0)
        save_image(data, affine, path, labels=True)
        table = _label_table(name, data)
        if table is not None:
            from bgpvs_wf.bids.derivatives import label_table_path

            write_table(table, label_table_path(path))
        return about | ({"Type": "Brain"} if name == "brain_mask" else {})

    def _scan_facts(self, image: np.ndarray) -> dict[str, Any]:
        """Return what the sidecar of a preprocessed scan says of its signal."""
        from bgpvs_wf.imaging.intensity import brain_only

        mask = self.inputs.brain_mask
        stripped = isdefined(mask) and brain_only(image, read_array(mask)[0] > 0)
        return {"SkullStripped": stripped, "Units": "arbitrary", "BrainMedian": 100}


class SubjectPageInputSpec(_SinkInputSpec):
    report = traits.Str(mandatory=True, hash_files=False, desc="where the page goes")
    figure = traits.Str(mandatory=True, hash_files=False, desc="where several slices go, SVG")
    thumbnail = traits.Str(mandatory=True, hash_files=False, desc="where one slice goes, JPEG")
    viewer = traits.Str(mandatory=True, hash_files=False, desc="where the page in 3D goes")
    subject = traits.Str(mandatory=True)
    age_weeks = traits.Either(None, traits.Float())
    age_note = traits.Str()
    t1w_before = File(desc="T1w as scanned")
    atlas = File(desc="atlas labels as registered, before the refinement")
    record = traits.Dict()
    warnings = traits.List(traits.Str())
    norms = File(desc="JSON of norms that the subject is held against")
    norms_level = traits.Str(desc="its level in the column that norms are told apart by")


class SubjectPageOutputSpec(TraitedSpec):
    written = traits.Str(hash_files=False)


class SubjectPage(HomeInterface):
    """Write the pages a person looks at before believing the numbers, and their pictures."""

    input_spec = SubjectPageInputSpec
    output_spec = SubjectPageOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.bids.derivatives import software_versions
        from bgpvs_wf.quantification import OBJECT_COLUMNS, REGION_COLUMNS
        from bgpvs_wf.quantification.group import read_regions
        from bgpvs_wf.reports.subject_page import SubjectReport
        from bgpvs_wf.reports.subject_pages import write_subject_pages

        inputs = self.inputs
        regions, quality = read_regions(inputs.bgpvs_morph), _read_quality(inputs.bgpvs_quality)
        report = SubjectReport(
            subject=inputs.subject,
            age_weeks=inputs.age_weeks,
            age_note=inputs.age_note,
            t2w=_volume(inputs.t2w_preproc),
            t1w=_volume(inputs.t1w_preproc),
            nuclei=_volume(inputs.nuclei_dseg),
            bgpvs=_volume(inputs.bgpvs_dseg),
            pvs=_volume(inputs.pvs_dseg),
            t1w_before=_volume(inputs.t1w_before),
            atlas=_volume(inputs.atlas),
            regions=regions,
            standing=self._standing(regions, quality),
            objects=_read_table(inputs.pvs_objects),
            region_columns=REGION_COLUMNS,
            object_columns=OBJECT_COLUMNS,
            record=inputs.record,
            quality=quality,
            doubts=inputs.doubts if isdefined(inputs.doubts) else [],
            warnings=inputs.warnings,
            software=software_versions(),
            parameters=inputs.parameters,
            sources=inputs.sources,
        )
        written = write_subject_pages(
            report,
            page=inputs.report,
            viewer=inputs.viewer,
            figure=inputs.figure,
            thumbnail=inputs.thumbnail,
        )
        self._results["written"] = str(written)
        return runtime

    def _standing(self, regions: pd.DataFrame, quality: Mapping[str, float]) -> Standing | None:
        """Return where the subject stands among norms, if there are some."""
        from bgpvs_wf.cohort.growth.norms_file import read_norms
        from bgpvs_wf.cohort.growth.standing import stand

        inputs = self.inputs
        if not isdefined(inputs.norms):
            return None
        return stand(
            read_norms(Path(inputs.norms)),
            regions,
            age_weeks=inputs.age_weeks,
            level=inputs.norms_level,
            voxel_mm3=quality.get("voxel_mm3", float("nan")),
        )


def _volume(path: Any) -> Any:
    from bgpvs_wf.reports.views import Volume

    return Volume(*read_array(path)) if isdefined(path) and path else None


def _read_quality(path: Any) -> dict[str, float]:
    """Return the measures of quality; none where the trait is undefined."""
    if not (isdefined(path) and path):
        return {}
    row = _read_table(path).iloc[0]
    return {str(name): float(value) for name, value in row.items()}


def _read_table(path: str) -> Any:
    import pandas as pd

    return pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)


def _copy_table(name: str, source: str, path: Path) -> dict[str, Any]:
    from bgpvs_wf.imaging.files import write_text
    from bgpvs_wf.quality.measures import quality_columns
    from bgpvs_wf.quantification import OBJECT_COLUMNS, REGION_COLUMNS, sidecar

    dictionary = {
        "bgpvs_morph": REGION_COLUMNS,
        "pvs_objects": OBJECT_COLUMNS,
        "bgpvs_quality": quality_columns(),
    }[name]
    text = Path(source).read_text(encoding="utf-8")
    write_text(text, path)
    columns = text.splitlines()[0].split("\t")
    return dict(sidecar(columns, dictionary))


def _label_table(name: str, data: np.ndarray) -> Any:
    """Return the table of a label map; instances have none: their rows are another file."""
    from bgpvs_wf.anatomy.labels import bgpvs_label_table, label_table

    if name == "nuclei_dseg":
        return label_table(np.unique(data).tolist())
    return None if name in ("pvs_dseg", "brain_mask") else bgpvs_label_table()
