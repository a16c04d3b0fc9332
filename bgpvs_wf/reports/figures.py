"""Tiles as pictures: SVG for the page, where layers can be switched, and PNG for the rest."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.anatomy.colours import COLOURS
from bgpvs_wf.reports.tile_scene import Scene
from bgpvs_wf.reports.views import Outline, Tile, Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALE_BAR_MM = 10.0


def tile_svg(tile: Tile, *, sides_known: bool = True) -> str:
    """Return a tile as an SVG element, user units mm, its outlines in groups of class `ov`.

    Lines keep their width in pixels when the picture is scaled; nothing outside is referred to.
    Sides that are not known have a question mark.
    """
    width, height = tile.size_mm
    groups = "".join(_group(outline) for outline in tile.outlines)
    return (
        f'<svg class="tile" viewBox="0 0 {width:.2f} {height:.2f}" aria-hidden="true" '
        f'style="aspect-ratio:{width:.2f}/{height:.2f}">'
        f'<image width="{width:.2f}" height="{height:.2f}" preserveAspectRatio="none" '
        f'href="{png_uri(tile.grey)}"/>{groups}{_marks(tile, sides_known)}</svg>'
    )


def png_uri(grey: np.ndarray) -> str:
    """Return a uint8 image, shape (rows, columns), as a PNG data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grey)).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def overlay_figure(
    image: np.ndarray,
    affine: np.ndarray,
    *,
    nuclei: np.ndarray | None = None,
    bgpvs: np.ndarray | None = None,
    title: str = "",
    name: str = "T2w",
) -> bytes:
    """Draw an image without and with its nuclei and PVS, on the slices that show them.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel index to mm (RAS+): any orientation, oblique, anisotropic.
    nuclei, bgpvs : ndarray of int, shape (x, y, z), optional
        Harmonised indices; 0 rest, 1 BG, 2 PVS.
    title : str
    name : str
        What the image is.

    Returns
    -------
    bytes
        A PNG file; the same bytes for the same input and version of matplotlib.
    """
    scene = Scene(
        {name: Volume(image, affine)},
        None if nuclei is None else Volume(nuclei, affine),
        None if bgpvs is None else Volume(bgpvs, affine),
    )
    tiles = [
        scene.tile(name, plane, i) for plane in ("axial", "coronal") for i in scene.slices(plane)
    ]
    tiles += [scene.tile(name, "sagittal", i) for i in scene.slices("sagittal")]
    return _mosaic(tiles, title)


def legend(tiles: Sequence[Tile]) -> dict[str, str]:
    """Return name to colour of everything outlined in some tiles; thalamus and PVS last."""
    found: dict[str, str] = {}
    for tile in tiles:
        found.update({outline.name: outline.colour for outline in tile.outlines})
    order = [*COLOURS, *(name for name in found if name not in COLOURS)]
    return {name: found[name] for name in order if name in found}


def _group(outline: Outline) -> str:
    path = "".join(
        "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in line) for line in outline.lines if len(line)
    )
    return (
        f'<g class="ov {outline.kind} is-{outline.name.lower()}" fill="none" '
        f'stroke="{outline.colour}"><path d="{path}" vector-effect="non-scaling-stroke"/></g>'
    )


def side_letters(letters: Sequence[str], sides_known: bool) -> tuple[str, ...]:
    """Return the letters at the edges of a slice, sides with a question mark if not known.

    Examples
    --------
    >>> side_letters("RLAP", sides_known=False)
    ('R?', 'L?', 'A', 'P')
    """
    return tuple(f"{one}?" if one in "RL" and not sides_known else one for one in letters)


def _marks(tile: Tile, sides_known: bool) -> str:
    """Return the letters at the edges and a scale bar."""
    width, height = tile.size_mm
    left, right, top, bottom = side_letters(tile.letters, sides_known)
    size = max(width, height) / 28
    places = (
        (left, size * 0.3, height / 2, "start"),
        (right, width - size * 0.3, height / 2, "end"),
        (top, width / 2, size, "middle"),
        (bottom, width / 2, height - size * 0.4, "middle"),
    )
    texts = "".join(
        f'<text x="{x:.2f}" y="{y:.2f}" font-size="{size:.2f}" text-anchor="{anchor}">'
        f"{letter}</text>"
        for letter, x, y, anchor in places
    )
    end, level = width - size * 0.5, height - size * 0.6
    bar = f'<path d="M{end - SCALE_BAR_MM:.2f} {level:.2f}H{end:.2f}" class="bar"/>'
    return f'<g class="marks">{texts}{bar}</g>'


def _mosaic(tiles: Sequence[Tile], title: str) -> bytes:
    """Draw tiles in rows, each row first plain, then with outlines."""
    from matplotlib.figure import Figure

    columns = 4
    rows = -(-len(tiles) // columns)
    figure = Figure(figsize=(3.2 * columns, 5.8 * rows + 0.9), facecolor="black", dpi=110)
    axes = figure.subplots(2 * rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        _draw(axes[2 * row, column], tile, outlined=False)
        _draw(axes[2 * row + 1, column], tile, outlined=True)
    _caption(figure, tiles, title)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw(ax: Axes, tile: Tile, *, outlined: bool) -> None:
    width, height = tile.size_mm
    ax.imshow(tile.grey, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
    ax.set_title("" if outlined else tile.caption, color="white", fontsize=9)
    places = ((0.02, 0.5), (0.98, 0.5), (0.5, 0.97), (0.5, 0.03))
    aligned = (("left", "center"), ("right", "center"), ("center", "top"), ("center", "bottom"))
    for letter, (x, y), (ha, va) in zip(tile.letters, places, aligned, strict=True):
        ax.text(x, y, letter, color="white", fontsize=8, ha=ha, va=va, transform=ax.transAxes)
    for outline in tile.outlines if outlined else ():
        for line in outline.lines:
            ax.plot(line[:, 0], line[:, 1], color=outline.colour, linewidth=0.9)
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)


def _caption(figure: Figure, tiles: Sequence[Tile], title: str) -> None:
    from matplotlib.lines import Line2D

    names = legend(tiles)
    if names:
        lines = [Line2D([], [], color=colour) for colour in names.values()]
        figure.legend(
            lines,
            list(names),
            loc="lower center",
            ncols=len(names),
            frameon=False,
            labelcolor="white",
        )
    figure.suptitle(title, color="white", fontsize=12)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
