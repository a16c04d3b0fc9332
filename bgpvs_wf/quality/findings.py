"""What the nuclei and PVS that were found tell about how good the result is."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bgpvs_wf.arrays import Affine, Labels
from bgpvs_wf.quantification.bounds import credible_table
from bgpvs_wf.quantification.credible_volumes import BG_PARTS
from bgpvs_wf.quantification.plausibility import bg_volume, nucleus_volumes

_STRUCTURES = ("Caudate", "Putamen", "Pallidum", "Lentiform", "Accumbens-area", "Thalamus")


def asymmetries_percent(anatomy: Labels, affine: Affine) -> dict[str, float]:
    """Return by how much each left nucleus is larger than the right one, of their mean, percent.

    Parameters
    ----------
    anatomy : ndarray of int, shape (x, y, z)
        Harmonised labels.
    affine : ndarray, shape (4, 4)

    Examples
    --------
    >>> asymmetries_percent(np.array([[[11, 11, 11, 50]]]), np.eye(4))
    {'caudate': 100.0}
    """
    volumes = nucleus_volumes(anatomy, affine)
    found = {}
    for structure in _STRUCTURES:
        if structure in volumes:
            left, right = volumes[structure]["left"], volumes[structure]["right"]
            name = structure.removesuffix("-area").lower()
            found[name] = 200 * (left - right) / (left + right)
    return found


def volume_for_age(anatomy: Labels, affine: Affine, age_weeks: float | None) -> float:
    """Return the volume of the basal ganglia over what is usual at an age; NaN without one.

    What is usual, and its sources: ``data/credible.toml``.
    """
    if age_weeks is None:
        return float("nan")
    total = bg_volume(nucleus_volumes(anatomy, affine))
    return total / credible_table().expected_mm3(BG_PARTS, age_weeks)[0]


def rim_share(instances: Labels, region: Labels) -> float:
    """Return the share of the volume of PVS that is in PVS at the rim of the basal ganglia.

    Parameters
    ----------
    instances : ndarray of int, shape (x, y, z)
        Number of the PVS; 0 is none.
    region : ndarray, shape (x, y, z)
        Not 0 in the basal ganglia, PVS inside included.

    Returns
    -------
    float
        0 to 1; NaN without PVS.
    """
    if not (instances > 0).any():
        return float("nan")
    inner = ndimage.binary_erosion(np.asarray(region) > 0)
    touching = np.unique(instances[(instances > 0) & ~inner])
    sizes = np.bincount(instances.ravel())
    return float(sizes[touching].sum() / sizes[1:].sum())


def single_share(instances: Labels) -> float:
    """Return the share of the PVS that have one voxel; NaN without PVS.

    Examples
    --------
    >>> single_share(np.array([[[1, 0, 2, 2]]]))
    0.5
    """
    sizes = np.bincount(instances.ravel())[1:]
    sizes = sizes[sizes > 0]
    return float((sizes == 1).mean()) if len(sizes) else float("nan")
