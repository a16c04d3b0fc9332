"""Pictures of a subject as files, for the page of the cohort: several slices, and a small one."""

from __future__ import annotations

import io

from bgpvs_wf.reports.figures import tile_svg
from bgpvs_wf.reports.tile_scene import Scene
from bgpvs_wf.reports.views import Tile

_GAP_MM, _COLUMNS = 1.5, 3
_STYLE = (
    ".ov{stroke-width:1.6px;stroke-linejoin:round}"
    ".pvs{stroke-width:1.8px;stroke-linecap:square}"
    ".is-thalamus{stroke-dasharray:4 3}"
    "text{fill:#fff;font-family:system-ui,sans-serif;font-weight:600}"
    ".bar{stroke:#fff;stroke-width:.7px}"
)
_WIDTH_PX, _QUALITY = 240, 72
"""Of the thumbnail (chosen: 5 to 10 kB)."""


def several_slices(scene: Scene, *, sides_known: bool = True) -> str:
    """Return axial slices of all images, and coronal ones of the home image, an SVG document.

    Outlines are on them. A row an image; it refers to nothing outside of itself.
    """
    home = next(iter(scene.images))
    shown = [*((name, "axial") for name in scene.images), (home, "coronal")]
    rows = [
        [scene.tile(name, plane, index) for index in scene.slices(plane, _COLUMNS)]
        for name, plane in shown
    ]
    parts, top, widest = [], 0.0, 0.0
    for tiles in rows:
        left = 0.0
        for tile in tiles:
            width, height = tile.size_mm
            place = f'<svg x="{left:.2f}" y="{top:.2f}" width="{width:.2f}" height="{height:.2f}"'
            inner = tile_svg(tile, sides_known=sides_known).removeprefix("<svg")
            parts.append(place + inner)
            left += width + _GAP_MM
        widest = max(widest, left - _GAP_MM)
        top += max(tile.size_mm[1] for tile in tiles) + _GAP_MM
    height = top - _GAP_MM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {widest:.2f} {height:.2f}" '
        f'width="{4 * widest:.0f}" height="{4 * height:.0f}"><style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#000"/>{"".join(parts)}</svg>\n'
    )


def one_slice(scene: Scene) -> bytes:
    """Return an axial slice of the home image with outlines, a small JPEG."""
    name = next(iter(scene.images))
    indices = scene.slices("axial")
    return _jpeg(scene.tile(name, "axial", indices[len(indices) // 2]))


def _jpeg(tile: Tile) -> bytes:
    from PIL import Image, ImageDraw

    width, height = tile.size_mm
    scale = _WIDTH_PX / width
    size = (_WIDTH_PX, max(round(height * scale), 1))
    picture = Image.fromarray(tile.grey).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for outline in tile.outlines:
        for line in outline.lines:
            draw.line([(x * scale, y * scale) for x, y in line], fill=outline.colour, width=1)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()
