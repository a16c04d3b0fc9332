"""The page of a subject: one HTML file that needs nothing else, to judge a result at a glance."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bgpvs_wf.bids.ages import TERM_WEEKS, WEEKS_PER_MONTH
from bgpvs_wf.imaging.signal import sees_pvs, thickness_doubt
from bgpvs_wf.reports.figures import legend, side_letters, tile_svg
from bgpvs_wf.reports.findings import found_sentences, sure_sentences, verdict
from bgpvs_wf.reports.glossary import GLOSSARY, explained
from bgpvs_wf.reports.headlines import headlines, sides_marked
from bgpvs_wf.reports.methods import methods_text
from bgpvs_wf.reports.page import render
from bgpvs_wf.reports.quality_table import quality_rows
from bgpvs_wf.reports.record import record_tables
from bgpvs_wf.reports.registration_tiles import atlas_tiles, edge_tiles
from bgpvs_wf.reports.stack import slice_of, slice_stack
from bgpvs_wf.reports.standing import standing_sentences, standing_table
from bgpvs_wf.reports.subject_tables import pvs_rows, region_rows
from bgpvs_wf.reports.tile_scene import Scene
from bgpvs_wf.reports.views import Tile, Volume

if TYPE_CHECKING:
    import pandas as pd

    from bgpvs_wf.cohort.growth.standing import Standing


@dataclass(frozen=True, kw_only=True)
class SubjectReport:
    """All that a subject's page shows; what is None or empty is left out, and said to be."""

    subject: str
    """With its session, as in file names: `sub-01` or `sub-01_ses-3mo`."""
    age_weeks: float | None = None
    """Post-menstrual."""
    age_note: str = ""
    """Where the age is from, or why there is none."""
    t2w: Volume | None = None
    """Preprocessed; its grid, or the T1w's where there is no T2w, is that of the label maps."""
    t1w: Volume | None = None
    nuclei: Volume | None = None
    """Harmonised indices (`bgpvs_wf.anatomy.labels`)."""
    bgpvs: Volume | None = None
    """0 rest, 1 BG, 2 PVS."""
    pvs: Volume | None = None
    """Number of the PVS in every voxel."""
    t1w_before: Volume | None = None
    """The T1w as scanned, before it was aligned to the T2w."""
    atlas: Volume | None = None
    """The atlas in the subject's space: harmonised indices, for the check of the registration."""
    regions: pd.DataFrame | None = None
    """A row per region, as `bgpvs_wf.quantification` measures them."""
    objects: pd.DataFrame | None = None
    """A row per perivascular space; with centroids, rows lead to places in the images."""
    region_columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Columns of the table of regions to `Description` and `Units`."""
    object_columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Columns of the table of PVS to `Description` and `Units`."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """What was done and found in the segmentation: scalars, and mappings of scalars (tables)."""
    standing: Standing | None = None
    """Where the subject stands among norms."""
    quality: Mapping[str, float] = field(default_factory=dict)
    """By the names of `bgpvs_wf.quality.measures.measures`."""
    doubts: Sequence[str] = ()
    """What speaks against this result, in sentences."""
    warnings: Sequence[str] = ()
    """What is to be known besides: of the model, of the choice of files."""
    viewer: str = ""
    """Address of the page in 3D, from this one."""
    software: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """As `RunConfig.to_mapping` gives them."""
    sources: Sequence[str] = ()
    """The files this was made from."""
    methods: str = ""
    """Paragraphs for a paper; made from inputs, parameters and software where empty."""
    references: Sequence[str] = ()
    """What `methods` cites."""

    @property
    def images(self) -> dict[str, Volume]:
        """What there is of T2w and T1w, by name."""
        both = {"T2w": self.t2w, "T1w": self.t1w}
        return {name: image for name, image in both.items() if image is not None}

    @property
    def sides_known(self) -> bool:
        """Whether the table of regions does not say otherwise."""
        return not sides_marked(self.regions)


class Panel(NamedTuple):
    """A group of pictures: columns of slices, each with its tiles from top to bottom."""

    title: str
    note: str
    rows: int
    columns: int
    figures: tuple[tuple[Tile, str], ...]
    """Tile and SVG, column by column."""


def render_subject(report: SubjectReport) -> str:
    """Return the HTML of a subject's page, the same text for the same report.

    Parameters
    ----------
    report : SubjectReport

    Returns
    -------
    str
        HTML that refers to nothing outside of itself.
    """
    return render("subject.html", _content(report))


def write_subject_page(report: SubjectReport, path: str | os.PathLike[str]) -> Path:
    """Write a subject's page; it appears whole or not at all.

    Raises
    ------
    BGPVSError
        If the folder cannot be written to or the disk is full.
    """
    from bgpvs_wf.imaging.files import write_text

    return write_text(render_subject(report), path)


def age_text(weeks: float | None) -> str:
    """Return an age in weeks, and in months where that is how people say it.

    Examples
    --------
    >>> age_text(34.0), age_text(53.0444)
    ('34.0 post-menstrual weeks', '53.0 post-menstrual weeks (3.0 months after term)')
    >>> age_text(None)
    'age unknown'
    """
    if weeks is None:
        return "age unknown"
    months = (weeks - TERM_WEEKS) / WEEKS_PER_MONTH
    text = f"{weeks:.1f} post-menstrual weeks"
    return text + (f" ({months:.1f} months after term)" if months >= 1 else "")


def input_text(images: Sequence[str]) -> tuple[str, bool]:
    """Return which images there were, and whether one is missing."""
    if not images:
        return "no image", True
    if len(images) > 1:
        return " and ".join(images), False
    other = {"T2w": "no T1w", "T1w": "no T2w"}.get(images[0], "")
    return f"{images[0]} only, {other}", True


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted names and values as text.

    Examples
    --------
    >>> list(flatten({"quantify": {"min_volume_mm3": 0.5}, "nprocs": 2}))
    [('quantify.min_volume_mm3', '0.5'), ('nprocs', '2')]
    """
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        elif isinstance(value, (list, tuple)):
            yield f"{prefix}{key}", ", ".join(map(str, value)) or "none"
        else:
            yield f"{prefix}{key}", str(value)


def _content(report: SubjectReport) -> dict[str, Any]:
    scene = Scene(report.images, report.nuclei, report.bgpvs) if report.images else None
    panels = [] if scene is None else list(_panels(scene, report.sides_known))
    stack = None if scene is None else slice_stack(scene)
    if stack is not None:
        stack = stack._replace(letters=side_letters(stack.letters, report.sides_known))
    checks = list(_checks(report))
    inputs, incomplete = input_text(list(report.images))
    seen = _seen(report)
    methods, references = report.methods, list(report.references)
    if not methods:
        methods, references = methods_text(list(report.images), report.parameters, report.software)
    return {
        "subject": report.subject,
        "age": age_text(report.age_weeks),
        "age_note": report.age_note,
        "inputs": inputs,
        "incomplete": incomplete,
        "verdict": verdict(report.quality, report.doubts),
        "findings": [
            *found_sentences(report.regions, report.objects, **seen),
            *standing_sentences(report.standing),
        ],
        "standing": standing_table(report.standing),
        "sureness": sure_sentences(report.objects, report.record, blind=seen["blind"]),
        "doubts": list(report.doubts),
        "warnings": list(report.warnings),
        "headlines": [] if report.regions is None else headlines(report.regions, **seen),
        "panels": panels,
        "legend": legend([tile for panel in panels for tile, _ in panel.figures]),
        "stack": stack,
        "checks": checks,
        "check_legend": legend([tile for panel in checks for tile, _ in panel.figures]),
        "regions": None
        if report.regions is None
        else region_rows(report.regions, report.region_columns),
        "objects": None
        if report.objects is None
        else pvs_rows(report.objects, report.object_columns),
        "places": _places(scene, report.objects),
        "record": record_tables(
            report.record,
            quality=report.quality,
            parameters=report.parameters.get("predict", ()),
            measured=report.regions is not None,
        ),
        "viewer": report.viewer,
        "quality": quality_rows(report.quality),
        "software": dict(report.software),
        "parameters": list(flatten(report.parameters)),
        "sources": list(report.sources),
        "methods": methods,
        "references": references,
        "glossary": GLOSSARY,
        "explained": explained,
    }


def _seen(report: SubjectReport) -> dict[str, bool]:
    """Return whether few PVS, or none, can be seen in the voxels there are."""
    home = next(iter(report.images.values()), None)
    if home is None:
        return {"faint": False, "blind": False}
    return {"faint": bool(thickness_doubt(home.affine)), "blind": not sees_pvs(home.affine)}


def _panels(scene: Scene, sides_known: bool) -> Iterator[Panel]:
    """Yield axial, coronal and sagittal views of the basal ganglia, every image of a slice."""
    names = list(scene.images)
    radiological = "radiological: the patient's right is at the left"
    if not sides_known:
        radiological += ", if the sides are as assumed, which is not known"
    notes = {
        "axial": radiological,
        "coronal": radiological,
        "sagittal": "through the right and the left lentiform nucleus; anterior is at the left",
    }
    for plane, note in notes.items():
        indices = scene.slices(plane)
        tiles = [scene.tile(name, plane, index) for index in indices for name in names]
        columns = len(indices)
        if plane == "sagittal" and scene.pvs.any():
            # The column that two sagittal slices leave free.
            tiles += [scene.projection(p) for p in ("axial", "coronal")[: len(names)]]
            note += "; all PVS at once, seen through the nuclei"
            columns += 1
        yield _panel(plane.capitalize(), note, len(names), columns, tiles, sides_known)


def _checks(report: SubjectReport) -> Iterator[Panel]:
    """Yield the checks of the registrations there were."""
    if report.t2w is not None and report.t1w is not None:
        stages = {"T1w as scanned": report.t1w_before, "T1w aligned": report.t1w}
        shown = {name: image for name, image in stages.items() if image is not None}
        rows = [edge_tiles(report.t2w, image, name) for name, image in shown.items()]
        tiles = [tile for column in zip(*rows, strict=True) for tile in column]
        note = "edges of the T2w on the T1w; they should follow the T1w's own edges"
        yield _panel("T1w to T2w", note, len(rows), len(rows[0]), tiles, report.sides_known)
    if report.atlas is not None and report.images:
        name, image = next(iter(report.images.items()))
        tiles = atlas_tiles(image, report.atlas, f"atlas on {name}")
        note = "outlines of the registered atlas; they should follow the ventricles and deep nuclei"
        yield _panel("Atlas to subject", note, 1, len(tiles), tiles, report.sides_known)


def _panel(
    title: str, note: str, rows: int, columns: int, tiles: Sequence[Tile], sides_known: bool
) -> Panel:
    figures = tuple((tile, tile_svg(tile, sides_known=sides_known)) for tile in tiles)
    return Panel(title, note, rows, columns, figures)


def _places(scene: Scene | None, objects: pd.DataFrame | None) -> list[tuple[str, str, str]]:
    """Return, a row of the table of PVS, its slice and where on it it is; none if not known."""
    centroid = [f"centroid_{axis}_mm" for axis in "xyz"]
    if scene is None or objects is None or not set(centroid) <= set(objects.columns):
        return []
    found = (slice_of(scene, (x, y, z)) for x, y, z in objects[centroid].to_numpy(float))
    return [(str(index), f"{across:.1f}", f"{down:.1f}") for index, across, down in found]
