"""From label maps to numbers: every nucleus, every perivascular space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bgpvs_wf.anatomy.labels import NUCLEI, VENTRICLE_LABELS
from bgpvs_wf.arrays import Affine, Floats, Image, Labels, Mask
from bgpvs_wf.config import BG_REGIONS, QuantifyConfig
from bgpvs_wf.errors import BadLabelsError
from bgpvs_wf.imaging.geometry import bounding_box, crop_affine, voxel_volume
from bgpvs_wf.quantification.brightness import fluid_brightness
from bgpvs_wf.quantification.instances import label_instances, rim_instances
from bgpvs_wf.quantification.objects import object_rows, object_table
from bgpvs_wf.quantification.occupancy import UNKNOWN, occupancy
from bgpvs_wf.quantification.parcels import parcellate
from bgpvs_wf.quantification.regions import region_table
from bgpvs_wf.quantification.scene import Scene

if TYPE_CHECKING:
    import pandas as pd

_MARGIN_MM = 6.0


@dataclass(frozen=True)
class Measurements:
    """What was measured in one subject and session."""

    regions: pd.DataFrame
    """A row per nucleus and side, per nucleus, per side, and for the BG; see `REGION_COLUMNS`."""
    objects: pd.DataFrame
    """A row per perivascular space; see `OBJECT_COLUMNS`."""
    instances: Labels
    """The number of the PVS in every voxel, int32, shape (x, y, z); 0 is none."""


def measure(
    *,
    bgpvs: Labels,
    anatomy: Labels,
    affine: Affine,
    t2w: Image | None = None,
    t1w: Image | None = None,
    probability: Floats | None = None,
    brightness: float | None = None,
    margin: float | None = None,
    config: QuantifyConfig | None = None,
    include_thalamus: bool = False,
    bg_region: str = "nuclei",
) -> Measurements:
    """Measure the basal ganglia and their perivascular spaces.

    All arrays have one shape (x, y, z) and lie on one grid, oblique and anisotropic as it may be.

    Parameters
    ----------
    bgpvs : ndarray of int
        0 rest, 1 BG, 2 BG-PVS. What is BG is decided here, `anatomy` only divides it.
    anatomy : ndarray of int
        Harmonised labels (`bgpvs_wf.anatomy.labels`).
    affine : ndarray, shape (4, 4)
        Voxel index to mm, RAS+.
    t2w, t1w : ndarray, optional
        Intensities; the T2w is used if there are both. Without any, and where the ventricles
        do not tell the signal of CSF, volumes of tubes and fluid are NaN, and lengths and
        diameters come from the voxels of the mask.
    probability : ndarray, optional
        PVS probability, for its mean over each PVS.
    brightness : float, optional
        How far the fluid in PVS goes from the signal of the nucleus to that of ventricles, where
        that is known. Default: as the images tell it (`bgpvs_wf.quantification.brightness`).
    margin : float, optional
        How far the volume of tubes may be off; see `bgpvs_wf.quantification.interval`.
    config : QuantifyConfig, optional
    include_thalamus : bool
        Count the thalamus as BG. If not, its rows are there all the same; PVS that have not
        been looked for in it (no voxel of `bgpvs`) are NaN.
    bg_region : str
        `nuclei` or `closed`; see `bgpvs_wf.quantification.parcels.parcellate`.

    Returns
    -------
    Measurements
        An empty nucleus has volume and count 0 and fraction NaN.

    Raises
    ------
    BadLabelsError
        If shapes differ, `bgpvs` has other labels, or there is BG but no nucleus.
    """
    config = config or QuantifyConfig()
    given = {"bgpvs": bgpvs, "anatomy": anatomy, "t2w": t2w, "t1w": t1w, "probability": probability}
    arrays: dict[str, NDArray[Any]] = {
        name: np.asarray(a) for name, a in given.items() if a is not None
    }
    _check(arrays, bg_region)
    wanted = (arrays["bgpvs"] > 0) | _is_in(arrays["anatomy"], (*NUCLEI, *VENTRICLE_LABELS))
    wanted[0, 0, 0] |= not wanted.any()
    box = bounding_box(wanted, affine, _MARGIN_MM)
    cut = {name: array[box] for name, array in arrays.items()}
    scene = _scene(cut, crop_affine(affine, box), config, bg_region, brightness)
    found = object_rows(scene)
    labels = {int(i) for i in np.unique(scene.anatomy)}
    regions = region_table(scene, found, labels, include_thalamus, bg_region, margin)
    instances = np.zeros(arrays["bgpvs"].shape, np.int32)
    instances[box] = scene.instances
    return Measurements(regions, object_table(found), instances)


def _scene(
    arrays: dict[str, NDArray[Any]],
    affine: Affine,
    config: QuantifyConfig,
    bg_region: str,
    brightness: float | None,
) -> Scene:
    parcels = parcellate(arrays["bgpvs"], arrays["anatomy"], affine, bg_region)
    pvs = arrays["bgpvs"] == 2
    # A PVS of exactly the least volume stays, whatever the rounding of the affine.
    least = config.min_volume_mm3 / voxel_volume(affine) - 1e-6
    instances = label_instances(pvs, least)
    image = arrays.get("t2w", arrays.get("t1w"))
    measured = UNKNOWN
    rim = rim_instances(instances, parcels != 0, pvs & (instances == 0))
    if image is not None:
        ventricles = np.isin(arrays["anatomy"], VENTRICLE_LABELS)
        measured = occupancy(image, affine, parcels=parcels, pvs=pvs, ventricles=ventricles)
    seen = fluid_brightness(measured.share, instances > 0, rim > 0)
    return Scene(
        affine=affine,
        anatomy=arrays["anatomy"],
        parcels=parcels,
        examined=arrays["bgpvs"] > 0,
        instances=instances,
        rim=rim,
        near_pvs=ndimage.binary_dilation(pvs, np.ones((3, 3, 3), bool)),
        occupancy=measured,
        brightness=seen if brightness is None else brightness,
        image=image,
        probability=arrays.get("probability"),
    )


def _check(arrays: dict[str, NDArray[Any]], bg_region: str) -> None:
    if bg_region not in BG_REGIONS:
        raise ValueError(f"bg_region is {bg_region!r}, not one of {BG_REGIONS}")
    shape = arrays["bgpvs"].shape
    for name, array in arrays.items():
        if array.shape != shape or len(shape) != 3:
            raise BadLabelsError(
                f"{name} has shape {array.shape}, the BG-PVS segmentation {shape}; "
                "bring both to one 3D grid."
            )
    strange = ~_is_in(arrays["bgpvs"], (0, 1, 2))
    if strange.any():
        unknown = np.unique(arrays["bgpvs"][strange]).tolist()
        raise BadLabelsError(
            f"The BG-PVS segmentation has labels {unknown}; it may have 0 rest, 1 BG, 2 BG-PVS."
        )
    if (arrays["bgpvs"] > 0).any() and not _is_in(arrays["anatomy"], tuple(NUCLEI)).any():
        raise BadLabelsError(
            "The anatomy has none of the nuclei that the BG-PVS segmentation is to be divided "
            "by; check that its labels were harmonised."
        )


def _is_in(array: Labels, values: tuple[int, ...]) -> Mask:
    """Return `numpy.isin`, without its copy of arrays in Fortran order, as NIfTI files give."""
    if array.flags.f_contiguous:
        return np.asarray(np.isin(array.T, values).T)
    return np.asarray(np.isin(array, values))
