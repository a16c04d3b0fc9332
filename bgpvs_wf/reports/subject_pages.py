"""All that is written of a subject to be looked at: its page, the one in 3D, and two pictures."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from bgpvs_wf.reports.figure_files import one_slice, several_slices
from bgpvs_wf.reports.subject_page import SubjectReport, write_subject_page
from bgpvs_wf.reports.tile_scene import Scene
from bgpvs_wf.reports.viewer.page import write_viewer
from bgpvs_wf.reports.viewer.scene import ViewerSubject


def write_subject_pages(
    report: SubjectReport,
    *,
    page: str | os.PathLike[str],
    viewer: str | os.PathLike[str],
    figure: str | os.PathLike[str],
    thumbnail: str | os.PathLike[str],
) -> Path:
    """Write the pages and pictures of a subject; each appears whole or not at all.

    Parameters
    ----------
    report : SubjectReport
        With an image.
    page, viewer : path-like
        Of the page with slices, and of the one in 3D, beside which is the folder `assets`.
    figure, thumbnail : path-like
        Of the pictures that the page of the cohort shows: SVG, and a small JPEG.

    Returns
    -------
    Path
        Of the page with slices.

    Raises
    ------
    BGPVSError
        If a folder cannot be written to or the disk is full.
    """
    from bgpvs_wf.imaging.files import write_bytes, write_text

    scene = Scene(report.images, report.nuclei, report.bgpvs)
    write_text(several_slices(scene, sides_known=report.sides_known), figure)
    write_bytes(one_slice(scene), thumbnail)
    write_viewer(
        ViewerSubject(
            subject=report.subject,
            t2w=report.t2w,
            t1w=report.t1w,
            nuclei=report.nuclei,
            pvs=report.pvs,
            objects=report.objects,
            sides_known=report.sides_known,
        ),
        viewer,
        page=_address(page, viewer),
        figure=_address(figure, viewer),
    )
    linked = dataclasses.replace(report, viewer=_address(viewer, page))
    return write_subject_page(linked, page)


def _address(of: str | os.PathLike[str], seen_from: str | os.PathLike[str]) -> str:
    """Return the address of a file from a page."""
    return Path(os.path.relpath(of, Path(seen_from).parent)).as_posix()
