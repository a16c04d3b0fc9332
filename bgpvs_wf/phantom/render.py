"""Paint a drawn brain onto a voxel grid, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.phantom import template
from bgpvs_wf.phantom.brain_shape import BrainShape
from bgpvs_wf.phantom.canvas import Canvas, Contrast, grid_points, occupancy
from bgpvs_wf.phantom.shapes import Points, smooth_step
from bgpvs_wf.phantom.template import Insula, union_distance

_FAR_MM = 6.0
_SLAB_VOXELS = 400_000
_DEEP_BOX = ((0.0, 42.0), (-56.0, 40.0), (-32.0, 36.0))
SKULL_MM = 9.0
"""How far the scalp reaches beyond the fluid around the brain."""
_SHELLS = (("scalp", SKULL_MM), ("bone", 5.0), ("dura", 1.5))
_SHELL_SIGNAL = {
    "T2w": {"scalp": 0.70, "bone": 0.10, "dura": 0.95},
    "T1w": {"scalp": 0.90, "bone": 0.15, "dura": 0.42},
}
"""Layers from outside inwards, mm beyond the fluid, and their signals: chosen; the dura's layer
is the fluid under it."""


def render(brain: BrainShape, grid: Grid, contrast: Contrast) -> Canvas:
    """Paint a brain.

    Parameters
    ----------
    brain : BrainShape
    grid : Grid
    contrast : mapping
        `T1w`, `T2w` or both to the tissues' signals; nothing paints labels only.

    Returns
    -------
    Canvas
        dseg int16 (harmonised indices), signals float32 without noise; zero outside the head.
    """
    canvas = Canvas(
        dseg=np.zeros(grid.shape, np.int16),
        signals={name: np.zeros(grid.shape, np.float32) for name in contrast},
        left=np.zeros(grid.shape, bool),
        contrast=contrast,
    )
    for outer, inner, kept in _slabs(grid.shape):
        part = Canvas(
            dseg=np.zeros((outer.stop - outer.start, *grid.shape[1:]), np.int16),
            signals={},
            left=np.zeros(0, bool),
            contrast=canvas.contrast,
        )
        part.signals = {name: np.zeros(part.dseg.shape, np.float32) for name in contrast}
        points = brain.to_template(grid_points(grid, outer))
        part.left = points[0] < 0
        cut = _occupied(brain, points)
        if cut is not None:
            inside = (points[0][cut], points[1][cut], points[2][cut])
            _paint_all(brain, part.cut(cut), inside, grid.affine)
        canvas.dseg[kept] = part.dseg[inner]
        canvas.left[kept] = part.left[inner]
        for name in contrast:
            canvas.signals[name][kept] = part.signals[name][inner]
    return canvas


def _paint_all(brain: BrainShape, canvas: Canvas, points: Points, affine: np.ndarray) -> None:
    cerebrum = template.cerebrum_distance((np.abs(points[0]), points[1], points[2]))
    head = brain.head(points, cerebrum)
    if brain.skull:
        _paint_skull(canvas, head * brain.growth.scale)
    canvas.paint("csf", np.clip(head, -_FAR_MM, _FAR_MM))
    if brain.hindbrain:
        _in_box(canvas, points, ((0, 70), (-90, 0), (-90, 2)), _painter_of_hindbrain(brain))
    pial, white = _cortical_surfaces(brain, points, cerebrum, affine)
    canvas.paint("cortex", np.clip(pial, -_FAR_MM, _FAR_MM))
    canvas.paint("wm", np.clip(white, -_FAR_MM, _FAR_MM))
    _in_box(canvas, points, _DEEP_BOX, _painter_of_deep(brain))
    if not brain.skull:
        for image in canvas.signals.values():
            image *= head < 0


def _paint_skull(canvas: Canvas, head_mm: np.ndarray) -> None:
    """Paint skull and scalp as shells around the fluid; they carry no label."""
    for layer, depth in _SHELLS:
        share = occupancy(np.clip(head_mm - depth, -_FAR_MM, _FAR_MM))
        for name, image in canvas.signals.items():
            image += share * (np.float32(_SHELL_SIGNAL[name][layer]) - image)


def _cortical_surfaces(
    brain: BrainShape, points: Points, cerebrum: np.ndarray, affine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Signed distances to the pial and the white surface of the cerebrum."""
    growth = brain.growth
    unit = growth.scale
    x, y, z = np.abs(points[0]), points[1], points[2]
    sided = (x, y, z)
    hull = cerebrum + growth.fluid_mm / unit
    core = union_distance(template.CALLOSUM, sided)
    fissure = growth.fissure_width_mm / 2 / unit - x
    surface = np.maximum(hull, np.minimum(fissure, core))
    thick = growth.cortex_mm / unit
    sheets = [
        (_sulcus_distance(brain, points, surface, affine), growth.sulcus_width_mm),
        (Insula().distance(sided), growth.sylvian_width_mm),
    ]
    pial = surface
    # No cortex under the fissure's bottom on the callosum, nor on the midline base.
    white = np.maximum(hull + thick, np.minimum(fissure + thick, core))
    for sheet, width in sheets:
        half = width / 2 / unit
        pial = np.maximum(pial, half - sheet)
        white = np.maximum(white, half + thick - sheet)
    return pial, white


def _sulcus_distance(
    brain: BrainShape, points: Points, surface: np.ndarray, affine: np.ndarray
) -> np.ndarray:
    """Unsigned distance to the middle of the nearest sulcus, mm of the template."""
    field = brain.fold_field(points)
    slope = gradient_norm(field, affine) * brain.growth.scale
    across = np.abs(field) / np.maximum(slope, 0.05)
    depth = brain.growth.sulcus_depth_mm / brain.growth.scale
    depth_here = depth * (0.8 + 0.35 * np.clip(brain.depths(points), -1.5, 1.5))
    sided = (np.abs(points[0]), points[1], points[2])
    core = union_distance(template.DEEP_CORE, sided)
    below = np.maximum(np.maximum(-surface - depth_here, 4.0 - core), 0)
    return np.sqrt(across * across + below * below)


def gradient_norm(field: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the length of the gradient of a field on a grid, per mm."""
    to_index = np.linalg.inv(np.asarray(affine, float)[:3, :3])
    steps = [np.gradient(field, axis=i) for i in range(3)]
    metric = to_index @ to_index.T
    total = np.zeros_like(field)
    for i in range(3):
        for j in range(i, 3):
            if abs(metric[i, j]) > 1e-9:
                total += np.float32(metric[i, j] * (1 if i == j else 2)) * steps[i] * steps[j]
    return np.sqrt(np.maximum(total, 0))


def _painter_of_deep(brain: BrainShape) -> Callable[[Canvas, Points], None]:
    def paint(canvas: Canvas, points: Points) -> None:
        sided = (np.abs(points[0]), points[1], points[2])
        nuclei = brain.nuclei(points)
        _paint_capsule(canvas, nuclei, sided)
        canvas.paint("claustrum", _near(_claustrum_distance(brain, sided)))
        canvas.paint("amygdala", _near(union_distance(template.AMYGDALA, sided)))
        canvas.paint("hippocampus", _near(union_distance(template.HIPPOCAMPUS, sided)))
        wide = brain.growth.ventricle_mm / brain.growth.scale
        canvas.paint("ventricle", _near(union_distance(template.LATERAL_VENTRICLE, sided) - wide))
        canvas.paint("third", _near(union_distance(template.THIRD_VENTRICLE, sided)))
        for name, distance in nuclei.items():
            canvas.paint(name, _near(distance))

    return paint


def _claustrum_distance(brain: BrainShape, sided: Points) -> np.ndarray:
    """Signed distance to the thin grey sheet that parts the external from the extreme capsule."""
    growth = brain.growth
    beside = (growth.sylvian_width_mm / 2 + growth.cortex_mm) / growth.scale
    return Insula().claustrum_distance(sided, beside)


def _paint_capsule(canvas: Canvas, nuclei: dict[str, np.ndarray], sided: Points) -> None:
    """Mix the signal of the internal capsule into the white matter between the nuclei.

    Fully next to the thalamus (posterior limb), half next to the caudate (anterior limb), and
    fading upwards into the corona radiata.
    """
    lentiform = np.maximum(np.minimum(nuclei["putamen"], nuclei["pallidum"]), 0)
    weight = np.zeros_like(lentiform)
    for name, share in (("caudate", 0.5), ("thalamus", 1.0)):
        gap = lentiform + np.maximum(nuclei[name], 0)
        np.maximum(weight, share * smooth_step(-gap, -10.0, -6.0), out=weight)
    crown = union_distance(template.CORONA, sided)
    np.maximum(weight, 0.6 * smooth_step(-crown, -2.0, 4.0), out=weight)
    white = (canvas.dseg == 2) | (canvas.dseg == 41)
    # Towards the midline lie the septum and the hypothalamus, no capsule.
    weight *= white * smooth_step(sided[0], 5.0, 10.0)
    for name, image in canvas.signals.items():
        values = canvas.contrast[name]
        image += weight * np.float32(values["internal_capsule"] - values["wm"])


def _painter_of_hindbrain(brain: BrainShape) -> Callable[[Canvas, Points], None]:
    def paint(canvas: Canvas, points: Points) -> None:
        sided = (np.abs(points[0]), points[1], points[2])
        cerebellum = brain.cerebellum(sided)
        # Folia: fine ripples of the white matter's outline.
        ripple = 1.0 * np.cos(1.4 * (0.5 * points[1] + points[2]))
        canvas.paint("cerebellum", _near(cerebellum))
        canvas.paint("cerebellum_wm", _near(cerebellum + 7.5 + ripple))
        canvas.paint("brainstem", _near(union_distance(template.BRAINSTEM, sided)))
        canvas.paint("fourth", _near(union_distance(template.FOURTH_VENTRICLE, sided)))

    return paint


def _near(distance: np.ndarray) -> np.ndarray:
    return np.clip(distance, -_FAR_MM, _FAR_MM)


def _occupied(brain: BrainShape, points: Points) -> tuple[slice, ...] | None:
    """Find the part of the points that may lie in the head, or None."""
    few = (points[0][:, ::4, ::4], points[1][:, ::4, ::4], points[2][:, ::4, ::4])
    reach = SKULL_MM / brain.growth.scale + 1 if brain.skull else _FAR_MM
    return _bounds(brain.head(few) < reach, (1, 4, 4))


def _bounds(inside: np.ndarray, stride: tuple[int, int, int]) -> tuple[slice, ...] | None:
    """Find the box of a mask that was asked at every so many voxels only."""
    if not inside.any():
        return None
    slices = []
    for axis, step in enumerate(stride):
        hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        slices.append(slice(max(int(hit[0] - 1) * step, 0), int(hit[-1] + 2) * step))
    return tuple(slices)


def _in_box(
    canvas: Canvas,
    points: Points,
    box: tuple[tuple[float, float], ...],
    painter: Callable[[Canvas, Points], None],
) -> None:
    """Call a painter on the part of the canvas whose points lie in a box of the template."""
    few = [p[:, ::4, ::4] for p in (np.abs(points[0]), points[1], points[2])]
    inside = np.ones(few[0].shape, bool)
    for p, (low, high) in zip(few, box, strict=True):
        inside &= (p > low - _FAR_MM) & (p < high + _FAR_MM)
    cut = _bounds(inside, (1, 4, 4))
    if cut is not None:
        painter(canvas.cut(cut), (points[0][cut], points[1][cut], points[2][cut]))


def _slabs(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice, slice]]:
    """Rows to compute (with a halo), which of them to keep, and where they go."""
    rows = max(_SLAB_VOXELS // (shape[1] * shape[2]), 4)
    for start in range(0, shape[0], rows):
        stop = min(start + rows, shape[0])
        low, high = max(start - 2, 0), min(stop + 2, shape[0])
        yield slice(low, high), slice(start - low, stop - low), slice(start, stop)
