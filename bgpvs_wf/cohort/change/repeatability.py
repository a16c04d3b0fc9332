"""By how much a volume changes by chance alone, from one scan of a space to the next."""

from __future__ import annotations

import math

COUNTING = 1 / 12
"""Variance, in voxels squared, of a voxel of the surface that is counted whole or not though any
share of it may belong to the space: that of an even distribution of width 1."""
RELATIVE = 0.05
"""SD of what errs in proportion, as a share of the volume: brightness of fluid, bias, blur (chosen;
benchmarks/change.py tells how errors compare with what is told)."""
_BOTH_SIDES_95 = 1.96


def volume_sd(volume_mm3: float, diameter_mm: float, voxel_mm3: float) -> float:
    """Return the standard deviation of a measured volume, mm3.

    A tube of volume V and diameter d has the surface 4 V / d, hence 4 V / (d h^2) voxels of edge h
    on it, which err on their own; what errs in proportion is added.

    Parameters
    ----------
    volume_mm3, diameter_mm, voxel_mm3 : float

    Examples
    --------
    >>> round(volume_sd(6.0, 1.0, 0.512), 2), round(volume_sd(6.0, 1.0, 0.125), 2)
    (0.95, 0.46)
    """
    edge = voxel_mm3 ** (1 / 3)
    on_surface = 4 * volume_mm3 / (max(diameter_mm, edge) * edge**2)
    counted = COUNTING * on_surface * voxel_mm3**2
    return math.sqrt(counted + (RELATIVE * volume_mm3) ** 2)


def change_limit(sd_first_mm3: float, sd_second_mm3: float) -> float:
    """Return the change, mm3, that chance exceeds in 5 of 100 cases.

    The smallest detectable change of two measurements (Bland and Altman, Stat Methods Med Res 1999,
    doi 10.1177/096228029900800204).

    Examples
    --------
    >>> round(change_limit(1.0, 1.0), 2)
    2.77
    """
    return _BOTH_SIDES_95 * math.hypot(sd_first_mm3, sd_second_mm3)
