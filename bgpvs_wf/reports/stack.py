"""All axial slices of the basal ganglia in one picture a contrast, to be leafed through."""

from __future__ import annotations

import base64
import io
from typing import Any, NamedTuple

import numpy as np

from bgpvs_wf.reports.tile_scene import Scene
from bgpvs_wf.reports.views import LETTERS, PLANES, smooth_outline, voxel_outline

_PLANE = "axial"
_COLUMNS = 10
_QUALITY = 85
"""Of the JPEG (chosen): at 0.5 mm both contrasts stay below 3 MB; single voxels survive."""


class Stack(NamedTuple):
    """Slices from top to bottom of the head."""

    sheets: dict[str, str]
    """Image name to data URI: slices left to right, then down, `columns` in a row."""
    columns: int
    rows: int
    size_mm: tuple[float, float]
    """Of a slice: width and height."""
    half_voxel_mm: tuple[float, float]
    """Unit of the paths: across and down."""
    layers: dict[str, tuple[str, str]]
    """Structure to kind and colour, in drawing order."""
    paths: list[dict[str, str]]
    """A slice: structure to SVG path."""
    places: list[str]
    """A slice: where it is, "z = 12 mm"."""
    letters: tuple[str, ...]
    start: int
    """The slice to begin with."""

    @property
    def data(self) -> dict[str, Any]:
        """What the page's script needs."""
        return {"columns": self.columns, "paths": self.paths, "places": self.places}


def slice_stack(scene: Scene) -> Stack:
    """Collect all axial slices of a scene.

    Parameters
    ----------
    scene : Scene

    Returns
    -------
    Stack
    """
    axis = PLANES[_PLANE]
    count = scene.focus.shape[axis]
    tiles = {name: [scene.tile(name, _PLANE, i) for i in range(count)] for name in scene.images}
    first = next(iter(tiles.values()))
    layers = {o.name: (o.kind, o.colour) for tile in first for o in tile.outlines}
    chosen = scene.slices(_PLANE)
    return Stack(
        sheets={name: _sheet([tile.grey for tile in some]) for name, some in tiles.items()},
        columns=_COLUMNS,
        rows=-(-count // _COLUMNS),
        size_mm=first[0].size_mm,
        half_voxel_mm=(float(scene.spacing[0]) / 2, float(scene.spacing[1]) / 2),
        layers={**{k: v for k, v in layers.items() if k != "PVS"}, **_only(layers, "PVS")},
        paths=[_paths(scene, index) for index in range(count)],
        places=[tile.caption.partition(f"{_PLANE} ")[2] for tile in first],
        letters=LETTERS[_PLANE],
        start=chosen[len(chosen) // 2] if chosen else count // 2,
    )


def slice_of(scene: Scene, place_mm: tuple[float, float, float]) -> tuple[int, float, float]:
    """Return the slice nearest to a place, and where on it the place is.

    Parameters
    ----------
    scene : Scene
    place_mm : tuple of float
        RAS+, mm.

    Returns
    -------
    index : int
    across, down : float
        From the upper left corner of the slice, mm.
    """
    i, j, k = (np.linalg.inv(scene.affine) @ [*place_mm, 1.0])[:3]
    last = scene.focus.shape[PLANES[_PLANE]] - 1
    across, down = (i + 0.5) * scene.spacing[0], (j + 0.5) * scene.spacing[1]
    return int(np.clip(round(k), 0, last)), float(across), float(down)


def _sheet(slices: list[np.ndarray]) -> str:
    """Return slices side by side as one JPEG data URI."""
    from PIL import Image

    height, width = slices[0].shape
    rows = -(-len(slices) // _COLUMNS)
    sheet = np.zeros((rows * height, _COLUMNS * width), np.uint8)
    for number, grey in enumerate(slices):
        row, column = divmod(number, _COLUMNS)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = grey
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, format="JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _paths(scene: Scene, index: int) -> dict[str, str]:
    found = {}
    for name, mask in scene.structures.items():
        cut = mask[:, :, index].T
        if cut.any():
            found[name] = "".join(compact_path(2 * line) for line in smooth_outline(cut))
    pvs = scene.pvs[:, :, index].T
    if pvs.any():
        found["PVS"] = "".join(compact_path(2 * line) for line in voxel_outline(pvs))
    return found


def compact_path(line: np.ndarray) -> str:
    """Return a line of whole numbers as a short SVG path, corners only.

    Parameters
    ----------
    line : ndarray, shape (n, 2)
        Rounded to whole numbers.

    Examples
    --------
    >>> compact_path(np.array([[0, 0], [1, 0], [2, 0], [2, 3]]))
    'M0 0l2 0 0 3'
    """
    points = np.rint(line).astype(int)
    steps = np.diff(points, axis=0)
    turn = np.abs(steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0]) > 0
    back = (steps[:-1] * steps[1:]).sum(axis=1) < 0
    corners = points[np.concatenate([[True], turn | back, [True]])]
    moves = " ".join(f"{x} {y}" for x, y in np.diff(corners, axis=0))
    return f"M{corners[0, 0]} {corners[0, 1]}l{moves}"


def _only(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    return {key: mapping[key]} if key in mapping else {}
