"""The page of a subject in three dimensions, and the script beside it."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.anatomy.colours import rgb
from bgpvs_wf.reports.page import render
from bgpvs_wf.reports.page_tables import to_table
from bgpvs_wf.reports.viewer.diameters import colour_bar, diameter_colours, hex_colour, ticks
from bgpvs_wf.reports.viewer.encoding import base64_text, mz3, nifti
from bgpvs_wf.reports.viewer.scene import Nucleus, Pvs, ViewerScene, ViewerSubject, viewer_scene

if TYPE_CHECKING:
    import pandas as pd

SCRIPT = "niivue.umd.js"
"""NiiVue 0.69.0 as published, a plain script (BSD 2-Clause)."""
_LICENCE = "niivue.LICENSE.txt"
_COLUMNS = ("index", "region", "side", "mean_diameter_mm", "volume_mm3")
_DIAMETER = "mean_diameter_mm"
_UNITS = {"mean_diameter_mm": {"Units": "mm"}, "volume_mm3": {"Units": "mm3"}}


def render_viewer(subject: ViewerSubject, *, assets: str, page: str = "", figure: str = "") -> str:
    """Return the HTML of a subject's page in three dimensions, the same text for the same subject.

    Images and surfaces are in the page; it works from a folder, without a server.

    Parameters
    ----------
    subject : ViewerSubject
        There must be an image.
    assets : str
        Address of the folder that has the script, from the page: "assets".
    page : str
        Address of the subject's page, from this one; empty if there is none.
    figure : str
        Address of the picture that is shown where WebGL2 is missing; empty if there is none.

    Raises
    ------
    ValueError
        If there is no image.
    """
    scene = viewer_scene(subject)
    rows = _listed(scene.pvs, subject.objects)
    diameters = _diameters(scene.pvs, rows)
    numbers = [] if rows is None else rows["index"].astype(int).tolist()
    places = {} if scene.pvs is None else scene.pvs.places
    known = np.isfinite(list(diameters.values()))
    return render(
        "viewer.html",
        {
            "subject": subject.subject,
            "script": f"{assets}/{SCRIPT}",
            "page": page,
            "figure": figure,
            "images": list(scene.images),
            "nuclei": scene.nuclei,
            "count": len(places),
            "bar": colour_bar() if known.any() else "",
            "unknown": not known.all(),
            "ticks": ticks(),
            "table": None if rows is None else to_table(rows, _UNITS),
            "places": [[f"{value:.2f}" for value in places[number]] for number in numbers],
            "mark": "" if subject.sides_known else "?",
            "data": {
                **_drawn(scene, diameters),
                "mark": "" if subject.sides_known else "?",
                "dots": [_dot(diameters[number]) for number in numbers],
            },
        },
    )


def write_viewer(
    subject: ViewerSubject,
    path: str | os.PathLike[str],
    *,
    assets: str | os.PathLike[str] | None = None,
    page: str = "",
    figure: str = "",
) -> Path:
    """Write the page, and the script and its licence where they are not yet.

    Parameters
    ----------
    subject : ViewerSubject
    path : path-like
        Of the page; it appears whole or not at all.
    assets : path-like, optional
        Folder of the script, which all pages share. Default: `assets` beside the page.
    page, figure : str
        See `render_viewer`.

    Returns
    -------
    Path
        Where the page is.

    Raises
    ------
    BGPVSError
        If a folder cannot be written to or the disk is full.
    ValueError
        If there is no image.
    """
    from bgpvs_wf.imaging.files import write_text

    path = Path(path)
    folder = path.parent / "assets" if assets is None else Path(assets)
    address = Path(os.path.relpath(folder, path.parent)).as_posix()
    html = render_viewer(subject, assets=address, page=page, figure=figure)
    for name in (SCRIPT, _LICENCE):
        _place_asset(name, folder)
    return write_text(html, path)


def _place_asset(name: str, folder: Path) -> None:
    """Copy a file of this package, unless the same bytes are there."""
    from bgpvs_wf.imaging.files import write_bytes

    content = (resources.files("bgpvs_wf.reports.viewer") / "assets" / name).read_bytes()
    target = folder / name
    if not target.is_file() or target.read_bytes() != content:
        write_bytes(content, target)


def _drawn(scene: ViewerScene, diameters: dict[int, float]) -> dict[str, Any]:
    """Return images and surfaces for the page's script."""
    return {
        "images": [
            (name, base64_text(nifti(image.data, image.affine)))
            for name, image in scene.images.items()
        ],
        "nuclei": [_nucleus(nucleus) for nucleus in scene.nuclei],
        "pvs": None if scene.pvs is None else _pvs(scene.pvs, diameters),
    }


def _nucleus(nucleus: Nucleus) -> dict[str, Any]:
    return {
        "name": nucleus.name,
        "colour": [*rgb(nucleus.colour), 255],
        "mesh": base64_text(mz3(nucleus.surface)),
    }


def _pvs(pvs: Pvs, diameters: dict[int, float]) -> str:
    of_vertex = np.array([diameters[number] for number in pvs.owners.tolist()])
    return base64_text(mz3(pvs.surface, diameter_colours(of_vertex)))


def _dot(diameter_mm: float) -> str:
    return hex_colour(diameter_colours(np.array([diameter_mm]))[0])


def _diameters(pvs: Pvs | None, objects: pd.DataFrame | None) -> dict[int, float]:
    """Return the mean diameter of every PVS, NaN where it is not known."""
    found = dict.fromkeys([] if pvs is None else pvs.places, float("nan"))
    if objects is not None and _DIAMETER in objects.columns:
        found.update(
            zip(objects["index"].astype(int), objects[_DIAMETER].astype(float), strict=True)
        )
    return found


def _listed(pvs: Pvs | None, objects: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the rows of the PVS that are drawn, or None if there is none."""
    if pvs is None or objects is None or "index" not in objects.columns:
        return None
    rows = objects[objects["index"].isin(list(pvs.places))]
    return rows[[column for column in _COLUMNS if column in rows.columns]]
