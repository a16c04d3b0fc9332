"""What tissues look like on T1w and T2w between 28 and 160 post-menstrual weeks.

The order of the tissues follows published descriptions of maturation. White matter is brighter
than grey on T2w (darker on T1w) at birth and for the first 4 to 6 months (Ballesteros et al.,
Radiographics 1993, doi 10.1148/radiographics.13.3.8316668); T1w matures before T2w, and the
posterior limb of the internal capsule around term, months before the anterior limb (Barkovich
et al., Radiology 1988, doi 10.1148/radiology.166.1.3336675). The amount of contrast is calibrated
on medians of three 3 T scans at about 2, 6 and 12 months (the sources of DBC-Lab's
Brain_MRI_Enhancement). Values before 2 and after 12 months are chosen to continue these trends.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

from bgpvs_wf.anatomy.labels import (
    ACCUMBENS_LABELS,
    CAUDATE_LABELS,
    PALLIDUM_LABELS,
    PUTAMEN_LABELS,
)
from bgpvs_wf.errors import AgeError, UsageError

MIN_AGE_WEEKS = 28.0
MAX_AGE_WEEKS = 160.0

_KNOT_WEEKS = (28.0, 34.0, 40.0, 48.7, 66.1, 79.1, 92.2, 144.4)
# Knots at 48.7, 66.1 and 92.2 weeks (2, 6, 12 months) are measured; T2w in units of CSF.
_T2W = {
    "wm": (0.86, 0.84, 0.81, 0.775, 0.680, 0.635, 0.600, 0.540),
    "internal_capsule": (0.81, 0.77, 0.70, 0.658, 0.573, 0.576, 0.575, 0.535),
    "cortex": (0.69, 0.69, 0.69, 0.690, 0.665, 0.658, 0.655, 0.655),
    "caudate": (0.75, 0.735, 0.72, 0.703, 0.667, 0.667, 0.665, 0.645),
    "putamen": (0.73, 0.71, 0.69, 0.672, 0.643, 0.643, 0.640, 0.615),
    "pallidum": (0.72, 0.70, 0.68, 0.665, 0.655, 0.648, 0.640, 0.585),
    "accumbens": (0.76, 0.75, 0.735, 0.718, 0.672, 0.672, 0.672, 0.660),
    "thalamus": (0.74, 0.72, 0.70, 0.685, 0.634, 0.634, 0.632, 0.610),
    "brainstem": (0.74, 0.71, 0.68, 0.660, 0.610, 0.595, 0.585, 0.550),
    "cerebellum": (0.73, 0.71, 0.69, 0.680, 0.650, 0.640, 0.635, 0.620),
}
# T1w in units that put the cortex at 0.70.
_T1W = {
    "wm": (0.57, 0.585, 0.60, 0.635, 0.745, 0.785, 0.805, 0.850),
    "internal_capsule": (0.60, 0.64, 0.72, 0.790, 0.855, 0.850, 0.835, 0.865),
    "cortex": (0.70, 0.70, 0.70, 0.700, 0.700, 0.700, 0.700, 0.700),
    "caudate": (0.69, 0.695, 0.70, 0.704, 0.700, 0.690, 0.682, 0.690),
    "putamen": (0.70, 0.71, 0.72, 0.728, 0.735, 0.725, 0.715, 0.725),
    "pallidum": (0.70, 0.73, 0.76, 0.785, 0.780, 0.765, 0.755, 0.775),
    "accumbens": (0.69, 0.70, 0.71, 0.716, 0.720, 0.710, 0.700, 0.700),
    "thalamus": (0.69, 0.705, 0.72, 0.725, 0.742, 0.735, 0.728, 0.750),
    "brainstem": (0.68, 0.71, 0.74, 0.770, 0.790, 0.800, 0.810, 0.840),
    "cerebellum": (0.67, 0.68, 0.69, 0.700, 0.720, 0.725, 0.730, 0.745),
}
_FLUID = {"T2w": 1.0, "T1w": 0.42}

_ASEG_TISSUE = {
    "wm": (2, 41, 77, 78, 79, 192, 251, 252, 253, 254, 255),
    "cortex": (3, 42, 17, 53, 18, 54),
    "ventricle": (4, 43, 5, 44, 14, 15, 72),
    "csf": (24, 31, 63),
    "caudate": CAUDATE_LABELS,
    "putamen": PUTAMEN_LABELS,
    "pallidum": PALLIDUM_LABELS,
    "accumbens": ACCUMBENS_LABELS,
    "thalamus": (9, 48, 10, 49),
    "brainstem": (16, 28, 60, 170),
    "cerebellum": (7, 46, 8, 47),
}
_CAPSULE_WIDTH_MM = 7.0  # chosen: the capsule is 3 to 6 mm wide in infants


def tissue_contrast(age_weeks: float, modality: str) -> dict[str, float]:
    """Return the relative signal of each tissue at an age.

    Parameters
    ----------
    age_weeks : float
        Post-menstrual age, weeks, 28 to 160; nothing changes after 144.4 (24 months).
    modality : str
        `T1w` or `T2w`.

    Returns
    -------
    dict of str to float
        T2w in units of CSF; T1w in units that put the cortex at 0.70. `internal_capsule` is the
        posterior limb; the anterior limb lies halfway between it and `wm` in the scans measured.

    Raises
    ------
    AgeError
        If the age is out of range.
    UsageError
        If the modality is neither.

    Examples
    --------
    >>> newborn, toddler = tissue_contrast(40, "T2w"), tissue_contrast(120, "T2w")
    >>> newborn["wm"] > newborn["cortex"], toddler["wm"] > toddler["cortex"]
    (True, False)
    """
    if modality not in _FLUID:
        raise UsageError(f"No contrast known for {modality!r}; choose T1w or T2w.")
    if not MIN_AGE_WEEKS <= age_weeks <= MAX_AGE_WEEKS:
        raise AgeError(
            f"Age {age_weeks:g} weeks is outside {MIN_AGE_WEEKS:g} to {MAX_AGE_WEEKS:g}"
            " post-menstrual weeks; tissue contrast is not known there."
        )
    curves = _T2W if modality == "T2w" else _T1W
    values = {
        name: float(PchipInterpolator(_KNOT_WEEKS, knots)(min(age_weeks, _KNOT_WEEKS[-1])))
        for name, knots in curves.items()
    }
    fluid = _FLUID[modality]
    return {"background": 0.0, "csf": fluid, "ventricle": fluid, "pvs": fluid, **values}


def synthesise_contrast(
    dseg: np.ndarray,
    age_weeks: float,
    modality: str,
    voxel_mm: float | tuple[float, float, float] = 1.0,
) -> np.ndarray:
    """Paint a label map with the tissue signals of an age.

    Makes an atlas that has labels only registrable by intensity. White matter in the gap between
    caudate or thalamus and the lentiform nucleus is painted as internal capsule.

    Parameters
    ----------
    dseg : ndarray of int, shape (x, y, z)
        FreeSurfer aseg indices.
    age_weeks : float
        Post-menstrual age, weeks.
    modality : str
        `T1w` or `T2w`.
    voxel_mm : float or tuple of 3 floats
        Voxel size, mm; it scales the width of the internal capsule.

    Returns
    -------
    ndarray of float32, shape (x, y, z)
        Zero where nothing, or nothing known, is labelled.

    Raises
    ------
    AgeError
        If the age is out of range.
    UsageError
        If the modality is unknown.

    Examples
    --------
    >>> synthesise_contrast(np.array([[[0, 24, 999]]]), 40, "T2w")
    array([[[0., 1., 0.]]], dtype=float32)
    """
    signal = tissue_contrast(age_weeks, modality)
    labels = np.asarray(dseg)
    image = np.zeros(labels.shape, np.float32)
    for tissue, indices in _ASEG_TISSUE.items():
        image[np.isin(labels, indices)] = signal[tissue]
    capsule = capsule_weight(labels, voxel_mm)
    image += capsule * np.float32(signal["internal_capsule"] - signal["wm"])
    return image


def capsule_weight(
    dseg: np.ndarray, voxel_mm: float | tuple[float, float, float] = 1.0
) -> np.ndarray:
    """Return how much each voxel is myelinated internal capsule, 0 to 1, float32.

    The capsule is the white matter in the gap between caudate or thalamus and the lentiform
    nucleus. Next to the thalamus (posterior limb) it counts fully, next to the caudate
    (anterior limb) half.
    """
    labels = np.asarray(dseg)
    weight = np.zeros(labels.shape, np.float32)
    lentiform = np.isin(labels, (*_ASEG_TISSUE["putamen"], *_ASEG_TISSUE["pallidum"]))
    white = np.isin(labels, _ASEG_TISSUE["wm"])
    if not (lentiform.any() and white.any()):
        return weight
    sampling = np.broadcast_to(np.asarray(voxel_mm, float), 3)
    lateral = ndimage.distance_transform_edt(~lentiform, sampling)
    for tissue, share in (("caudate", 0.5), ("thalamus", 1.0)):
        medial = np.isin(labels, _ASEG_TISSUE[tissue])
        if medial.any():
            gap = lateral + ndimage.distance_transform_edt(~medial, sampling)
            inside = share * np.clip((_CAPSULE_WIDTH_MM - gap) / 2 + 1, 0, 1)
            np.maximum(weight, np.where(white, inside, 0), out=weight)
    return weight
