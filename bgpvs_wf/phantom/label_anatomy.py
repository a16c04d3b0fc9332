"""An anatomy from a label map: any harmonised segmentation, moved and bent at random."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.contrast import capsule_weight
from bgpvs_wf.anatomy.harmonisation import require_nuclei
from bgpvs_wf.anatomy.labels import (
    ANY_LENTIFORM_LABELS,
    BG_LABELS,
    LENTIFORM_LABELS,
    NUCLEI,
    PUTAMEN_LABELS,
    REGIONS,
)
from bgpvs_wf.imaging.geometry import Grid, bounding_box, crop_affine, voxel_sizes
from bgpvs_wf.imaging.morphology import surface
from bgpvs_wf.phantom.abstract_anatomy import DistanceFunction
from bgpvs_wf.phantom.canvas import LABELS, Canvas, Contrast, grid_points
from bgpvs_wf.phantom.label_shapes import SignedDistance, entry_point, to_voxels
from bgpvs_wf.phantom.shapes import Points
from bgpvs_wf.phantom.waves import WaveField

SOFTENING_VOXELS = 0.4
"""Standard deviation of the Gaussian that takes the steps out of the map's borders, voxels of the
map (chosen: borders move by less than a tenth of a voxel, the steps become ripples)."""
_SPARE_MM = 4.0
_CAPSULE_REACH_MM = 8.0  # the capsule is no wider than 7 mm
_SLAB_VOXELS = 2_000_000
_SIGNAL_OF = {
    "WM": "wm",
    "ventricle": "ventricle",
    "CSF": "csf",
    "deepGM": "brainstem",
    "limbic": "cortex",
    "cortex": "cortex",
    "thalamus": "thalamus",
    "brainstem": "brainstem",
    "cerebellum": "cerebellum",
}
"""Tissue of a label to the name of its signal; the basal ganglia go by their own names."""
_SIGNAL_OF_LABEL = {7: "wm", 46: "wm", 9010: "thalamus"} | dict.fromkeys(
    LENTIFORM_LABELS, "putamen"
)


@dataclass(frozen=True)
class LabelAnatomy:
    """A label map as an `Anatomy`; make one with `from_labels`.

    Parameters
    ----------
    labels : ndarray of int16, shape (x, y, z)
        Harmonised labels.
    affine : ndarray, shape (4, 4)
        Of the labels, voxel index to mm (RAS+).
    linear : ndarray, shape (3, 3)
        From the scanner's axes to the map's: a turn, and sizes near 1.
    centre, shift : ndarray, shape (3,)
        What the turn is about, mm of the map, and how far it lies from there in the scanner.
    warp : tuple of 3 WaveField
        Smooth displacement along the map's axes, in units of `warp_mm`.
    warp_mm : float
        Standard deviation of the displacement, mm.
    """

    labels: np.ndarray
    affine: np.ndarray
    linear: np.ndarray
    centre: np.ndarray
    shift: np.ndarray
    warp: tuple[WaveField, WaveField, WaveField]
    warp_mm: float

    @classmethod
    def from_labels(
        cls,
        labels: np.ndarray,
        affine: np.ndarray,
        rng: np.random.Generator,
        *,
        variation: float = 1.0,
    ) -> LabelAnatomy:
        """Draw an anatomy like that of a label map.

        Parameters
        ----------
        labels : ndarray of int, shape (x, y, z)
            Harmonised labels (`bgpvs_wf.anatomy.harmonisation.harmonise`); the nuclei alone will
            do.
        affine : ndarray, shape (4, 4)
            Voxel index to mm (RAS+).
        rng : Generator
        variation : float
            How much it differs from the map: 1 gives the displacements, turns and sizes of
            `bgpvs_wf.phantom.brain.draw_brain`; 0 gives the map as it is.

        Raises
        ------
        BadLabelsError
            If there are no basal ganglia in the map.
        """
        from scipy.spatial.transform import Rotation

        require_nuclei(labels)
        affine = np.asarray(affine, float)
        box = bounding_box(labels != 0, affine, 3 * float(voxel_sizes(affine).max()))
        kept = np.asarray(labels[box], np.int16)
        own = crop_affine(affine, box)
        middle = np.argwhere(np.isin(kept, BG_LABELS)).mean(axis=0)
        turn = Rotation.from_euler("xyz", variation * rng.normal(0, 3, 3), degrees=True)
        size = np.diag(np.exp(variation * rng.normal(0, 0.03, 3)))
        shift = variation * rng.normal(0, 3, 3)
        warp = [WaveField.draw(rng, 8, (70.0, 160.0)) for _ in range(3)]
        return cls(
            labels=kept,
            affine=own,
            linear=size @ turn.as_matrix(),
            centre=own[:3, :3] @ middle + own[:3, 3],
            shift=shift,
            warp=(warp[0], warp[1], warp[2]),
            warp_mm=1.2 * variation,
        )

    def to_map(self, points: Points) -> Points:
        """Carry points of the scanner, mm, to the map."""
        start = (self.centre + self.shift).tolist()
        moved = [p - s for p, s in zip(points, start, strict=True)]
        rows = zip(self.linear.tolist(), self.centre.tolist(), strict=True)
        x, y, z = (a * moved[0] + b * moved[1] + c * moved[2] + d for (a, b, c), d in rows)
        if not self.warp_mm:
            return x, y, z
        bent = [self.warp_mm * wave((x, y, z)) for wave in self.warp]
        return x + bent[0], y + bent[1], z + bent[2]

    def to_scanner(self, points: np.ndarray) -> np.ndarray:
        """Carry points of the map, shape (n, 3), mm, to the scanner."""
        straight = points
        # The displacement changes by a tenth of a mm a mm, so that each round gains a digit.
        for _ in range(10 if self.warp_mm else 0):
            x, y, z = straight.T
            bent = [self.warp_mm * wave((x, y, z)) for wave in self.warp]
            straight = points - np.stack(bent, axis=1)
        back = np.linalg.inv(self.linear)
        return np.asarray((straight - self.centre) @ back.T + self.centre + self.shift)

    def extent(self, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the corners of the box the labels fill; see `Anatomy.extent`."""
        rim = np.argwhere(surface(self.labels != 0))
        along = self.to_scanner(rim @ self.affine[:3, :3].T + self.affine[:3, 3]) @ turn
        return along.min(axis=0) - _SPARE_MM, along.max(axis=0) + _SPARE_MM

    def paint(self, grid: Grid, contrast: Contrast) -> Canvas:
        """Paint labels and signals; see `Anatomy.paint`.

        A voxel has the label that fills most of its middle, and the signals that its tissues
        have in proportion. What the map lacks is left at 0.
        """
        canvas = Canvas(
            dseg=np.zeros(grid.shape, np.int16),
            signals={name: np.zeros(grid.shape, np.float32) for name in contrast},
            left=np.zeros(grid.shape, bool),
            contrast=contrast,
        )
        sources = {name: self._source(grid, values) for name, values in contrast.items()}
        borders = _Borders(self.labels)
        for rows in _slabs(grid.shape):
            points = self.to_map(grid_points(grid, rows))
            canvas.left[rows] = points[0] < self.centre[0]
            index = to_voxels(points, self.affine)
            dseg = borders.labels_at(index)
            canvas.dseg[rows] = dseg
            # Nothing known is 0 in a brain-extracted scan: no share of it fades out.
            there = dseg > 0
            at = [values[there] for values in index]
            for name, source in sources.items():
                canvas.signals[name][rows][there] = ndimage.map_coordinates(source, at, order=1)
        return canvas

    def inside(self, names: tuple[str, ...], side: int) -> DistanceFunction:
        """Return the signed distance to some structures of a side; see `Anatomy.inside`."""
        wanted = [LABELS[name][int(side > 0)] for name in names]
        if not {"putamen", "pallidum"}.isdisjoint(names):
            wanted.append(LENTIFORM_LABELS[int(side > 0)])
        distance = SignedDistance(np.isin(self.labels, wanted), self.affine)
        size = float(np.cbrt(np.linalg.det(self.linear)))

        def signed(points: np.ndarray) -> np.ndarray:
            moved = self.to_map((points[:, 0], points[:, 1], points[:, 2]))
            return np.asarray(distance(moved) / size)

        return signed

    def perforated_substance(self, side: int) -> np.ndarray:
        """Return where the lenticulostriate arteries enter; see `Anatomy`."""
        place = entry_point(self.labels, self.affine, side)
        return np.asarray(self.to_scanner(place[None])[0])

    def region_of(self, points: np.ndarray) -> int:
        """Return the nucleus that most of some points lie in, or the nearest; see `Anatomy`."""
        moved = self.to_map((points[:, 0], points[:, 1], points[:, 2]))
        index = np.round(np.stack(to_voxels(moved, self.affine), axis=1)).astype(int)
        index = np.clip(index, 0, np.array(self.labels.shape) - 1)
        found = self.labels[tuple(index.T)]
        found = found[np.isin(found, list(NUCLEI))]
        if found.size:
            return int(np.bincount(found).argmax())
        nuclei = np.argwhere(np.isin(self.labels, list(NUCLEI)))
        gap = ((nuclei - index.mean(axis=0)) @ self.affine[:3, :3].T) ** 2
        return int(self.labels[tuple(nuclei[gap.sum(axis=1).argmin()])])

    def _source(self, grid: Grid, signal: Mapping[str, float]) -> np.ndarray:
        """Paint the map itself, blurred to what a voxel of the grid takes in."""
        values = np.zeros(int(self.labels.max()) + 1, np.float32)
        for label in np.unique(self.labels[self.labels > 0]):
            values[label] = signal[signal_name(int(label))]
        image = values[self.labels]
        if "internal_capsule" in signal:
            self._mix_capsule_in(image, signal["internal_capsule"] - signal["wm"])
        # The grid's voxel as a box in the map, of whose variance interpolation adds a part. The
        # signal is a mixture of the tissues' own, so that it may be blurred in their stead.
        steps = np.linalg.inv(self.affine)[:3, :3] @ np.asarray(grid.affine)[:3, :3]
        variance = (steps**2).sum(axis=1) / 12 - 1 / 6
        sigma = np.sqrt(np.maximum(variance, SOFTENING_VOXELS**2))
        blurred: np.ndarray = ndimage.gaussian_filter(image, sigma)
        return blurred

    def _mix_capsule_in(self, image: np.ndarray, difference: float) -> None:
        """Add the internal capsule to the white matter of the painted map, in place."""
        lentiform = np.isin(self.labels, ANY_LENTIFORM_LABELS)
        if not lentiform.any():
            return
        box = bounding_box(lentiform, self.affine, _CAPSULE_REACH_MM)
        known = self.labels[box].copy()
        for ours, theirs in (*zip(LENTIFORM_LABELS, PUTAMEN_LABELS, strict=True), (219, 2)):
            known[known == ours] = theirs
        sizes = voxel_sizes(self.affine)
        weight = capsule_weight(known, (float(sizes[0]), float(sizes[1]), float(sizes[2])))
        image[box] += np.float32(difference) * weight


def signal_name(label: int) -> str:
    """Return the tissue of a harmonised label, as `tissue_contrast` names it.

    Examples
    --------
    >>> signal_name(50), signal_name(17), signal_name(14)
    ('caudate', 'cortex', 'ventricle')
    """
    if label in _SIGNAL_OF_LABEL:
        return _SIGNAL_OF_LABEL[label]
    region = REGIONS[label]
    return region.name.split("-")[1].lower() if region.tissue == "BG" else _SIGNAL_OF[region.tissue]


class _Borders:
    """The labels at any point, their borders without the steps of the map's voxels."""

    def __init__(self, labels: np.ndarray) -> None:
        self._labels = labels
        lowest = ndimage.minimum_filter(labels, 3)
        self._mixed = (lowest != ndimage.maximum_filter(labels, 3)).view(np.uint8)
        self._softened: list[tuple[int, np.ndarray, np.ndarray]] = []
        for label in np.unique(labels):
            here = labels == label
            box = bounding_box(here, np.eye(4), 3)
            start = np.array([s.start for s in box])
            soft = ndimage.gaussian_filter(here[box].astype(np.float32), SOFTENING_VOXELS)
            self._softened.append((int(label), start, soft))

    def labels_at(self, index: Points) -> np.ndarray:
        """Return the label that fills most at voxel coordinates; int16."""
        nearest = ndimage.map_coordinates(self._labels, index, order=0)
        mixed = ndimage.map_coordinates(self._mixed, index, order=0) > 0
        at = np.stack([values[mixed] for values in index])
        most = np.full(at.shape[1], 1e-3, np.float32)
        best = nearest[mixed]
        for label, start, soft in self._softened:
            own = at - start[:, None].astype(at.dtype)
            near = np.flatnonzero(
                np.logical_and.reduce(
                    [(a > -1) & (a < n) for a, n in zip(own, soft.shape, strict=True)]
                )
            )
            share = ndimage.map_coordinates(soft, own[:, near], order=1)
            more = near[share > most[near]]
            best[more] = label
            most[more] = share[share > most[near]]
        nearest[mixed] = best
        return np.asarray(nearest)


def _slabs(shape: tuple[int, ...]) -> Iterator[slice]:
    rows = max(_SLAB_VOXELS // (shape[1] * shape[2]), 1)
    for start in range(0, shape[0], rows):
        yield slice(start, min(start + rows, shape[0]))
