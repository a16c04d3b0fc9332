"""What the page draws: images around the basal ganglia, and surfaces, all in the same space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.colours import COLOURS
from bgpvs_wf.anatomy.labels import NUCLEI
from bgpvs_wf.imaging.geometry import (
    Grid,
    axes_in_space,
    bounding_box,
    crop_affine,
    resample,
    voxel_sizes,
)
from bgpvs_wf.reports.viewer.surfaces import Surface, joined, mask_surface
from bgpvs_wf.reports.views import Volume, on_grid, structures, to_grey, window

if TYPE_CHECKING:
    import pandas as pd

BOX_MARGIN_MM = 10.0
"""Shown around nuclei and PVS."""
NUCLEUS_STEP_MM, NUCLEUS_SMOOTH_VOXELS = 0.8, 1.0
PVS_STEP_MM = 0.3
"""Of their surfaces (chosen: a PVS one voxel wide is round; pages stay below a few MB)."""
_UPRIGHT = 1e-5
"""By how much axes may lean, as a cosine's shortfall: a quarter of a degree, 0.2 mm at the edge."""


@dataclass(frozen=True, kw_only=True)
class ViewerSubject:
    """What is known of a subject; what is None is left out."""

    subject: str
    """With its session, as in file names: `sub-01` or `sub-01_ses-3mo`."""
    t2w: Volume | None = None
    """Preprocessed; its grid, or the T1w's where there is no T2w, is that of the label maps."""
    t1w: Volume | None = None
    nuclei: Volume | None = None
    """Harmonised indices (`bgpvs_wf.anatomy.labels`)."""
    pvs: Volume | None = None
    """The number of its PVS in each voxel, 0 for none."""
    objects: pd.DataFrame | None = None
    """A row a PVS: `index` as in `pvs`, `region`, `side`, `mean_diameter_mm`, `volume_mm3`."""
    sides_known: bool = True

    @property
    def images(self) -> dict[str, Volume]:
        """What there is of T2w and T1w, by name."""
        both = {"T2w": self.t2w, "T1w": self.t1w}
        return {name: image for name, image in both.items() if image is not None}


class Nucleus(NamedTuple):
    """Both sides of a nucleus."""

    name: str
    colour: str
    surface: Surface


class Pvs(NamedTuple):
    """All PVS as one surface."""

    surface: Surface
    owners: np.ndarray
    """Number of the PVS that each vertex belongs to."""
    places: dict[int, tuple[float, float, float]]
    """Number to a place inside of it, mm: the voxel nearest to its centroid."""


class ViewerScene(NamedTuple):
    """Images as uint8, axes right, anterior, superior; surfaces in mm."""

    images: dict[str, Volume]
    nuclei: tuple[Nucleus, ...]
    pvs: Pvs | None


def viewer_scene(subject: ViewerSubject) -> ViewerScene:
    """Cut a subject's images to the basal ganglia and find the surfaces in them.

    Parameters
    ----------
    subject : ViewerSubject

    Raises
    ------
    ValueError
        If there is no image.
    """
    if not subject.images:
        raise ValueError("a scene needs an image")
    home = next(iter(subject.images.values())).grid
    nuclei, pvs = (
        np.zeros(home.shape, np.uint8) if labels is None else on_grid(labels, home, order=0)
        for labels in (subject.nuclei, subject.pvs)
    )
    images = {name: on_grid(image, home) for name, image in subject.images.items()}
    shown = np.isin(nuclei, list(NUCLEI)) | (pvs > 0)
    focus = shown if shown.any() else next(iter(images.values())) != 0
    box = bounding_box(focus if focus.any() else ~focus, home.affine, BOX_MARGIN_MM)
    affine = crop_affine(home.affine, box)
    return ViewerScene(
        {name: _grey(Volume(data[box], affine), focus[box]) for name, data in images.items()},
        tuple(_nucleus(name, mask, affine) for name, mask in structures(nuclei[box]).items()),
        pvs_surface(pvs[box], affine),
    )


def pvs_surface(labels: np.ndarray, affine: np.ndarray) -> Pvs | None:
    """Return the surfaces of all PVS, or None if there is none.

    Parameters
    ----------
    labels : ndarray of int, shape (x, y, z)
        Number of the PVS in each voxel, 0 for none.
    affine : ndarray, shape (4, 4)
        Voxel index to mm, RAS+.
    """
    found = {
        number: (labels[box] == number, crop_affine(affine, box))
        for number, box in enumerate(ndimage.find_objects(labels), start=1)
        if box is not None
    }
    if not found:
        return None
    surfaces = [mask_surface(mask, to_mm, step_mm=PVS_STEP_MM) for mask, to_mm in found.values()]
    lengths = [len(surface.vertices) for surface in surfaces]
    places = {number: _middle(mask, to_mm) for number, (mask, to_mm) in found.items()}
    return Pvs(joined(surfaces), np.repeat(list(found), lengths), places)


def upright(volume: Volume) -> Volume:
    """Return a volume with axes right, anterior, superior; resampled only if it is oblique.

    Slices of the result are planes of space: where a surface cuts them is where it is drawn.
    """
    from nibabel import orientations as orient

    if np.abs(np.diag(axes_in_space(volume.affine))).min() > 1 - _UPRIGHT:
        change = orient.io_orientation(volume.affine)
        data = orient.apply_orientation(volume.data, change)
        return Volume(data, volume.affine @ orient.inv_ornt_aff(change, volume.data.shape))
    grid = _around(volume.grid)
    return Volume(resample(volume.data, volume.affine, grid), grid.affine)


def _nucleus(name: str, mask: np.ndarray, affine: np.ndarray) -> Nucleus:
    surface = mask_surface(
        mask, affine, step_mm=NUCLEUS_STEP_MM, smooth_voxels=NUCLEUS_SMOOTH_VOXELS
    )
    return Nucleus(name, COLOURS[name], surface)


def _around(grid: Grid) -> Grid:
    """Return the grid along the axes of space, as fine as another one, that holds it whole."""
    ends = [(-0.5, size - 0.5) for size in grid.shape]
    corners = np.array(np.meshgrid(*ends)).reshape(3, -1)
    places = grid.affine[:3, :3] @ corners + grid.affine[:3, 3:]
    step, low = float(voxel_sizes(grid.affine).min()), places.min(axis=1)
    x, y, z = np.ceil((places.max(axis=1) - low) / step).astype(int).tolist()
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = low + step / 2
    return Grid((x, y, z), affine)


def _grey(image: Volume, focus: np.ndarray) -> Volume:
    """Return an image as grey values that show what is in focus."""
    part = upright(image)
    return Volume(to_grey(part.data, window(image.data, focus)), part.affine)


def _middle(mask: np.ndarray, affine: np.ndarray) -> tuple[float, float, float]:
    places = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    away = np.linalg.norm(places - places.mean(axis=0), axis=1)
    x, y, z = places[away.argmin()].tolist()
    return x, y, z
