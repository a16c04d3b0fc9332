"""What the scanner does: movement, the end of k-space, the bias field, the noise; and the grid.

The painted signal is the mean over each voxel. What is coarser than that is done in k-space, one
axis at a time, so that thin bright things ring as they do in scans (Gibbs).
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from bgpvs_wf.imaging.geometry import Grid, voxel_sizes
from bgpvs_wf.phantom.protocol import AcquisitionConfig

SIGNAL_SCALE = 1000.0
"""Image values of fluid on T2w before the bias field."""
_DETAIL_MM = 0.45  # half width of what is to stay in place: a thin tube as a scan shows it
_FWHM = 2 * np.sqrt(2 * np.log(2))
_MOTION_CYCLES = (1.5, 6.0)  # movements while k-space is read; chosen


def acquire(
    signal: np.ndarray,
    grid: Grid,
    rng: np.random.Generator,
    scan: AcquisitionConfig,
    cortex: float,
    *,
    extracted: bool = True,
) -> np.ndarray:
    """Return the image of a scan.

    Parameters
    ----------
    signal : ndarray of float32, shape (x, y, z)
        Noiseless, 1 is fluid on T2w.
    grid : Grid
    rng : Generator
    scan : AcquisitionConfig
    cortex : float
        Signal of the cortex, which the signal-to-noise ratio refers to.
    extracted : bool
        Whether what lies outside the painted head is set to 0 afterwards.

    Returns
    -------
    ndarray of float32, shape (x, y, z)
    """
    sizes = voxel_sizes(grid.affine)
    image = move(signal, rng, scan.motion_mm, float(sizes[1])) if scan.motion_mm else signal
    transfer = [transfer_function(n, sizes[axis], scan, axis) for axis, n in enumerate(grid.shape)]
    image = filtered(image, transfer)
    if scan.bias:
        image = image * bias_field(grid, rng, scan.bias)
    image = add_rician_noise(image, rng, cortex / scan.snr, transfer)
    image = np.float32(SIGNAL_SCALE) * image
    return image * (signal > 0) if extracted else image


def transfer_function(
    count: int, voxel_mm: float, scan: AcquisitionConfig, axis: int
) -> np.ndarray | None:
    """Return by how much each spatial frequency of an axis passes, or None if all pass.

    Parameters
    ----------
    count : int
        Voxels along the axis.
    voxel_mm : float
        Their size.
    scan : AcquisitionConfig
    axis : int
        0, 1 or 2, the slices' direction.

    Returns
    -------
    ndarray, shape (count // 2 + 1,)
        For the frequencies of a real Fourier transform.
    """
    finest = scan.resolution_mm[axis] if scan.resolution_mm else voxel_mm
    sliced = axis == 2 and scan.slice_mm > 0
    if finest <= voxel_mm and not sliced and not scan.apodization:
        return None
    frequency = fft.rfftfreq(count, voxel_mm)
    end = 0.5 / max(finest, voxel_mm)
    start = end * (1 - scan.apodization)
    ramp = np.clip((frequency - start) / max(end - start, 1e-9), 0, 1)
    passed = np.where(frequency <= end, 0.5 + 0.5 * np.cos(np.pi * ramp), 0.0)
    if scan.apodization == 0:
        passed = (frequency <= end).astype(float)
    if sliced:
        passed = passed * np.exp(-2 * (np.pi * frequency * scan.slice_mm / _FWHM) ** 2)
    return passed


def filtered(image: np.ndarray, transfer: list[np.ndarray | None]) -> np.ndarray:
    """Return an image after a transfer function along each axis, float32."""
    for axis, passed in enumerate(transfer):
        if passed is None:
            continue
        shape = [1, 1, 1]
        shape[axis] = -1
        spectrum = fft.rfft(image, axis=axis)
        spectrum *= passed.reshape(shape).astype(np.float32)
        image = fft.irfft(spectrum, n=image.shape[axis], axis=axis)
    return np.asarray(image, np.float32)


def move(
    image: np.ndarray, rng: np.random.Generator, motion_mm: float, voxel_mm: float
) -> np.ndarray:
    """Return an image of a head that moved along the second axis while k-space was read.

    Each line of k-space sees the head shifted, which turns its phase; slow and quick waves make
    the shifts. Edges repeat as ripples (Zaitsev et al., J Magn Reson Imaging 2015, doi
    10.1002/jmri.24850). The head is where it was on average, each line counted by how much it
    tells of the place of a thin tube, so that the truth stays true.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
    rng : Generator
    motion_mm : float
        Standard deviation of the shifts.
    voxel_mm : float
        Along the second axis.
    """
    count = image.shape[1]
    frequency = fft.fftfreq(count, voxel_mm)
    time = np.argsort(np.argsort(frequency)) / count  # lines are read from one end to the other
    cycles = rng.uniform(*_MOTION_CYCLES, 4)
    phases = rng.uniform(0, 2 * np.pi, 4)
    shift = np.sqrt(0.5) * np.cos(2 * np.pi * cycles * time[:, None] + phases).sum(axis=1)
    telling = frequency**2 * np.exp(-((2 * np.pi * frequency * _DETAIL_MM) ** 2))
    shift = motion_mm * (shift - (telling * shift).sum() / telling.sum())
    turn = np.exp(-2j * np.pi * frequency * shift).astype(np.complex64)
    moved = np.empty(image.shape, np.float32)
    for row in range(image.shape[0]):  # a slab at a time: complex numbers take much memory
        spectrum = fft.fft(image[row].astype(np.complex64), axis=0)
        moved[row] = np.abs(fft.ifft(spectrum * turn[:, None], axis=0))
    return moved


def bias_field(grid: Grid, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Return a smooth receive field with mean about 1.

    Parameters
    ----------
    grid : Grid
    rng : Generator
    strength : float
        Standard deviation of the field's logarithm over the grid.

    Returns
    -------
    ndarray of float32, shape `grid.shape`
    """
    axes = [np.linspace(-1, 1, n) for n in grid.shape]
    powers = [(i, j, k) for i in range(3) for j in range(3) for k in range(3) if 0 < i + j + k <= 2]
    weights = rng.normal(size=len(powers))
    # Moments of the powers on [-1, 1]: mean and spread are known, no pass over the grid needed.
    moment = [1.0, 0.0, 1 / 3, 0.0, 1 / 5]
    total = np.zeros(grid.shape, np.float32)
    variance = 0.0
    for weight, (i, j, k) in zip(weights, powers, strict=True):
        mean = moment[i] * moment[j] * moment[k]
        variance += weight**2 * (moment[2 * i] * moment[2 * j] * moment[2 * k] - mean**2)
        x, y, z = (a**p for a, p in zip(axes, (i, j, k), strict=True))
        term = x[:, None, None] * y[None, :, None] * z[None, None, :]
        total += (weight * (term - mean)).astype(np.float32)
    return np.exp(total * np.float32(strength / np.sqrt(variance)))


def add_rician_noise(
    image: np.ndarray,
    rng: np.random.Generator,
    sigma: float,
    transfer: list[np.ndarray | None] | None = None,
) -> np.ndarray:
    """Return the magnitude of an image with complex Gaussian noise of deviation `sigma`.

    Noise in magnitude images is Rician (Gudbjartsson and Patz, Magn Reson Med 1995,
    doi 10.1002/mrm.1910340618). Where k-space ends before the voxel's own limit, so does that of
    the noise, and neighbours share it.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
    rng : Generator
    sigma : float
    transfer : list of 3, optional
        From `transfer_function`.
    """
    if sigma == 0:
        return image
    real, imaginary = (rng.standard_normal(image.shape, np.float32) for _ in range(2))
    if transfer is not None:
        real, imaginary = filtered(real, transfer), filtered(imaginary, transfer)
        # What is left of the variance of white noise.
        kept = [_power(passed, n) for passed, n in zip(transfer, image.shape, strict=True)]
        sigma /= float(np.sqrt(np.prod(kept)))
    return np.hypot(image + np.float32(sigma) * real, np.float32(sigma) * imaginary)


def _power(passed: np.ndarray | None, count: int) -> float:
    """Return the share of white noise's variance that passes; pairs of frequencies count twice."""
    if passed is None:
        return 1.0
    weight = np.full(len(passed), 2.0)
    weight[0] = 1.0
    if count % 2 == 0:
        weight[-1] = 1.0
    return float((weight * passed**2).sum() / count)


def grid_around(
    low: np.ndarray,
    high: np.ndarray,
    voxel_mm: tuple[float, float, float],
    rotation: np.ndarray | None = None,
) -> Grid:
    """Return a grid that covers a box.

    Parameters
    ----------
    low, high : ndarray, shape (3,)
        Corners of the box along the grid's own axes, mm.
    voxel_mm : tuple of 3 floats
    rotation : ndarray, shape (3, 3), optional
        Of the grid's axes in the scanner; none gives a grid along the scanner's axes.
    """
    sizes = np.asarray(voxel_mm, float)
    shape = np.ceil((high - low) / sizes).astype(int) + 1
    start = (low + high) / 2 - (shape - 1) * sizes / 2
    turn = np.eye(3) if rotation is None else rotation
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(sizes)
    affine[:3, 3] = turn @ start
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)
