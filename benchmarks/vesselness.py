"""Tube filter against `skimage.filters.frangi`, side by side, on a basal ganglia box.

    python benchmarks/vesselness.py

prints time, peak memory, their ratios, and the largest difference from a float64 reference that
takes another route (scipy's correlations, `numpy.linalg.eigvalsh`), relative to the largest
response. Medians of three runs for ours (after compiling), one run for frangi.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage, special

from bgpvs_wf.imaging.vesselness import SADDLE, vesselness

SHAPE = (120, 140, 100)
VOXEL_MM = 0.5
SCALES_MM = (0.3, 0.45, 0.65, 0.9)


def reference_vesselness(
    data: np.ndarray, affine: np.ndarray, scales_mm: Sequence[float], polarity: str = "bright"
) -> np.ndarray:
    """Return the tube measure in float64 throughout, by general-purpose routines."""
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    sign = 1.0 if polarity == "bright" else -1.0
    result = np.zeros(data.shape)
    for scale in scales_mm:
        smooth = sign * np.asarray(data, np.float64)
        for axis in range(3):
            variance = (scale / spacing[axis]) ** 2
            reach = int(np.ceil(4 * np.sqrt(variance))) + 1
            kernel = special.ive(np.arange(-reach, reach + 1), variance)
            smooth = ndimage.correlate1d(smooth, kernel / kernel.sum(), axis, mode="nearest")
        hessian = np.empty((*data.shape, 3, 3))
        for i in range(3):
            for j in range(3):
                derivative = _derivative(smooth, i, j)
                hessian[..., i, j] = scale**2 * derivative / (spacing[i] * spacing[j])
        low, middle, high = np.moveaxis(np.linalg.eigvalsh(hessian), -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            along = np.where(high < 0, 1 - high / middle, 1 + SADDLE * high / middle)
            value = np.where(middle < 0, -middle * (middle / low) * along, 0.0)
        result = np.maximum(result, value)
    return result


def _derivative(smooth: np.ndarray, i: int, j: int) -> np.ndarray:
    if i == j:
        return ndimage.correlate1d(smooth, [1.0, -2.0, 1.0], i, mode="nearest")
    first = ndimage.correlate1d(smooth, [-0.5, 0.0, 0.5], i, mode="nearest")
    return ndimage.correlate1d(first, [-0.5, 0.0, 0.5], j, mode="nearest")


def example_box(seed: int = 0) -> np.ndarray:
    """Return a box with a bright slab, forty thin bright tubes and noise; contrast about 100."""
    rng = np.random.default_rng(seed)
    box = np.zeros(SHAPE, np.float32)
    box[:20] = 300.0
    steps = np.arange(-30, 30, 0.5)
    for _ in range(40):
        direction = rng.normal(size=3)
        line = rng.uniform(0.2, 0.8, 3) * SHAPE + np.outer(
            steps, direction / np.linalg.norm(direction)
        )
        index = np.round(line).astype(int)
        index = index[((index >= 0) & (index < SHAPE)).all(axis=1)]
        box[tuple(index.T)] = 400.0
    return ndimage.gaussian_filter(box, 0.8) + rng.normal(100.0, 5.0, SHAPE).astype(np.float32)


def measure(function: Callable[[], np.ndarray], repeats: int) -> tuple[np.ndarray, float, float]:
    """Return the result, the median seconds of a call, and the peak of what it allocates, MB."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    tracemalloc.start()
    result = function()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return result, float(np.median(seconds)), peak


def main() -> None:
    """Print the comparison."""
    from skimage.filters import frangi

    box = example_box()
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    sigmas = [scale / VOXEL_MM for scale in SCALES_MM]
    vesselness(box[:8, :8, :8], affine, SCALES_MM)  # compile
    ours, our_seconds, our_peak = measure(lambda: vesselness(box, affine, SCALES_MM), 3)
    _, seconds, peak = measure(lambda: frangi(box, sigmas=sigmas, black_ridges=False), 1)
    reference = reference_vesselness(box, affine, SCALES_MM)
    difference = np.abs(ours - reference).max() / reference.max()
    strong = reference > 0.01 * reference.max()
    pointwise = (np.abs(ours - reference)[strong] / reference[strong]).max()
    print(f"box {SHAPE} at {VOXEL_MM} mm, scales {SCALES_MM} mm")
    print(f"{'':24}{'seconds':>10}{'peak MB':>10}")
    print(f"{'vesselness':24}{our_seconds:10.2f}{our_peak:10.0f}")
    print(f"{'skimage.filters.frangi':24}{seconds:10.2f}{peak:10.0f}")
    print(f"{'ratio':24}{seconds / our_seconds:10.1f}{peak / our_peak:10.1f}")
    print(f"largest difference from float64, relative to the largest response: {difference:.1e}")
    print(f"largest relative difference where the response is over 1 % of that: {pointwise:.1e}")


if __name__ == "__main__":
    main()
