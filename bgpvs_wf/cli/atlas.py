"""`bgpvs-wf atlas list|add|show`: the atlases the nuclei can come from."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.errors import AgeError, AtlasError

if TYPE_CHECKING:
    from bgpvs_wf.anatomy.plan import Plan
    from bgpvs_wf.anatomy.registry import Atlas, AtlasEntry


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb and its own three."""
    parser = subparsers.add_parser("atlas", help="list, import and show atlases")
    verbs = parser.add_subparsers(dest="atlas_verb", metavar="list|add|show", required=True)
    verbs.add_parser("list", help="list the known atlases").set_defaults(handler=_list)
    show = verbs.add_parser("show", help="show an atlas in detail")
    show.add_argument("name", metavar="NAME_OR_PATH", help="atlas, by name or folder")
    show.set_defaults(handler=_show)
    _add_parser_of_add(verbs)


def _add_parser_of_add(verbs: argparse._SubParsersAction) -> None:
    add = verbs.add_parser(
        "add",
        help="import an atlas",
        description="Import an atlas: a TemplateFlow, CRL, M-CRIB or dHCP folder, an atlas folder "
        "of this program, or single files (--dseg with --t1w, --t2w). Ages: 40w is post-menstrual "
        "weeks, 3m months from term.",
    )
    add.add_argument("path", nargs="?", type=Path, help="atlas folder")
    add.add_argument("--name", help="name of the atlas here")
    add.add_argument("--age", help="age of an atlas that does not say it: 40w, 3m")
    add.add_argument("--min-age", help="youngest age it is meant for")
    add.add_argument("--max-age", help="oldest age it is meant for")
    add.add_argument("--labels", metavar="TABLE|FILE", help="label table, by name or file")
    add.add_argument("--dseg", type=Path, help="label map, without a folder")
    add.add_argument("--t1w", type=Path, help="T1w image on the grid of the labels")
    add.add_argument("--t2w", type=Path, help="T2w image on the grid of the labels")
    add.add_argument("--license", help="terms of use to remember")
    add.add_argument("--citation", help="what to cite")
    add.add_argument("--force", action="store_true", help="replace an atlas of the same name")
    add.set_defaults(handler=_add)


def _list(args: argparse.Namespace) -> int:
    from bgpvs_wf.anatomy.registry import known_atlases, user_atlas_folder

    atlases = known_atlases()
    rows = [("name", "ages (weeks)", "images", "labels", "licence", "where")]
    for atlas in atlases:
        where = "embedded" if atlas.embedded else str(atlas.folder)
        rows.append(
            (atlas.name, _ages(atlas), _images(atlas), _labels(atlas), atlas.license, where)
        )
    if atlases:
        sys.stdout.write(_table(rows))
    else:
        sys.stdout.write(f"No atlas in {user_atlas_folder()}; import one with 'atlas add'.\n")
    return 0


def _show(args: argparse.Namespace) -> int:
    from bgpvs_wf.anatomy.matching import find_atlas
    from bgpvs_wf.anatomy.registry import known_atlases

    atlas = find_atlas(args.name, known_atlases())
    lines = [
        ("name", atlas.name),
        ("description", atlas.description or "-"),
        ("licence", atlas.license or "-"),
        ("citation", atlas.citation or "-"),
        ("where", f"{atlas.folder}{' (embedded)' if atlas.embedded else ''}"),
    ]
    sys.stdout.write("".join(f"{key:<12} {value}\n" for key, value in lines))
    for entry in atlas.entries:
        sys.stdout.write("\n" + _entry_text(entry))
    return 0


def _entry_text(entry: AtlasEntry) -> str:
    import numpy as np

    from bgpvs_wf.anatomy.labels import NUCLEI
    from bgpvs_wf.imaging.files import load_image
    from bgpvs_wf.imaging.geometry import voxel_sizes, voxel_volume

    image = load_image(entry.dseg, what="dseg", allow_constant=True)
    counts = np.bincount(np.asarray(image.dataobj).ravel())
    sizes = " x ".join(f"{size:.2g}" for size in voxel_sizes(image.affine))
    shape = " x ".join(map(str, image.shape))
    lines = [
        f"{entry.age_weeks:g} weeks, for {entry.min_age_weeks:g} to {entry.max_age_weeks:g} weeks",
        f"  grid       {shape} voxels of {sizes} mm",
        f"  images     {', '.join(entry.modalities) or 'none: painted from the labels'}",
    ]
    for index, name in NUCLEI.items():
        if index < len(counts) and counts[index]:
            volume = counts[index] * voxel_volume(image.affine) / 1000
            probability = "  with probabilities" if index in entry.probsegs else ""
            lines.append(f"  {index:>5} {name:<22} {volume:6.2f} mL{probability}")
    return "\n".join(lines) + "\n"


def _add(args: argparse.Namespace) -> int:
    from bgpvs_wf.anatomy.importing import import_atlas
    from bgpvs_wf.anatomy.layouts import plan_import
    from bgpvs_wf.anatomy.plan import with_options

    if (args.path is None) == (args.dseg is None):
        raise AtlasError("Give either an atlas folder, or single files with --dseg.")
    age, low, high = map(
        _age, ("--age", "--min-age", "--max-age"), (args.age, args.min_age, args.max_age)
    )
    plan = with_options(
        plan_import(args.path) if args.path else _plan_of_files(args),
        name=args.name,
        age_weeks=age,
        window=(low, high),
        table=args.labels,
        t1w=args.t1w,
        t2w=args.t2w,
    )
    texts = {key: getattr(args, key) for key in ("license", "citation") if getattr(args, key)}
    atlas = import_atlas(replace(plan, **texts), force=args.force)
    sys.stdout.write(
        f"Imported atlas '{atlas.name}' ({plan.layout}): {_ages(atlas)} weeks, {_images(atlas)}, "
        f"{_labels(atlas)}, into {atlas.folder}\n"
    )
    return 0


def _plan_of_files(args: argparse.Namespace) -> Plan:
    from bgpvs_wf.anatomy.plan import Plan, PlannedEntry

    if not args.name:
        raise AtlasError("An atlas made of single files needs a --name.")
    return Plan(args.name, "single files", (PlannedEntry(args.dseg.absolute()),))


def _age(option: str, text: str | None) -> float | None:
    """Read an age; what cannot be read names the option."""
    from bgpvs_wf.anatomy.matching import parse_age

    if text is None:
        return None
    try:
        return parse_age(text)
    except AgeError as error:
        raise AgeError(f"{option}: {error}") from error


def _ages(atlas: Atlas) -> str:
    ages = [entry.age_weeks for entry in atlas.entries]
    if len(ages) == 1:
        entry = atlas.entries[0]
        return f"{ages[0]:g} ({entry.min_age_weeks:g}-{entry.max_age_weeks:g})"
    return f"{min(ages):g}-{max(ages):g} ({len(ages)} ages)"


def _images(atlas: Atlas) -> str:
    found = {modality for entry in atlas.entries for modality in entry.modalities}
    return ", ".join(sorted(found)) or "painted"


def _labels(atlas: Atlas) -> str:
    import numpy as np

    from bgpvs_wf.anatomy.labels import BG_LABELS, THALAMUS_LABELS
    from bgpvs_wf.imaging.files import load_image

    entry = atlas.entries[0]
    present = np.unique(np.asarray(load_image(entry.dseg, allow_constant=True).dataobj))
    nuclei = np.isin(present, BG_LABELS).sum()
    thalamus = " + thalamus" if np.isin(present, THALAMUS_LABELS).any() else ""
    return f"{nuclei} BG nuclei{thalamus}{', probabilities' if entry.probsegs else ''}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "".join(line.rstrip() + "\n" for line in lines)
