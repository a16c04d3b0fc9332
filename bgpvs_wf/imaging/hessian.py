"""Compiled kernels of the tube filter: discrete Gaussian smoothing and Hessian eigenvalues.

Import this module where it is used: it loads numba, and the first call compiles (seconds; then
cached). Everything in between is float64: the closed form of the eigenvalues loses half of the
digits just where it matters, when two are nearly equal as across a round tube, and a faint tube
beside a bright ventricle is a small difference of large numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from scipy import special

from bgpvs_wf.arrays import Floats, Ints

TRUNCATE = 4.0
"""Kernels reach this many standard deviations, plus one voxel."""


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile without the interpreter lock, cached on disk where there is a place for it."""
    try:
        return numba.njit(function, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:  # no writable cache folder, as in a read-only container
        return numba.njit(function, nogil=True, error_model="numpy")


def discrete_gaussian(sigma: float) -> Floats:
    """Return the right half of the discrete Gaussian, centre first, shape (radius + 1,).

    The discrete analogue of the Gaussian, ``exp(-t) I_n(t)`` with ``t = sigma ** 2``, keeps its
    variance on the grid however small it is, where a sampled Gaussian does not. Beyond
    `TRUNCATE` it is cut, and scaled to sum 1.

    Parameters
    ----------
    sigma : float
        Standard deviation in voxels.

    References
    ----------
    Lindeberg T. Scale-space for discrete signals. IEEE Trans Pattern Anal Mach Intell 1990;
    12(3):234-254.

    Examples
    --------
    >>> half = discrete_gaussian(0.6)
    >>> n = np.arange(len(half))
    >>> float(np.round(2 * (half * n**2).sum(), 3))
    0.36
    """
    radius = int(np.ceil(TRUNCATE * sigma)) + 1
    half = special.ive(np.arange(radius + 1), sigma**2)
    scaled: Floats = half / (half[0] + 2 * half[1:].sum())
    return scaled


@_compiled
def smooth_first_axis(data: Floats, half: Floats, out: Floats) -> None:
    """Convolve (x, y, z) along x with a symmetric kernel; beyond the edge its voxel repeats."""
    n0, n1, n2 = data.shape
    for i in range(n0):
        for j in range(n1):
            for k in range(n2):
                out[i, j, k] = half[0] * data[i, j, k]
        for t in range(1, len(half)):
            low, high, weight = max(i - t, 0), min(i + t, n0 - 1), half[t]
            for j in range(n1):
                for k in range(n2):
                    out[i, j, k] += weight * (data[low, j, k] + data[high, j, k])


@_compiled
def smooth_middle_axis(data: Floats, half: Floats, out: Floats) -> None:
    """Convolve (x, y, z) along y, as `smooth_first_axis` does along x."""
    n0, n1, n2 = data.shape
    for i in range(n0):
        for j in range(n1):
            for k in range(n2):
                out[i, j, k] = half[0] * data[i, j, k]
            for t in range(1, len(half)):
                low, high, weight = max(j - t, 0), min(j + t, n1 - 1), half[t]
                for k in range(n2):
                    out[i, j, k] += weight * (data[i, low, k] + data[i, high, k])


@_compiled
def smooth_last_axis(data: Floats, half: Floats, out: Floats) -> None:
    """Convolve (x, y, z) along z, as `smooth_first_axis` does along x."""
    n0, n1, n2 = data.shape
    radius = len(half) - 1
    line = np.empty(n2 + 2 * radius, data.dtype)
    for i in range(n0):
        for j in range(n1):
            line[:radius] = data[i, j, 0]
            line[radius : radius + n2] = data[i, j]
            line[radius + n2 :] = data[i, j, n2 - 1]
            for k in range(n2):
                out[i, j, k] = half[0] * line[radius + k]
            for t in range(1, len(half)):
                weight = half[t]
                for k in range(n2):
                    out[i, j, k] += weight * (line[radius + k - t] + line[radius + k + t])


@_compiled
def eigenvalues(
    xx: float, yy: float, zz: float, xy: float, xz: float, yz: float
) -> tuple[float, float, float]:
    """Return the eigenvalues of a symmetric 3 x 3 matrix, ascending, by the closed form.

    References
    ----------
    Smith OK. Eigenvalues of a symmetric 3 x 3 matrix. Commun ACM 1961; 4(4):168.
    """
    mean = (xx + yy + zz) / 3.0
    off = xy * xy + xz * xz + yz * yz
    dx, dy, dz = xx - mean, yy - mean, zz - mean
    spread = np.sqrt((dx * dx + dy * dy + dz * dz + 2.0 * off) / 6.0)
    if spread == 0.0:
        return mean, mean, mean
    determinant = dx * (dy * dz - yz * yz) - xy * (xy * dz - yz * xz) + xz * (xy * yz - dy * xz)
    cosine = determinant / (2.0 * spread**3)
    angle = np.arccos(min(max(cosine, -1.0), 1.0)) / 3.0
    high = mean + 2.0 * spread * np.cos(angle)
    low = mean + 2.0 * spread * np.cos(angle + 2.0 * np.pi / 3.0)
    return low, 3.0 * mean - low - high, high


@_compiled
def tube_measure(low: float, middle: float, high: float, saddle: float) -> float:
    """Return the tube measure of ascending eigenvalues; see `vesselness` for its meaning."""
    if middle >= 0.0:
        return 0.0
    along = high / -middle
    factor = 1.0 + along if along < 0.0 else 1.0 - saddle * along
    return -middle * (middle / low) * factor if factor > 0.0 else 0.0


@_compiled
def accumulate(
    smooth: Floats,
    spacing: Floats,
    scale: float,
    index: int,
    sign: float,
    saddle: float,
    response: Floats,
    best: Ints,
    direction: Floats,
) -> None:
    """Raise `response` to the tube measure of one scale where that is larger.

    Parameters
    ----------
    smooth : ndarray of float64, shape (x, y, z)
        The smoothed image.
    spacing : ndarray, shape (3,)
        Voxel sizes, mm.
    scale, index : float, int
        Standard deviation of the smoothing, mm, and its number, written to `best`.
    sign : float
        1 for bright tubes, -1 for dark ones.
    saddle : float
        At least 0.5: then a positive trace means no response.
    response, best, direction : ndarray
        Written in place; shapes (x, y, z), (x, y, z) and (x, y, z, 3), the last two possibly
        empty, when nobody asks for them. Directions are along the axes of the array.
    """
    n0, n1, n2 = smooth.shape
    factor = sign * scale * scale
    fxx = factor / (spacing[0] * spacing[0])
    fyy = factor / (spacing[1] * spacing[1])
    fzz = factor / (spacing[2] * spacing[2])
    fxy = factor / (4.0 * spacing[0] * spacing[1])
    fxz = factor / (4.0 * spacing[0] * spacing[2])
    fyz = factor / (4.0 * spacing[1] * spacing[2])
    for i in range(n0):
        a, b = smooth[max(i - 1, 0)], smooth[min(i + 1, n0 - 1)]
        here = smooth[i]
        for j in range(n1):
            p, q = max(j - 1, 0), min(j + 1, n1 - 1)
            for k in range(n2):
                u, v = max(k - 1, 0), min(k + 1, n2 - 1)
                twice = 2.0 * here[j, k]
                xx = fxx * (a[j, k] + b[j, k] - twice)
                yy = fyy * (here[p, k] + here[q, k] - twice)
                zz = fzz * (here[j, u] + here[j, v] - twice)
                if xx + yy + zz >= 0.0:
                    continue
                xy = fxy * (b[q, k] - b[p, k] - a[q, k] + a[p, k])
                xz = fxz * (b[j, v] - b[j, u] - a[j, v] + a[j, u])
                yz = fyz * (here[q, v] - here[q, u] - here[p, v] + here[p, u])
                low, middle, high = eigenvalues(xx, yy, zz, xy, xz, yz)
                value = tube_measure(low, middle, high, saddle)
                if value <= response[i, j, k]:
                    continue
                response[i, j, k] = value
                if best.size:
                    best[i, j, k] = index
                    eigenvector(xx, yy, zz, xy, xz, yz, low, middle, direction[i, j, k])


@_compiled
def eigenvector(
    xx: float,
    yy: float,
    zz: float,
    xy: float,
    xz: float,
    yz: float,
    low: float,
    middle: float,
    out: Floats,
) -> None:
    """Write the unit eigenvector of the third eigenvalue, given the two others.

    By Cayley-Hamilton every column of ``(H - low)(H - middle)`` is along it; the longest is taken.
    """
    first = np.array([[xx - low, xy, xz], [xy, yy - low, yz], [xz, yz, zz - low]])
    second = np.array([[xx - middle, xy, xz], [xy, yy - middle, yz], [xz, yz, zz - middle]])
    longest, length = 0, 0.0
    product = np.zeros((3, 3))
    for column in range(3):
        norm = 0.0
        for row in range(3):
            for t in range(3):
                product[row, column] += first[row, t] * second[t, column]
            norm += product[row, column] ** 2
        if norm > length:
            longest, length = column, norm
    for row in range(3):
        out[row] = product[row, longest] / np.sqrt(length) if length > 0.0 else 0.0
