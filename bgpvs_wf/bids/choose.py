"""Which of several files of a subject to take: the order of preference, and how it was used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bgpvs_wf.bids.filters import passing
from bgpvs_wf.bids.index import IndexedFile
from bgpvs_wf.errors import BadImageError
from bgpvs_wf.imaging.geometry import Grid, same_grid, voxel_sizes

PREPROCESSED = ("restore", "preproc")
"""``desc-`` of bias-corrected images in native space: dHCP's, then smriprep's and our own."""
DSEG_ORDER = ("nuclei", "aseg", "aparcaseg", "mcrib", "drawem87", "drawem")
"""``desc-`` of anatomy, the best for the basal ganglia first; others follow in order of name."""
DSEG_LAST = ("drawem9",)
"""Tissue maps with the deep grey matter in one piece."""
DSEG_NEVER = ("bgpvs", "pseudo", "pvs", "ribbon")
"""Our own results and cortical ribbons are no anatomy."""
GRID_TOLERANCE_MM = 0.1
"""As in `bgpvs_wf.imaging.files.check_labels_on_grid`."""


def choose_image(
    files: Sequence[IndexedFile],
    suffix: str,
    spaces: Sequence[str | None],
    filters: Mapping[str, Any],
) -> tuple[IndexedFile | None, str]:
    """Choose the T2w or T1w of a subject and session.

    The order of preference: bias-corrected (`PREPROCESSED`) before raw; then by `spaces`; then
    the thinnest slices, then the smallest voxels (perivascular spaces vanish in thick ones);
    then reconstructions (``rec-``, such as dHCP's ``rec-SVR``); then the last run, since a scan
    is repeated where the one before was spoilt; then by name. Phase images, inversions and
    resampled copies (``res-``) never.

    Parameters
    ----------
    files : sequence of IndexedFile
        Of the subject and session.
    suffix : str
        ``T2w`` or ``T1w``.
    spaces : sequence of str or None
        Accepted ``space-`` entities, the best first; None is a name without one.
    filters : mapping
        Entities asked for by the user; a ``desc`` or ``space`` among them replaces the defaults.

    Returns
    -------
    IndexedFile or None
    str
        A line on the choice if there was one to make, else empty.
    """
    images = [file for file in files if file.is_image and file.suffix == suffix]
    usable = [file for file in passing(images, filters) if _is_plain(file, spaces, filters)]
    if not usable:
        return None, _nothing_usable(suffix, images)

    def fit(file: IndexedFile) -> tuple[int, int]:
        desc = PREPROCESSED.index(file.desc) if file.desc in PREPROCESSED else len(PREPROCESSED)
        return desc, spaces.index(file.space) if file.space in spaces else len(spaces)

    best = min(map(fit, usable))
    rivals = [file for file in usable if fit(file) == best]
    if len(rivals) > 1:
        rivals.sort(key=_acquisition_order)
    chosen = rivals[0]
    others = [file.path.name for file in usable if file is not chosen]
    if not others:
        return chosen, ""
    note = f"{suffix}: took {chosen.path.name}, left {', '.join(others)}"
    twins = [file.path.name for file in rivals[1:] if _is_twin(file, chosen)]
    if twins:
        note += f"; {chosen.path.name} and {', '.join(twins)} are two names of one scan, keep one"
    return chosen, note


def choose_mask(
    files: Sequence[IndexedFile], home: IndexedFile, filters: Mapping[str, Any]
) -> tuple[IndexedFile | None, str]:
    """Choose a brain mask on the grid of the home image: ``desc-brain_mask``, ``brainmask``."""
    images = [file for file in files if file.is_image]
    if filters:
        masks = passing([f for f in images if f.suffix in ("mask", "brainmask")], filters)
    else:
        masks = [f for f in images if _mask_rank(f) is not None]
    masks = [file for file in masks if file.space in _spaces_of(home)]
    masks.sort(key=lambda file: (_mask_rank(file) or 0, str(file.path)))
    for mask in masks:
        if on_grid(mask.path, home.path) is not False:
            return mask, ""
    if masks:
        return None, f"mask: {masks[0].path.name} is on another grid than {home.path.name}, left"
    return None, ""


def choose_dseg(
    files: Sequence[IndexedFile], home: IndexedFile, filters: Mapping[str, Any]
) -> tuple[IndexedFile | None, str]:
    """Choose existing anatomy: by `DSEG_ORDER`, those on the grid of the home image first.

    If none is on that grid, the first is returned nevertheless: the anatomy stage says so.
    """
    found = [f for f in files if f.is_image and f.suffix == "dseg"]
    found = [f for f in passing(found, filters) if f.desc not in DSEG_NEVER or "desc" in filters]
    usable = [f for f in found if f.space in _spaces_of(home) and f.desc is not None] or [
        f for f in found if f.space in _spaces_of(home) and table_of(f, files) is not None
    ]
    if not usable:
        return None, ""
    usable.sort(key=lambda file: (_dseg_rank(file.desc), file.desc or "", str(file.path)))
    chosen = next((f for f in usable if on_grid(f.path, home.path) is not False), usable[0])
    others = [file.path.name for file in usable if file is not chosen]
    return chosen, f"dseg: took {chosen.path.name}, left {', '.join(others)}" if others else ""


def table_of(dseg: IndexedFile, files: Sequence[IndexedFile]) -> Path | None:
    """Return the label table of a dseg: beside it, or above by the inheritance principle."""
    ignored = ("extension", "datatype", "suffix")
    own = {k: v for k, v in dseg.entities.items() if k not in ignored}
    tables = []
    for file in files:
        if file.suffix != "dseg" or file.entities.get("extension") != ".tsv":
            continue
        said = {k: v for k, v in file.entities.items() if k not in ignored}
        above = dseg.path.is_relative_to(file.path.parent) and file.root == dseg.root
        if above and all(own.get(k) == v for k, v in said.items()):
            tables.append((len(file.path.parts), len(said), file.path))
    return max(tables)[2] if tables else None


def on_grid(path: Path, reference: Path) -> bool | None:
    """Tell from the headers whether two images share a grid; None if that cannot be read."""
    a, b = _grid(path), _grid(reference)
    return None if a is None or b is None else same_grid(a, b, GRID_TOLERANCE_MM)


def _is_plain(file: IndexedFile, spaces: Sequence[str | None], filters: Mapping[str, Any]) -> bool:
    if "desc" not in filters and file.desc not in (None, *PREPROCESSED):
        return False
    if "space" not in filters and file.space not in spaces:
        return False
    entities = file.entities
    return (
        entities.get("part") in (None, "mag")
        and ("res" in filters or entities.get("res") is None)
        and ("inv" in filters or entities.get("inv") is None)
    )


def _is_twin(a: IndexedFile, b: IndexedFile) -> bool:
    """Return whether two files of a dataset say the same: run-1 and run-01, .nii and .nii.gz."""

    def said(file: IndexedFile) -> dict[str, Any]:
        return {key: str(int(v) if isinstance(v, int) else v) for key, v in file.entities.items()}

    return a.root == b.root and said(a) | {"extension": ""} == said(b) | {"extension": ""}


def _nothing_usable(suffix: str, images: Sequence[IndexedFile]) -> str:
    if not images:
        return ""
    names = ", ".join(file.path.name for file in images[:3])
    return f"{suffix}: left {names}; choose one with --bids-filter-file"


def _acquisition_order(file: IndexedFile) -> tuple[float, float, bool, int, str]:
    grid = _grid(file.path)
    sizes = voxel_sizes(grid.affine).round(2) if grid else [math.inf] * 3
    run = int(file.entities.get("run") or 0)
    no_rec = file.entities.get("reconstruction") is None
    return float(max(sizes)), float(math.prod(sizes)), no_rec, -run, str(file.path)


def _mask_rank(file: IndexedFile) -> int | None:
    kinds = (("mask", "brain"), ("brainmask", "drawem"), ("brainmask", None), ("brainmask", "bet"))
    key = (file.suffix, file.desc)
    return kinds.index(key) if key in kinds else None


def _dseg_rank(desc: str | None) -> int:
    if desc in DSEG_ORDER:
        return DSEG_ORDER.index(desc)
    return len(DSEG_ORDER) + (1 if desc in DSEG_LAST else 0)


def _spaces_of(home: IndexedFile) -> tuple[str | None, ...]:
    return (None, home.suffix) if home.space is None else (None, home.suffix, home.space)


def _grid(path: Path) -> Grid | None:
    from bgpvs_wf.imaging.content import read_header

    try:
        header = read_header(path)
    except BadImageError:  # loading the image will say so
        return None
    x, y, z = header.shape[:3]
    return Grid((x, y, z), header.placement.affine)
