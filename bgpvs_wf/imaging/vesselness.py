"""Multi-scale Hessian tube filter in millimetres, on anisotropic and oblique grids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgpvs_wf.arrays import Affine, Floats, Image
from bgpvs_wf.errors import BadImageError
from bgpvs_wf.imaging.geometry import voxel_sizes

SADDLE = 0.5
"""How strongly intensity that curves upwards along the tube counts against it.

The alpha of Sato et al. (theirs 0.25); 0.5, chosen, keeps the gaps of a beaded thin tube and makes
a positive trace of the Hessian mean no response, which halves the work."""


class Tubes(NamedTuple):
    """What the tube filter says of each voxel."""

    response: Floats
    """float32, shape (x, y, z): the tube measure, in the unit of the image."""
    scale_mm: Floats
    """float32, shape (x, y, z): the scale that answered most, mm; 0 where none did."""
    direction: Floats
    """float32, shape (x, y, z, 3): unit vector along the tube in RAS+ world axes, sign free."""


def vesselness(
    data: Image, affine: Affine, scales_mm: Sequence[float], *, polarity: str = "bright"
) -> Floats:
    """Return how much each voxel looks like the middle of a tube.

    Second derivatives of the image smoothed by a Gaussian are taken in mm, normalised by the
    variance of the Gaussian (gamma = 1). With the eigenvalues ``low <= middle <= high`` of the
    Hessian (for bright tubes), the measure is ``-middle * (middle / low) * along``, and zero
    where `middle` is not negative. It is the line measure of Sato et al. with ``gamma_23 = 2``:
    the less curved of the two directions across decides, and decides twice, so that sheets and
    steps (one negative eigenvalue) do not answer; `along` falls from 1 to 0 where the intensity
    curves along the tube as much as across (a blob), or upwards by twice as much.

    The measure is linear in contrast: it has the unit of the image, and for a long straight tube
    with a Gaussian profile of amplitude A it is A / 4 at the scale of the tube.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel index to mm. Voxels may be anisotropic and the axes oblique, but not sheared.
    scales_mm : sequence of float
        Standard deviations of the Gaussians, mm. They may be smaller than a voxel.
    polarity : {'bright', 'dark'}
        Tubes brighter or darker than what surrounds them.

    Returns
    -------
    ndarray of float32, shape (x, y, z)
        The largest measure over the scales; 0 where there is no tube.

    Raises
    ------
    BadImageError
        If values are not finite or the axes are sheared.
    ValueError
        If the polarity is unknown, a scale is not positive, or the data are not 3D.

    References
    ----------
    Sato Y, Nakajima S, Shiraga N, et al. Three-dimensional multi-scale line filter for
    segmentation and visualization of curvilinear structures in medical images. Med Image Anal
    1998; 2(2):143-168.

    Examples
    --------
    >>> image = np.zeros((9, 9, 9)); image[4, 4, :] = 1
    >>> response = vesselness(image, np.diag([0.5, 0.5, 0.5, 1]), [0.4])
    >>> [int(i) for i in np.unravel_index(response.argmax(), image.shape)][:2]
    [4, 4]
    """
    return _filter(data, affine, scales_mm, polarity, details=False).response


def tubes(
    data: Image, affine: Affine, scales_mm: Sequence[float], *, polarity: str = "bright"
) -> Tubes:
    """Return the response of `vesselness`, with the best scale and the tube's direction.

    Parameters and errors are those of `vesselness`.
    """
    return _filter(data, affine, scales_mm, polarity, details=True)


def _filter(
    data: Image, affine: Affine, scales_mm: Sequence[float], polarity: str, details: bool
) -> Tubes:
    from bgpvs_wf.imaging import hessian

    spacing = voxel_sizes(affine)
    values = _checked(data, affine, scales_mm, polarity)
    shape = values.shape
    response = np.zeros(shape, np.float32)
    best = np.zeros(shape if details else (0, 0, 0), np.uint8)
    direction = np.zeros((*best.shape, 3), np.float32)
    first, second = np.empty_like(values), np.empty_like(values)
    for index, scale in enumerate(scales_mm, start=1):
        halves = [hessian.discrete_gaussian(scale / s) for s in spacing]
        hessian.smooth_first_axis(values, halves[0], first)
        hessian.smooth_middle_axis(first, halves[1], second)
        hessian.smooth_last_axis(second, halves[2], first)
        hessian.accumulate(
            first,
            spacing,
            float(scale),
            index,
            1.0 if polarity == "bright" else -1.0,
            SADDLE,
            response,
            best,
            direction,
        )
    scale_of = np.array([0.0, *scales_mm], np.float32)
    axes = (np.asarray(affine, float)[:3, :3] / spacing).astype(np.float32)
    return Tubes(response, scale_of[best], direction @ axes.T)


def _checked(
    data: Image, affine: Affine, scales_mm: Sequence[float], polarity: str
) -> NDArray[np.float64]:
    """Return the data as float64, or say why they cannot be filtered."""
    if polarity not in ("bright", "dark"):
        raise ValueError(f"polarity is {polarity!r}; choose bright or dark")
    if data.ndim != 3 or min(scales_mm, default=0.0) <= 0:
        raise ValueError("the tube filter needs a 3D image and scales larger than zero")
    axes = np.asarray(affine, float)[:3, :3] / voxel_sizes(affine)
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-2:
        raise BadImageError(
            "The image's axes are sheared, on which lengths across tubes have no meaning; "
            "resample it to a grid with perpendicular axes."
        )
    values = np.ascontiguousarray(data, np.float64)
    if not np.isfinite(values.sum()):
        raise BadImageError("The image has values that are not finite; replace them first.")
    return values
