"""Sessions of an infant side by side: the same slices of each, spaces numbered by their tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.arrays import Affine
from bgpvs_wf.imaging.geometry import Grid, bounding_box, part_of, voxel_sizes
from bgpvs_wf.reports.chart_style import OKABE_ITO
from bgpvs_wf.reports.figures import tile_svg
from bgpvs_wf.reports.views import (
    PLANES,
    Outline,
    Tile,
    Volume,
    choose_slices,
    on_grid,
    to_display,
    to_grey,
    voxel_outline,
    window,
)

_PLANE = "axial"
_MARGIN_MM = 6.0
_LASTS, _COMES, _GOES, _UNCLEAR = "#F0E442", "#56B4E9", OKABE_ITO[1], OKABE_ITO[3]
_COLOURS = {
    "persisted": _LASTS,
    "again": _LASTS,
    "new": _COMES,
    "gone": _GOES,
    "missed": _GOES,
    "unclear": _UNCLEAR,
}
"""What becomes of a space to its outline, told apart with any colour vision."""


@dataclass(frozen=True)
class Session:
    """A session of an infant."""

    label: str
    """With ``ses-``."""
    age_weeks: float | None
    """Post-menstrual."""
    image: Volume
    nuclei: Volume
    """Harmonised labels."""
    pvs: Volume
    """Number of the space in every voxel."""


def to_last(affines: Sequence[Affine]) -> list[Affine]:
    """Return what takes places of each session to the last, from those of each to the next."""
    found: list[Affine] = [np.eye(4)]
    for affine in reversed(affines):
        found.insert(0, found[0] @ affine)
    return found


def rows_of_slices(
    sessions: Sequence[Session],
    affines: Sequence[Affine],
    tracks: Sequence[Mapping[int, tuple[int, str]]],
    count: int = 5,
) -> list[dict[str, object]]:
    """Cut the same slices out of all sessions, in the space of the last.

    Parameters
    ----------
    sessions : sequence of Session
    affines : sequence of ndarray, shape (4, 4)
        From each session to the next, mm.
    tracks : sequence of mapping
        Of each session: number of a space to its track, and to what becomes of it, one of
        `bgpvs_wf.cohort.change.table.CHANGES`.
    count : int
        How many slices.

    Returns
    -------
    list of dict
        A row a slice: `place` ("z = 12 mm") and `tiles`, SVG, one a session.
    """
    last = sessions[-1]
    bg = np.isin(last.nuclei.data, BG_LABELS)
    box = bounding_box(bg if bg.any() else last.image.data != 0, last.image.affine, _MARGIN_MM)
    grid = part_of(last.image.grid, box)
    drawn = [
        _Drawn(session, affine, grid, known)
        for session, affine, known in zip(sessions, to_last(affines), tracks, strict=True)
    ]
    seen = np.any([one.labels > 0 for one in drawn], axis=0)
    axis = PLANES[_PLANE]
    spacing = float(voxel_sizes(grid.affine)[axis])
    focus = to_display(Volume(bg[box], grid.affine)).data
    chosen = choose_slices(focus if focus.any() else seen, seen, axis, count, spacing)
    return [
        {"place": drawn[-1].place(index), "tiles": [one.svg(index) for one in drawn]}
        for index in reversed(chosen)
    ]


class _Drawn:
    """A session on the grid that all are shown on."""

    def __init__(
        self, session: Session, affine: Affine, grid: Grid, known: Mapping[int, tuple[int, str]]
    ) -> None:
        self.known = known

        def brought(volume: Volume, order: int) -> np.ndarray:
            moved = Volume(volume.data, affine @ volume.affine)
            return to_display(Volume(on_grid(moved, grid, order=order), grid.affine)).data

        self.image = brought(session.image, 1)
        self.labels = brought(session.pvs, 0).astype(int)
        nuclei = brought(session.nuclei, 0)
        self.affine = to_display(Volume(np.zeros(grid.shape, np.uint8), grid.affine)).affine
        self.spacing = voxel_sizes(self.affine)
        self.window = window(self.image, np.isin(nuclei, BG_LABELS))
        self.label = session.label

    def place(self, index: int) -> str:
        centre = (np.array(self.image.shape) - 1) / 2
        value = (self.affine @ [*centre[:2], index, 1.0])[2]
        return f"z = {value:.0f} mm".replace("-", "−")

    def svg(self, index: int) -> str:
        cut = self.labels[:, :, index].T
        step = self.spacing[:2]
        outlines, texts = [], []
        for number in np.unique(cut[cut > 0]).tolist():
            track, becomes = self.known.get(number, (0, "persisted"))
            mask, colour = cut == number, _COLOURS[becomes]
            lines = tuple(line * step for line in voxel_outline(mask))
            outlines.append(Outline(f"PVS {track}", "pvs", colour, lines))
            rows, columns = np.nonzero(mask)
            x, y = (columns.max() + 1.6) * step[0], (rows.min() + 0.6) * step[1]
            texts.append(
                f'<text class="track" x="{x:.1f}" y="{y:.1f}" style="fill:{colour}">{track}</text>'
            )
        height, width = cut.shape
        grey = to_grey(self.image[:, :, index].T, self.window)
        size = (float(width * step[0]), float(height * step[1]))
        caption = f"{self.label}, {_PLANE} {self.place(index)}"
        tile = Tile(_PLANE, caption, grey, size, tuple(outlines))
        return tile_svg(tile).removesuffix("</svg>") + "".join(texts) + "</svg>"
