"""One infant's images, without a BIDS dataset: segmented, measured, and nothing left behind."""

from __future__ import annotations

import functools
import gzip
import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import nibabel as nib
import numpy as np

from bgpvs_wf.bids.derivatives import PAGES, expected_outputs, sidecar_path, told_doubts
from bgpvs_wf.bids.inputs import SubjectInputs, is_label
from bgpvs_wf.config import RunConfig, merge
from bgpvs_wf.engine.jobs import Job
from bgpvs_wf.engine.progress import DONE
from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.paths import check_path
from bgpvs_wf.settings import check_number
from bgpvs_wf.studies.cohort import run_jobs
from bgpvs_wf.studies.observer import Observer

if TYPE_CHECKING:
    import pandas as pd

Image: TypeAlias = "str | os.PathLike[str] | nib.spatialimages.SpatialImage | tuple[Any, Any]"
"""A file, an image of nibabel, or an array of shape (x, y, z) and its affine, voxel to mm RAS+."""

_KEPT = {
    "bgpvs": "bgpvs_dseg",
    "nuclei": "nuclei_dseg",
    "brain_mask": "brain_mask",
    "pvs_probability": "pvs_probseg",
    "uncertainty": "uncertainty_probseg",
}
"""Attribute to the name of `expected_outputs`."""


@dataclass(frozen=True)
class Segmentation:
    """What was found in the images of an infant, on the grid of its T2w, or of its only image."""

    regions: pd.DataFrame
    """A row a region; `bgpvs_wf.quantification.REGION_COLUMNS` tells the units."""
    objects: pd.DataFrame
    """A row a PVS; `bgpvs_wf.quantification.OBJECT_COLUMNS` tells the units."""
    warnings: tuple[str, ...]
    """What is in doubt, a sentence each."""
    _files: Mapping[str, bytes] = field(repr=False)
    """Path in a folder of results, with slashes, to content, as `bgpvs-wf run` writes it."""
    _names: Mapping[str, str] = field(repr=False)
    """Name of `expected_outputs` to the path of the file."""

    @functools.cached_property
    def bgpvs(self) -> nib.Nifti1Image:
        """Labels: 0 rest, 1 basal ganglia, 2 perivascular space in them."""
        return self._image("bgpvs")

    @functools.cached_property
    def nuclei(self) -> nib.Nifti1Image:
        """Labels of the nuclei, with FreeSurfer's numbers."""
        return self._image("nuclei")

    @functools.cached_property
    def brain_mask(self) -> nib.Nifti1Image:
        """Mask of the brain: 1."""
        return self._image("brain_mask")

    @functools.cached_property
    def pvs_probability(self) -> nib.Nifti1Image:
        """Probability of a PVS, 0 to 1."""
        return self._image("pvs_probability")

    @functools.cached_property
    def uncertainty(self) -> nib.Nifti1Image:
        """Entropy of the probabilities of rest, basal ganglia and PVS, 0 to 1 of the largest."""
        return self._image("uncertainty")

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write label maps, probabilities, tables, their sidecars and the pages into a folder.

        Names and contents are those of `bgpvs-wf run`. What the pages show lies below the
        folder, all else in it.

        Raises
        ------
        UsageError
            If the folder cannot be written to.
        """
        from bgpvs_wf.engine.resources import require_writable
        from bgpvs_wf.imaging.files import write_bytes

        out = check_path(folder, "folder")
        require_writable(out, "folder of results")
        for name, content in self._files.items():
            write_bytes(content, out / name)
        return out

    def page(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to look at: one HTML file with pictures, numbers and warnings."""
        from bgpvs_wf.imaging.files import write_bytes

        return write_bytes(self._files[self._names["report"]], check_path(path, "path"))

    def _image(self, name: str) -> nib.Nifti1Image:
        content = self._files[self._names[_KEPT[name]]]
        return nib.Nifti1Image.from_bytes(gzip.decompress(content))


def segment(
    t2w: Image | None = None,
    t1w: Image | None = None,
    *,
    brain_mask: Image | None = None,
    age: float | str | None = None,
    model: str | os.PathLike[str] | None = None,
    device: str = "auto",
    label: str = "infant",
    nprocs: int | None = None,
    settings: Mapping[str, Any] | None = None,
    observer: Observer | None = None,
) -> Segmentation:
    """Segment the basal ganglia of an infant and the perivascular spaces in them, and measure both.

    The numbers are those that `bgpvs-wf run` gives on the same scans. Nothing is written but to a
    temporary folder, which is removed.

    Parameters
    ----------
    t2w, t1w : path, nibabel image, or (array, affine), optional
        As scanned, with skull or without; one of them will do. A T1w is aligned to the T2w.
    brain_mask : path, nibabel image, or (array, affine), optional
        On the grid of the T2w, or of the only image. Default: the brain is found.
    age : float or str, optional
        Post-menstrual weeks; or text as ``"40w"``, ``"3m"`` from term. Bounds of what is
        credible are looser without.
    model : path or str, optional
        Folder or name. Default: the one in the box.
    device : {'auto', 'cpu', 'cuda'}
    label : str
        What the infant is called on the page and in names of files: letters and digits.
    nprocs : int, optional
        Processors to use; by default all.
    settings : mapping, optional
        Further settings, as of a TOML file of `bgpvs-wf run`:
        ``{"prepare": {"bias_correction": False}}``.
    observer : Observer, optional
        Is told what goes on.

    Raises
    ------
    UsageError
        If the call cannot be served: no image, a folder of DICOM files, a wrong setting.
    BGPVSError
        If an image cannot be read or measured, or what is found cannot be.

    Examples
    --------
    >>> from bgpvs_wf import segment
    >>> found = segment("T2w.nii.gz", "T1w.nii.gz", age="3m")  # doctest: +SKIP
    >>> found.regions[["name", "pvs_count", "pvs_volume_tube_mm3"]]  # doctest: +SKIP
    """
    from bgpvs_wf.workflows.base import init_subjects_wf

    if not is_label(label):
        raise UsageError(f"label is {label!r}; give letters and digits only.")
    images = {"T2w": t2w, "T1w": t1w, "mask": brain_mask}
    if t2w is None and t1w is None:
        raise UsageError("There is no image; give a T2w, a T1w, or both.")
    with tempfile.TemporaryDirectory(prefix="bgpvs-wf-") as folder:
        root = Path(folder)
        files = {
            name: _file(image, name, root / "scans" / f"sub-{label}_{name}.nii.gz")
            for name, image in images.items()
            if image is not None
        }
        inputs = SubjectInputs(
            subject=label,
            t2w=files.get("T2w"),
            t1w=files.get("T1w"),
            brain_mask=files.get("mask"),
            age_weeks=_weeks(age),
        )
        config = _config(root, model, device, nprocs, settings or {})
        outputs = expected_outputs(config, inputs)
        report = run_jobs(config, [Job(inputs, outputs)], init_subjects_wf, observer=observer)
        (outcome,) = report.outcomes
        if outcome.state != DONE:
            causes = [failure.cause for failure in outcome.failures]
            raise BGPVSError(causes[0] if causes else f"{label} was not segmented.")
        return _collect(outputs)


def _config(
    root: Path,
    model: str | os.PathLike[str] | None,
    device: str,
    nprocs: int | None,
    settings: Mapping[str, Any],
) -> RunConfig:
    from bgpvs_wf.engine.resources import processors

    (root / "scans").mkdir(exist_ok=True)
    given = {
        "bids_dir": root / "scans",
        "output_dir": root / "out",
        "work_dir": root / "work",
        "nprocs": processors() if nprocs is None else nprocs,
        "predict": {"device": device, **({} if model is None else {"model": os.fspath(model)})},
    }
    return RunConfig.from_mapping(merge({"plugin": "MultiProc", **settings}, given))


def _weeks(age: float | str | None) -> float | None:
    if isinstance(age, str):
        from bgpvs_wf.anatomy.matching import parse_age

        return parse_age(age)
    return None if age is None else float(check_number(age, "age", above=0))


def _file(image: Image, name: str, place: Path) -> Path:
    """Return the file of an image; what is none yet is written to a place."""
    if isinstance(image, str | os.PathLike):
        path = check_path(image, name).absolute()
        if path.is_dir():
            raise UsageError(
                f"{name}: {path} is a folder; give a NIfTI file. DICOM files become one by "
                "dcm2niix: dcm2niix -z y FOLDER."
            )
        if not path.is_file():
            raise UsageError(f"{name}: there is no file {path}; correct the path.")
        return path
    if isinstance(image, tuple):
        data, affine = image
        from bgpvs_wf.imaging.files import save_image

        if np.ndim(data) != 3 or np.shape(affine) != (4, 4):
            raise UsageError(f"{name}: give an array of shape (x, y, z) and an affine of (4, 4).")
        return save_image(np.asarray(data), np.asarray(affine, float), place)
    if not isinstance(image, nib.spatialimages.SpatialImage):
        raise UsageError(
            f"{name} is a {type(image).__name__}; give a path, an image of nibabel, or an array "
            "and its affine."
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        nib.save(image, place)
    except nib.filebasedimages.ImageFileError as error:
        raise UsageError(f"{name}: an image of this kind cannot be written as NIfTI.") from error
    return place


def _collect(outputs: Mapping[str, Path]) -> Segmentation:
    """Read what was written."""
    import pandas as pd

    from bgpvs_wf.quantification.group import read_regions

    paths = {name: path for name, path in outputs.items() if not name.endswith("_preproc")}
    root = paths["report"].parent
    # Pages name pictures and scripts by where they lie from them.
    assets = sorted((root / "assets").iterdir())
    pages = [paths[name] for name in PAGES]
    names = {path: path.relative_to(root).as_posix() for path in (*pages, *assets)}
    files = {
        names.get(path, path.name): path.read_bytes()
        for path in (*_with_sidecars(paths.values()), *assets)
    }
    objects = files[paths["pvs_objects"].name]
    return Segmentation(
        regions=read_regions(paths["bgpvs_morph"]),
        objects=pd.read_csv(io.BytesIO(objects), sep="\t", na_values="n/a", keep_default_na=False),
        warnings=tuple(told_doubts(sidecar_path(paths["bgpvs_dseg"]))),
        _files=files,
        _names={name: names.get(path, path.name) for name, path in paths.items()},
    )


def _with_sidecars(paths: Any) -> Iterator[Path]:
    for path in paths:
        yield path
        stem = path.name.split(".", 1)[0]
        for beside in (path.with_name(f"{stem}.json"), path.with_name(f"{stem}.tsv")):
            if beside != path and beside.is_file():
                yield beside
