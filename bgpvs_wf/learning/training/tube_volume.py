"""The volume of tubes in a case, as a prediction and its measurement would give it."""

from __future__ import annotations

import numpy as np

from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.learning.data.case import OWN_CHANNELS, TrainingCase
from bgpvs_wf.learning.data.classes import SURE
from bgpvs_wf.learning.inference.faint import too_faint
from bgpvs_wf.pseudolabels.region import with_tubes
from bgpvs_wf.quantification import measure


def tube_volume(
    case: TrainingCase,
    labels: np.ndarray,
    probability: np.ndarray,
    threshold: float,
) -> float:
    """Measure the tubes that a model finds in a case, without those where nobody knows the truth.

    Parameters
    ----------
    case : TrainingCase
    labels : ndarray of int, shape (x, y, z)
        Harmonised labels of nuclei and ventricles, as found.
    probability : ndarray, shape (x, y, z)
        Of PVS; 0 where they were not looked for.
    threshold : float
        Probability from which on a voxel is PVS.

    Returns
    -------
    float
        mm3; NaN where it cannot be told, as without ventricles.
    """
    images = case.boxed()
    affine = images.own_grid.affine
    # Standardised images have values below 0; the lowest is background.
    given = {
        name: image - image.min()
        for name, image, there in zip(("t2w", "t1w"), images.own, case.present, strict=True)
        if there
    }
    nuclei = np.where(np.isin(labels, BG_LABELS), labels, 0)
    pvs = probability >= threshold
    pvs &= ~too_faint(pvs, next(iter(given.values())), labels, nuclei, affine)
    pvs &= case.own()[OWN_CHANNELS.index("confidence")] > SURE
    regions = measure(
        bgpvs=((nuclei > 0) | pvs).astype(np.uint8) + pvs,
        anatomy=with_tubes(labels, nuclei, pvs, affine),
        affine=affine,
        **given,
    ).regions
    whole = (regions["region"] == "BG") & (regions["side"] == "both")
    return float(regions.loc[whole, "pvs_volume_tube_mm3"].iloc[0])
