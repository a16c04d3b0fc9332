"""Whom to annotate next, and what is needed for it: rank the subjects of a run, and export them."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from bgpvs_wf._version import __version__
from bgpvs_wf.bids.inputs import LABEL
from bgpvs_wf.errors import BadImageError, BadLabelsError, BGPVSError, UsageError
from bgpvs_wf.imaging.files import read_json
from bgpvs_wf.reading import read_bytes
from bgpvs_wf.studies.observer import Observer

if TYPE_CHECKING:
    from bgpvs_wf.learning.training.active_learning import Suggestion

README = "README.txt"
"""Says how to annotate what was exported."""
_NAME = "bgpvs-wf suggest: scans to annotate"
"""Of the dataset; what has another name is not written into."""
_LABEL = re.compile(rf"sub-{LABEL}(?:_ses-{LABEL})?")
_DSEG, _UNCERTAINTY = "desc-bgpvs_dseg.nii.gz", "desc-uncertainty_probseg.nii.gz"
_T2W = "desc-preproc_T2w.nii.gz"
_T1W = ("space-T2w_desc-preproc_T1w.nii.gz", "desc-preproc_T1w.nii.gz")
_README = """\
Scans to annotate, the first first; suggestions.tsv says why.

Correct the sub-*_desc-bgpvs_dseg.nii.gz of each: 0 rest, 1 basal ganglia, 2 perivascular space
in them. Look first where desc-uncertainty_probseg is bright. Save under the same name.

ITK-SNAP, from this folder:
{commands}
3D Slicer: load labels_slicer.ctbl, the T2w, and the dseg as Segmentation with the color node
labels_slicer. Correct it in the Segment Editor. Segmentations > Export to files: NIFTI, reference
volume T2w, Use color table values labels_slicer. Give the file the name of the dseg it replaces.

Delete the dseg of each scan that you did not look at: what is here counts as the truth (finetune
names those in which nothing was changed). Then

  bgpvs-wf finetune BIDS_DIR OUT --labels {export}

and for the next scans, bgpvs-wf suggest ... --labelled {export}. Labels that are here are kept.
"""


@dataclass(frozen=True)
class Annotation:
    """What is to be annotated next."""

    chosen: tuple[Suggestion, ...]
    """The first first."""
    problems: tuple[str, ...]
    """A line for each subject, or image, that could not be read."""
    readme: Path
    """How to go on."""


def suggest(
    out: Path,
    export: Path,
    *,
    number: int = 5,
    labelled: Sequence[Path] = (),
    seed: int | None = None,
    observer: Observer | None = None,
) -> Annotation:
    """Choose whom to annotate next among the subjects of a run, and export what it takes.

    Parameters
    ----------
    out : Path
        Results of a run with a model.
    export : Path
        What to annotate goes here: images, labels to correct, and how to.
    number : int
        Of subjects.
    labelled : sequence of Path
        Folders with the ``desc-bgpvs_dseg`` of those that are labelled.
    seed : int, optional
        Decides between equals.
    observer : Observer, optional

    Raises
    ------
    UsageError
        If a folder is missing, is another's, or holds nobody to choose.
    BGPVSError
        If nobody can be read.
    """
    from bgpvs_wf.engine.resources import require_writable
    from bgpvs_wf.learning.training.active_learning import choose

    observer = observer or Observer()
    _check_folders(out, export)
    known, found = _labelled(labelled), _results(out)
    if known.issuperset(found):
        raise UsageError(f"All {len(found)} subjects in {out} are labelled; there is nobody else.")
    require_writable(export, "export folder")
    observer.say(f"Looking at {len(found)} subjects ...")
    subjects, problems = {}, []
    for label, folder in found.items():
        try:
            subjects[label] = _describe(folder, label)
        except BGPVSError as error:
            problems.append(f"{label}: {error}")
    chosen = choose(subjects, known, number, seed)
    if not chosen:
        raise BGPVSError(f"Nobody is left to suggest. {problems[0]} ({len(problems)} such)")
    if unknown := sorted(known - set(subjects)):
        observer.say(f"Labelled, but not compared with for want of results: {', '.join(unknown)}")
    for rank, one in enumerate(chosen, 1):
        observer.say(f"{rank:3}  {one.label}  uncertainty {one.uncertainty:.3g}  {one.why}")
    problems += _export(chosen, found, out, export, observer)
    return Annotation(tuple(chosen), tuple(problems), export / README)


def _check_folders(out: Path, export: Path) -> None:
    """Refuse a missing folder of results, and an export folder that is not for this."""
    from bgpvs_wf.bids.folders import check_outside_raw

    if not out.is_dir():
        raise UsageError(f"There is no folder {out}; give the output folder of bgpvs-wf run.")
    ours, theirs = export.resolve(), out.resolve()
    if ours.is_relative_to(theirs) or theirs.is_relative_to(ours):
        raise UsageError(f"{export} and the results {out} overlap; choose another folder.")
    for raw in _linked_folders(out / "dataset_description.json"):
        check_outside_raw("export", export, raw)
    description = export / "dataset_description.json"
    known = description.exists() or any(export.glob("sub-*"))
    if known and read_json(description).get("Name") != _NAME:
        raise UsageError(f"{export} holds another dataset; choose a new or empty folder.")


def _linked_folders(description: Path) -> list[Path]:
    """Return the folders that a dataset says it was made from; damage says nothing."""
    links = read_json(description).get("DatasetLinks")
    found = []
    for link in links.values() if isinstance(links, dict) else ():
        with contextlib.suppress(ValueError):  # what is no address, or no path
            uri = urlsplit(link if isinstance(link, str) else "")
            if uri.scheme == "file":
                found.append(Path(unquote(uri.path)).resolve())
    return found


def _labelled(folders: Sequence[Path]) -> set[str]:
    """Return who is labelled in some folders."""
    from bgpvs_wf.bids.inputs import label_of
    from bgpvs_wf.evaluation.case_files import BGPVS, find_cases

    labelled: set[str] = set()
    for folder in folders:
        cases = find_cases(folder) if folder.is_dir() else {}
        here = {label_of(*key) for key, files in cases.items() if BGPVS in files}
        if not here:
            raise UsageError(f"--labelled {folder} has no sub-*_{_DSEG}; correct the path.")
        labelled |= here
    return labelled


def _results(out: Path) -> dict[str, Path]:
    """Find the subjects of a run: label to the folder of their images."""
    found: dict[str, dict[str, Path]] = {_DSEG: {}, _UNCERTAINTY: {}}
    for ending, subjects in found.items():
        for level in ("anat", "ses-*/anat"):
            for path in out.glob(f"sub-*/{level}/*_{ending}"):
                label = path.name.removesuffix(f"_{ending}")
                if _LABEL.fullmatch(label):
                    subjects[label] = path.parent
    both = found[_DSEG] | found[_UNCERTAINTY]
    if not both:
        raise UsageError(f"There are no results in {out}; run bgpvs-wf run first.")
    if not found[_UNCERTAINTY]:
        raise UsageError(
            f"The results in {out} are of pseudo-labels, which have no uncertainty; run with a "
            "model: bgpvs-wf run BIDS_DIR OUT_DIR --segmentation model."
        )
    return {label: both[label] for label in sorted(both)}


def _describe(folder: Path, label: str) -> dict[str, float]:
    """Read and check what the choice needs of a subject."""
    import numpy as np

    from bgpvs_wf.imaging.files import check_labels_on_grid, load_image
    from bgpvs_wf.learning.training.active_learning import describe
    from bgpvs_wf.quantification.group import read_regions

    names = {"uncertainty map": _UNCERTAINTY, "labels": _DSEG, "nuclei": "desc-nuclei_dseg.nii.gz"}
    paths = {what: folder / f"{label}_{name}" for what, name in names.items()}
    scans = _scans(folder, label)
    home = "T2w" if scans[0].name.endswith(_T2W) else "T1w"
    paths |= {home: scans[0]}
    images = {what: load_image(path, what=what) for what, path in paths.items()}
    for what in ("labels", "nuclei"):
        for other in ("uncertainty map", home):
            check_labels_on_grid(
                *(images[what], images[other]), labels_path=paths[what], image_path=paths[other]
            )
    data = {what: np.asanyarray(image.dataobj) for what, image in images.items()}
    if not np.isin(data["labels"], (0, 1, 2)).all():
        raise BadLabelsError(f"{paths['labels']} has labels beyond 0, 1 and 2; check the file.")
    return describe(
        uncertainty=data["uncertainty map"],
        dseg=data["labels"],
        nuclei=data["nuclei"],
        t2w=data.get("T2w"),
        affine=images["labels"].affine,
        regions=read_regions(folder / f"{label}_desc-bgpvs_morph.tsv"),
        has_t1w=home == "T1w" or len(scans) > 1,
    )


def _scans(folder: Path, label: str) -> list[Path]:
    """Return the preprocessed images of a subject, that on whose grid all is first."""
    names = (f"{label}_{name}" for name in (_T2W, *_T1W))
    scans = [folder / name for name in names if (folder / name).exists()]
    if not scans:
        raise BadImageError(f"{folder} has no desc-preproc_T2w and no T1w; run the subject again.")
    return scans


def _export(
    chosen: Sequence[Suggestion],
    found: Mapping[str, Path],
    out: Path,
    export: Path,
    observer: Observer,
) -> list[str]:
    """Write all that annotating takes; return a line for each image that cannot be copied."""
    import pandas as pd

    from bgpvs_wf.anatomy.label_files import BGPVS, itksnap_text, slicer_text
    from bgpvs_wf.bids.derivatives import BIDS_VERSION
    from bgpvs_wf.bids.folders import PIPELINE
    from bgpvs_wf.imaging.files import write_json, write_text
    from bgpvs_wf.quantification.group import write_tsv

    description = {
        "Name": _NAME,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": PIPELINE, "Version": __version__}],
        "DatasetLinks": {"results": out.as_uri()},
    }
    write_json(description, export / "dataset_description.json")
    commands, rows, problems = "", [], []
    for rank, one in enumerate(chosen, 1):
        copied, failed = _export_one(one.label, found[one.label], out, export, observer)
        problems += failed
        main, *others, labels = (str(path.relative_to(export)) for path in copied)
        more = f" -o {' '.join(others)}" if others else ""
        commands += f"  itksnap -l labels_itksnap.txt -g {main} -s {labels}{more}\n"
        who = [*one.label.split("_"), None][:2]
        rows.append((rank, *who, one.uncertainty, one.distance, one.why))
    columns = ["rank", "participant", "session", "uncertainty", "distance", "why"]
    write_tsv(pd.DataFrame(rows, columns=columns), export / "suggestions.tsv")
    readme = _README.format(commands=commands, export=shlex.quote(str(export)))
    write_text(readme, export / README)
    write_text(itksnap_text(BGPVS), export / "labels_itksnap.txt")
    write_text(slicer_text(BGPVS, "labels_slicer.ctbl"), export / "labels_slicer.ctbl")
    write_text("labels_*\nsuggestions.tsv\n", export / ".bidsignore")
    return problems


def _export_one(
    label: str, folder: Path, out: Path, export: Path, observer: Observer
) -> tuple[list[Path], list[str]]:
    """Copy images and labels of a subject; return the copies, labels last, and what failed."""
    import numpy as np

    from bgpvs_wf.anatomy.labels import bgpvs_label_table
    from bgpvs_wf.bids.derivatives import label_table_path
    from bgpvs_wf.bids.suggested import suggestion_mark
    from bgpvs_wf.imaging.files import load_image, save_image, write_bytes, write_table

    target = export / folder.relative_to(out)
    copied, problems = [], []
    # Nuclei and probabilities stay behind: beside corrected labels they would pass for the truth.
    for path in (*_scans(folder, label), folder / f"{label}_{_UNCERTAINTY}"):
        try:
            load_image(path)
        except BadImageError as error:
            problems.append(f"{label}, exported without: {error}")
            continue
        copied.append(write_bytes(read_bytes(path), target / path.name))
        _write_sidecar(path, copied[-1], out, export)
    dseg = target / f"{label}_{_DSEG}"
    kept = [path for path in (dseg, dseg.with_suffix("")) if path.exists()]
    if kept:
        observer.say(f"{label}: there are labels already, which are kept: {kept[0]}")
        return [*copied, kept[0]], problems
    image = load_image(folder / dseg.name)
    labels = np.asanyarray(image.dataobj)
    copied.append(save_image(labels, image.affine, dseg, labels=True, dtype=np.uint8))
    write_table(bgpvs_label_table(), label_table_path(dseg))
    _write_sidecar(folder / dseg.name, dseg, out, export, **suggestion_mark(labels))
    return copied, problems


def _write_sidecar(source: Path, copy: Path, out: Path, export: Path, **more: str) -> None:
    from bgpvs_wf.bids.derivatives import bids_uri, sidecar_path
    from bgpvs_wf.imaging.files import write_json

    sources = {"Sources": [bids_uri(source, export, {"results": out})]}
    write_json(read_json(sidecar_path(source)) | sources | more, sidecar_path(copy))
