"""`bgpvs-wf suggest`: whom to annotate next, and what is needed for it."""

from __future__ import annotations

import argparse
from pathlib import Path

from bgpvs_wf.cli.parser import whole
from bgpvs_wf.cli.terminal import Terminal, say
from bgpvs_wf.errors import UsageError
from bgpvs_wf.settings import LARGEST_SEED
from bgpvs_wf.cli.terminal import say
from bgpvs_wf.errors import BadImageError, BadLabelsError, BGPVSError, UsageError
from bgpvs_wf.imaging.files import read_json
from bgpvs_wf.reading import read_bytes
from bgpvs_wf.settings import COUNT, SEED


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "suggest",
        help="say whom to annotate next",
        description="Rank the subjects of a finished run: those that the model is unsure of and "
        "that differ from one another, and from those labelled. Export them with their labels to "
        "correct in ITK-SNAP or 3D Slicer (see docs/annotating.md).",
        epilog="exit status: 0 all is done, 1 some could not be read, 2 the call cannot be served",
    )
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="of bgpvs-wf run; read only")
    parser.add_argument("export", type=Path, metavar="EXPORT", help="what to annotate goes here")
    parser.add_argument(
        "--number", type=whole(**COUNT), default=5, metavar="N", help="subjects (default: 5)"
    )
    parser.add_argument(
        "--labelled",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="DERIV",
        help="folders with the desc-bgpvs_dseg of those that are labelled; EXPORT may be one",
    )
    parser.add_argument(
        "--seed",
        type=whole(**SEED),
        metavar="N",
        help="decides between equals",
    )
    parser.add_argument("-v", "--verbose", action="count", default=0, help="log more")
    parser.set_defaults(handler=_suggest)


def _suggest(args: argparse.Namespace) -> int:
    from bgpvs_wf.studies.annotation import suggest

    if args.number < 1 or (args.seed or 0) < 0:
        raise UsageError(f"--number {args.number}, --seed {args.seed}: give 1 or more, 0 or more.")
    done = suggest(
        args.out_dir.expanduser().absolute(),
        args.export.expanduser().absolute(),
        number=args.number,
        labelled=args.labelled,
        seed=args.seed,
        observer=Terminal(),
    out, export = (path.expanduser().absolute() for path in (args.out_dir, args.export))
    _check_folders(out, export)
    labelled, found = _labelled(args.labelled), _results(out)
    if labelled.issuperset(found):
        raise UsageError(f"All {len(found)} subjects in {out} are labelled; there is nobody else.")
    require_writable(export, "export folder")
    say(f"Looking at {len(found)} subjects ...")
    subjects, problems = {}, []
    for label, folder in found.items():
        try:
            subjects[label] = _describe(folder, label)
        except BGPVSError as error:
            problems.append(f"{label}: {error}")
    chosen = choose(subjects, labelled, args.number, args.seed)
    if not chosen:
        raise BGPVSError(f"Nobody is left to suggest. {problems[0]} ({len(problems)} such)")
    if unknown := sorted(labelled - set(subjects)):
        say(f"Labelled, but not compared with for want of results: {', '.join(unknown)}")
    for rank, one in enumerate(chosen, 1):
        say(f"{rank:3}  {one.label}  uncertainty {one.uncertainty:.3g}  {one.why}")
    problems += _export(chosen, found, out, export)
    say(f"How to go on: {export / 'README.txt'}")
    if problems:
        say("", "Left out", *(f"  {line}" for line in problems))
    return 1 if problems else 0


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
    from bgpvs_wf.evaluation.cases import BGPVS, find_cases

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
    from bgpvs_wf.learning.selection import describe
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
    say(f"How to go on: {done.readme}")
    if done.problems:
        say("", "Left out", *(f"  {line}" for line in done.problems))
    return 1 if done.problems else 0
