"""What to write and where: paths, sidecars and the description of the output dataset."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from bgpvs_wf._version import __version__
from bgpvs_wf.bids.folders import PIPELINE
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import RunConfig
from bgpvs_wf.imaging.files import read_json, write_json, write_text
from bgpvs_wf.json_shapes import check_shape
from bgpvs_wf.reading import load_json, why_not

BIDS_VERSION = "1.10.0"
"""Of the specification that names and sidecars follow."""
_SOFTWARE = (
    "antspyx", "monai", "nibabel", "nipype", "numpy", "pandas", "pybids",
    "scikit-image", "scipy", "torch",
)  # fmt: skip
PAGES = ("figure", "thumbnail", "viewer", "report")
"""Outputs to look at."""
_BIDSIGNORE = (
    "*.html\nlogs\nassets\nlabels\nfigures\nassociation\ngroup_*\n"
    "*_objects.*\n*_morph.*\n*_quality.*\n*_change.*\n"
)
"""What the standard has no names for; folders without a slash, which hides only what is in them."""
_README = """\
Perivascular spaces in the basal ganglia of infants, found and measured by bgpvs-wf, research
software. Look at sub-*.html before you believe the numbers; group.html is the page of all.

sub-*/anat    images, segmentations and tables of each infant, with sidecars
group_*.tsv   tables of all
labels        names and colours of the label maps for ITK-SNAP, 3D Slicer and Freeview
logs          of each run, with its settings

The command  bgpvs-wf cite  of this folder prints what to cite.
"""


def derivative_path(
    output_dir: Path,
    inputs: SubjectInputs,
    *,
    suffix: str = "",
    extension: str = ".nii.gz",
    **entities: str | None,
) -> Path:
    """Return where a result of a subject and session goes.

    Parameters
    ----------
    output_dir : Path
    inputs : SubjectInputs
    suffix, extension, **entities : str
        BIDS entities by pybids' names (``desc``, ``space``, ``label``, ...); None leaves one out.

    Raises
    ------
    ValueError
        If no pattern of ``data/io_spec.json`` takes these entities.

    Examples
    --------
    >>> inputs = SubjectInputs(subject="01", session="3mo")
    >>> path = derivative_path(Path("out"), inputs, desc="nuclei", suffix="dseg")
    >>> path.as_posix()
    'out/sub-01/ses-3mo/anat/sub-01_ses-3mo_desc-nuclei_dseg.nii.gz'
    """
    from bids.layout.writing import build_path

    asked = {
        "subject": inputs.subject,
        "session": inputs.session,
        "suffix": suffix,
        "extension": extension,
        **entities,
    }
    asked = {name: value for name, value in asked.items() if value}
    built = build_path(asked, list(_spec()["patterns"]), strict=True)
    if built is None:
        raise ValueError(f"no output pattern for {asked}")
    return output_dir / built


def expected_outputs(config: RunConfig, inputs: SubjectInputs) -> dict[str, Path]:
    """Return the files of a finished subject and session, without sidecars and label tables.

    Parameters
    ----------
    config : RunConfig
    inputs : SubjectInputs
        All results are on the grid of its home image, T2w or T1w. A T1w beside a T2w is
        resampled to it and named ``space-T2w``.

    Returns
    -------
    dict of str to Path
        Keys: ``t2w_preproc``, ``t1w_preproc`` (those there are), ``brain_mask``,
        ``nuclei_dseg``, ``bgpvs_dseg``, ``pvs_probseg``, ``uncertainty_probseg`` (of a model),
        ``pseudo_dseg``, ``pseudo_probseg`` (of pseudo-labels), ``pvs_dseg``, ``pvs_objects``,
        ``bgpvs_morph``, ``bgpvs_quality``, and those of `PAGES`.
    """
    made = {
        "t2w_preproc": inputs.t2w is not None,
        "t1w_preproc": inputs.t1w is not None,
        **dict.fromkeys(("pvs_probseg", "uncertainty_probseg"), config.has_model),
        **dict.fromkeys(("pseudo_dseg", "pseudo_probseg"), config.has_pseudolabels),
    }
    outputs = {}
    for name, entities in _spec()["outputs"].items():
        if not made.get(name, True):
            continue
        space = "T2w" if name == "t1w_preproc" and inputs.home == "T2w" else None
        outputs[name] = derivative_path(config.output_dir, inputs, space=space, **entities)
    return outputs


def subject_files(output_dir: Path, subject: str, session: str | None) -> dict[str, Path]:
    """Return where tables, pages and pictures of a subject and session go, by their keys."""
    inputs = SubjectInputs(subject=subject, session=session)
    names = ("bgpvs_morph", "bgpvs_quality", "bgpvs_dseg", *PAGES)
    outputs = _spec()["outputs"]
    return {name: derivative_path(output_dir, inputs, **outputs[name]) for name in names}


def group_table_path(output_dir: Path) -> Path:
    """Return where the table of all subjects goes."""
    return output_dir / "group_bgpvs.tsv"


def group_quality_path(output_dir: Path) -> Path:
    """Return where the table of quality of all subjects goes."""
    return output_dir / "group_qc.tsv"


def group_page_path(output_dir: Path) -> Path:
    """Return where the page of the cohort goes."""
    return output_dir / "group.html"


def labels_path(output_dir: Path) -> Path:
    """Return the folder of names and colours of labels, for viewers."""
    return output_dir / "labels"


def logs_path(output_dir: Path) -> Path:
    """Return the folder of logs and crash files."""
    return output_dir / "logs"


def sidecar_path(path: Path) -> Path:
    """Return the ``.json`` that goes with an image or table.

    Examples
    --------
    >>> sidecar_path(Path("sub-01_desc-nuclei_dseg.nii.gz")).name
    'sub-01_desc-nuclei_dseg.json'
    """
    return path.with_name(path.name.split(".", 1)[0] + ".json")


def label_table_path(dseg: Path) -> Path:
    """Return the ``.tsv`` that goes with a dseg."""
    return dseg.with_name(dseg.name.split(".", 1)[0] + ".tsv")


def dataset_links(config: RunConfig) -> dict[str, Path]:
    """Return the datasets a run reads, by the names that BIDS URIs use: ``raw`` and derivatives."""
    links = dict(config.derivatives)
    raw = "raw" if "raw" not in links else "bids_dir"
    return {raw: config.bids_dir, **links}


def bids_uri(path: Path, output_dir: Path, links: Mapping[str, Path]) -> str:
    """Return the BIDS URI of a file, relative to the output or one of the linked datasets.

    Parameters
    ----------
    path : Path
    output_dir : Path
    links : mapping of str to Path
        As `dataset_links` gives them; the innermost folder around the file wins.

    Examples
    --------
    >>> bids_uri(Path("/raw/sub-1/anat/sub-1_T2w.nii"), Path("/out"), {"raw": Path("/raw")})
    'bids:raw:sub-1/anat/sub-1_T2w.nii'
    >>> bids_uri(Path("/elsewhere/atlas.nii"), Path("/out"), {})
    'file:///elsewhere/atlas.nii'
    """
    roots = [("", output_dir), *links.items()]
    around = [(name, root) for name, root in roots if path.is_relative_to(root)]
    if not around:
        return path.absolute().as_uri()
    name, root = max(around, key=lambda item: len(item[1].parts))
    return f"bids:{name}:{path.relative_to(root).as_posix()}"


def path_in_dataset(path: Path, datasets: Iterable[Path]) -> str:
    """Return a path as it is inside of its dataset, or the name of a file that is in none.

    Parameters
    ----------
    path : Path
    datasets : iterable of Path
        Their folders; the innermost around the file wins.

    Examples
    --------
    >>> path_in_dataset(Path("/raw/sub-1/anat/sub-1_T2w.nii"), [Path("/raw"), Path("/out")])
    'sub-1/anat/sub-1_T2w.nii'
    >>> path_in_dataset(Path("/elsewhere/atlas.nii"), [Path("/raw")])
    'atlas.nii'
    """
    around = [root for root in datasets if path.is_relative_to(root)]
    if not around:
        return path.name
    return path.relative_to(max(around, key=lambda root: len(root.parts))).as_posix()


def without_folders(text: str, datasets: Iterable[Path]) -> str:
    """Return a sentence with the paths in it as they are inside of their datasets.

    Parameters
    ----------
    text : str
    datasets : iterable of Path
        Their folders.

    Examples
    --------
    >>> without_folders("/raw/participants.tsv column 'age'", [Path("/raw")])
    "participants.tsv column 'age'"
    """
    for root in sorted(datasets, key=lambda root: -len(root.parts)):
        text = text.replace(f"{root}{os.sep}", "")
    return text


def sidecar(
    sources: Iterable[Path],
    output_dir: Path,
    links: Mapping[str, Path],
    parameters: Mapping[str, Any] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Return the sidecar of a result; write it with `bgpvs_wf.imaging.files.write_json`.

    Parameters
    ----------
    sources : iterable of Path
        The files it was made from.
    output_dir, links
        As for `bids_uri`.
    parameters : mapping, optional
        What it was made with.
    **fields
        Further BIDS metadata (``SkullStripped``, ``Description``, ...), put first.

    Notes
    -----
    `SoftwareVersions` would be BIDS's word for the software of the scanner, a single text.
    """
    return {
        **fields,
        "Sources": [bids_uri(Path(source), output_dir, links) for source in sources],
        "Parameters": dict(parameters or {}),
        "PackageVersions": software_versions(),
    }


def told_doubts(path: Path) -> list[str]:
    """Return what is in doubt about a result, as its sidecar says; a damaged one is in doubt, too.

    Parameters
    ----------
    path : Path
        Of the sidecar.
    """
    try:
        content = load_json(path)
        check_shape(content, {})
        told = content.get("Warnings", [])
        check_shape(told, [str, ...], "'Warnings'")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        why = why_not(error, path)
        return [f"Its sidecar {path} is damaged ({why}), so that what is in doubt is not known."]
    return list(told)


@functools.cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = [(PIPELINE, __version__)]
    for name in _SOFTWARE:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)


def software_versions() -> dict[str, str]:
    """Return name to version of this package and those its numbers depend on."""
    return dict(_versions())


def write_dataset_description(config: RunConfig) -> Path:
    """Make the output folder of a run a BIDS derivative dataset; see `write_description`."""
    return write_description(config.output_dir, dataset_links(config))


def write_description(output_dir: Path, links: Mapping[str, Path]) -> Path:
    """Make a folder a BIDS derivative dataset.

    Left untouched where it says the same already; ``.bidsignore`` goes with it, and a ``README``
    where there is none.

    Parameters
    ----------
    output_dir : Path
    links : mapping of str to Path
        As `dataset_links` gives them.

    Returns
    -------
    Path
        Of ``dataset_description.json``.

    Raises
    ------
    BGPVSError
        If it cannot be written.
    """
    description = {
        "Name": "bgpvs-wf - perivascular spaces in the basal ganglia of infants",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": PIPELINE, "Version": __version__}],
        "SourceDatasets": [{"URL": path.as_uri()} for path in links.values()],
        "DatasetLinks": {name: path.as_uri() for name, path in links.items()},
    }
    path = output_dir / "dataset_description.json"
    if read_json(path) != description:
        write_json(description, path)
        write_text(_BIDSIGNORE, output_dir / ".bidsignore")
        if not any(output_dir.glob("README*")):
            write_text(_README, output_dir / "README")
    return path


@functools.cache
def _spec() -> Any:
    text = resources.files("bgpvs_wf.data").joinpath("io_spec.json").read_text(encoding="utf-8")
    return json.loads(text)
