"""How bright the fluid in an infant's perivascular spaces is, as the images tell it.

The volume of fluid that a signal shows (`bgpvs_wf.quantification.occupancy`) is that of the tubes
only if what they hold is as bright as the ventricles. It is not: a vessel and flow darken it, in
one infant more than in another. A tube that is wider than a voxel shows the signal of what it holds
in its middle, blurred as the scan is. So the brightest voxels of an infant's perivascular spaces
tell how far their fluid goes from the nucleus to the ventricle, and so the volume of the tubes.
Where all are thin, these voxels are darker than the fluid, and the volume comes out too large; the
number of voxels called PVS is too small where the fluid is faint. So what the images tell is the
mean of both: the geometric one of what the brightest voxels tell and of the fluid in a voxel called
PVS. A network that knows how bright fluid is calls as many voxels PVS as tubes fill
(docs/decisions/told-brightness.md), and so the second of these is right, too.
"""

from __future__ import annotations

import numpy as np

from bgpvs_wf.arrays import Floats, Mask

BRIGHTEST = 0.9
"""The voxels of all PVS above this quantile are the middles of the widest (chosen)."""
SEEN, STEEPER = 0.68, 1.2
"""What is seen there of the brightest fluid: it is blurred by half a voxel, and few voxels lie all
within a tube. Of faint tubes fewer voxels at the edge are called PVS, so that relatively more is
seen of them: the power makes up for that. Both were chosen on 28 hybrids of two heads with seeds of
tuning (benchmarks/volumes.py)."""
USUAL = 0.55
"""Where hardly any PVS tell, their fluid is taken to be this bright (chosen: the middle of what is
known)."""
_VOXELS = 10.0
"""So many voxels tell as much as what is usual does (chosen)."""
LEAST, MOST = 0.15, 1.0
"""Fluid in PVS is not fainter, nor brighter than the ventricles' (chosen)."""


def fluid_brightness(share: Floats, pvs: Mask, rim: Mask) -> float:
    """Return how far the fluid in PVS goes from the signal of the nucleus to that of ventricles.

    Parameters
    ----------
    share : ndarray, shape (x, y, z)
        See `bgpvs_wf.quantification.occupancy.Occupancy`.
    pvs : ndarray of bool, shape (x, y, z)
        All PVS of an infant.
    rim : ndarray of bool, shape (x, y, z)
        The same, with the rim that their fluid is summed over.

    Returns
    -------
    float
        0.15 to 1; NaN where the share is not known.

    Examples
    --------
    >>> share = np.full((20, 20, 20), 0.34)
    >>> round(fluid_brightness(share, share > 0, share > 0), 3)
    0.385
    """
    if not share.size or np.isnan(share).all():
        return float("nan")
    values = share[pvs & np.isfinite(share)]
    if not values.size:
        return USUAL
    seen = (max(float(np.quantile(values, BRIGHTEST)), 1e-3) / SEEN) ** STEEPER
    weight = values.size / (values.size + _VOXELS)
    told = np.exp(weight * np.log(seen) + (1 - weight) * np.log(USUAL))
    in_a_voxel = float(np.nansum(share[rim])) / values.size
    both = np.clip([told, in_a_voxel], LEAST, MOST)
    return float(np.sqrt(both.prod()))
